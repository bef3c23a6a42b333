// SPDX-License-Identifier: GPL-2.0-only
//
// Give vfio devices their EGM region. It is there before user space can ask for it, and
// is let go of after all that can reach it. Both kinds of device have one.

@includes@
@@
  #include "egm/socket.h"
+ #include "egm/vfio_region.h"

@opened@
identifier open =~ "^nvgrace_gpu_(core_)?open_device$";
expression E;
@@
  open(...)
  {
  ...
+ nvgrace_egm_open_device(E);
  vfio_pci_core_finish_enable(E);
  ...
  }

@closed@
@@
- vfio_pci_core_close_device
+ nvgrace_egm_close_device
