#!/usr/bin/env python3
"""The worker's sandbox: what it forbids kills, what the worker needs works. No network.

    sandbox_probe DEED    strips itself as the worker does, then does one thing
"""
import os
import signal

import rig

PROBE = os.environ.get("SANDBOX_PROBE", str(rig.ROOT / "build/tests/netns/sandbox_probe"))
FORBIDDEN = ["exec", "open", "ptrace", "setns", "fork", "packet-socket", "executable-memory",
             "thread", "early-thread-open"]
NEEDED = ["nothing", "memory", "write", "early-thread", "early-thread-heap"]


def both_ways(deed, *more):
    """As root, who becomes nobody, and as an ordinary user, in a user namespace."""
    rig.need_plain_build("the sandbox kills for the system calls of the runtime")
    ways = [[PROBE, deed, *more]]
    if rig.came_as_root():
        ways.append(rig.as_user(ways[0]))
    return [rig.run(way) for way in ways]


@rig.test
def what_the_worker_needs_works():
    for deed in NEEDED:
        for ran in both_ways(deed):
            assert ran.status == 0, f"{deed}: {ran.status} {ran.err}"


@rig.test
def what_an_intruder_needs_kills():
    for deed in FORBIDDEN:
        for ran in both_ways(deed):
            assert ran.status == -signal.SIGSYS, f"{deed}: {ran.status} {ran.err}"


@rig.test
def the_trap_mode_names_the_call():
    for ran in both_ways("open", "trap"):
        assert ran.status == 128 + signal.SIGSYS and "is not allowed" in ran.err, f"{ran.status} {ran.err}"


rig.main()
