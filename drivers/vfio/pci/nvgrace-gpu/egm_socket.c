// SPDX-License-Identifier: GPL-2.0-only
/*
 * Grace sockets: one auxiliary device for the EGM region that several GPUs share.
 *
 * The region belongs to the socket, not to a GPU, and a socket's GPUs come and go
 * in any order. So the auxiliary device exists from the first GPU bound to the
 * last one unbound, and its parent is a device of this module's own: a child may
 * not sit below a GPU that can be unbound while its sibling lives.
 *
 * Copyright (C) 2026 The nvgrace-egm authors
 */
#include "egm.h"

#include <linux/acpi.h>
#include <linux/auxiliary_bus.h>
#include <linux/cleanup.h>
#include <linux/device/faux.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/nvgrace-egm.h>
#include <linux/pci.h>
#include <linux/slab.h>
#include <linux/string.h>

/*
 * One entry per socket with at least one GPU. The lock covers the list, every
 * socket's GPUs, and the adding and deleting of auxiliary devices, so that for one
 * proximity domain there is never more than one. It is taken below the PCI
 * device's lock, or vfio's lock of a device set, and above the auxiliary device's;
 * nothing in nvgrace-egm may call back into this file.
 */
static DEFINE_MUTEX(egm_sockets_lock);
static LIST_HEAD(egm_sockets);

/**
 * struct egm_socket - a Grace socket with at least one bound GPU
 * @info: its region, for the driver of @adev
 * @props: what the first GPU's firmware node said
 * @parent: the auxiliary device's parent
 * @adev: the region's device. The driver core's own helper makes it, so that no
 *	  late release runs in this module, which may be gone by then
 * @node: in egm_sockets
 */
struct egm_socket {
	struct nvgrace_egm_info info;
	struct egm_fw_props props;
	struct faux_device *parent;
	struct auxiliary_device *adev;
	struct list_head node;
};

/*
 * The first GPU is in the list before the device is there: a region always has a
 * GPU, also in the uevent that announces it.
 */
static struct egm_socket *egm_socket_create(const struct egm_fw_props *props,
					    struct nvgrace_egm_gpu *gpu)
{
	char name[32];

	struct egm_socket *socket __free(kfree) = kzalloc_obj(*socket);
	if (!socket)
		return NULL;

	snprintf(name, sizeof(name), "nvgrace_egm.%llu", props->pxm);
	socket->parent = faux_device_create(name, NULL, NULL);
	if (!socket->parent)
		return NULL;
	/* The auxiliary device takes its NUMA node from its parent. */
	if (IS_ENABLED(CONFIG_ACPI_NUMA))
		set_dev_node(&socket->parent->dev, pxm_to_node(props->pxm));

	socket->props = *props;
	socket->info.base = props->base;
	socket->info.size = props->size;
	socket->info.retired_table_pa = props->retired_table_pa;
	socket->info.pxm = props->pxm;
	INIT_LIST_HEAD(&socket->info.gpus);
	list_add(&gpu->node, &socket->info.gpus);
	socket->adev = auxiliary_device_create(&socket->parent->dev,
					       NVGRACE_EGM_MODNAME,
					       NVGRACE_EGM_DEVNAME,
					       &socket->info, props->pxm);
	if (!socket->adev) {
		faux_device_destroy(socket->parent);
		return NULL;
	}

	list_add_tail(&socket->node, &egm_sockets);
	return no_free_ptr(socket);
}

static void egm_socket_destroy(struct egm_socket *socket)
{
	list_del(&socket->node);
	auxiliary_device_destroy(socket->adev);
	faux_device_destroy(socket->parent);
	kfree(socket);
}

/* Tell the region's driver, if there is one, of a GPU that comes or goes. */
static void egm_socket_add_gpu(struct egm_socket *socket,
			       struct nvgrace_egm_gpu *gpu)
{
	struct device *dev = &socket->adev->dev;

	guard(device)(dev);
	list_add_tail(&gpu->node, &socket->info.gpus);
	if (dev->driver)
		to_nvgrace_egm_driver(dev->driver)->gpu_bound(socket->adev, gpu->dev);
}

static void egm_socket_remove_gpu(struct egm_socket *socket,
				  struct nvgrace_egm_gpu *gpu)
{
	struct device *dev = &socket->adev->dev;

	guard(device)(dev);
	if (dev->driver)
		to_nvgrace_egm_driver(dev->driver)->gpu_unbound(socket->adev, gpu->dev);
	list_del(&gpu->node);
}

/* Of all GPUs that are there, bound or not: who binds first must not matter. */
static int egm_socket_check_gpus(const struct egm_fw_props *props)
{
	struct pci_dev *pdev = NULL;

	for_each_pci_dev(pdev) {
		int ret = egm_fw_check_gpu(props, &pdev->dev);

		if (ret) {
			pci_warn(pdev, FW_BUG "the memory of this GPU overlaps the EGM region of PXM %llu\n",
				 props->pxm);
			pci_dev_put(pdev);
			return ret;
		}
	}
	return 0;
}

