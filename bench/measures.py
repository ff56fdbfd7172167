"""What is measured: M1 to M8. A case has one or two figures that are compared, and any number of others that are told.

A session is a peer, freshly started, with the cases it goes through; cases that would disturb each other (memory, loss)
have a session each.
"""
import contextlib
import json
import time

import impaired
import machine
import networks
import rig
from networks import Load, drive
from peers import FORWARD, OWN, PAIR, RELAY

GIB = 1 << 30
BIG_MTU, WIRE_MTU = 65520, 1500
ECHO_BYTES, BULK_BYTES = 64, 1400
SETTLE_SECONDS = 1.0
WARM_UP_CONNECTIONS = 100
CLIENT_CONNECTIONS = 10000
KEEPALIVE_SECONDS = 5
OPENED_PER_SECOND = 10000  # idle connections; for the estimate
MANY_STREAMS = 100
FAIR_SECONDS = 10  # streams that share are watched for so long: what was asked
FLOOR_STREAMS = 16  # FLOWS_MAX of peers/floor.c
NO_MEMORY = {"kernel": "has no process", "floor": "has no stack"}
M7_FLOWS = (1, 10, 100, 1000)
M7_LOSSES = ("0.1%", "1%", "2%")


# What is compared: figure -> (unit, is more better)
FIGURES = {
    "gbit_per_s": ("Gbit/s", True),
    "gbit_per_core_s": ("Gbit/s a core", True),
    "cpu_s_per_gib": ("CPU s/GiB", False),
    "per_s": ("1/s", True),
    "per_core_s": ("1/s a core", True),
    "cpu_us_per_op": ("CPU us each", False),
    "p50_us": ("p50 us", False),
    "p99_us": ("p99 us", False),
    "rss_mib": ("MiB", False),
    "bytes_per_connection": ("bytes each", False),
    "cpu_percent": ("% of a core", False),
}


class Case:
    """One measurement. .key names the session in which it runs, .figures are those of FIGURES that are compared, the first
    above all; .skips: peer -> why it has no part in it."""

    def __init__(self, measure, kind, name, mtu, figures, *, alone=False, skips=None):
        self.measure, self.kind, self.name, self.mtu, self.figures = measure, kind, name, mtu, figures
        self.key = (kind, mtu, f"{measure} {name}" if alone else "")
        self.needs_descriptors = 0  # of one process
        self.is_about_fairness = False  # then it takes its own time
        self.skips = skips or {}

    def estimate(self, seconds):
        """About how long it takes, its peer's start not counted."""
        return seconds + networks.WARM_UP_SECONDS

    def run(self, bench, tools, seconds):
        raise NotImplementedError


def _jain(shares):
    squares = sum(share * share for share in shares)
    return sum(shares) ** 2 / (len(shares) * squares) if squares else 0.0


def _cpu_per(said, done):
    """Processor seconds of the peer for each of @done; None for nothing done, or a peer without processes."""
    if not done or said["cpu_user_s"] is None:
        return None
    return (said["cpu_user_s"] + said["cpu_system_s"]) / done


class Bulk(Case):
    """TCP one way; up is client to server, or to the stack."""

    def __init__(self, measure, kind, streams, direction, mtu, loss=None):
        name = f"{direction}{streams}" + (f" loss {loss}" if loss else "")
        skips = {"floor": f"carries {FLOOR_STREAMS} streams, without loss"} if streams > FLOOR_STREAMS or loss else {}
        # What a thousand streams have on the way when they end takes a relay seconds to be rid of: the next case's.
        is_alone = bool(loss) or streams >= MANY_STREAMS
        super().__init__(measure, kind, name, mtu, ("gbit_per_s", "cpu_s_per_gib"), alone=is_alone, skips=skips)
        self.streams, self.direction, self.loss = streams, direction, loss
        self.is_about_fairness = measure == "m2" and streams > 1

    def run(self, bench, tools, seconds):
        if self.loss:
            bench = impaired.behind(bench, tools, self.mtu, f"loss={self.loss},seed=1")
        said = drive(bench, tools.load_client, self.direction, ["--streams", self.streams], seconds)
        total = sum(said["bytes"])
        return {"gbit_per_s": total * 8 / said["seconds"] / 1e9, "cpu_s_per_gib": _cpu_per(said, total / GIB),
                "jain": _jain(said["bytes"]), "broken": said["broken"], **_costs(said)}


