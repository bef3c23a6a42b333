/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * nvgrace-egm: what its files share.
 *
 * Copyright (C) 2026 The nvgrace-egm authors
 */
#ifndef _NVGRACE_EGM_H
#define _NVGRACE_EGM_H

#include <linux/cdev.h>
#include <linux/device.h>
#include <linux/kconfig.h>
#include <linux/kref.h>
#include <linux/list.h>
#include <linux/math.h>
#include <linux/memory-failure.h>
#include <linux/mutex.h>
#include <linux/pid.h>
#include <linux/poll.h>
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
struct egm_owner_range;
struct egm_region;
struct egm_retired_page;
struct file;
struct file_operations;
struct inode;
struct iommufd_phys_user;
struct kernfs_node;
struct nvgrace_egm_info;
struct resource;
struct vm_area_desc;

/* retired.c */

/**
 * struct egm_retired - the pages of a region that memory must not be used for
 * @lock: guards all below; innermost
 * @ranges: as bytes from the region's start (from that of memory, for those of regions
 *	    that are no more); can overlap
 * @blocked: ranges that must not be mapped; read without @lock, so that a region without
 *	     one costs its users nothing
 * @generation: counts what was added
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
int egm_retired_report(struct egm_retired *retired, u64 offset, u64 len, bool block);

bool egm_retired_next_unmap(struct egm_retired *retired, u64 *offset, u64 *len);
void egm_retired_unblock(struct egm_retired *retired, u64 offset, u64 len);
void egm_retired_move(struct egm_retired *from, u64 offset, u64 len,
		      struct egm_retired *to, u64 to_offset);
u64 egm_retired_next_blocked(struct egm_retired *retired, u64 offset, u64 end);

u64 egm_retired_next(struct egm_retired *retired, u64 offset, u64 end, u64 *len);
size_t egm_retired_list(struct egm_retired *retired, struct egm_retired_page *pages,
			size_t max, unsigned long *generation);
u64 egm_retired_bytes(struct egm_retired *retired);
unsigned long egm_retired_generation(struct egm_retired *retired);

/* retired_table.c */

/* Firmware retires blocks of this size, whatever the kernel's page size is. */
#define EGM_RETIRED_TABLE_GRANULE	SZ_64K

enum {
	EGM_RETIRED_TABLE_MAX_ENTRIES = 4096,
};

size_t egm_retired_table_parse(u64 *entries, size_t count, u64 base, u64 size,
		       struct egm_retired_page *pages, size_t *dropped);
int egm_retired_table_read(struct egm_retired *retired, struct device *dev,
		   phys_addr_t table, phys_addr_t base, u64 size);

/* scrub.c */

/* The unit of ownership and zeroing: the size of a PMD entry with 4 KiB pages. */
#define EGM_BLOCK_SIZE	SZ_2M

enum {
	EGM_SCRUB_WORKERS_MAX = 32,
};


/**
 * struct egm_scrub_worker - one of the workers of a region
 * @work: runs until it finds no block to zero
 * @scrub: of the region
 */
struct egm_scrub_worker {
	struct work_struct work;
	struct egm_scrub *scrub;
};

/**
 * struct egm_scrub - the state of each block of a region
 * @base: SPA of the first block
 * @size: bytes of the region
 * @node: NUMA node whose CPUs run the workers, or NUMA_NO_NODE
 * @retired: pages that are not zeroed
 * @state: enum egm_scrub_state of each block
 * @cursor: block at which workers that zero ahead look next; a hint
 * @lock: guards @requests and @stopped; nothing sleeps under it
 * @requests: struct egm_scrub_request of each thread that waits for several blocks
 * @stopped: set once, by egm_scrub_stop()
 * @workers: serve @requests first, then zero ahead
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

static inline unsigned long egm_scrub_block_count(const struct egm_scrub *scrub)
{
	return DIV_ROUND_UP_ULL(scrub->size, EGM_BLOCK_SIZE);
}

int egm_scrub_module_init(void);
void egm_scrub_module_exit(void);

int egm_scrub_init(struct egm_scrub *scrub, struct egm_retired *retired,
		   phys_addr_t base, u64 size, int node);
void egm_scrub_destroy(struct egm_scrub *scrub);
void egm_scrub_ahead(struct egm_scrub *scrub);
void egm_scrub_stop(struct egm_scrub *scrub);
int egm_scrub_range(struct egm_scrub *scrub, u64 offset, u64 len);
bool egm_scrub_use_zero(struct egm_scrub *scrub, u64 offset, u64 len);
bool egm_scrub_mark_stale(struct egm_scrub *scrub, unsigned long first,
		     unsigned long count);
u64 egm_scrub_pending(struct egm_scrub *scrub);

/* handover.c */

