/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The protocol of reservation, zeroing, fault, release, removal and poison, for spin: one block
 * of one page, two files that map it for the CPU and for devices, a worker, a removal,
 * a page that goes bad.
 *
 * The model has the names of the driver. A step of the model is an atomic step of the driver.
 * Assertions in the model say:
 *
 *   owner	the CPU and devices touch memory only through the file that owns it
 *   clean	a file reads zeroes, or its own data
 *   quiet	no thread zeroes a block that the CPU or a device maps
 *   revoked	after egm_region_revoke() no entry maps the block. An mmap that fills its
 *		page tables is an exception until it has zapped them, and so is type1,
 *		which has no revocation and holds the file
 *   blocked	after the poison worker no entry maps the page while its owner lives,
 *		with the exception of such an mmap
 *   whole	a page is blocked only for the owner under which it went bad
 *
 * spin itself searches for deadlocks, which finds lost wake-ups. scripts/tests/model removes
 * each safeguard (-DWITHOUT_...) and expects a violation. Memory is sequentially consistent
 * here; the litmus tests in this folder check the barriers.
 */

#define FILES	2
#define NO_FILE	0
#define BEFORE	3		/* the owner of the memory before this kernel booted */

byte owner = NO_FILE;		/* egm_owner_map, of the block */
bool revoked, stopped;		/* egm_region.revoked, egm_scrub.stopped */
mtype = { STALE, BUSY, ZERO, USED };
mtype state = STALE;		/* egm_scrub, of the block */
bool blocked, listed;		/* egm_retired, of the page */
bool unmap;			/* reported, and not yet zapped */
byte mem = BEFORE;		/* the last writer of the page, 0 for zero */

/* By file, from 1. */
bool vma[FILES + 1];		/* can be found through the region's address_space */
bool pte[FILES + 1];
bool filling[FILES + 1];	/* from remap_pfn_range() to the end of vm_ops->mapped */

/* DMA mappings, by file; only file 1 has any, in its first round, to limit the states. */
bool iommufd[FILES + 1];	/* iommufd maps the block in a domain */
bool tracked[FILES + 1];	/* in egm_region.dma_users, and not revoked */
bool type1[FILES + 1];		/* a vfio_dma maps the block */

bool revoke_done, poisoned;	/* egm_region_revoke() and egm_memory_failure_work() are done */
byte users = FILES;

bool dma_lock;			/* egm_region.dma_lock */

/* egm_region.srcu: files in a read-side section, and files that a grace period waits for */
bool section[FILES + 1];
#define REVOKE	0
#define POISON	(FILES + 1)
bool before[2 * (FILES + 1)];

inline srcu_read_lock(me)
{
	section[me] = true
}

inline srcu_read_unlock(me)
{
	atomic { section[me] = false; before[REVOKE + me] = false; before[POISON + me] = false }
}

inline synchronize_srcu(who)
{
#ifndef WITHOUT_SYNCHRONIZE
	atomic { before[who + 1] = section[1]; before[who + 2] = section[2] };
	!before[who + 1] && !before[who + 2]
#else
	skip
#endif
}

/* unmap_mapping_range(): VMA after VMA, each under its page table lock. */
inline zap()
{
	if
	:: vma[1] -> pte[1] = false
	:: else
	fi;
	if
	:: vma[2] -> pte[2] = false
	:: else
	fi
}

/* egm_scrub_block(), by the thread that took the block; a page on the list is left as it is. */
inline scrub_block()
{
	if
	:: blocked || listed
	:: else ->
		atomic {
			assert(!pte[1] && !pte[2]);	/* quiet */
			assert(!iommufd[1] && !iommufd[2] && !type1[1] && !type1[2]);
			mem = 0
		}
	fi;
	state = ZERO
}

/* egm_scrub_range(): ok says whether the block is in state USED. */
inline scrub_range(ok)
{
	do
	:: state == USED -> ok = true; break
	:: state == ZERO ->
#ifndef WITHOUT_USED
		/* A step of its own after the test: only the owner's threads change ZERO to USED. */
		state = USED;
#endif
		ok = true; break
	:: atomic { (state == STALE || state == BUSY) && stopped -> ok = false; break }
#ifdef WITHOUT_BUSY
	:: atomic { (state == STALE || state == BUSY) && !stopped -> state = BUSY }; scrub_block()
#else
	:: atomic { state == STALE && !stopped -> state = BUSY }; scrub_block()
#endif
	od
}

/* A load and a store by user space; without an entry, egm_mapping_huge_fault(). */
inline touch(me, ok)
{
	if
	:: atomic { pte[me] ->
		assert(owner == me);				/* owner */
		assert(mem == 0 || mem == me || blocked || listed); /* clean */
		mem = me }
	:: !pte[me] ->
#ifdef WITHOUT_SCRUB
		ok = true;
#else
		scrub_range(ok);
#endif
		if
		:: ok ->
			srcu_read_lock(me);
			if
			:: !revoked && !blocked -> pte[me] = true
			:: else
			fi;
			srcu_read_unlock(me)
		:: else
		fi
	fi
}

/* egm_region_reserve(), under egm_region.lock as release. */
inline reserve(me, ok)
{
	atomic {
#ifdef WITHOUT_OWNER
		ok = !revoked;
#else
		ok = !revoked && (owner == NO_FILE || owner == me);
#endif
#ifndef WITHOUT_OWNER
		assert(!ok || owner == me || !blocked);	/* whole */
#endif
		owner = (ok -> me : owner)
	}
}

