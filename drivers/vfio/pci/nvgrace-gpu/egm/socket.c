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
#include "socket.h"

#include <linux/acpi.h>
#include <linux/auxiliary_bus.h>
#include <linux/cleanup.h>
#include <linux/device/faux.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/nvgrace-egm.h>
#include <linux/pci.h>
#include <linux/slab.h>

#include "properties.h"

/*
 * One entry per socket with at least one GPU. The lock covers the list, every
 * socket's GPUs, and the adding and deleting of auxiliary devices, so that for one
 * proximity domain there is never more than one. It is taken below the PCI
 * device's lock and above the auxiliary device's; nothing in nvgrace-egm may call
 * back into this file.
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
 * @gpus: the bound GPUs, as struct egm_gpu
 */
struct egm_socket {
	struct nvgrace_egm_info info;
	struct egm_properties props;
	struct faux_device *parent;
	struct auxiliary_device *adev;
	struct list_head node;
	struct list_head gpus;
};

struct egm_gpu {
	struct pci_dev *pdev;
	struct list_head node;
};

static struct egm_socket *egm_socket_create(const struct egm_properties *props)
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
	set_dev_node(&socket->parent->dev, pxm_to_node(props->pxm));

	socket->props = *props;
	socket->info.base = props->base;
	socket->info.size = props->size;
	socket->info.pxm = props->pxm;
	socket->adev = auxiliary_device_create(&socket->parent->dev,
					       NVGRACE_EGM_MODNAME,
					       NVGRACE_EGM_DEVNAME,
					       &socket->info, props->pxm);
	if (!socket->adev) {
		faux_device_destroy(socket->parent);
		return NULL;
	}

	INIT_LIST_HEAD(&socket->gpus);
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

/* The socket that @props belong to; they must be the first GPU's to the letter. */
static struct egm_socket *egm_socket_get_or_create(const struct egm_properties *props,
						   const char **why)
{
	struct egm_socket *socket;
	int ret;

	lockdep_assert_held(&egm_sockets_lock);

	list_for_each_entry(socket, &egm_sockets, node) {
		if (socket->props.pxm == props->pxm) {
			if (!memcmp(&socket->props, props, sizeof(*props)))
				return socket;
			*why = "another GPU of its socket named a different one (firmware fault)";
			return ERR_PTR(-EEXIST);
		}
	}

	ret = egm_properties_check(props, why);
	if (ret)
		return ERR_PTR(ret);

	list_for_each_entry(socket, &egm_sockets, node) {
		if (props->base < socket->props.base + socket->props.size &&
		    socket->props.base < props->base + props->size) {
			*why = "it overlaps the region of another socket (firmware fault)";
			return ERR_PTR(-EBUSY);
		}
	}

	socket = egm_socket_create(props);
	if (!socket) {
		*why = "its device could not be created, see the messages before";
		return ERR_PTR(-ENOMEM);
	}
	return socket;
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
	struct egm_properties props;
	struct egm_socket *socket;
	const char *why = NULL;
	struct egm_gpu *gpu;
	int ret;

	ret = egm_properties_read(&pdev->dev, &props);
	if (ret == -ENOENT)
		return;
	if (ret) {
		pci_warn(pdev, "no EGM: firmware gives only some of the nvidia,egm-* properties\n");
		return;
	}

	gpu = kzalloc_obj(*gpu);
	if (!gpu)
		return;
	gpu->pdev = pdev;

	guard(mutex)(&egm_sockets_lock);
	socket = egm_socket_get_or_create(&props, &why);
	if (IS_ERR(socket)) {
		pci_warn(pdev, "no EGM: region at %#llx, %#llx bytes, PXM %llu refused (%pe): %s\n",
			 props.base, props.size, props.pxm, socket, why);
		kfree(gpu);
		return;
	}
	list_add_tail(&gpu->node, &socket->gpus);
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
	struct egm_socket *socket;
	struct egm_gpu *gpu;

	guard(mutex)(&egm_sockets_lock);
	list_for_each_entry(socket, &egm_sockets, node) {
		list_for_each_entry(gpu, &socket->gpus, node) {
			if (gpu->pdev != pdev)
				continue;
			list_del(&gpu->node);
			kfree(gpu);
			if (list_empty(&socket->gpus))
				egm_socket_destroy(socket);
			return;
		}
	}
}
