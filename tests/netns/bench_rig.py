#!/usr/bin/env python3
"""The rig of bench/ runs: it starts peers, loads them, and tells what came. How fast, is not judged here.

bench/networks.py has the drawing.
"""
import json
import os
import pathlib

import rig

BENCH = rig.ROOT / "bench" / "bench.py"


def measure(*options):
    """A short run of bench.py; the record it wrote."""
    record, chart = rig.workdir() / "bench.json", rig.workdir() / "bench.svg"
    ran = rig.run([BENCH, "--build", pathlib.Path(rig.RUNNEL).parent, "--busy-ok", "--rounds", 1, "--seconds", 0.3,
                   "--json", record, "--chart", chart, *options], seconds=100)
    assert record.exists(), ran.out + ran.err
    assert chart.read_text().startswith("<svg")
    return json.loads(record.read_text())


def figures(record, peer, case):
    """Fails the test if there is no such row, or it failed."""
    rows = [row for row in record["results"] if (row["peer"], row["case"]) == (peer, case)]
    assert rows and "failed" not in rows[0], f"{peer} {case}: {rows}"
    return rows[0]


def need_programs():
    rig.need_plain_build("it measures")
    if not os.path.exists(f"{os.path.dirname(rig.RUNNEL)}/bench/load_client"):
        rig.skip("the load programs are not built")


@rig.test(seconds=110)
def a_relay_and_the_limits_are_measured():
    need_programs()

    record = measure("--kinds", "relay", "--mtu", 65520, "--only", "m1,m3", "--cases", "up1,rr", "--peers",
                     "kernel,floor,runnel")

    for peer in ("kernel", "floor", "runnel"):
        assert figures(record, peer, "up1")["gbit_per_s"] > 0
    assert figures(record, "runnel", "rr")["p50_us"] > 0


@rig.test(seconds=110)
def our_own_stack_and_a_forwarder_are_measured():
    need_programs()

    record = measure("--kinds", "own,forward", "--only", "m3,m4,m8", "--cases", "crr,echo,datagrams", "--peers", "runnel")

    assert figures(record, "runnel", "crr")["per_s"] > 0
    assert figures(record, "runnel", "echo")["per_s"] > 0
    assert figures(record, "runnel", "datagrams")["per_s"] > 0


@rig.test(seconds=110)
def two_stacks_in_one_process_are_measured():
    need_programs()

    record = measure("--kinds", "pair", "--cases", "zero-copy,connections", "--peers", "runnel")

    assert figures(record, "runnel", "zero-copy")["gbit_per_core_s"] > 0
    assert figures(record, "runnel", "connections")["per_core_s"] > 0


rig.main()
