#!/usr/bin/env python3
"""How many instructions the hot paths take, by callgrind, beside what they took when bench/icount.json was written.

usage: icount.py [--build DIR] [--renew]
       icount.py --build DIR --built-by "gcc 12 -O2 none"       as a test: 77 is "skipped"

Unlike a time, the count is the same on a busy machine. It is kept for one compiler; a path that takes more than 3 % more
fails, and what got better by as much is told, so that the file is renewed (--renew) in the commit that changed it.
"""
import argparse
import concurrent.futures
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
KEPT = HERE / "icount.json"
KEPT_FOR = "gcc 12 -O2 none"  # compiler, its version, optimization, sanitizers
TOLERANCE = 0.03
SKIPPED = 77
GROWTH_FLOWS, GROWTH_MAX = "bulk, 1000 flows: byte", 1.2

# A string instruction of memcpy would count as one for each byte; the vector loop counts as what it is. meson lets malloc
# fill what it gives (MALLOC_PERTURB_), which would be counted too.
ENVIRONMENT = {**{name: value for name, value in os.environ.items() if not name.startswith("MALLOC_")},
               "GLIBC_TUNABLES": "glibc.cpu.x86_rep_movsb_threshold=1000000000:"
                                 "glibc.cpu.x86_rep_stosb_threshold=1000000000"}

# name -> program and arguments; the count is of one call of measured_*, or of one unit of two_stacks' work
PATHS = {
    "frame: headers parsed": ("hot_paths", "frame", 1000),
    "checksum: 1500 bytes": ("hot_paths", "checksum", 1000),
    "datagram: there and back": ("hot_paths", "datagram", 500),
    "ack: with the segment it lets go": ("hot_paths", "ack", 500),
    "relay: 32 KiB up": ("hot_paths", "relay-up", 60),
    "relay: 32 KiB down": ("hot_paths", "relay-down", 60),
    "connection: opened and closed": ("two_stacks", "--connections", "--flows", 16, "--work", 1500),
    "bulk: byte at MTU 1500": ("two_stacks", "--mtu", 1500, "--work", 4000000),
    "bulk: byte at MTU 65535": ("two_stacks", "--mtu", 65535, "--work", 20000000),
    "bulk, zero-copy: byte at MTU 1500": ("two_stacks", "--mtu", 1500, "--zero-copy", "--work", 4000000),
    GROWTH_FLOWS: ("two_stacks", "--mtu", 1500, "--flows", 1000, "--work", 8000000),
}


def count(build, command):
    """Instructions for each unit of work."""
    program, *arguments = command
    valgrind = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", "--toggle-collect=measured_*"]
    ran = subprocess.run([*valgrind, f"{build}/bench/{program}", *map(str, arguments)], capture_output=True, text=True,
                         env=ENVIRONMENT, stdin=subprocess.DEVNULL)
    if ran.returncode != 0:
        sys.exit(f"icount: {program} {arguments}: status {ran.returncode}\n{ran.stdout}{ran.stderr}")
    collected = int(re.search(r"Collected : (\d+)", ran.stderr)[1])
    return collected / (json.loads(ran.stdout)["work"] if ran.stdout else arguments[-1])


def count_all(build):
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        counts = pool.map(lambda command: count(build, command), PATHS.values())
        return {name: float(f"{value:.5g}") for name, value in zip(PATHS, counts)}


def why_not(built_by):
    """Why nothing can be compared here, or None."""
    if not shutil.which("valgrind"):
        return "valgrind is not installed"
    if built_by not in ("", KEPT_FOR):
        return f"the counts are kept for '{KEPT_FOR}', this is '{built_by}'"
    if " avx2 " not in pathlib.Path("/proc/cpuinfo").read_text():
        return "the counts are kept for processors with AVX2"
    return None


def compare(counts, kept):
    """Prints all; returns how many are worse than they may be."""
    worse = 0
    for name, value in counts.items():
        before = kept.get(name)
        change = value / before - 1 if before else 0.0
        is_worse = change > TOLERANCE
        worse += is_worse
        note = "  TOO MANY" if is_worse else "  better: --renew keeps it" if change < -TOLERANCE else ""
        print(f"{name:36} {value:12,.5g} {change:+8.1%}{note if before else '  new: --renew keeps it'}")
    growth = counts[GROWTH_FLOWS] / counts["bulk: byte at MTU 1500"]
    print(f"{'bulk: 1000 flows over 1':36} {growth:12.2f} times, at most {GROWTH_MAX}")
    return worse + (growth > GROWTH_MAX)


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--build", default=str(HERE.parent / "build"))
    options.add_argument("--built-by", default="", help="compiler, version, optimization, sanitizers of the build")
    options.add_argument("--renew", action="store_true", help="write icount.json")
    chosen = options.parse_args()
    reason = why_not(chosen.built_by)
    if reason:
        print(reason)
        return SKIPPED
    counts = count_all(chosen.build)
    worse = compare(counts, json.loads(KEPT.read_text())["instructions"] if KEPT.exists() else {})
    if chosen.renew:
        KEPT.write_text(json.dumps({"built_by": KEPT_FOR, "instructions": counts}, indent=1) + "\n")
        return 0
    if worse:
        print(f"{worse} of the paths became longer. If that is meant: bench/icount.py --renew, and say why in the commit.")
    return 1 if worse else 0


if __name__ == "__main__":
    sys.exit(main())
