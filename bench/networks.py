"""The networks of every measurement, and a client's load in them.

    relay:    client's network, made by the peer --- peer in `host` --- h0 198.51.100.1 ~~ s0 198.51.100.2 `server`
    own:      `client` t0 10.7.0.1 ~~~ TUN, or a cable for the kernel ~~~ 10.7.1.1, the stack that is measured
    with loss: `client` t0 10.8.0.2 ~~ impair_box ~~ t0 10.8.0.1 `the client of above`, now a router with masquerading
"""
import contextlib
import json
import os
import pathlib
import select
import subprocess
import time

import machine
import rig

SERVER = "198.51.100.2"
STACK = "10.7.1.1"
CLIENTS = [f"10.7.0.{number}" for number in range(1, 5)]
WARM_UP_SECONDS = 0.5
PATIENCE_SECONDS = 20  # beyond what a load was told to take
SYSCTLS = (
    "net.ipv4.tcp_congestion_control=cubic",
    "net.ipv4.ip_local_port_range=1024 65535",
    "net.ipv4.tcp_max_tw_buckets=2000",  # else the ports of short connections run out, and that would be measured
    "net.ipv4.tcp_orphan_retries=1",  # else what ended connections had on the way is sent again for minutes
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
    """`host` and `server` of the drawing."""
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


def end_connections():
    """Ends every TCP connection of the networks in which our processes live; CONFIG_INET_DIAG_DESTROY is needed for it.
    Those whose processes ended would go on for seconds with what they had on the way, at the next measurement's cost."""
    assert rig.INSIDE in os.environ, "only in a pid namespace of our own every process is ours"
    found = {}
    for entry in pathlib.Path("/proc").glob("[0-9]*/ns/net"):
        with contextlib.suppress(OSError):  # it has just ended
            found.setdefault(os.readlink(entry), entry)
    for entry in found.values():
        subprocess.run(["nsenter", f"--net={entry}", "ss", "-K", "-t", "state", "connected"], stdin=subprocess.DEVNULL,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)


class Server:
    """A load_server in @net."""

    def __init__(self, net, program):
        self._counts = rig.workdir() / "counts"
        process = net.start([program, self._counts])
        self.pid = process.pid
        rig.wait_until(lambda: "ready" in process.log.read_text(), "load_server is ready")

    def received(self):
        """(datagrams, bytes) that its UDP sink received."""
        raw = pathlib.Path(self._counts).read_bytes()
        return int.from_bytes(raw[:8], "little"), int.from_bytes(raw[8:16], "little")


class Bench:
    """A peer that serves a client. .inside(command) runs in the client's network, .address is what the client loads,
    .pids() are the processes that do the peer's work, .server the Server behind it, or None where the peer serves itself."""

    def __init__(self, inside, address, pids, server=None, sources=()):
        self.inside, self.address, self.pids, self.server, self.sources = inside, address, pids, server, sources

    def memory_kib(self):
        return machine.memory_kib(self.pids())


class Load:
    """A started load_client, or another program that speaks as it does: 'begin', then one line of JSON."""

    def __init__(self, command):
        self.process = subprocess.Popen([str(word) for word in command], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE)
        self._unread = b""

    def line(self, seconds):
        deadline = time.monotonic() + seconds
        while b"\n" not in self._unread:  # who is quick says both lines at once
            if not select.select([self.process.stdout], [], [], max(0, deadline - time.monotonic()))[0]:
                self.end()
                raise Stalled(f"nothing for {seconds} s")
            got = os.read(self.process.stdout.fileno(), 65536)
            if not got:
                raise Stalled(self.process.stderr.read().decode(errors="replace").strip() or "the load ended")
            self._unread += got
        text, _, self._unread = self._unread.partition(b"\n")
        return text.decode()

    def end(self):
        self.process.stdin.close()
        rig.stop(self.process)
        self.process.stdout.close()
        self.process.stderr.close()


class Account:
    """What was spent and received from its making on."""

    def __init__(self, bench):
        self.bench, self.pids = bench, bench.pids()
        self.at_begin = self._sample()

    def _sample(self):
        server = self.bench.server
        return [*machine.cpu_seconds(self.pids), sum(machine.cpu_seconds([server.pid])) if server else 0,
                *(server.received() if server else (0, 0)), *machine.core_seconds()]

    def close(self, said):
        """What is told of it, of a client that said @said."""
        user, system, server, datagrams, octets, total, idle = (
            now - then for now, then in zip(self._sample(), self.at_begin))
        if not self.pids:  # the kernel's own work is in nobody's account
            user = system = None
        return {"cpu_user_s": user, "cpu_system_s": system, "arrived": datagrams, "arrived_bytes": octets,
                "client_busy": said["client_cpu_s"] / said["seconds"], "client_waiting": said["client_wait_s"] / said["seconds"],
                "server_busy": server / said["seconds"] if self.bench.server else None,
                "idle_share": min(1, idle / total) if total else None}


def drive(bench, client, test, options=(), seconds=2.0, warm_up=WARM_UP_SECONDS):
    """Runs a load to its end. Returns what it said, with the account between 'begin' and the end, and the peer's memory."""
    load = Load(bench.inside([client, test, bench.address, "--seconds", seconds, "--warm-up", warm_up, *options]))
    try:
        load.line(warm_up + PATIENCE_SECONDS)
        account = Account(bench)
        said = json.loads(load.line(seconds + PATIENCE_SECONDS))
        spent = account.close(said)
    finally:
        load.end()
    return {**said, **spent, "rss_kib": bench.memory_kib() if account.pids else None}