def _costs(said):
    """What was spent: by the peer, by the load's two ends, by the whole machine."""
    return {name: said[name] for name in ("seconds", "cpu_user_s", "cpu_system_s", "rss_kib", "client_busy", "client_waiting",
                                          "server_busy", "idle_share")}


class Small(Case):
    """Operations each of which is one exchange: bytes there and back, connections, datagrams."""

    def __init__(self, measure, kind, name, test, options=(), figures=("per_s", "cpu_us_per_op")):
        super().__init__(measure, kind, name, BIG_MTU, figures, skips={"floor": "carries bulk TCP only"})
        self.test, self.options = test, options

    def run(self, bench, tools, seconds):
        said = drive(bench, tools.load_client, self.test, self.options, seconds)
        done = said["operations"]
        lost = 1 - done / said["sent"] if said.get("sent") else None
        return {"per_s": done / said["seconds"], "cpu_us_per_op": _cpu_per(said, done / 1e6),
                "p50_us": said.get("p50_us"), "p99_us": said.get("p99_us"), "p999_us": said.get("p999_us"),
                "errors": said.get("errors", 0), "lost_share": lost, **_costs(said)}


class Blast(Case):
    """Datagrams one way, as many as go; what counts is what arrives."""

    def __init__(self, measure, kind, name, size, is_gso, mtu=BIG_MTU, figures=("gbit_per_s", "cpu_s_per_gib")):
        super().__init__(measure, kind, name, mtu, figures,
                         skips={"floor": "carries bulk TCP only"} if kind == RELAY else {})
        self.options = ["--size", size, *(["--gso"] if is_gso else [])]

    def run(self, bench, tools, seconds):
        said = drive(bench, tools.load_client, "udp-blast", self.options, seconds)
        return {"gbit_per_s": said["arrived_bytes"] * 8 / said["seconds"] / 1e9,
                "per_s": said["arrived"] / said["seconds"],
                "lost_share": 1 - said["arrived"] / said["sent"] if said["sent"] else None,
                "cpu_s_per_gib": _cpu_per(said, said["arrived_bytes"] / GIB),
                "cpu_us_per_op": _cpu_per(said, said["arrived"] / 1e6), **_costs(said)}


class Rest(Case):
    """Memory of a peer that has done nothing yet."""

    def __init__(self, kind):
        super().__init__("m5", kind, "at rest", BIG_MTU, ("rss_mib",), alone=True, skips=NO_MEMORY)

    def estimate(self, seconds):
        return SETTLE_SECONDS

    def run(self, bench, tools, seconds):
        time.sleep(SETTLE_SECONDS)
        return {"rss_mib": bench.memory_kib() / 1024, "processes": len(bench.pids())}


