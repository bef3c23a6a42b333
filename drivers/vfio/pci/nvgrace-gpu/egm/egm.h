/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * nvgrace-egm: the structures and functions that its files share, from the lowest file up.
 *
 * Copyright (C) 2026 The nvgrace-egm authors
 */
#ifndef _NVGRACE_EGM_H
#define _NVGRACE_EGM_H

#include <linux/cdev.h>
#include <linux/cleanup.h>
#include <linux/device.h>
#include <linux/err.h>
#include <linux/kconfig.h>
#include <linux/kref.h>
#include <linux/list.h>
#include <linux/memory-failure.h>
#include <linux/mutex.h>
#include <linux/pid.h>
#include <linux/printk.h>
#include <linux/rbtree.h>
#include <linux/sched.h>
#include <linux/sizes.h>
#include <linux/spinlock.h>
#include <linux/srcu.h>
#include <linux/types.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

struct attribute_group;
struct egm_chardev;
struct egm_file;
struct egm_owner_range;
struct egm_region;
struct egm_retired_page;
struct file;
struct file_operations;
struct inode;
struct kernfs_node;
struct nvgrace_egm_info;
struct resource;
struct vm_area_desc;

/* The unit of ownership and zeroing: the size of a PMD entry with 4 KiB pages. */
#define EGM_BLOCK_SIZE	SZ_2M

/* retired.c */

/**
 * struct egm_retired - the list of retired pages of a region
 * @lock: guards the other members; innermost
 * @ranges: byte offsets into the region, or SPAs in egm_memory_failure_known; can overlap
 * @blocked: number of ranges that must not be mapped; read without @lock, so that a fault
 *	     in a region without a blocked page takes no lock
 * @generation: incremented when a range is added, or blocked
 */
struct egm_retired {
	spinlock_t lock;	/* guards all below */
	struct rb_root_cached ranges;
	unsigned long blocked;
	unsigned long generation;
};

void egm_retired_init(struct egm_retired *retired);
void egm_retired_destroy(struct egm_retired *retired);
int egm_retired_add(struct egm_retired *retired, u64 offset, u64 len);
u64 egm_retired_next(struct egm_retired *retired, u64 offset, u64 end, u64 *len);
size_t egm_retired_list(struct egm_retired *retired, struct egm_retired_page *pages,
			size_t max, unsigned long *generation);
u64 egm_retired_bytes(struct egm_retired *retired);
unsigned long egm_retired_generation(struct egm_retired *retired);

int egm_retired_report(struct egm_retired *retired, u64 offset, u64 len, bool block);
bool egm_retired_next_unmap(struct egm_retired *retired, u64 *offset, u64 *len);
void egm_retired_unblock(struct egm_retired *retired, u64 offset, u64 len);
u64 egm_retired_next_blocked(struct egm_retired *retired, u64 offset, u64 end);
void egm_retired_move(struct egm_retired *from, u64 offset, u64 len,
		      struct egm_retired *to, u64 to_offset);

/* retired_table.c */

/* Firmware retires blocks of 64 KiB, independent of the kernel's page size. */
#define EGM_RETIRED_TABLE_GRANULE	SZ_64K

enum {
	EGM_RETIRED_TABLE_MAX_ENTRIES = 4096,
};

size_t egm_retired_table_parse(u64 *entries, size_t count, u64 base, u64 size,
			       struct egm_retired_page *pages, size_t *dropped);
int egm_retired_table_read(struct egm_retired *retired, struct device *dev,
			   phys_addr_t table, phys_addr_t base, u64 size);

/* scrub.c */

enum {
	EGM_SCRUB_WORKERS_MAX = 32,
};

enum egm_scrub_state {
	EGM_SCRUB_STALE,	/* content of an earlier owner, or of firmware */
	EGM_SCRUB_BUSY,		/* a thread zeroes the block */
	EGM_SCRUB_ZERO,		/* zero, not mapped */
	EGM_SCRUB_USED,		/* the owner can map the block, or has mapped it */
};

struct egm_scrub;

/**
 * struct egm_scrub_worker - a worker that zeroes blocks of a region
 * @work: runs until it finds no block to zero
 * @scrub: states of the region's blocks
 */
struct egm_scrub_worker {
	struct work_struct work;
	struct egm_scrub *scrub;
};

