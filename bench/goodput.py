#!/usr/bin/env python3
"""Goodput over bad links: our TCP in virtual time beside Linux's CUBIC in real time, through the same dev/impair.

usage: goodput.py [--seconds N] [--rounds N] [--cc NAME[,NAME]] [--build DIR]

Linux: two namespaces joined by TUNs and impair_box, one iperf3 stream; all links and rounds run beside each other, since
none of them needs much of a core. Ours: tests/sim/goodput.c, the same parameters, as many seeds as rounds.
"""
import argparse
import itertools
import json
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests/netns"))
import rig  # noqa: E402  (its folder is known only now)

LINKS = {
    "1 % loss, 50 ms, MTU 1500": ("delay=25ms,loss=1%", 1500),
    "0.1 % loss, 10 ms, MTU 1280": ("delay=5ms,loss=0.1%", 1280),
}


class Pair:
    """Two networks of the kernel with a bad link between them."""

    def __init__(self, build, impair, mtu):
        self.client, self.server = rig.Net("client"), rig.Net("server")
        self.box = rig.start([f"{build}/tests/sim/impair_box", self.client.holder.pid, self.server.holder.pid, mtu,
                              impair])
        rig.wait_until(lambda: "ready" in self.box.log.read_text() or self.box.poll() is not None, "the box is ready")
        assert self.box.poll() is None, self.box.log.read_text()
        for net, address in ((self.client, "198.51.100.1/24"), (self.server, "198.51.100.2/24")):
            net.ip(f"link set t0 mtu {mtu} up")
            net.ip(f"addr add {address} dev t0")

    def begin(self, seconds):
        self.listener = self.server.start(["iperf3", "-s", "-1"])
        self.server.wait_listening(5201)
        self.run = self.client.start(["iperf3", "-c", "198.51.100.2", "-C", "cubic", "-t", seconds, "-J"])

    def mbits(self, seconds):
        self.run.wait(seconds + 60)
        report = json.loads(self.run.log.read_text())
        return report["end"]["sum_received"]["bits_per_second"] * 1e-6


def linux(args):
    pairs = [(name, Pair(args.build, f"{impair},seed={round_ + 1}", mtu))
             for name, (impair, mtu) in LINKS.items() for round_ in range(args.rounds)]
    for _, pair in pairs:
        pair.begin(args.seconds)
    found = {name: [] for name in LINKS}
    for name, pair in pairs:
        found[name].append(pair.mbits(args.seconds))
    return found


def ours(args, name, controller):
    impair, mtu = LINKS[name]
    ran = rig.run([f"{args.build}/tests/sim/goodput", impair, mtu, args.seconds, args.rounds, controller],
                  seconds=600).ok()
    return [float(word) for word in ran.out.split(" mean ")[0].split()]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=int, default=30)
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--cc", default="cubic", help="our controllers; Linux's is always cubic")
    parser.add_argument("--build", default=str(ROOT / "build"))
    args = parser.parse_args()
    rig.need("iperf3")
    with rig.scratch():
        found = linux(args)
        for name, controller in itertools.product(LINKS, args.cc.split(",")):
            us, them = ours(args, name, controller), found[name]
            ratio = (sum(us) / len(us)) / (sum(them) / len(them))
            print(f"{name}: {controller} of runnel {sum(us) / len(us):.2f} Mbit/s ({min(us):.2f} to {max(us):.2f}), "
                  f"Linux {sum(them) / len(them):.2f} ({min(them):.2f} to {max(them):.2f}): {ratio:.2f}")


if __name__ == "__main__":
    main()
