# SPDX-License-Identifier: GPL-2.0-only
"""Measurements of scripts/bench: the samples, the tables, and the targets."""

import json
import statistics

WHOLE_GIB = 447
POSTED_GIB = 4

KINDS = ("on-demand", "remap", "hugetlb", "thp", "posted", "dax", "memset")
WHATS = (("open", "open"), ("mmap", "mmap"), ("first_touch", "first touch"),
         ("mmap_zeroed", "mmap, region zeroed before"),
         ("first_touch_zeroed", "first touch, region zeroed before"),
         ("second_touch", "second touch"), ("random_read", "200,000 random reads"),
         ("munmap", "munmap"), ("close", "close"), ("page_table", "page tables"),
         ("huge", "of it in huge pages"), ("memset", "memset"))

DMA_KINDS = (("dma-file", "EGM, iommufd"), ("dma-type1", "EGM, type1"),
             ("dma-hugetlb", "hugetlb, iommufd"))
DMA_GIB = (1, 16)

SHARED = (("wait-alone", "map", "512 MiB mapped for DMA, which zeroes them"),
          ("wait-closes", "map", "the same, others open and close"),
          ("wait-two", "map", "the same, by two threads at once, the slower one"),
          ("wait-alone", "touch", "first touch of 512 MiB, which zeroes them"),
          ("wait-closes", "touch", "the same, others open and close"),
          ("stall-alone", "fault_max", "longest fault in 3 s"),
          ("stall-pages", "fault_max", "the same beside a preempted process, pages"),
          ("stall-huge", "fault_max", "the same beside a preempted process, huge entries"),
          ("stall-memcg", "fault_max", "the same beside a process at its memory limit"),
          ("stall-alone", "mmap_max", "longest mmap in 3 s"),
          ("stall-pages", "mmap_max", "the same beside a preempted process, pages"),
          ("stall-huge", "mmap_max", "the same beside a preempted process, huge entries"),
          ("stall-memcg", "mmap_max", "the same beside a process at its memory limit"),
          ("rate-1", "rate", "faults on memory in use, 1 process"),
          ("rate-2", "rate", "the same, 2 processes together"),
          ("rate-memfd-1", "rate", "faults on a memfd, by pages, 1 process"),
          ("rate-memfd-2", "rate", "the same, 2 processes together"),
          ("rate-calls-1", "rate", "system calls, 1 process"),
          ("rate-calls-2", "rate", "the same, 2 processes together"),
          ("rate4-2", "rate", "faults on memory in use, 4 CPUs, 2 processes"),
          ("rate4-4", "rate", "the same, 4 processes together"),
          ("rate4-memfd-2", "rate", "faults on a memfd, by pages, 4 CPUs, 2 processes"),
          ("rate4-memfd-4", "rate", "the same, 4 processes together"),
          ("incongruent", "mmap_dirty", "mmap of 1 dirty GiB, not congruent"),
          ("incongruent", "faults", "its faults"),
          ("incongruent", "mmap_and_touch_zero", "mmap and touch of it, in use already"))


class Results:
    """The samples that the emulated hosts printed."""

    def __init__(self):
        self.machine = {}
        self.samples = {}
        self.skipped = {}

    def line(self, text):
        """Take in one line of output; False if it is not for us."""
        if not text.startswith("{"):
            return False
        try:
            said = json.loads(text)
        except ValueError:
            return False
        if "machine" in said:
            # The first host is the one that most was measured on.
            self.machine = said["machine"] | self.machine
        elif "skipped" in said:
            self.skipped[said["case"]] = said["skipped"]
        elif said["samples"]:
            self.samples[said["case"], said["what"]] = (said["unit"], said["samples"])
        return True

    def has(self, case, what):
        """Was it measured?"""
        return (case, what) in self.samples

    def median(self, case, what):
        """The median, or None."""
        if not self.has(case, what):
            return None
        return statistics.median(self.samples[case, what][1])

    def total(self, *pairs):
        """The sum of the medians of some (case, what), or None if one was not measured."""
        values = [self.median(*pair) for pair in pairs]
        return None if None in values else sum(values)

    def text(self, case, what):
        """The median with its unit, for people."""
        if not self.has(case, what):
            return ""
        return show(self.median(case, what), self.samples[case, what][0])

    def ratio(self, one, other):
        """
        The median of the rounds' ratios, or None: both values of a ratio were measured
        close together, so that a change of the machine's speed changes both.
        """
        if not self.has(*one) or not self.has(*other):
            return None
        pairs = zip(self.samples[one][1], self.samples[other][1])
        ratios = [a / b for a, b in pairs if b]
        return statistics.median(ratios) if ratios else None


