// SPDX-License-Identifier: GPL-2.0-only
/*
 * Grace sockets: one auxiliary device for the EGM region that the GPUs of a socket share.
 *
 * The region belongs to the socket, and the socket's GPUs are bound and unbound in any order.
 * The auxiliary device exists from the first bind to the last unbind. Its parent is a faux
 * device of this module, because a child device must not sit below a GPU that can be unbound
 * while another GPU of the socket stays bound.
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
 * Guards the list of sockets, the GPUs of each socket, and the creation and removal of
 * auxiliary devices, so that a proximity domain never has two. Nests in the device lock of
 * the GPU, or the lock of its VFIO device set. The device lock of the auxiliary device nests
 * in this lock, so nvgrace-egm must not call this file.
 */
static DEFINE_MUTEX(egm_sockets_lock);
static LIST_HEAD(egm_sockets);

/**
 * struct egm_socket - a Grace socket with at least one bound GPU
 * @info: description of the region, platform data of @adev
 * @props: properties of the first GPU
 * @parent: parent of @adev
 * @adev: the auxiliary device of the region. The driver core allocates and releases the
 *	  device, because its last reference can be dropped after this module was unloaded
 * @node: entry in egm_sockets
 */
struct egm_socket {
	struct nvgrace_egm_info info;
	struct egm_fw_props props;
	struct faux_device *parent;
	struct auxiliary_device *adev;
	struct list_head node;
};

/*
 * The list has the first GPU before the device is added, so that the uevent that announces
 * the region finds a GPU.
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
	/* The auxiliary device inherits the NUMA node of its parent. */
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

/* Add a GPU to its socket, and tell the region's driver if one is bound. */
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

/* Check all GPUs, bound or not: the result must not depend on the order of binds. */
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
 * Add @gpu to its socket, and create the socket for the first GPU. All GPUs of a socket must
 * have equal properties.
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
			*why = FW_BUG "another GPU of its socket describes a different region";
			return -EEXIST;
		}
		/* The GPU can have been plugged in after the check of the socket's first GPU. */
		ret = egm_fw_check_gpu(props, gpu->dev);
		if (ret) {
			*why = FW_BUG "the range overlaps the memory of this GPU";
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
		*why = FW_BUG "the range overlaps the memory of a GPU";
		return ret;
	}

	list_for_each_entry(socket, &egm_sockets, node) {
		if (props->base < socket->props.base + socket->props.size &&
		    socket->props.base < props->base + props->size) {
			*why = FW_BUG "the range overlaps the region of another socket";
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
 * nvgrace_egm_gpu_bound - add a GPU to its socket
 * @pdev: the GPU, which is registered with VFIO
 *
 * The first GPU of a socket creates the auxiliary device of the region. An error is logged
 * and does not fail the caller, because a GPU can be assigned without EGM.
 *
 * Context: may sleep; called under the device lock of @pdev.
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
		pci_warn(pdev, FW_BUG "no EGM: only some of the nvidia,egm-* properties are valid\n");
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
		pci_warn(pdev, "no EGM: region [mem %#010llx-%#010llx] of PXM %llu refused (%pe): %s\n",
			 props.base, props.base + props.size - 1, props.pxm, ERR_PTR(ret), why);
		return;
	}
	retain_and_null_ptr(gpu);
}

/* Find the list entry of a GPU, and its socket. A refused GPU has no entry. */
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
 * nvgrace_egm_gpu_unbound - remove a GPU from its socket
 * @pdev: the GPU, which was unregistered from VFIO
 *
 * The last GPU of a socket removes the auxiliary device. The function does nothing for a GPU
 * that nvgrace_egm_gpu_bound() did not add.
 *
 * Context: may sleep; called under the device lock of @pdev.
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