/**
 * struct egm_scrub - the states of a region's blocks
 * @base: SPA of the first block
 * @size: bytes of the region
 * @node: NUMA node whose CPUs run the workers, or NUMA_NO_NODE
 * @retired: retired pages, which are not zeroed
 * @state: enum egm_scrub_state of each block
 * @cursor: block at which workers that zero ahead of need look next; a hint
 * @lock: guards @requests and @stopped; held by no thread that sleeps
 * @requests: struct egm_scrub_request of each thread that waits for several blocks
 * @stopped: set once, by egm_scrub_stop()
 * @workers: serve @requests first, then zero ahead of need
 */
struct egm_scrub {
	phys_addr_t base;
	u64 size;
	int node;
	struct egm_retired *retired;
	u8 *state;
	unsigned long cursor;

	spinlock_t lock;	/* guards the two below */
	struct list_head requests;
	bool stopped;

	struct egm_scrub_worker workers[EGM_SCRUB_WORKERS_MAX];
};

int egm_scrub_module_init(void);
void egm_scrub_module_exit(void);
int egm_scrub_init(struct egm_scrub *scrub, struct egm_retired *retired,
		   phys_addr_t base, u64 size, int node);
void egm_scrub_destroy(struct egm_scrub *scrub);
void egm_scrub_ahead(struct egm_scrub *scrub);
void egm_scrub_stop(struct egm_scrub *scrub);
int egm_scrub_range(struct egm_scrub *scrub, u64 offset, u64 len);
bool egm_scrub_use_zero(struct egm_scrub *scrub, u64 offset, u64 len);
bool egm_scrub_mark_stale(struct egm_scrub *scrub, unsigned long first, unsigned long count);
u64 egm_scrub_pending(struct egm_scrub *scrub);

/* owner.c */

/**
 * struct egm_owner_map - the owner of each reserved block of a region
 * @tree: reserved ranges. Ranges of different owners never overlap; ranges of one owner
 *	  neither overlap nor touch
 *
 * The caller of each function that has a map as argument serializes the calls.
 */
struct egm_owner_map {
	struct rb_root_cached tree;
};

/**
 * struct egm_opener - the process that opened a file, for messages
 * @comm: its name when it opened the file
 * @tgid: its number in the initial PID namespace
 */
struct egm_opener {
	char comm[TASK_COMM_LEN];
	pid_t tgid;
};

/**
 * struct egm_owner - an open file, which can reserve blocks
 * @ranges: its ranges
 * @opener: the process that opened the file; constant
 */
struct egm_owner {
	struct list_head ranges;
	struct egm_opener opener;
};

void egm_owner_init(struct egm_owner *owner);
bool egm_owner_first(struct egm_owner *owner, unsigned long *first, unsigned long *count);
struct egm_owner_range *egm_owner_range_alloc(struct egm_owner *owner, unsigned long first,
					      unsigned long last);

void egm_owner_map_init(struct egm_owner_map *map);
int egm_owner_map_reserve(struct egm_owner_map *map, struct egm_owner_range *range);
bool egm_owner_map_owns(struct egm_owner_map *map, const struct egm_owner *owner,
			unsigned long first, unsigned long last);
const struct egm_owner *egm_owner_map_find_other(struct egm_owner_map *map,
						 const struct egm_owner *owner,
						 unsigned long *first, unsigned long last);
const struct egm_owner *egm_owner_map_next(struct egm_owner_map *map, unsigned long *first,
					   unsigned long *count);
void egm_owner_map_release_first(struct egm_owner_map *map, struct egm_owner *owner);
bool egm_owner_map_overlaps(struct egm_owner_map *map, unsigned long first, unsigned long last);

/* handover.c */

/**
 * DOC: Lock of the list for a kexec
 *
 * No lock nests in it::
 *
 *	mf_mutex and pfn_space_lock of mm
 *	  egm_handover_lock
 */

void egm_handover_init(struct egm_retired *retired);
void egm_handover_exit(void);
void egm_handover_add(u64 spa, u64 len);

/* memory_failure.c */

/**
 * struct egm_memory_failure - a region's registration with mm's memory_failure()
 * @space: the range, and the address_space that holds its mappings
 * @registered: @space is registered
 * @work: zaps the pages that were reported
 * @attribute: sysfs node of the list of retired pages, or NULL
 */