/* egm_mapping_prepare(), the core's part, egm_mapping_mapped(). */
inline map(me, ok)
{
	reserve(me, ok);
	if
	:: ok ->
		if
		/* On demand. */
		:: vma[me] = true
		/* In mmap, if the block is zero: egm_scrub_use_zero(). */
		:: !blocked && (state == ZERO || state == USED) ->
			state = USED;
			atomic { vma[me] = true; filling[me] = true };
			pte[me] = true
		fi;
#ifndef WITHOUT_MAPPED
		srcu_read_lock(me);
		ok = !revoked;
		if
		:: !ok -> atomic { pte[me] = false; vma[me] = false }
		:: ok && blocked -> pte[me] = false
		:: else
		fi;
		srcu_read_unlock(me);
#endif
		filling[me] = false
	:: else
	fi
}

/* egm_iommufd_attach(), egm_iommufd_add(), then iommufd fills the domain. */
inline map_iommufd(me, ok)
{
#ifdef WITHOUT_DMA_OWNER
	ok = !revoked;
#else
	reserve(me, ok);
#endif
#ifndef WITHOUT_DMA_SCRUB
	if
	:: ok && !blocked -> scrub_range(ok)
	:: else -> ok = false
	fi;
#endif
	if
	:: ok && !blocked ->
		atomic { !dma_lock -> dma_lock = true };
#ifndef WITHOUT_DMA_CHECK
		ok = !revoked;
#endif
		tracked[me] = ok;
		dma_lock = false;
		/* Under the mutex of iommufd's pages, as revocation. */
		iommufd[me] = tracked[me]
	:: else
	fi;
	ok = false
}

/* egm_iommufd_detach(), after iommufd unmapped the range. */
inline unmap_iommufd(me)
{
	iommufd[me] = false;
	atomic { !dma_lock -> tracked[me] = false }
}

/* A device reads and writes the block through the IOMMU. */
inline touch_dma(me)
{
	atomic {
		assert(owner == me);				/* owner */
		assert(mem == 0 || mem == me || blocked || listed); /* clean */
		mem = me
	}
}

/* egm_scrub_mark_stale() */
inline mark_stale()
{
#ifndef WITHOUT_STALE
	state = (state == USED -> STALE : state)
#else
	skip
#endif
}

/* egm_region_release() */
inline release(me)
{
#ifdef WITHOUT_STALE_FIRST
	owner = (owner == me -> NO_FILE : owner);
	atomic { mark_stale() }
#else
	atomic {
		if
		:: owner == me ->
			owner = NO_FILE;
			listed = listed || blocked;
			blocked = false;
			unmap = false;
			mark_stale()
		:: else
		fi
	}
#endif
}

proctype file(byte me)
{
	bool ok;
	byte round;

	do
	:: round == 2 -> break
	:: round < 2 ->
		round++;
		if
		:: map(me, ok);
			if
			:: ok ->
				do
				:: touch(me, ok)
				:: break
				od;
				/* type1 reads the entry and holds the file. */
				if
				:: atomic { me == 1 && round == 1 && pte[me] -> type1[me] = true }
				:: true
				fi;
				atomic { pte[me] = false; vma[me] = false }
			:: else
			fi
		:: me == 1 && round == 1 -> map_iommufd(me, ok)
		fi;
#ifdef WITHOUT_IOMMUFD_FILE
		if
		:: iommufd[me] -> release(me)
		:: else
		fi;
#endif
#ifdef WITHOUT_TYPE1_FILE
		if
		:: type1[me] -> release(me)
		:: else
		fi;
#endif
		/* The CPU mapping is unmapped; a DMA mapping still holds the file. */
		do
		:: atomic { iommufd[me] || type1[me] -> touch_dma(me) }
		:: break
		od;
		if
		:: tracked[me] -> unmap_iommufd(me)
		:: else
		fi;
		atomic { iommufd[me] = false; type1[me] = false };
		/* Keep the blocks, or become another file. */
		if
		:: true
		:: release(me)
		fi
	od;
	release(me);
	users--
}

proctype worker()
{
	do
	:: atomic { state == STALE && !stopped -> state = BUSY }; scrub_block()
	:: stopped || users == 0 -> break
	od
}

/* egm_region_revoke() */
proctype remove()
{
#ifndef WITHOUT_MARK
	revoked = true;
#endif
	stopped = true;
	synchronize_srcu(REVOKE);
#ifndef WITHOUT_ZAP
	zap();
#endif
#ifndef WITHOUT_DMA_REVOKE
	/* egm_iommufd_revoke() */
	atomic { !dma_lock -> dma_lock = true };
	atomic { tracked[1] = false; iommufd[1] = false };
	dma_lock = false;
#endif
	revoke_done = true
}

/* mm's callback, then egm_memory_failure_work(). */
proctype poison()
{
	if
	:: atomic {
#ifdef WITHOUT_OWNER_CHECK
			blocked = true;
			unmap = true
#else
			if
			:: owner != NO_FILE -> blocked = true; unmap = true
			:: else -> listed = true
			fi
#endif
		};
		if
		:: atomic { unmap -> unmap = false };
			synchronize_srcu(POISON);
#ifndef WITHOUT_ZAP
			zap();
#endif
			poisoned = true
		/* The release of its owner listed it. */
		:: !unmap
		fi
	:: users == 0
	fi
}

/* The monitor can run after every step of the other processes, and so checks each state. */
proctype monitor()
{
end:	do
	:: atomic { revoke_done && ((pte[1] && !filling[1]) || (pte[2] && !filling[2])) ->
		assert(false) }
	:: atomic { revoke_done && (iommufd[1] || iommufd[2]) -> assert(false) }
	:: atomic { poisoned && blocked &&
		    ((pte[1] && !filling[1]) || (pte[2] && !filling[2])) ->
		assert(false) }
	od
}

init {
	atomic {
		run file(1);
		run file(2);
		run worker();
		run monitor();
		if
		:: run remove()
		:: true
		fi;
		if
		:: run poison()
		:: true
		fi
	}
}
