#!/usr/bin/env python3
"""Our devices against the kernel: a machine of ours answers its pings.

    kernel                                        ours (device_probe)
    tun0, tap0 or e0                              TUN or TAP queue, or a packet socket on f0
      198.51.100.1/24, 2001:db8:1::1/64             198.51.100.2/24, 2001:db8:1::2/64
"""
import json
import os

import rig

PROBE = os.environ.get("DEVICE_PROBE", str(rig.ROOT / "build/tests/netns/device_probe"))
MTU = 65520


def need_tun():
    if not os.access("/dev/net/tun", os.R_OK | os.W_OK):
        rig.skip("/dev/net/tun is closed to us")


def configure(net, link, mtu=MTU):
    net.ip(f"link set {link} mtu {mtu} up")
    net.addr(link, "198.51.100.1/24", "2001:db8:1::1/64")


def start_probe(net, kind, link, mtu=MTU):
    probe = net.start([PROBE, kind, link, mtu])
    rig.wait_until(lambda: "ready" in probe.log.read_text() or probe.poll() is not None, "the device is open")
    assert "ready" in probe.log.read_text(), probe.log.read_text()
    return probe


def with_tun(kind):
    need_tun()
    net = rig.Net("kernel")
    link = kind + "0"
    probe = start_probe(net, kind, link)
    configure(net, link)
    return net, probe


def with_veth(kind="packet", mtu=MTU):
    net = rig.Net("kernel")
    far = rig.Net("far")
    far.run(["sysctl", "-qw", "net.ipv6.conf.all.disable_ipv6=1"])
    net.ip(f"link add e0 mtu {mtu} type veth peer name f0 mtu {mtu} netns {far.holder.pid}")
    far.ip("link set f0 up")
    probe = start_probe(far, kind, "f0", mtu)
    configure(net, "e0", mtu)
    return net, probe


def ping_every_size(net):
    rig.need("ping")
    for host in ("198.51.100.2", "2001:db8:1::2"):
        for size in (1, 56, 2000, 2100, 8200, 60000):
            ran = net.run(["ping", "-n", "-c", "3", "-i", "0.2", "-W", "5", "-s", size, host]).ok()
            assert " 0% packet loss" in ran.out, ran.out


@rig.test
def a_tun_answers_pings_of_every_size_by_both_families():
    net, _ = with_tun("tun")
    ping_every_size(net)


@rig.test
def a_tap_resolves_addresses_and_answers_pings():
    net, _ = with_tun("tap")
    ping_every_size(net)


def queue_of(net, link):
    return json.loads(net.ip(f"-j link show {link}"))[0]["txqlen"]


@rig.test
def a_tun_that_we_make_has_a_queue_for_a_thousand_flows():
    net, _ = with_tun("tun")
    assert queue_of(net, "tun0") == 10000, queue_of(net, "tun0")


@rig.test
def a_persistent_tun_keeps_the_queue_its_owner_gave_it():
    need_tun()
    net = rig.Net("kernel")
    net.ip("tuntap add tun0 mode tun vnet_hdr")
    net.ip("link set tun0 txqueuelen 123")
    start_probe(net, "tun", "tun0")
    assert queue_of(net, "tun0") == 123, queue_of(net, "tun0")


@rig.test
def a_packet_socket_resolves_addresses_and_answers_pings():
    net, _ = with_veth()
    ping_every_size(net)
    assert "02:00:00:00:00:07" in net.ip("neigh show 198.51.100.2")


@rig.test
def sockets_filled_one_after_the_other_answer_pings():
    net, _ = with_veth("group")
    ping_every_size(net)


@rig.test
def a_ring_resolves_addresses_and_answers_pings():
    net, _ = with_veth("ring")
    ping_every_size(net)


@rig.test
def an_xdp_socket_resolves_addresses_and_answers_pings():
    net, _ = with_veth("xdp", 1500)  # ping's checksums are its own: none is left to the interface
    ping_every_size(net)


@rig.test
def a_tun_has_every_offload_of_this_kernel():
    _, probe = with_tun("tun")
    assert "caps 5f" in probe.log.read_text(), probe.log.read_text()


FLOOD = """
import random, socket, sys
r = random.Random(int(sys.argv[1]))
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
s.bind(("e0", 0))
ours, theirs = bytes([2, 0, 0, 0, 0, 7]), bytes([2, 0, 0, 0, 0, 9])
for _ in range(5000):
    kind, first = r.choice([(0x0800, 0x45), (0x0800, 0x4f), (0x86dd, 0x60), (0x0806, 0), (r.randrange(65536), 0)])
    s.send(ours + theirs + kind.to_bytes(2, "big") + bytes([first]) + r.randbytes(r.randrange(1, 3000)))
"""


@rig.test
def a_flood_of_random_frames_stops_nobody():
    net, probe = with_veth()
    seed = 20261121
    net.run(["python3", "-c", FLOOD, seed]).ok()

    assert probe.poll() is None, f"it died; seed {seed}"
    assert " 0% packet loss" in net.run("ping -n -c 2 -i 0.2 -W 5 198.51.100.2").ok().out


def ticks_of(probe):
    return sum(map(int, open(f"/proc/{probe.pid}/stat").read().split()[13:15]))


@rig.test
def a_device_whose_interface_is_deleted_does_not_spin():
    for kind in ("packet", "group", "ring", "xdp"):
        net, probe = with_veth(kind, 1500)
        net.ip("link del e0")
        before = ticks_of(probe)
        rig.run("sleep 0.5")
        spent = ticks_of(probe) - before

        assert spent <= 10, f"{kind}: {spent} ticks of CPU in half a second"


rig.main()
