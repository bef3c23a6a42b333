# SPDX-License-Identifier: GPL-2.0-only
"""The hardware of an emulated Grace host, as data.

A scenario is a JSON file:

  about              what it is for
  memory_mib, cpus   the host's own memory and CPUs (default 2048 and 2)
  bind               false: leave the GPUs unbound (default true)
  append             words for the kernel's command line
  crash              true: the kernel may crash once, if another one boots then
  regions            memory that the host's kernel does not manage:
    spa, mib         where, and how much
    node             QEMU's NUMA node, which is the PXM in SRAT
    fill             "dirty": not zero at the start; absent: zero, costs nothing
    backing_mib      the region shows that much memory over and over, for one whose content
                     does not matter and that would not fit into the build machine
    memory           "anonymous": backed as the host's own memory is, not by a file
    retired          { "spa": ..., "pages": [...] }: firmware's table and where
                     it is; "pages" may also be { "raw": [u64, ...] }; "at" bytes
                     of the memory there come before the table (0)
  gpus
    slot             PCI slot on bus 0
    region           index; gives the firmware properties of that region
    properties       names and values that override these; null removes one, [] makes
                     it one that is no number
  devices            further QEMU devices
  nodes              PXMs whose regions appear once the GPUs are bound (default: of each
                     region that a GPU has); the harness stops if they differ

Addresses, slots and properties may be written as strings, so that they can be hexadecimal.
"""

import json
import os
import struct
import subprocess
import sys

SCENARIOS = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))),
                         "scenarios")
DSD_UUID = "daffd814-6eba-4d8c-8a91-bc9bbf4aa301"
RETIRED_BYTES = 2 << 20
DIRTY_STEP = 64 << 10
DIRTY_LEN = 4 << 10


KNOWN = {
    "scenario": {"about", "memory_mib", "cpus", "bind", "append", "crash", "regions", "gpus",
                 "devices", "nodes"},
    "regions": {"spa", "mib", "backing_mib", "node", "fill", "memory", "retired"},
    "gpus": {"slot", "region", "properties"},
    "retired": {"spa", "pages", "at"},
}


def number(value):
    """An int, or a string in any base that Python reads."""
    return value if isinstance(value, int) else int(value, 0)


def check(name, where, part):
    """An unknown name is an error."""
    unknown = set(part) - KNOWN[where]
    if unknown:
        sys.exit(f"vm: scenario {name}: unknown {sorted(unknown)} in {where}")


def load(name):
    """Read a scenario by file or by name, with the defaults filled in."""
    path = name if os.path.exists(name) else os.path.join(SCENARIOS, name + ".json")
    try:
        with open(path, encoding="utf-8") as f:
            scene = json.load(f)
    except (OSError, ValueError) as e:
        sys.exit(f"vm: scenario {name}: {e}")
    check(name, "scenario", scene)
    for where in ("regions", "gpus"):
        for part in scene.get(where, []):
            check(name, where, part)
            check(name, "retired", part.get("retired", {}))
    return {"memory_mib": 2048, "cpus": 2, "regions": [], "gpus": [], "devices": []} | scene


def nodes(scene):
    """The device nodes that must be there when the GPUs are bound, as ls sorts them."""
    pxms = scene.get("nodes", {scene["regions"][g["region"]]["node"]
                               for g in scene["gpus"] if "region" in g})
    return sorted(f"egm{pxm}" for pxm in pxms)


def properties(scene, gpu):
    """The firmware properties of one GPU."""
    props = {}
    if "region" in gpu:
        region = scene["regions"][gpu["region"]]
        props = {"nvidia,egm-base-pa": number(region["spa"]),
                 "nvidia,egm-size": region["mib"] << 20,
                 "nvidia,egm-pxm": region["node"]}
        if "retired" in region:
            table = region["retired"]
            props["nvidia,egm-retired-pages-data-base"] = (
                number(table["spa"]) + number(table.get("at", 0)))
    props |= gpu.get("properties", {})
    return {k: v if v == [] else number(v) for k, v in props.items() if v is not None}


def dsd(props):
    """Firmware properties as AML."""
    words = ", ".join(f'Package () {{ "{k}", {"Package () {}" if v == [] else hex(v)} }}'
                      for k, v in props.items())
    return f'Name (_DSD, Package () {{ ToUUID ("{DSD_UUID}"), Package () {{ {words} }} }})'


