// SPDX-License-Identifier: GPL-2.0-only
//
// Tie an EGM region's life to the GPUs of its socket: a GPU counts from the end
// of a successful probe until it has been unregistered from vfio. EGM comes last
// and goes last in time but never fails a probe, so there is nothing to unwind.

@includes@
@@
  #include <linux/memory-failure.h>
+ #include "egm/socket.h"

@bound@
identifier probe =~ "^nvgrace_gpu_probe$";
identifier pdev, ret, label;
expression E;
@@
  probe(struct pci_dev *pdev, ...)
  {
  ...
  ret = vfio_pci_core_register_device(E);
  if (ret)
    goto label;
+ nvgrace_egm_gpu_bound(pdev);
  ...
  }

@unbound@
identifier remove =~ "^nvgrace_gpu_remove$";
identifier pdev;
expression E;
@@
  remove(struct pci_dev *pdev)
  {
  ...
  vfio_pci_core_unregister_device(E);
+ nvgrace_egm_gpu_unbound(pdev);
  ...
  }