void egm_handover_init(struct egm_retired *retired);
void egm_handover_exit(void);
void egm_handover_add(u64 spa, u64 len);

/* owner.c */

/**
 * struct egm_owner_map - who owns which blocks of a region
 * @tree: the owned ranges; two of different owners never overlap, two of one
 *	  owner neither overlap nor touch
 *
 * The caller serializes all functions below that take one.
 */
struct egm_owner_map {
	struct rb_root_cached tree;
};

/**
 * struct egm_opener - the process that opened a file, for messages
 * @comm: its name when it opened the file
 * @tgid: its number, in the first PID namespace
 */
struct egm_opener {
	char comm[TASK_COMM_LEN];
	pid_t tgid;
};

/**
 * struct egm_owner - an open file, which can own blocks
 * @ranges: its ranges
 * @opener: the process that opened it; constant
 */
struct egm_owner {
	struct list_head ranges;
	struct egm_opener opener;
};

void egm_owner_map_init(struct egm_owner_map *map);
void egm_owner_init(struct egm_owner *owner);
struct egm_owner_range *egm_owner_range_alloc(struct egm_owner *owner, unsigned long first,
				  unsigned long last);
int egm_owner_map_reserve(struct egm_owner_map *map, struct egm_owner_range *range);
bool egm_owner_map_owns(struct egm_owner_map *map, const struct egm_owner *owner,
		     unsigned long first, unsigned long last);
const struct egm_owner *egm_owner_map_find_other(struct egm_owner_map *map,
					 const struct egm_owner *owner,
					 unsigned long *first, unsigned long last);
bool egm_owner_map_overlaps(struct egm_owner_map *map, unsigned long first, unsigned long last);
bool egm_owner_first(struct egm_owner *owner, unsigned long *first, unsigned long *count);
void egm_owner_map_release_first(struct egm_owner_map *map, struct egm_owner *owner);

/* memory_failure.c */

/**
 * struct egm_memory_failure - a region's tie to the kernel's handling of bad memory
 * @space: what mm finds the region and its mappings by
 * @registered: @space is known to mm
 * @work: unmaps what was reported
 * @attribute: sysfs node of the list, or NULL
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
 * struct egm_region - an EGM region as long as anybody holds it
 * @ref: one for the bound driver, one for each open file
 * @base: SPA of the first byte
 * @size: bytes
 * @name: "egm<pxm>", of the device node and of the claim in /proc/iomem
 * @res: the busy, exclusive claim of the range; it ends with the last reference,
 *	   so that neither /dev/mem nor a later probe reaches memory that an old
 *	   file may still have mapped
 * @inode: owns the one address_space that every mapping of the region hangs in,
 *	   whichever device node it was opened by
 * @scrub: which blocks are zero
 * @retired: which pages must not be used
 * @memory_failure: how mm reports pages that go bad
 * @dma_lock: guards @dma_users
 * @dma_users: ranges that iommufd maps, as struct iommufd_phys_user
 * @wait: woken when a page was retired, and when @revoked is set
 * @srcu: a thread reads @revoked, and which pages are blocked, and installs page table
 *	  entries in one section; the section can sleep, for a page table
 * @lock: guards @owner_map, and stores to @revoked
 * @revoked: the driver was unbound; nothing may be mapped any more
 * @owner_map: which file owns which blocks
 *
 * Lock order, outermost first:
 *
 *	egm_sockets_lock (socket.c)
 *	device lock of the auxiliary device
 *	egm_chardev.lock, or all below but mf_mutex
 *
 *	egm_region.dma_lock
 *	the mutex of iommufd's pages, which nests with none of ours
 *
 *	mmap_lock, or the lock of a VMA
 *	egm_region.srcu (a section)
 *	egm_file.huge_lock
 *	egm_retired.lock, or the locks of page tables
 *
 *	egm_region.lock
 *	egm_retired.lock
 *
 *	egm_scrub.lock
 *
 *	mf_mutex and pfn_space_lock of mm
 *	egm_handover_lock, or all below
 *	i_mmap_rwsem of @inode
 *	egm_region.lock
 *	egm_retired.lock
 *
 * mmap_lock can be held around i_mmap_rwsem, as anywhere in mm. The groups never nest
 * in another way: open() takes no mmap_lock, and no path that holds a region's locks
 * touches the device. A thread that waits for zeroing holds no lock but mmap_lock or
 * a VMA's.
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

	struct mutex dma_lock;		/* guards dma_users */
	struct list_head dma_users;

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

