// SPDX-License-Identifier: GPL-2.0-only
/*
 * Attributes and GPU links of the class device: Documentation/ABI/testing/sysfs-class-egm.
 *
 * Copyright (C) 2026 The nvgrace-egm authors
 */
#include "egm.h"

#include <linux/cleanup.h>
#include <linux/device.h>
#include <linux/egm.h>
#include <linux/list.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/sysfs.h>

/* A link to a GPU, with a reference to the GPU. */
struct egm_sysfs_gpu {
	struct device *dev;
	struct list_head node;
};

static struct egm_chardev *egm_sysfs_chardev(struct device *dev)
{
	return container_of(dev, struct egm_chardev, dev);
}

/* The driver core removes the attributes before egm_chardev_destroy() drops the region. */
static ssize_t egm_size_show(struct device *dev, struct device_attribute *attr,
			     char *buf)
{
	return sysfs_emit(buf, "0x%llx\n", egm_sysfs_chardev(dev)->region->size);
}
static DEVICE_ATTR_RO(egm_size);

static ssize_t gpu_devices_show(struct device *dev, struct device_attribute *attr,
				char *buf)
{
	struct egm_chardev *chardev = egm_sysfs_chardev(dev);
	struct egm_sysfs_gpu *gpu;
	int len = 0;

	guard(mutex)(&chardev->lock);
	list_for_each_entry(gpu, &chardev->gpus, node)
		len += sysfs_emit_at(buf, len, "%s\n", dev_name(gpu->dev));
	return len;
}
static DEVICE_ATTR_RO(gpu_devices);

static ssize_t numa_node_show(struct device *dev, struct device_attribute *attr,
			      char *buf)
{
	return sysfs_emit(buf, "%d\n", dev_to_node(dev));
}
static DEVICE_ATTR_RO(numa_node);

static ssize_t scrub_pending_show(struct device *dev,
				  struct device_attribute *attr, char *buf)
{
	struct egm_region *region = egm_sysfs_chardev(dev)->region;

	return sysfs_emit(buf, "%llu\n", egm_scrub_pending(&region->scrub));
}
static DEVICE_ATTR_RO(scrub_pending);

static ssize_t retired_bytes_show(struct device *dev,
				  struct device_attribute *attr, char *buf)
{
	struct egm_region *region = egm_sysfs_chardev(dev)->region;

	return sysfs_emit(buf, "%llu\n", egm_retired_bytes(&region->retired));
}
static DEVICE_ATTR_RO(retired_bytes);

/* A page of text holds only the first ranges of a long list. The ioctl returns all of them. */
static ssize_t retired_pages_show(struct device *dev, struct device_attribute *attr,
				  char *buf)
{
	const size_t max = PAGE_SIZE / sizeof("0x1 0x1000"), line = sizeof("0x 0x\n...\n") + 2 * 16;
	struct egm_region *region = egm_sysfs_chardev(dev)->region;
	size_t count, i;
	int len = 0;

	struct egm_retired_page *pages __free(kvfree) = kvmalloc_array(max, sizeof(*pages),
								       GFP_KERNEL);
	if (!pages)
		return -ENOMEM;

	count = egm_retired_list(&region->retired, pages, max, NULL);
	for (i = 0; i < count && i < max && len + line <= PAGE_SIZE; i++)
		len += sysfs_emit_at(buf, len, "%#llx %#llx\n", pages[i].offset, pages[i].size);
	if (i < count)
		len += sysfs_emit_at(buf, len, "...\n");
	return len;
}
static DEVICE_ATTR_RO(retired_pages);

/* For the administrator alone: names of processes. A page of text holds the first ranges. */
static ssize_t owners_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	/* A line with numbers of any size and a name of escaped bytes, and the last line. */
	const size_t line = 2 * sizeof("0x0123456789abcdef") + sizeof("2147483647") +
			    4 * TASK_COMM_LEN + sizeof("...");
	struct egm_region *region = egm_sysfs_chardev(dev)->region;
	struct egm_opener opener;
	u64 offset, size;
	int len = 0;

	for (offset = 0; egm_region_next_owned(region, NULL, &offset, &size, &opener);
	     offset += size) {
		if (len + line > PAGE_SIZE)
			return len + sysfs_emit_at(buf, len, "...\n");
		/* A process can put any byte in its name. */
		len += sysfs_emit_at(buf, len, "%#llx %#llx %d %*pE\n", offset, size, opener.tgid,
				     (int)strnlen(opener.comm, sizeof(opener.comm)), opener.comm);
	}
	return len;
}
static DEVICE_ATTR_ADMIN_RO(owners);

static struct attribute *egm_sysfs_attrs[] = {
	&dev_attr_egm_size.attr,
	&dev_attr_gpu_devices.attr,
	&dev_attr_numa_node.attr,
	&dev_attr_owners.attr,
	&dev_attr_retired_bytes.attr,
	&dev_attr_retired_pages.attr,
	&dev_attr_scrub_pending.attr,
	NULL
};

static const struct attribute_group egm_sysfs_group = {
	.attrs = egm_sysfs_attrs,
};

const struct attribute_group *egm_sysfs_groups[] = {
	&egm_sysfs_group,
	NULL
};

static void egm_sysfs_drop_gpu(struct egm_chardev *chardev,
			       struct egm_sysfs_gpu *gpu)
{
	lockdep_assert_held(&chardev->lock);

	list_del(&gpu->node);
	sysfs_remove_link(&chardev->dev.kobj, dev_name(gpu->dev));
	put_device(gpu->dev);
	kfree(gpu);
}

/**
 * egm_sysfs_add_gpu - list a GPU of the region's socket, and link to the GPU
 * @chardev: a device that was added
 * @gpu: the GPU's PCI device
 *
 * Context: may sleep; takes the chardev's lock.
 * Return: 0 or a negative errno. On failure the GPU is neither listed nor linked.
 */
int egm_sysfs_add_gpu(struct egm_chardev *chardev, struct device *gpu)
{
	int ret;

	struct egm_sysfs_gpu *entry __free(kfree) = kzalloc_obj(*entry);
	if (!entry)
		return -ENOMEM;

	guard(mutex)(&chardev->lock);
	ret = sysfs_create_link(&chardev->dev.kobj, &gpu->kobj, dev_name(gpu));
	if (ret)
		return ret;

	entry->dev = get_device(gpu);
	list_add_tail(&no_free_ptr(entry)->node, &chardev->gpus);
	return 0;
}

/**
 * egm_sysfs_remove_gpu - undo egm_sysfs_add_gpu()
 * @chardev: the device
 * @gpu: the GPU's PCI device; can be absent from the list
 *
 * Context: may sleep; takes the chardev's lock.
 */
void egm_sysfs_remove_gpu(struct egm_chardev *chardev, struct device *gpu)
{
	struct egm_sysfs_gpu *entry;

	guard(mutex)(&chardev->lock);
	list_for_each_entry(entry, &chardev->gpus, node) {
		if (entry->dev == gpu) {
			egm_sysfs_drop_gpu(chardev, entry);
			return;
		}
	}
}

/**
 * egm_sysfs_remove_gpus - remove all GPUs from the list, and their links
 * @chardev: a device that is about to be deleted
 *
 * Context: may sleep; takes the chardev's lock.
 */
void egm_sysfs_remove_gpus(struct egm_chardev *chardev)
{
	struct egm_sysfs_gpu *entry, *next;

	guard(mutex)(&chardev->lock);
	list_for_each_entry_safe(entry, next, &chardev->gpus, node)
		egm_sysfs_drop_gpu(chardev, entry);
}