/*
 * Count @gpu in at the socket that @props belong to, and make that if there is
 * none. All GPUs of a socket must have the same properties, to the letter.
 */
static int egm_socket_join(const struct egm_fw_props *props,
			   struct nvgrace_egm_gpu *gpu, const char **why)
{
	struct egm_socket *socket;
	int ret;

	lockdep_assert_held(&egm_sockets_lock);

	list_for_each_entry(socket, &egm_sockets, node) {
		if (socket->props.pxm != props->pxm)
			continue;
		if (memcmp(&socket->props, props, sizeof(*props))) {
			*why = "another GPU of its socket named a different one (firmware fault)";
			return -EEXIST;
		}
		/* It may have come after the socket's first GPU. */
		ret = egm_fw_check_gpu(props, gpu->dev);
		if (ret) {
			*why = "it overlaps the memory of this GPU (firmware fault)";
			return ret;
		}
		egm_socket_add_gpu(socket, gpu);
		return 0;
	}

	ret = egm_fw_check(props, why);
	if (ret)
		return ret;

	ret = egm_socket_check_gpus(props);
	if (ret) {
		*why = "it overlaps the memory of a GPU (firmware fault)";
		return ret;
	}

	list_for_each_entry(socket, &egm_sockets, node) {
		if (props->base < socket->props.base + socket->props.size &&
		    socket->props.base < props->base + props->size) {
			*why = "it overlaps the region of another socket (firmware fault)";
			return -EBUSY;
		}
	}

	if (!egm_socket_create(props, gpu)) {
		*why = "its device could not be created, unbind and bind the GPU to try again";
		return -ENOMEM;
	}
	return 0;
}

/**
 * nvgrace_egm_gpu_bound - count a GPU in, with its socket's EGM region
 * @pdev: the GPU, registered with vfio
 *
 * The first GPU of a socket makes the region's auxiliary device. Trouble is
 * logged and never fails the caller: the GPU is assignable without EGM.
 *
 * Context: may sleep, under the device lock of @pdev.
 */
void nvgrace_egm_gpu_bound(struct pci_dev *pdev)
{
	struct egm_fw_props props;
	const char *why = NULL;
	int ret;

	ret = egm_fw_read(&pdev->dev, &props);
	if (ret == -ENOENT)
		return;
	if (ret) {
		pci_warn(pdev, "no EGM: firmware gives only some of the nvidia,egm-* properties\n");
		return;
	}

	struct nvgrace_egm_gpu *gpu __free(kfree) = kzalloc_obj(*gpu);
	if (!gpu) {
		pci_warn(pdev, "no EGM: out of memory, unbind and bind the GPU to try again\n");
		return;
	}
	gpu->dev = &pdev->dev;

	guard(mutex)(&egm_sockets_lock);
	ret = egm_socket_join(&props, gpu, &why);
	if (ret) {
		pci_warn(pdev, "no EGM: region at %#llx, %#llx bytes, PXM %llu refused (%pe): %s\n",
			 props.base, props.size, props.pxm, ERR_PTR(ret), why);
		return;
	}
	retain_and_null_ptr(gpu);
}

/* The entry of a GPU that counts, and its socket. */
static struct nvgrace_egm_gpu *egm_socket_find_gpu(struct pci_dev *pdev,
						   struct egm_socket **found)
{
	struct nvgrace_egm_gpu *gpu;
	struct egm_socket *socket;

	lockdep_assert_held(&egm_sockets_lock);

	list_for_each_entry(socket, &egm_sockets, node) {
		list_for_each_entry(gpu, &socket->info.gpus, node) {
			if (gpu->dev == &pdev->dev) {
				*found = socket;
				return gpu;
			}
		}
	}
	return NULL;
}

/**
 * nvgrace_egm_gpu_unbound - count a GPU out
 * @pdev: a GPU, unregistered from vfio
 *
 * The last GPU of a socket takes the auxiliary device with it. Does nothing for a
 * GPU that nvgrace_egm_gpu_bound() could not place.
 *
 * Context: may sleep, under the device lock of @pdev.
 */
void nvgrace_egm_gpu_unbound(struct pci_dev *pdev)
{
	struct nvgrace_egm_gpu *gpu;
	struct egm_socket *socket;

	guard(mutex)(&egm_sockets_lock);
	gpu = egm_socket_find_gpu(pdev, &socket);
	if (!gpu)
		return;

	if (list_is_singular(&socket->info.gpus))
		egm_socket_destroy(socket);
	else
		egm_socket_remove_gpu(socket, gpu);
	kfree(gpu);
}
