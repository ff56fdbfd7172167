"""How it is measured: iperf3 through a peer, and the peer's own processor time and memory meanwhile."""
import json
import os
import pathlib
import time

import peers
import rig

TICKS = os.sysconf("SC_CLK_TCK")
GIB = 1 << 30
WARM_UP_SECONDS = 1  # iperf3 knows whole seconds only

# name: streams, direction as the client sees it
TESTS = {"up1": (1, "up"), "down1": (1, "down"), "up8": (8, "up"), "down8": (8, "down")}


def cpu_seconds(pids):
    """(user, system) of these processes, all their threads; what they do in the kernel for others included."""
    user = system = 0
    for pid in pids:
        try:
            fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        except FileNotFoundError:
            continue
        user += int(fields[11])
        system += int(fields[12])
    return user / TICKS, system / TICKS


def busy_share(seconds=1.0):
    """How much of all cores was in use during the next second, 0..1."""
    def sample():
        fields = [int(word) for word in pathlib.Path("/proc/stat").read_text().splitlines()[0].split()[1:]]
        return sum(fields), fields[3] + fields[4]

    total, idle = sample()
    time.sleep(seconds)
    total_after, idle_after = sample()
    return 1 - (idle_after - idle) / max(1, total_after - total)


def make_hosts():
    """The two networks every peer meets; see peers.py for the drawing."""
    host, server = rig.Net("host"), rig.Net("server")
    rig.veth(host, "h0", "198.51.100.1/24", server, "s0", f"{peers.SERVER}/24")
    host.ip("route add default via 198.51.100.254")
    server.ip("route add 192.0.2.0/24 via 198.51.100.1")
    for net in (host, server):
        # The kernel refuses it here if the host's administrator has not allowed cubic to everyone; see congestion().
        net.run("sysctl -qw net.ipv4.tcp_congestion_control=cubic")
    return host, server


def congestion():
    """What TCP of new networks uses on this machine, for the record."""
    with rig.scratch():
        _, server = make_hosts()
        return server.run("sysctl -n net.ipv4.tcp_congestion_control").out.strip()


def _iperf(running, server, streams, direction, seconds):
    """One iperf3 run; its report, or None if it did not end (a connection that stands still)."""
    listener = server.start("iperf3 -s -1")
    server.wait_listening(5201)
    client = ["iperf3", "-c", peers.SERVER, "-t", seconds, "-P", streams, "-J"]
    try:
        ran = rig.run(running.inside(client + (["-R"] if direction == "down" else [])), seconds=seconds + 15)
    except Exception as too_slow:
        if type(too_slow).__name__ != "TimeoutExpired":
            raise
        return None
    finally:
        rig.stop(listener)
    report = json.loads(ran.out)
    assert "error" not in report, report["error"]
    return report["end"]


def _one(running, server, test, seconds):
    streams, direction = TESTS[test]
    before = cpu_seconds(running.pids)
    report = _iperf(running, server, streams, direction, seconds)
    user, system = (after - b for after, b in zip(cpu_seconds(running.pids), before))
    received = report["sum_received"] if report else {"bytes": 0, "bits_per_second": 0}
    gib = received["bytes"] / GIB
    return {"gbit_per_s": received["bits_per_second"] / 1e9, "cpu_user_s": user, "cpu_system_s": system,
            "gib": gib, "cpu_s_per_gib": (user + system) / gib if gib > 0 else None, "stalled": report is None,
            "retransmits": report["sum_sent"].get("retransmits", 0) if report else 0,
            "rss_kib": running.memory_kib()}


def measure_peer(peer, mtu, tests, seconds):
    """Starts the peer in fresh networks and yields (test, figures) for each test."""
    with rig.scratch():
        host, server = make_hosts()
        running = peer.start(host, mtu)
        rig.wait_until(lambda: rig.run(running.inside(["ip", "-4", "route", "get", peers.SERVER])).status == 0,
                       f"{peer.name} gave its client a route")
        time.sleep(0.2)
        at_rest_kib = running.memory_kib()
        _iperf(running, server, 1, "down", WARM_UP_SECONDS)
        for test in tests:
            yield test, {**_one(running, server, test, seconds), "rss_at_rest_kib": at_rest_kib}
