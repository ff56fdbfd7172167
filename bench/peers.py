"""Who is measured. A peer knows which kinds of measurement it can serve, starts itself for one, and says why it cannot.

Relays run as an ordinary user, since that is what they are for; own stacks open a TUN of the client's network.
"""
import itertools
import os
import pathlib
import shutil

import networks
import rig
from networks import Bench

RELAY, OWN, PAIR, FORWARD = "relay", "own", "pair", "forward"  # each has a start_ of its name
_marks = itertools.count(90000000)  # seconds to sleep: the mark by which a client's process is found


def _words(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")[:-1]
    except OSError:
        return []


def _find(words):
    pids = [int(name) for name in os.listdir("/proc") if name.isdigit()]
    return next((pid for pid in pids if _words(pid) == words), None)


def _family(pid):
    """A process and all below it."""
    found = [pid]
    for task in pathlib.Path(f"/proc/{pid}/task").glob("*/children"):
        for child in task.read_text().split():
            found += _family(int(child))
    return found


def _in_network_of(pid):
    return lambda command: ["nsenter", "-t", str(pid), "--net", "--", *map(str, command)]


def _need_tun():
    return None if os.access("/dev/net/tun", os.R_OK | os.W_OK) else "/dev/net/tun may not be opened"


def _await_ready(process, name):
    def is_ready():
        assert process.poll() is None, f"{name} ended:\n{process.log.read_text()}"
        return "ready" in process.log.read_text()

    rig.wait_until(is_ready, f"{name} is ready")


class Peer:
    """name; kinds: which measurements it serves; start(kind, mtu, tools) returns a Bench inside rig.scratch()."""
    kinds = ()

    def missing(self):
        """Why it cannot be measured here, or None."""
        return _need_tun()

    def version(self):
        return ""

    def start(self, kind, mtu, tools):
        return getattr(self, f"start_{kind}")(mtu, tools)


# Relays --------------------------------------------------------------------------------------------------------

def _relay_bench(client_pid, process, host, server, tools):
    """@process and its children are the peer, without the client: what runs for it is not the peer's expense."""
    far = networks.Server(server, tools.load_server)
    inside = _in_network_of(client_pid)
    networks.tune(inside)
    rig.wait_until(lambda: rig.run(inside(["ip", "-4", "route", "get", networks.SERVER])).status == 0,
                   "the client has a route")
    return Bench(inside, networks.SERVER,
                 lambda: [pid for pid in _family(process.pid) if pid != client_pid] if process else [], far)


class Installed(Peer):
    """A relay that is a program of the system."""
    kinds = (RELAY,)

    def __init__(self, program):
        self.program = program

    def missing(self):
        return super().missing() if shutil.which(self.program) else f"{self.program} is not installed"

    def version(self):
        said = rig.run([self.program, "--version"])
        return (said.out + said.err).strip().splitlines()[0]

    def _start_with_client(self, command, tools):
        """For peers that make the client's network themselves: @command followed by what shall run inside."""
        host, server = networks.make_hosts()
        client = ["sleep", str(next(_marks))]
        process = host.start(rig.as_user(command + client))

        def is_there():
            assert process.poll() is None, f"{self.name} ended:\n{process.log.read_text()}"
            return _find(client)

        rig.wait_until(is_there, f"the client of {self.name} runs")
        return _relay_bench(_find(client), process, host, server, tools)


class Pasta(Installed):
    name = "pasta"

    def __init__(self):
        super().__init__("pasta")

    def start_relay(self, mtu, tools):
        no_ports = [word for flag in ("-t", "-u", "-T", "-U") for word in (flag, "none")]
        return self._start_with_client(
            [self.program, "-4", "-f", "-q", "--config-net", "--no-map-gw", "-m", str(mtu), *no_ports, "--"], tools)


class RunnelRelay(Installed):
    """`runnel run` on a TUN, or on the rung below it, or with several workers."""

    def __init__(self, program, link="tun", workers=1):
        super().__init__(program)
        self.name = "runnel" if link == "tun" else f"runnel-{link}"
        self.options = ["--link", link]
        if workers > 1:
            self.name = f"runnel-{workers}-workers"
            self.options += ["--workers", str(workers)]

    def missing(self):
        return _need_tun() if os.path.exists(self.program) else f"{self.program} is not built"

    def version(self):
        return rig.run([self.program, "version"]).out.strip().splitlines()[0]

    def start_relay(self, mtu, tools):
        return self._start_with_client([self.program, "run", *self.options, "--mtu", str(mtu), "--"], tools)


def _empty_client(host):
    """The pid of a client in a network of its own, made by an ordinary user."""
    client = ["sleep", str(next(_marks))]
    host.start(rig.as_user(["unshare", "--user", "--map-root-user", "--net", *client]))
    rig.wait_until(lambda: _find(client), "the client runs")
    return _find(client)


class Slirp4netns(Installed):
    name = "slirp4netns"

    def __init__(self):
        super().__init__("slirp4netns")

    def start_relay(self, mtu, tools):
        host, server = networks.make_hosts()
        pid = _empty_client(host)
        process = host.start(rig.as_user([self.program, "-c", f"--mtu={mtu}", "--disable-host-loopback", pid, "tap0"]))
        return _relay_bench(pid, process, host, server, tools)


class OurProgram(Peer):
    """A program of bench/: built, or the reason why not."""

    def __init__(self, name, program, kinds, version=""):
        self.name, self.program, self.kinds, self._version = name, program, kinds, version

    def missing(self):
        if isinstance(self.program, Exception):
            return str(self.program)
        return super().missing() if os.path.exists(self.program) else f"{pathlib.Path(self.program).name} is not built"

    def version(self):
        return self._version

    def own_command(self, mtu):
        return [self.program, "t0", networks.STACK, mtu]

    def relay_command(self, pid, mtu):
        return [self.program, pid, "t0", mtu]

    def start_own(self, mtu, tools):
        client = rig.Net("client")
        process = client.start(self.own_command(mtu))
        _await_ready(process, self.name)
        client.ip(f"link set t0 mtu {mtu} up")
        for address in networks.CLIENTS:
            client.ip(f"addr add {address}/16 dev t0")
        networks.tune(client.inside)
        return Bench(client.inside, networks.STACK, lambda: _family(process.pid), sources=networks.CLIENTS)

    def start_relay(self, mtu, tools):
        host, server = networks.make_hosts()
        client = rig.Net("client")
        process = host.start(self.relay_command(client.holder.pid, mtu))
        _await_ready(process, self.name)
        client.ip(f"link set t0 mtu {mtu} up")
        client.ip("addr add 192.0.2.2/24 dev t0")
        client.ip("route add default dev t0")
        return _relay_bench(client.holder.pid, process, host, server, tools)


class ManyInOne(OurProgram):
    """A program that has a word for each kind: its stack on a TUN, or (gVisor) its forwarders with host sockets, as
    tun2socks-like programs have it, or (pairs.py) two stacks joined."""

    def own_command(self, mtu):
        return [self.program, "own", "t0", networks.STACK, mtu]

    def relay_command(self, pid, mtu):
        return [self.program, "relay", pid, "t0", mtu]


class Kernel(Peer):
    """No peer but the limit: a cable, and the kernel's own TCP or forwarding. Nothing runs in user space."""
    name = "kernel"
    kinds = (RELAY, OWN, FORWARD)

    def missing(self):
        return None

    def version(self):
        return os.uname().release

    def start_relay(self, mtu, tools):
        host, server = networks.make_hosts()
        client = rig.Net("client")
        rig.veth(client, "c0", "192.0.2.2/24", host, "p0", "192.0.2.1/24")
        client.ip(f"link set c0 mtu {mtu}")
        host.ip(f"link set p0 mtu {mtu}")
        client.ip("route add default via 192.0.2.1")
        host.run("sysctl -qw net.ipv4.ip_forward=1").ok()
        return _relay_bench(client.holder.pid, None, host, server, tools)

    def start_own(self, mtu, tools):
        client, server = rig.Net("client"), rig.Net("server")
        rig.veth(client, "c0", [f"{address}/16" for address in networks.CLIENTS], server, "s0", f"{networks.STACK}/16")
        client.ip(f"link set c0 mtu {mtu}")
        server.ip(f"link set s0 mtu {mtu}")
        for net in (client, server):
            networks.tune(net.inside)
        far = networks.Server(server, tools.load_server)
        return Bench(client.inside, networks.STACK, lambda: [], far, networks.CLIENTS)

    def start_forward(self, mtu, tools):
        return self.start_relay(mtu, tools)


class Forwarder(Peer):
    """Moves packets between a TUN in the client's network and one in the server's: ours, or a bare loop."""
    kinds = (FORWARD,)

    def __init__(self, name, program, options=()):
        self.name, self.program, self.options = name, program, options

    def missing(self):
        return super().missing() if os.path.exists(self.program) else f"{pathlib.Path(self.program).name} is not built"

    def start_forward(self, mtu, tools):
        client, server = rig.Net("client"), rig.Net("server")
        process = rig.start([self.program, client.holder.pid, server.holder.pid, mtu, *self.options])
        _await_ready(process, self.name)
        for net, address in ((client, "10.7.0.1/16"), (server, f"{networks.STACK}/16")):
            net.ip(f"link set t0 mtu {mtu} up")
            net.ip(f"addr add {address} dev t0")
            networks.tune(net.inside)
        far = networks.Server(server, tools.load_server)
        return Bench(client.inside, networks.STACK, lambda: _family(process.pid), far)
