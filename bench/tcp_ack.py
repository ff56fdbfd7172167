#!/usr/bin/env python3
"""Does the work of an ACK grow with the window? Instructions per ACK, by callgrind, with 10 and 10 000 in flight.

usage: tcp_ack.py [BUILD]
"""
import itertools
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
ACKS = 2000
FEW, MANY = 10, 10000


def instructions(program, segments, acks, how):
    command = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", "--toggle-collect=rn_nic_input",
               program, segments, acks, *how]
    ran = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=True)
    return int(re.search(r"Collected : (\d+)", ran.stderr)[1])


def per_ack(program, segments, how):
    """What a run of ACKs costs more than a run of few, each: what the handshake costs falls out."""
    few = instructions(program, segments, 100, how)
    return (instructions(program, segments, 100 + ACKS, how) - few) / ACKS


def main():
    build = sys.argv[1] if len(sys.argv) > 1 else ROOT / "build"
    program = pathlib.Path(build, "tests/sim/tcp_ack")
    for how in itertools.product(("ack", "sack"), ("cubic", "reno", "bbr")):
        few, many = (per_ack(program, segments, how) for segments in (FEW, MANY))
        print(f"{' '.join(how)}: {few:.0f} instructions with {FEW} in flight, {many:.0f} with {MANY}: "
              f"{many / few - 1:+.1%}")


if __name__ == "__main__":
    main()
