// SPDX-License-Identifier: GPL-2.0-only
/*
 * Insertions into nvgrace-gpu: a GPU counts at its socket from the end of a successful
 * probe until it has been unregistered from vfio.
 */

/* [nvgrace-gpu include] */
#include "egm.h"

/* [nvgrace-gpu bound] */
	nvgrace_egm_gpu_bound(pdev);

/* [nvgrace-gpu unbound] */
	nvgrace_egm_gpu_unbound(pdev);