def show(value, unit):
    """A value and its unit in three digits or so."""
    if unit == "us":
        for limit, scale, name in ((1e3, 1, "us"), (1e6, 1e3, "ms")):
            if value < limit:
                return f"{value / scale:.3g} {name}"
        return f"{value / 1e6:.3g} s" if value < 1e9 else f"{value / 1e6:.0f} s"
    if unit == "KiB" and value >= 1 << 20:
        return f"{value / (1 << 20):,.4g} GiB"
    return f"{value:,.0f} {unit}"


def extrapolate(results):
    """The time of open() of egm_posted for the memory of a whole socket."""
    took = results.median("posted-4g", "open")
    return None if took is None else took * WHOLE_GIB / POSTED_GIB


def row(results, kinds, what, name):
    """A row of a table that compares the first kind with the others."""
    cells = []
    for kind in kinds:
        cell = results.text(kind, what)
        ratio = results.ratio((kind, what), (kinds[0], what))
        if cell and ratio is not None and kind != kinds[0]:
            cell += f" ({ratio:.3g})"
        cells.append(cell)
    return f"| {name} | " + " | ".join(cells) + " |"


def kinds_table(results):
    """Rows of the 1 GiB table."""
    kinds = [k for k in KINDS if any(results.has(k, w) for w, _ in WHATS)]
    if not kinds:
        return []
    rows = ["| 1 GiB | " + " | ".join(kinds) + " |", "| --- |" + " --- |" * len(kinds)]
    for what, name in WHATS:
        if not any(results.has(k, what) for k in kinds):
            continue
        rows.append(row(results, kinds, what, name))
    rows += ["", "In parentheses: the ratio to on-demand."]
    return rows + [f"Not measured: {k} ({why})." for k, why in sorted(results.skipped.items())]


def dma_whole(results):
    """
    Extrapolate three times to a whole socket, in us: a DMA map of zeroed memory and one
    that zeroes, both from 16 GiB, and zeroing ahead. A time that was not measured is None.
    """
    took = [results.median("dma-file", what) for what in ("map_16384", "map_dirty_16384")]
    rate = results.median("scrub-2", "scrub")
    return [t and t * WHOLE_GIB / DMA_GIB[-1] for t in took] + \
        [rate and WHOLE_GIB * 1024 / rate * 1e6]


def dma_table(results):
    """Rows of the table of DMA mappings."""
    kinds = [kind for kind, _ in DMA_KINDS]
    rows = ["", "| for DMA | " + " | ".join(name for _, name in DMA_KINDS) + " |",
            "| --- |" + " --- |" * len(kinds)]
    for gib in DMA_GIB:
        for what, name in (("map", "map {} GiB, zeroed before"), ("unmap", "unmap {} GiB"),
                           ("map_dirty", "map {} GiB, which zeroes it")):
            rows.append(row(results, kinds, f"{what}_{gib << 10}", name.format(gib)))
    names = (f"map {WHOLE_GIB} GiB, zeroed before", f"map {WHOLE_GIB} GiB, which zeroes it",
             f"zero {WHOLE_GIB} GiB ahead, 2 workers")
    bases = (f"from {DMA_GIB[-1]} GiB", f"from {DMA_GIB[-1]} GiB", "from 1 GiB")
    for name, value, base in zip(names, dma_whole(results), bases):
        text = "" if value is None else f"{show(value, 'us')}, extrapolated {base}"
        rows.append(f"| {name} | {text} |" + " |" * (len(kinds) - 1))
    return rows + ["", "In parentheses: the ratio to EGM by iommufd. Processes have "
                   "touched what type1 and hugetlb map. The 16 GiB of EGM show 1 GiB of the "
                   "build machine 16 times; mapping does not look at the content. A device does "
                   "not fault, so iommufd zeroes the memory before it maps the memory."]


def share_table(results):
    """Rows of what users of one region cost each other."""
    return ["", "| shared region | |", "| --- | --- |"] + \
        [f"| {name} | {results.text(case, what)} |" for case, what, name in SHARED]


def microseconds(value):
    """A time, for a target."""
    return show(value, "us")