struct egm_memory_failure {
	struct pfn_address_space space;
	bool registered;
	struct work_struct work;
	struct kernfs_node *attribute;
};

void egm_memory_failure_module_init(void);
void egm_memory_failure_module_exit(void);
void egm_memory_failure_forget(void);
void egm_memory_failure_init(struct egm_region *region);
int egm_memory_failure_register(struct egm_region *region);
void egm_memory_failure_set_attribute(struct egm_region *region, struct kernfs_node *attribute);
void egm_memory_failure_exit(struct egm_region *region);

/* region.c */

/**
 * DOC: Lock order
 *
 * Outermost first. An indented lock nests in the lock above it::
 *
 *	device lock of a GPU, or the lock of its VFIO device set
 *	  egm_sockets_lock		sockets and their auxiliary devices: egm_socket.c
 *	    device lock of the auxiliary device
 *	      egm_chardev.lock		the region of a node, and its links to GPUs
 *
 *	mmap_lock, or the lock of a VMA
 *	  egm_region.srcu		a section: check revoked and blocked, install entries
 *	    egm_file.huge_lock		a huge entry or pages in one PMD
 *	      locks of page tables
 *	      egm_retired.lock		a spinlock
 *
 *	egm_region.lock			a spinlock
 *	  egm_retired.lock
 *
 *	egm_scrub.lock			a spinlock
 *
 *	mf_mutex and pfn_space_lock of mm
 *	  i_mmap_rwsem of the region
 *	    egm_region.lock
 *	      egm_retired.lock
 *
 * The device lock of the auxiliary device nests each lock of the groups below but mf_mutex:
 * probe registers the region with mm, and remove revokes the region. egm_chardev.lock nests
 * spinlocks and allocations only. mmap_lock can be held around i_mmap_rwsem, as elsewhere
 * in mm. The groups nest in no other way: open() takes no mmap_lock, and no path that holds
 * mmap_lock or a lock of the region takes a device lock. A thread that waits for zeroing
 * holds at most mmap_lock or the lock of a VMA.
 */

/**
 * struct egm_region - an EGM region, from probe until its last file is released
 * @ref: one reference of the bound driver, one of each open file
 * @base: SPA of the first byte
 * @size: bytes
 * @name: "egm<pxm>", the name of the device node and of @res
 * @res: the claim of the range, busy and exclusive. The last reference releases it, so that
 *	 neither /dev/mem nor a later probe reaches memory that an old file maps
 * @inode: its address_space holds each mapping of the region, of every device node
 * @scrub: the states of the blocks
 * @retired: the list of retired pages
 * @memory_failure: the registration with mm's memory_failure()
 * @wait: woken when a page is retired, and when @revoked is set
 * @srcu: a thread checks @revoked and blocked pages, and installs entries, in one section,
 *	  which can sleep in the allocation of a page table
 * @lock: guards @owner_map, and stores to @revoked
 * @revoked: the driver was unbound; no thread may map the memory
 * @owner_map: the file that has reserved each block
 */
struct egm_region {
	struct kref ref;
	phys_addr_t base;
	u64 size;
	char name[16];
	struct resource *res;
	struct inode *inode;
	struct egm_scrub scrub;
	struct egm_retired retired;
	struct egm_memory_failure memory_failure;
	wait_queue_head_t wait;

	struct srcu_struct srcu;
	spinlock_t lock;		/* guards the two below */
	bool revoked;
	struct egm_owner_map owner_map;
};

