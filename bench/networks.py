"""The networks of every measurement, and a client's load in them.

    relay:    client's network, made by the peer --- peer in `host` --- h0 198.51.100.1 ~~ s0 198.51.100.2 `server`
    own:      `client` t0 10.7.0.1 ~~~ TUN, or a cable for the kernel ~~~ 10.7.1.1, the stack that is measured
    with loss: `client` t0 10.8.0.2 ~~ impair_box ~~ t0 10.8.0.1 `the client of above`, now a router with masquerading
"""
import json
import pathlib
import select
import subprocess
import time

import machine
import rig

SERVER = "198.51.100.2"
STACK = "10.7.1.1"
CLIENTS = [f"10.7.0.{number}" for number in range(1, 5)]
PATIENCE_SECONDS = 20  # beyond what a load was told to take
SYSCTLS = (
    "net.ipv4.tcp_congestion_control=cubic",
    "net.ipv4.ip_local_port_range=1024 65535",
    "net.ipv4.tcp_max_tw_buckets=2000",  # else the ports of short connections run out, and that would be measured
    "net.core.somaxconn=4096",
    "net.ipv4.tcp_max_syn_backlog=8192",
)


class Stalled(Exception):
    """The load did not begin or end in time."""


def tune(inside):
    """Sets what may be set in a network; @inside makes a command run there. The kernel refuses cubic to networks other
    than the host's unless the administrator allowed it to everyone: then its default stays (congestion() tells)."""
    for setting in SYSCTLS:
        rig.run(inside(["sysctl", "-qw", setting]))


def make_hosts():
    """`host` and `server` of the drawing; load_server runs in the latter. Returns (host, server, file of its counts)."""
    host, server = rig.Net("host"), rig.Net("server")
    rig.veth(host, "h0", "198.51.100.1/24", server, "s0", f"{SERVER}/24")
    host.ip("route add default via 198.51.100.254")
    server.ip("route add 192.0.2.0/24 via 198.51.100.1")
    for net in (host, server):
        tune(net.inside)
    return host, server


def congestion():
    """What TCP of new networks uses on this machine, for the record."""
    with rig.scratch():
        net = rig.Net("congestion")
        tune(net.inside)
        return net.run("sysctl -n net.ipv4.tcp_congestion_control").out.strip()


def start_server(net, program):
    """load_server in @net; returns the file in which it counts datagrams."""
    counts = rig.workdir() / "counts"
    process = net.start([program, counts])
    rig.wait_until(lambda: "ready" in process.log.read_text(), "load_server is ready")
    return counts


def read_counts(path):
    """(datagrams, bytes) that the UDP sink received."""
    raw = pathlib.Path(path).read_bytes()
    return int.from_bytes(raw[:8], "little"), int.from_bytes(raw[8:16], "little")


class Bench:
    """A peer that serves a client. .inside(command) runs in the client's network, .address is what the client loads,
    .pids() are the processes that do the peer's work, .counts the file of the UDP sink or None."""

    def __init__(self, inside, address, pids, counts=None, sources=()):
        self.inside, self.address, self.pids, self.counts, self.sources = inside, address, pids, counts, sources

    def memory_kib(self):
        return machine.memory_kib(self.pids())


class Load:
    """A started load_client, or another program that speaks as it does: 'begin', then one line of JSON."""

    def __init__(self, command):
        self.process = subprocess.Popen([str(word) for word in command], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, text=True)

    def line(self, seconds):
        deadline = time.monotonic() + seconds
        if not select.select([self.process.stdout], [], [], max(0, deadline - time.monotonic()))[0]:
            self.end()
            raise Stalled(f"nothing for {seconds} s")
        text = self.process.stdout.readline()
        if not text:
            raise Stalled(self.process.stderr.read().strip() or "the load ended")
        return text

    def end(self):
        self.process.stdin.close()
        rig.stop(self.process)
        self.process.stdout.close()
        self.process.stderr.close()


def drive(bench, client, test, options=(), seconds=2.0, warm_up=0.5):
    """Runs a load to its end. Returns what it said, with the peer's processor time and, of a sink, what arrived,
    between 'begin' and the end."""
    load = Load(bench.inside([client, test, bench.address, "--seconds", seconds, "--warm-up", warm_up, *options]))
    try:
        load.line(warm_up + PATIENCE_SECONDS)
        pids = bench.pids()
        before = machine.cpu_seconds(pids)
        counted = read_counts(bench.counts) if bench.counts else (0, 0)
        said = json.loads(load.line(seconds + PATIENCE_SECONDS))
        after = machine.cpu_seconds(pids)
        arrived = read_counts(bench.counts) if bench.counts else (0, 0)
    finally:
        load.end()
    cost = {"cpu_user_s": after[0] - before[0], "cpu_system_s": after[1] - before[1], "rss_kib": bench.memory_kib()}
    if not pids:  # the kernel's own work is in nobody's account
        cost = dict.fromkeys(cost)
    return {**said, **cost, "arrived": arrived[0] - counted[0], "arrived_bytes": arrived[1] - counted[1]}
