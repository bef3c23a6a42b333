/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The protocol of claim, zeroing, fault, release, removal and poison, for spin: one block
 * of one page, two files that map it for the CPU and for devices, a worker, a removal,
 * a page that goes bad.
 *
 * Names are those of the driver; each step is what the driver does at once, and no more.
 * What is to hold is asserted where it matters:
 *
 *   owner	memory is touched through its owner's file alone, by the CPU and by
 *		devices
 *   clean	what a file finds is zero, or its own
 *   quiet	nobody zeroes what somebody has mapped, devices included
 *   revoked	after egm_region_revoke() nothing is mapped, but for an mmap in the
 *		middle of filling, which ends with nothing mapped, and but for type1,
 *		which has no revocation and holds the file
 *   blocked	after the poison worker nothing maps the page while its owner lives,
 *		but for such an mmap
 *
 * and spin's own search for states in which nobody can go on finds lost wake-ups.
 * Without one of the safeguards (-DWITHOUT_...) one of them must fail: scripts/tests/model.
 */

#define FILES	2
#define NOBODY	0
#define BEFORE	3		/* whoever had the memory before the kernel was booted */

byte owner = NOBODY;		/* egm_owners, of the block */
bool gone, stopped;		/* egm_region.gone, egm_scrub.stopped */
bool zeroed, used, busy;	/* egm_scrub, of the block */
bool reported, blocked, listed;	/* egm_retired, of the page */
byte mem = BEFORE;		/* who wrote the page last, 0 for zero */

/* By file, from 1. */
bool vma[FILES + 1];		/* can be found through the region's address_space */
bool pte[FILES + 1];
bool filling[FILES + 1];	/* from remap_pfn_range() to the end of vm_ops->mapped */

/* DMA mappings, by file; only file 1 has any, in its first round, to limit the states. */
bool iommufd[FILES + 1];	/* iommufd maps the block in a domain */
bool tracked[FILES + 1];	/* in egm_region.dma_users, and not revoked */
bool type1[FILES + 1];		/* a vfio_dma maps the block */

bool revoked, poisoned;		/* egm_region_revoke() and egm_poison_work() are done */
byte users = FILES;

/* egm_region.lock */
byte readers;
bool writer;

bool dma_lock;			/* egm_region.dma_lock */

inline down_read()
{
	atomic { !writer -> readers++ }
}

inline up_read()
{
	readers--
}

inline down_write()
{
	atomic { !writer && readers == 0 -> writer = true }
}

