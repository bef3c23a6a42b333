// SPDX-License-Identifier: GPL-2.0-only
/*
 * Insertions into nvgrace-gpu: add a GPU to its socket at the end of a successful probe,
 * and remove it after it was unregistered from VFIO.
 */

/* [nvgrace-gpu include] */
#include "egm.h"

/* [nvgrace-gpu bound] */
	nvgrace_egm_gpu_bound(pdev);

/* [nvgrace-gpu unbound] */
	nvgrace_egm_gpu_unbound(pdev);
