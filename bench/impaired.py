"""A bad link in front of a peer: one box for all peers, which loses segments of the wire, never whole super-segments."""
import os

import networks
import rig
from networks import Bench

LINK, DEVICE = "10.8.0", "bad0"


def behind(bench, tools, mtu, impairment):
    """A Bench for a client behind impair_box and a router with masquerading, in front of what @bench's client saw."""
    if not os.path.exists(tools.impair_box):
        rig.skip("impair_box is not built")
    rig.need("nft")
    client = rig.Net("far client")
    router = _holder_of(bench)
    box = rig.start([tools.impair_box, client.holder.pid, router.pid, mtu, impairment, DEVICE])
    rig.wait_until(lambda: "ready" in box.log.read_text(), "impair_box is ready")
    networks.tune(client.inside)
    _link_up(client.inside, f"{LINK}.2/24", mtu)
    client.ip(f"route add default via {LINK}.1")
    _link_up(bench.inside, f"{LINK}.1/24", mtu)
    rig.run(bench.inside(["sysctl", "-qw", "net.ipv4.ip_forward=1"])).ok()
    rules = f"add table ip bench; add chain ip bench out {{ type nat hook postrouting priority 100; }}; " \
            f"add rule ip bench out ip saddr {LINK}.0/24 masquerade"
    rig.run(bench.inside(["nft", rules])).ok()
    return Bench(client.inside, bench.address, bench.pids, bench.server)


def _holder_of(bench):
    """A process that lives in the network of @bench's client, by whose pid the box finds it."""
    ours = os.readlink("/proc/self/ns/net")
    holder = rig.start(bench.inside(["sleep", "infinity"]))
    rig.wait_until(lambda: os.readlink(f"/proc/{holder.pid}/ns/net") != ours, "the router's namespace")
    return holder


def _link_up(inside, address, mtu):
    rig.run(inside(["ip", "link", "set", DEVICE, "mtu", mtu, "up"])).ok()
    rig.run(inside(["ip", "addr", "add", address, "dev", DEVICE])).ok()
