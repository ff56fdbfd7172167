#!/usr/bin/env python3
"""The rig itself: two networks and a cable, made and removed.

    left                                right
    l0 198.51.100.1/24 ---- veth ---- r0 198.51.100.2/24      http :80
       2001:db8:1::1/64                  2001:db8:1::2/64
"""
import os

import rig


def two_networks():
    left, right = rig.Net("left"), rig.Net("right")
    rig.veth(left, "l0", ["198.51.100.1/24", "2001:db8:1::1/64"],
             right, "r0", ["198.51.100.2/24", "2001:db8:1::2/64"])
    return left, right


@rig.test
def a_file_crosses_the_cable_whole_by_both_families():
    rig.need("curl")
    left, right = two_networks()
    sent = rig.random_file("sent", 1 << 20)
    rig.http_server(right, rig.workdir())

    for host in ("198.51.100.2", "[2001:db8:1::2]"):
        received = rig.workdir() / "received"
        left.run(["curl", "-sS", "-o", received, f"http://{host}/sent"]).ok()
        assert rig.sha256(received) == rig.sha256(sent)


@rig.test
def a_network_sees_no_other():
    left, right = two_networks()
    alone = rig.Net("alone")

    assert "r0" in right.ip("-o link") and "r0" not in left.ip("-o link")
    assert "l0" not in alone.ip("-o link")


@rig.test
def an_ordinary_user_has_no_right_over_the_network():
    left, _ = two_networks()
    if not rig.came_as_root():
        rig.skip("started without root: there is one user only")

    refused = left.run(rig.as_user("ip link set l0 down"))

    assert refused.status != 0 and "not permitted" in refused.err


@rig.test
def what_a_test_started_is_gone_after_it():
    others = [pid for pid in os.listdir("/proc") if pid.isdigit() and int(pid) not in (1, os.getpid())]

    assert others == [], f"processes {others} of an earlier test"


@rig.test
def a_program_that_fails_fails_the_test():
    try:
        rig.run("false").ok()
    except AssertionError as failure:
        assert "status 1" in str(failure)
        return
    raise AssertionError("nobody noticed")


@rig.test
def our_own_resolv_conf_is_seen_only_here():
    rig.resolv_conf("nameserver 198.51.100.2\n")

    assert "198.51.100.2" in rig.run("cat /etc/resolv.conf").ok().out


rig.main()
