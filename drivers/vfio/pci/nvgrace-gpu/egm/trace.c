// SPDX-License-Identifier: GPL-2.0-only
/*
 * The trace events themselves.
 *
 * Copyright (C) 2026 The nvgrace-egm authors
 */
#define CREATE_TRACE_POINTS
#include "trace.h"