inline up_write()
{
	writer = false
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

/* egm_scrub_block(), by whoever set busy; what is on the list is left as it is. */
inline scrub_block()
{
	if
	:: reported || blocked || listed
	:: else ->
		atomic {
			assert(!pte[1] && !pte[2]);	/* quiet */
			assert(!iommufd[1] && !iommufd[2] && !type1[1] && !type1[2]);
			mem = 0
		}
	fi;
	atomic { busy = false; zeroed = true }
}

/* egm_scrub_range(): ok says whether the block is zero now and marked as used. */
inline scrub_range(ok)
{
	do
	:: atomic { zeroed ->
#ifndef WITHOUT_USED
		used = true;
#endif
		ok = true; break }
	:: atomic { !zeroed && stopped -> ok = false; break }
#ifdef WITHOUT_BUSY
	:: atomic { !zeroed && !stopped -> busy = true }; scrub_block()
#else
	:: atomic { !zeroed && !stopped && !busy -> busy = true }; scrub_block()
#endif
	od
}

/* A load and a store by user space; without an entry, egm_huge_fault(). */
inline touch(me, ok)
{
	if
	:: atomic { pte[me] ->
		assert(owner == me);				/* owner */
		assert(mem == 0 || mem == me || reported || blocked || listed); /* clean */
		mem = me }
	:: !pte[me] ->
#ifdef WITHOUT_SCRUB
		ok = true;
#else
		scrub_range(ok);
#endif
		if
		:: ok ->
#ifdef WITHOUT_LOCK
			if
			:: !gone && !blocked -> pte[me] = true
			:: else
			fi
#else
			down_read();
			if
			:: !gone && !blocked -> pte[me] = true
			:: else
			fi;
			up_read()
#endif
		:: else
		fi
	fi
}

/* egm_mmap_prepare(), the core's part, egm_mapped(). */
inline map(me, ok)
{
	down_write();
#ifdef WITHOUT_OWNER
	ok = !gone;
	owner = (ok -> me : owner);
#else
	ok = !gone && (owner == NOBODY || owner == me);
	owner = (ok -> me : owner);
#endif
	up_write();
	if
	:: ok ->
		if
		/* On demand. */
		:: vma[me] = true
		/* At once: nothing that is blocked may be mapped even for a moment. */
		:: !blocked ->
			scrub_range(ok);
			if
			:: ok ->
				atomic { vma[me] = true; filling[me] = true };
				pte[me] = true
			:: else
			fi
		fi
	:: else
	fi;
	if
	:: ok ->
#ifndef WITHOUT_MAPPED
		down_read();
		ok = !gone;
		up_read();
		if
		:: !ok -> atomic { pte[me] = false; vma[me] = false }
		:: ok && blocked -> pte[me] = false
		:: else
		fi;
#endif
		filling[me] = false
	:: else
	fi
}

/* egm_iommufd_attach(), egm_region_add_dma(), then iommufd fills the domain. */
inline map_iommufd(me, ok)
{
#ifdef WITHOUT_DMA_OWNER
	ok = !gone;
#else
	down_write();
	ok = !gone && (owner == NOBODY || owner == me);
	owner = (ok -> me : owner);
	up_write();
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
#ifndef WITHOUT_DMA_GONE
		down_read();
		ok = !gone;
		up_read();
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
		assert(mem == 0 || mem == me || reported || blocked || listed); /* clean */
		mem = me
	}
}

/* egm_region_release_blocks() */
inline release(me)
{
#ifdef WITHOUT_DIRTY_FIRST
	down_write();
	owner = (owner == me -> NOBODY : owner);
	up_write();
	atomic { zeroed = zeroed && !used; used = false };
#else
	down_write();
	if
	:: owner == me ->
		owner = NOBODY;
		atomic {
			listed = listed || reported || blocked;
			reported = false;
			blocked = false
		};
#ifndef WITHOUT_DIRTY
		atomic { zeroed = zeroed && !used; used = false }
#endif
	:: else
	fi;
	up_write()
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
		/* Keep the blocks, or be another file from now on. */
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
	:: atomic { !zeroed && !busy && !stopped -> busy = true }; scrub_block()
	:: stopped || users == 0 -> break
	od
}

/* egm_region_revoke() */
proctype remove()
{
#ifdef WITHOUT_GONE
	skip;
#else
	down_write();
	gone = true;
	up_write();
#endif
	stopped = true;
#ifndef WITHOUT_ZAP
	zap();
#endif
#ifndef WITHOUT_DMA_REVOKE
	/* egm_region_revoke_dma() */
	atomic { !dma_lock -> dma_lock = true };
	atomic { tracked[1] = false; iommufd[1] = false };
	dma_lock = false;
#endif
	revoked = true
}

/* mm's callback, then egm_poison_work(). */
proctype poison()
{
	if
	:: atomic { vma[1] || vma[2] -> reported = true };
		down_write();
		/* Unless its owner is gone by now. */
		if
		:: reported -> atomic { reported = false; blocked = true }
		:: else
		fi;
		up_write();
#ifndef WITHOUT_ZAP
		zap();
#endif
		poisoned = true
	:: users == 0
	fi
}

/* Looks at any time, as every state of the others has it among its successors. */
proctype monitor()
{
end:	do
	:: atomic { revoked && ((pte[1] && !filling[1]) || (pte[2] && !filling[2])) ->
		assert(false) }
	:: atomic { revoked && (iommufd[1] || iommufd[2]) -> assert(false) }
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