def share_targets(results):
    """Targets: no process waits for another one."""
    def worst(what, *cases):
        ratios = [results.ratio((c, what), ("stall-alone", what)) for c in cases]
        return None if None in ratios else max(ratios)

    def times(case, what):
        return results.ratio((case, what), ("wait-alone", what))

    def rate(more, fewer):
        return results.ratio((more, "rate"), (fewer, "rate"))

    # Two processes of this machine that only enter the kernel, or fault on a memfd.
    enough = min([1.6] + [r for r in (rate("rate-memfd-2", "rate-memfd-1"),
                                      rate("rate-calls-2", "rate-calls-1")) if r])
    four, memfd4 = rate("rate4-4", "rate4-2"), rate("rate4-memfd-4", "rate4-memfd-2")
    done = results.total(("remap", "mmap_zeroed"), ("remap", "first_touch_zeroed"))
    least = results.total(("hugetlb", "second_touch"), ("posted", "mmap"))
    plain = "{:.3f}".format
    return [
        target("a DMA map that zeroes, others open and close: <= 1.1 of alone",
               times("wait-closes", "map"), at_most(1.1), plain),
        target("a first touch that zeroes, others open and close: <= 1.1 of alone",
               times("wait-closes", "touch"), at_most(1.1), plain),
        target("two threads that wait for zeroing: <= 2.4 of one", times("wait-two", "map"),
               at_most(2.4), plain),
        target("longest fault beside a preempted process: <= 3 of alone",
               worst("fault_max", "stall-pages", "stall-huge"), at_most(3), plain),
        target("longest fault beside a process at its memory limit: <= 3 of alone",
               worst("fault_max", "stall-memcg"), at_most(3), plain),
        target("longest mmap beside a preempted process: <= 3 of alone",
               worst("mmap_max", "stall-pages", "stall-huge"), at_most(3), plain),
        target(f"faults on memory in use, 2 processes: >= {enough:.2f} of 1 (1.6, or that of "
               "memfd or of system calls)",
               rate("rate-2", "rate-1"), lambda v: v >= enough, plain),
        target("the same, 4 processes of 2 on 4 CPUs: >= 0.9 of memfd's",
               four and memfd4 and four / memfd4, lambda v: v >= 0.9, plain),
        target("1 GiB not congruent, zero: mmap and touch <= 1.2 of hugetlb's touch and the "
               "entries of remap_pfn_range()", done and least and done / least, at_most(1.2),
               plain),
        target("faults for 1 GiB, not congruent: <= 513", results.median("incongruent", "faults"),
               at_most(513), "{:.0f}".format),
        target("mmap of 1 dirty GiB, not congruent: < 10 ms",
               results.median("incongruent", "mmap_dirty"), lambda v: v < 1e4, microseconds),
    ]


def other_table(results):
    """Rows of everything that is not 1 GiB of something."""
    rows = ["", f"| {WHOLE_GIB} GiB, not touched | on-demand | posted |", "| --- | --- | --- |"]
    plain = extrapolate(results)
    for what in ("open", "mmap", "page_table", "munmap"):
        posted = results.text("posted-huge", what)
        if what == "open":
            posted = "" if plain is None else \
                f"{show(plain, 'us')}, extrapolated from {POSTED_GIB} GiB"
        rows.append(f"| {dict(WHATS)[what]} | {results.text('huge', what)} | {posted} |")

    rows += ["", "| other | |", "| --- | --- |"]
    for case, what, name in (
            ("scrub-1", "scrub", "zeroing ahead, 1 worker"),
            ("scrub-2", "scrub", "zeroing ahead, 2 workers"),
            ("memset-1", "scrub", "memset in user space, 1 thread"),
            ("memset-2", "scrub", "memset in user space, 2 threads"),
            ("boot-anonymous", "boot", "KVM guest, anonymous memory with THP"),
            ("boot-egm-zeroed", "boot", "KVM guest, EGM zeroed ahead"),
            ("boot-egm-dirty", "boot", "KVM guest, EGM zeroed at first touch"),
            ("assigned-egm", "first_line",
             "KVM guest with a device, EGM zeroed ahead: to its first line"),
            ("assigned-hugetlb", "first_line",
             "KVM guest with a device, hugetlbfs zeroed ahead: to its first line"),
            ("assigned-egm", "boot", "KVM guest with a device, EGM zeroed ahead"),
            ("assigned-hugetlb", "boot", "KVM guest with a device, hugetlbfs zeroed ahead"),
            ("16g", "zero", "16 GiB zeroed, all CPUs busy")):
        rows.append(f"| {name} | {results.text(case, what)} |")
    for case, name in (("stage2", "huge-aligned"),
                       ("stage2-incongruent", "page-aligned")):
        if results.has(case, "stage2_level3"):
            place = "congruent" if results.median(case, "congruent") else "not congruent"
            levels = ", ".join(f"{results.median(case, f'stage2_level{n}'):.0f} of level {n}"
                               for n in (1, 2, 3))
            rows.append(f"| stage 2 of the guest's RAM, {name} by QEMU ({place}) | {levels} |")
    return rows


def target(name, value, good, text):
    """One line of the list, or that it is not known."""
    if value is None:
        return {"target": name, "verdict": "not measured", "value": None, "text": ""}
    return {"target": name, "verdict": "reached" if good(value) else "MISSED",
            "value": round(value, 4), "text": text(value)}