/* Tell the administrator about a request of the current process. */
#define egm_region_info(region, fmt, ...)						\
	pr_info_ratelimited("%s: %s[%d]: " fmt, (region)->name, current->comm,	\
			    task_pid_nr(current), ##__VA_ARGS__)

int egm_region_init(void);
void egm_region_exit(void);
bool egm_region_forbid(void);
void egm_region_allow(void);

struct egm_region *egm_region_create(struct device *dev, const struct nvgrace_egm_info *info);
struct egm_region *egm_region_get(struct egm_region *region);
void egm_region_revoke(struct egm_region *region);
void egm_region_put(struct egm_region *region);
DEFINE_FREE(egm_region_put, struct egm_region *,
	    IS_ERR_OR_NULL(_T) ? (void)0 : egm_region_put(_T))

int egm_region_reserve(struct egm_region *region, struct egm_owner *owner, u64 offset, u64 len);
void egm_region_release(struct egm_region *region, struct egm_owner *owner);
bool egm_region_next_owned(struct egm_region *region, const struct egm_owner *owner,
			   u64 *offset, u64 *len, struct egm_opener *opener);

/**
 * egm_region_is_revoked - was the region revoked?
 * @region: the region
 *
 * A thread that installs entries must call this and install the entries in one section of
 * region->srcu, or call this in a section after it installed them.
 *
 * Context: any.
 * Return: true after egm_region_revoke() has begun.
 */
static inline bool egm_region_is_revoked(struct egm_region *region)
{
	return READ_ONCE(region->revoked);
}

/* mapping.c */

int egm_mapping_bounds(u64 size, pgoff_t pgoff, u64 len, u64 *offset);
bool egm_mapping_fits_huge(unsigned long start, unsigned long end, u64 spa);
unsigned long egm_mapping_get_unmapped_area(struct file *file, unsigned long addr,
					    unsigned long len, unsigned long pgoff,
					    unsigned long flags);
int egm_mapping_reserve(struct egm_file *efile, pgoff_t pgoff, u64 len, u64 *offset);
int egm_mapping_prepare(struct vm_area_desc *desc);

/* iommufd.c */

/**
 * DOC: Locks of DMA mappings
 *
 * They nest in the device lock of the auxiliary device, and nest in no other way::
 *
 *	egm_region.dma_lock		ranges that iommufd maps
 *	  mutex of iommufd's pages	of a lock class of its own
 */

#if IS_ENABLED(CONFIG_IOMMUFD)
void egm_iommufd_init(const struct file_operations *fops);
void egm_iommufd_exit(void);
void egm_iommufd_revoke(struct egm_region *region);
#else
static inline void egm_iommufd_init(const struct file_operations *fops) { }
static inline void egm_iommufd_exit(void) { }
static inline void egm_iommufd_revoke(struct egm_region *region) { }
#endif

/* file.c */

#define EGM_HUGE_LOCK_BITS	4

/**
 * struct egm_file - an open file of a region's device node
 * @region: the region; the file holds a reference
 * @owner: the blocks that the file has reserved
 * @seen: generation of the list of retired pages that the file's user has read
 * @huge_lock: held to install entries; chosen by a hash of the PMD's address
 */
struct egm_file {
	struct egm_region *region;
	struct egm_owner owner;
	unsigned long seen;
	struct mutex huge_lock[1 << EGM_HUGE_LOCK_BITS];
};

extern const struct file_operations egm_file_fops;

/* sysfs.c */

extern const struct attribute_group *egm_sysfs_groups[];

int egm_sysfs_add_gpu(struct egm_chardev *chardev, struct device *gpu);
void egm_sysfs_remove_gpu(struct egm_chardev *chardev, struct device *gpu);
void egm_sysfs_remove_gpus(struct egm_chardev *chardev);

/* chardev.c */

/**
 * struct egm_chardev - the class device and character device of a region
 * @dev: named after the region; its release frees the structure
 * @cdev: holds a reference to @dev while a file is open
 * @lock: guards @gpus, and @region against an open() during unbind
 * @region: NULL after unbind
 * @gpus: the socket's GPUs that sysfs shows, as struct egm_sysfs_gpu
 */
struct egm_chardev {
	struct device dev;
	struct cdev cdev;
	struct mutex lock;	/* guards the two below */
	struct egm_region *region;
	struct list_head gpus;
};

int egm_chardev_init(void);
void egm_chardev_exit(void);
struct egm_chardev *egm_chardev_create(struct device *parent,
				       struct egm_region *region,
				       const struct nvgrace_egm_info *info);
void egm_chardev_destroy(struct egm_chardev *chardev);
void egm_chardev_add_gpu(struct egm_chardev *chardev, struct device *gpu);
void egm_chardev_remove_gpu(struct egm_chardev *chardev, struct device *gpu);

/* hibernate.c */

int egm_hibernate_init(void);
void egm_hibernate_exit(void);

#endif /* _NVGRACE_EGM_H */