struct egm_region *egm_region_create(struct device *dev,
				     const struct nvgrace_egm_info *info);
struct egm_region *egm_region_get(struct egm_region *region);
void egm_region_put(struct egm_region *region);
void egm_region_revoke(struct egm_region *region);

int egm_region_reserve(struct egm_region *region, struct egm_owner *owner,
			    u64 offset, u64 len);
void egm_region_release(struct egm_region *region,
			       struct egm_owner *owner);

int egm_region_add_dma(struct egm_region *region, struct iommufd_phys_user *user);
void egm_region_remove_dma(struct egm_region *region, struct iommufd_phys_user *user);

/**
 * egm_region_is_revoked - was the region revoked?
 * @region: the region
 *
 * A thread that installs entries must call this and install them in one section of
 * region->srcu, or call this in a section after it installed them.
 *
 * Context: any.
 * Return: true if so.
 */
static inline bool egm_region_is_revoked(struct egm_region *region)
{
	return READ_ONCE(region->revoked);
}

/* mapping.c */

enum {
	EGM_HUGE_LOCK_BITS = 4,
};

/**
 * struct egm_file - an open file of a region's device node
 * @region: holds a reference
 * @owner: the blocks that the file owns
 * @seen: generation of the list of retired pages that its user knows
 * @huge_lock: held to install entries, by hash of the PMD's address
 */
struct egm_file {
	struct egm_region *region;
	struct egm_owner owner;
	unsigned long seen;
	struct mutex huge_lock[1 << EGM_HUGE_LOCK_BITS];
};

int egm_mapping_bounds(u64 size, pgoff_t pgoff, u64 len, u64 *offset);
bool egm_mapping_fits_huge(unsigned long start, unsigned long end, u64 spa);
unsigned long egm_mapping_get_unmapped_area(struct file *file, unsigned long addr,
				    unsigned long len, unsigned long pgoff,
				    unsigned long flags);
int egm_mapping_reserve(struct egm_file *efile, pgoff_t pgoff, u64 len, u64 *offset);
int egm_mapping_prepare(struct vm_area_desc *desc);

/* iommufd.c */

#if IS_ENABLED(CONFIG_IOMMUFD)
void egm_iommufd_init(const struct file_operations *fops);
void egm_iommufd_exit(void);
#else
static inline void egm_iommufd_init(const struct file_operations *fops) { }
static inline void egm_iommufd_exit(void) { }
#endif

/* file.c */

extern const struct file_operations egm_file_fops;

/* sysfs.c */

extern const struct attribute_group *egm_sysfs_groups[];

int egm_sysfs_add_gpu(struct egm_chardev *chardev, struct device *gpu);
void egm_sysfs_remove_gpu(struct egm_chardev *chardev, struct device *gpu);
void egm_sysfs_remove_gpus(struct egm_chardev *chardev);

/* chardev.c */

/**
 * struct egm_chardev - the class device and character device of a region
 * @dev: named after the region; frees the structure when released
 * @cdev: holds a reference to @dev for as long as a file is open
 * @lock: guards @gpus, and @region against an open() in flight when the driver is
 *	  unbound
 * @region: NULL once the driver was unbound
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