def ssdt(scene):
    """The source of a secondary table that gives each GPU its _DSD.

    QEMU's own table describes each slot in use from 11 on, by its device and function
    number, and the kernel takes one device an address alone: the table adds one where there
    is none. It decides when it is loaded, so that no version has to be known.
    """
    asl = ['DefinitionBlock ("", "SSDT", 2, "NVEGM", "EGMGPUS", 1) {',
           "External (\\_SB.PCI0, DeviceObj)"]
    for gpu in scene["gpus"]:
        slot, props = number(gpu["slot"]), properties(scene, gpu)
        there, words = f"\\_SB.PCI0.S{slot << 3:02X}", dsd(props) if props else ""
        asl += [f"External ({there}, DeviceObj)",
                f"If (CondRefOf ({there})) {{ Scope ({there}) {{ {words} }} }}",
                f"Else {{ Scope (\\_SB.PCI0) {{ Device (G{slot:03X}) {{",
                f"Name (_ADR, {slot << 16:#x}) {words} }} }} }}"]
    return "\n".join(asl + ["}"]) + "\n"


def write_ssdt(scene, path):
    """Compile it."""
    source = path.removesuffix(".aml") + ".asl"
    with open(source, "w", encoding="utf-8") as f:
        f.write(ssdt(scene))
    run = subprocess.run(["iasl", "-p", path, source], capture_output=True, text=True,
                         check=False)
    if run.returncode:
        sys.exit(f"vm: iasl failed:\n{run.stdout}{run.stderr}")
    os.unlink(source)


def dirty_block(offset):
    """Bytes that are never zero and differ from place to place."""
    return struct.pack("<Q", offset ^ 0xA5A5_5A5A_C3C3_3C3C) * (DIRTY_LEN // 8)


def backing(scene, index):
    """Where a region's content is: None for anonymous memory."""
    region = scene["regions"][index]
    if region.get("memory") == "anonymous":
        return None
    if "backing_mib" in region:
        # Not a file on a disk, to which the kernel would write each pass over the region.
        return f"/proc/{os.getpid()}/fd/{os.memfd_create(f'region{index}')}"
    return os.path.join(scene["backing"], f"region{index}")


def write_region(path, region):
    """A region's content: sparse, and dirty all over where it is asked for."""
    size = region.get("backing_mib", region["mib"]) << 20
    with open(path, "wb") as f:
        f.truncate(size)
        if region.get("fill") == "dirty":
            for offset in range(0, size, DIRTY_STEP):
                f.seek(offset)
                f.write(dirty_block(offset))


def write_retired(path, table):
    """Firmware's table of retired pages: a count, then that many addresses."""
    pages = table["pages"]
    words = pages["raw"] if isinstance(pages, dict) else [len(pages)] + pages
    with open(path, "wb") as f:
        f.seek(number(table.get("at", 0)))
        f.write(b"".join(struct.pack("<Q", number(w)) for w in words))
        f.truncate(RETIRED_BYTES)


def dimm(index, path, size, node, spa):
    """Memory at a chosen address that appears in SRAT, but not in the EFI map."""
    kind = f"file,mem-path={path},share=on" if path else "ram"
    return ["-object", f"memory-backend-{kind},id=dimm{index},size={size},reserve=off",
            "-device", f"nvdimm,memdev=dimm{index},node={node},addr={spa:#x}"]


def qemu_words(scene, work):
    """The part of QEMU's command line that depends on the scenario."""
    count = max([r["node"] for r in scene["regions"]] + [0]) + 1
    end = max([number(r["spa"]) + (r["mib"] << 20) for r in scene["regions"]]
              + [number(r["retired"]["spa"]) for r in scene["regions"] if "retired" in r]
              + [scene["memory_mib"] << 20])
    words = ["-m", f"{scene['memory_mib']}M,slots=32,maxmem={(end >> 30) + 64}G",
             "-object", f"memory-backend-ram,id=ram,size={scene['memory_mib']}M",
             "-numa", f"node,nodeid=0,cpus=0-{scene['cpus'] - 1},memdev=ram"]
    for node in range(1, count):
        words += ["-numa", f"node,nodeid={node}"]
    dimms = []
    for n, region in enumerate(scene["regions"]):
        path = backing(scene, n)
        if path:
            write_region(path, region)
        view = region.get("backing_mib", region["mib"])
        for at in range(0, region["mib"], view):
            dimms.append((path, view << 20, region["node"],
                          number(region["spa"]) + (at << 20)))
        if "retired" in region:
            path = os.path.join(work, f"retired{n}")
            write_retired(path, region["retired"])
            dimms.append((path, RETIRED_BYTES, region["node"],
                          number(region["retired"]["spa"])))
    for n, (path, size, node, spa) in enumerate(dimms):
        words += dimm(n, path, size, node, spa)
    for gpu in scene["gpus"]:
        words += ["-device", f"bochs-display,romfile=,addr={number(gpu['slot']):x}.0"]
    for device in scene["devices"]:
        words += ["-device", device]
    return words