def shares_of(connections):
    """How many each client opens, since a process may not have descriptors for all."""
    clients = -(-connections // CLIENT_CONNECTIONS)
    return [connections // clients + (number < connections % clients) for number in range(clients)]


class Idle(Case):
    """Memory of connections on which nothing happens; or the processor time of answering their keepalives."""

    def __init__(self, kind, connections, has_keepalive=False):
        name = f"{connections} keepalives" if has_keepalive else f"{connections} idle"
        figure = "cpu_percent" if has_keepalive else "bytes_per_connection"
        super().__init__("m5", kind, name, BIG_MTU, (figure,), alone=True, skips=NO_MEMORY)
        self.connections, self.has_keepalive = connections, has_keepalive
        # A relay has a socket for each; a stack of its own has none, and clients share them.
        self.needs_descriptors = 100 + (max(shares_of(connections)) if kind == OWN else connections)

    def estimate(self, seconds):
        return self.connections / OPENED_PER_SECOND + 2 * SETTLE_SECONDS + (KEEPALIVE_SECONDS if self.has_keepalive else 0)

    def run(self, bench, tools, seconds):
        # What the first connections cost once, buffers for packets above all, is no part of what each costs.
        self._hold(bench, tools, WARM_UP_CONNECTIONS, lambda: None)
        before = bench.memory_kib()
        said, (after, percent) = self._hold(bench, tools, self.connections, lambda: (
            bench.memory_kib(), self._cpu_percent(bench) if self.has_keepalive else None))
        opened = sum(client["opened"] for client in said)
        # Who could not open them all has no figure that could be compared.
        is_whole = opened >= 0.99 * self.connections
        per_connection = (after - before) * 1024 / opened if opened else None
        return {"opened": opened, "open_seconds": sum(client["seconds"] for client in said), "cpu_percent": percent if is_whole else None,
                "bytes_per_connection": per_connection if is_whole else None, "rss_kib": after}

    def _hold(self, bench, tools, connections, look):
        """What each client said, and what @look() saw while they held @connections."""
        options = ["--keepalive"] if self.has_keepalive else []
        if bench.sources:
            options += ["--sources", ",".join(bench.sources)]
        said = []
        with contextlib.ExitStack() as clients:
            for share in shares_of(connections):
                load = Load(bench.inside([tools.load_client, "idle", bench.address, "--streams", share, *options]))
                clients.callback(load.end)
                load.line(networks.PATIENCE_SECONDS)
                said.append(json.loads(load.line(60 + networks.PATIENCE_SECONDS)))
            time.sleep(SETTLE_SECONDS)
            return said, look()

    @staticmethod
    def _cpu_percent(bench):
        pids = bench.pids()
        before = machine.cpu_seconds(pids)
        time.sleep(KEEPALIVE_SECONDS)
        return (sum(machine.cpu_seconds(pids)) - sum(before)) * 100 / KEEPALIVE_SECONDS


class Pair(Case):
    """M6: two stacks in one process, no kernel between them; per second of processor time, both ends together."""

    def __init__(self, name, mtu, flows=1, mode="copy"):
        figure = "per_core_s" if mode == "connections" else "gbit_per_core_s"
        super().__init__("m6", PAIR, name, mtu, (figure,))
        self.flows, self.mode = flows, mode

    def run(self, bench, tools, seconds):
        command = bench.pair_command(self.mtu, self.flows, self.mode, seconds)
        if command is None:
            raise rig.Skip(f"has no {self.mode} mode")
        said = json.loads(rig.run(command, seconds=seconds + networks.PATIENCE_SECONDS).ok().out)
        spent = said["cpu_s"]
        return {"gbit_per_s": said.get("gbit_per_s"), "per_s": said.get("per_s"), "jain": said.get("jain"),
                "gbit_per_core_s": said["gbit_per_s"] * said["seconds"] / spent if "gbit_per_s" in said else None,
                "per_core_s": said["per_s"] * said["seconds"] / spent if "per_s" in said else None}


def _bulk(measure, kind, streams, mtus):
    return [Bulk(measure, kind, n, direction, mtu) for mtu in mtus for n in streams for direction in ("up", "down")]


def _small(kind):
    return [Small("m3", kind, "rr", "rr", figures=("p50_us", "p99_us")),
            Small("m3", kind, "crr", "crr", ["--streams", 16]),
            Small("m4", kind, "echo", "udp-echo", ["--size", ECHO_BYTES])]


def _memory(kind):
    return [Rest(kind), Idle(kind, 10000), Idle(kind, 100000), Idle(kind, 10000, has_keepalive=True)]


def all_cases():
    """Every case, in the order of the measures."""
    both = (WIRE_MTU, BIG_MTU)
    return [
        *_bulk("m1", RELAY, (1, 8), both),
        *_bulk("m2", OWN, (1, 8, 1000), both),
        *_small(RELAY), *_small(OWN),
        Blast("m4", RELAY, "bulk plain", BULK_BYTES, False),
        Blast("m4", RELAY, "bulk segments", BULK_BYTES, True),
        *_memory(RELAY), *_memory(OWN),
        Pair("copy", 1500), Pair("copy", 65535), Pair("copy, 100 flows", 1500, 100), Pair("copy, 1000 flows", 1500, 1000),
        Pair("zero-copy", 1500, mode="zero-copy"), Pair("zero-copy", 65535, mode="zero-copy"),
        Pair("copy, GSO", 1500, mode="gso"), Pair("connections", 1500, 16, "connections"),
        *_bulk("m7", RELAY, M7_FLOWS, (BIG_MTU,)),
        *[Bulk("m7", kind, 1, direction, WIRE_MTU, loss) for kind in (RELAY, OWN) for loss in M7_LOSSES
          for direction in ("up", "down")],
        Blast("m8", FORWARD, "datagrams", ECHO_BYTES, False, WIRE_MTU, ("per_s", "cpu_us_per_op")),
        Bulk("m8", FORWARD, 1, "up", BIG_MTU),
    ]