def at_most(limit):
    """A target's test."""
    return lambda value: value <= limit


def targets(results):
    """Compare the medians with the targets."""
    def times(name, one, other, good):
        return target(name, results.ratio(one, other), good, "{:.3f}".format)

    def dma(what):
        ratios = [results.ratio(("dma-file", what), (kind, what)) for kind, _ in DMA_KINDS[1:]]
        ratios = [r for r in ratios if r is not None]
        return max(ratios) if ratios else None

    blocks = pages = None
    if results.has("stage2", "stage2_level3"):
        blocks = results.median("stage2", "stage2_level1") + \
            results.median("stage2", "stage2_level2")
        pages = results.median("stage2", "stage2_level3")
    return [
        target(f"open + mmap of {WHOLE_GIB} GiB < 10 ms",
               results.total(("huge", "open"), ("huge", "mmap")), lambda v: v < 1e4, microseconds),
        target(f"page tables of {WHOLE_GIB} GiB after mmap < 64 KiB",
               results.median("huge", "page_table"), lambda v: v < 64, lambda v: show(v, "KiB")),
        times("like for like, both zeroed and mapped: second touch <= 1.1 of hugetlb's",
              ("on-demand", "second_touch"), ("hugetlb", "second_touch"), at_most(1.1)),
        times("first touch, zeroed before, <= 1.1 of hugetlb's first touch (which zeroes)",
              ("on-demand", "first_touch_zeroed"), ("hugetlb", "first_touch"), at_most(1.1)),
        times("first touch, zeroing it, <= 1.1 of memset of mapped memory",
              ("on-demand", "first_touch"), ("memset", "memset"), at_most(1.1)),
        times("zeroing ahead: 2 workers >= 1.8 of 1", ("scrub-2", "scrub"),
              ("scrub-1", "scrub"), lambda v: v >= 1.8),
        times("KVM guest on EGM zeroed ahead: boot <= 1.05 of anonymous memory",
              ("boot-egm-zeroed", "boot"), ("boot-anonymous", "boot"), at_most(1.05)),
        times("KVM guest on EGM zeroed at first touch: boot <= 1.05 of anonymous memory",
              ("boot-egm-dirty", "boot"), ("boot-anonymous", "boot"), at_most(1.05)),
        target("1 GiB mapped for DMA by iommufd: <= 1.1 of the faster of type1 and hugetlb",
               dma("map_1024"), at_most(1.1), "{:.3f}".format),
        target("16 GiB mapped for DMA by iommufd: <= 1.1 of the faster of type1 and hugetlb",
               dma("map_16384"), at_most(1.1), "{:.3f}".format),
        times("KVM guest with a device, EGM zeroed ahead: first line <= 1.05 of hugetlbfs",
              ("assigned-egm", "first_line"), ("assigned-hugetlb", "first_line"), at_most(1.05)),
        target("stage 2 of the guest's RAM in blocks alone", pages,
               lambda v: v == 0 and blocks > 0, lambda v: f"{blocks:.0f} blocks, {v:.0f} pages"),
        target("16 GiB zeroed under load: no complaint of the kernel",
               results.median("16g", "complaints"), at_most(0), "{:.0f}".format),
    ] + share_targets(results)


def beside(results):
    """Ratios that are needed to read the touch targets."""
    ratio = results.ratio(("on-demand", "first_touch_zeroed"), ("hugetlb", "second_touch"))
    touch = results.ratio(("on-demand", "first_touch"), ("memset", "memset"))
    parts = results.total(("memset", "memset"), ("memset", "second_touch"))
    lines = []
    threads = results.ratio(("memset-2", "scrub"), ("memset-1", "scrub"))
    if threads is not None:
        lines.append(f"memset in user space by 2 threads is {threads:.3f} of memset by "
                     "1 thread: two workers cannot gain more on this machine.")
    if ratio is not None:
        lines.append("First touch of zeroed memory, faults included, is "
                     f"{ratio:.3f} of hugetlb's second touch, which has no faults.")
    done = results.total(("remap", "mmap_zeroed"), ("remap", "first_touch_zeroed"))
    plain = results.total(("posted", "mmap"), ("posted", "first_touch"))
    if done and plain:
        lines.append(f"1 GiB not congruent, zero: mmap and touch are {done / plain:.3f} of "
                     "remap_pfn_range()'s, whose touch dirties as many entries.")
    if touch is not None and parts:
        both = results.median("on-demand", "first_touch") / parts
        lines.append(f"First touch is {both:.3f} of memset and touch together, "
                     "the same work without faults.")
    return lines
