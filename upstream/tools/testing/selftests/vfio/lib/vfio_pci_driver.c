// SPDX-License-Identifier: GPL-2.0-only
/* Insertions into the library of the VFIO selftests: a driver for edu. */

/* [vfio selftests edu ops] */
extern struct vfio_pci_driver_ops edu_ops;

/* [vfio selftests edu driver] */
	&edu_ops,
