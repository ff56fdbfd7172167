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
                   "--fair-seconds", 0.3, "--json", record, "--chart", chart, *options], seconds=100)
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
        found = figures(record, peer, "up1")
        assert found["gbit_per_s"] > 0
        assert 0 < found["client_busy"] <= 1.05 and 0 <= found["server_busy"] <= 1.2, found
    assert figures(record, "runnel", "rr")["p50_us"] > 0
    assert {said["case"] for said in record["verdicts"]} >= {"up1"}, record["verdicts"]


@rig.test(seconds=110)
def the_floor_carries_eight_streams_each_way():
    need_programs()

    for case in ("up8", "down8"):
        # It sends nothing twice: a stream that loses a packet stands still, in the worst rounds all of them, and one that
        # moves alone makes 1/8. On a machine that is slow at the time there are several such rounds in a row.
        for _ in range(5):
            record = measure("--kinds", "relay", "--only", "m1", "--cases", case, "--mtu", 1500, "--peers", "floor",
                             "--rounds", 2)
            figures(record, "floor", case)
            rounds = [row for row in record["results"] if row["case"] == case]
            assert all(row["broken"] == 0 for row in rounds), rounds
            if max(row["jain"] for row in rounds) > 0.2:
                break
        else:
            raise AssertionError(rounds)


@rig.test(seconds=110)
def a_run_that_is_cut_off_keeps_what_it_measured():
    need_programs()
    path = rig.workdir() / "cut.json"

    run = rig.start([BENCH, "--build", pathlib.Path(rig.RUNNEL).parent, "--busy-ok", "--rounds", 1000, "--seconds", 0.1,
                     "--kinds", "pair", "--cases", "zero-copy", "--peers", "runnel", "--json", path])
    rig.wait_until(lambda: path.exists() and len(json.loads(path.read_text())["results"]) > 2, "three are kept", 60)
    run.kill()
    run.wait()

    assert "about" in run.log.read_text()  # how long it would have taken
    assert figures(json.loads(path.read_text()), "runnel", "zero-copy")["gbit_per_core_s"] > 0
    assert "zero-copy" in rig.run([BENCH.parent / "report.py", path]).ok().out


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
