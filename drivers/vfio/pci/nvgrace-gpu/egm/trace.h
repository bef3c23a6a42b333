/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Trace events of nvgrace-egm: each has a range of system physical addresses.
 *
 * Copyright (C) 2026 The nvgrace-egm authors
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM nvgrace_egm

#if !defined(_NVGRACE_EGM_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define _NVGRACE_EGM_TRACE_H

#include <linux/tracepoint.h>
#include <linux/types.h>

DECLARE_EVENT_CLASS(egm_range,
		    TP_PROTO(phys_addr_t spa, u64 len),
		    TP_ARGS(spa, len),
		    TP_STRUCT__entry(__field(u64, spa)
				     __field(u64, len)),
		    TP_fast_assign(__entry->spa = spa;
				   __entry->len = len;),
		    TP_printk("[mem %#010llx-%#010llx]", __entry->spa,
			      __entry->spa + __entry->len - 1)
);

/* A file reserved the blocks of the range; it can have reserved some of them before. */
DEFINE_EVENT(egm_range, egm_reserve, TP_PROTO(phys_addr_t spa, u64 len), TP_ARGS(spa, len));

/* The last reference to a file was dropped; the range is free. */
DEFINE_EVENT(egm_range, egm_release, TP_PROTO(phys_addr_t spa, u64 len), TP_ARGS(spa, len));

/* The current thread zeroed the range. */
DEFINE_EVENT(egm_range, egm_zero, TP_PROTO(phys_addr_t spa, u64 len), TP_ARGS(spa, len));

/* The driver was unbound: no process maps the region any more. DMA mappings are next. */
DEFINE_EVENT(egm_range, egm_revoke, TP_PROTO(phys_addr_t spa, u64 len), TP_ARGS(spa, len));

/* mm reported a poisoned page; a page can be reported more than once. */
DEFINE_EVENT(egm_range, egm_poison, TP_PROTO(phys_addr_t spa, u64 len), TP_ARGS(spa, len));

#endif /* _NVGRACE_EGM_TRACE_H */

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
