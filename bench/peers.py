"""Who is measured. Each peer gives a client a network of its own, behind a stack in user space.

    client (made by the peer) --- peer's process in `host` --- h0 198.51.100.1 ~~ veth ~~ s0 198.51.100.2 `server`

Every peer runs as an ordinary user, since that is what they are for.
"""
import itertools
import os
import pathlib
import shutil

import rig

SERVER = "198.51.100.2"
_marks = itertools.count(90000000)  # seconds to sleep: the mark by which a client's process is found


def _words(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")[:-1]
    except OSError:
        return []


def _find(words):
    pids = [int(name) for name in os.listdir("/proc") if name.isdigit()]
    return next((pid for pid in pids if _words(pid) == words), None)


def _children(pid):
    """All processes below @pid."""
    found = []
    for task in pathlib.Path(f"/proc/{pid}/task").glob("*/children"):
        for child in task.read_text().split():
            found += [int(child), *_children(int(child))]
    return found


class Running:
    """A started peer: .client_pid lives in the client's network, .pids are the processes that do the peer's work."""

    def __init__(self, process, client_pid):
        self.process, self.client_pid = process, client_pid

    def inside(self, command):
        return ["nsenter", "-t", str(self.client_pid), "--net", "--", *map(str, command)]

    @property
    def pids(self):
        """Without the client: what runs for it is not the peer's expense."""
        if self.process is None:
            return []
        ours = [self.process.pid, *_children(self.process.pid)]
        return [pid for pid in ours if pid != self.client_pid]

    def memory_kib(self):
        """Resident memory of all its processes together; shared pages count once for each."""
        total = 0
        for pid in self.pids:
            for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
                if line.startswith("VmRSS:"):
                    total += int(line.split()[1])
        return total


class Peer:
    """name; program; start(host, mtu) returns a Running once the client can reach the server."""

    def __init__(self, program):
        self.program = program

    def missing(self):
        """Why it cannot be measured here, or None."""
        if not shutil.which(self.program):
            return f"{self.program} is not installed"
        if not os.access("/dev/net/tun", os.R_OK | os.W_OK):
            return "/dev/net/tun may not be opened"
        return None

    def version(self):
        said = rig.run([self.program, "--version"])
        return (said.out + said.err).strip().splitlines()[0]

    def _start_with_client(self, host, command):
        """For peers that make the client's network themselves: @command followed by what shall run inside."""
        client = ["sleep", str(next(_marks))]
        process = host.start(rig.as_user(command + client))

        def is_there():
            assert process.poll() is None, f"{self.name} ended:\n{process.log.read_text()}"
            return _find(client)

        rig.wait_until(is_there, f"the client of {self.name} runs")
        return Running(process, _find(client))


class Pasta(Peer):
    name = "pasta"

    def start(self, host, mtu):
        no_ports = [word for flag in ("-t", "-u", "-T", "-U") for word in (flag, "none")]
        return self._start_with_client(
            host, [self.program, "-4", "-f", "-q", "--config-net", "--no-map-gw", "-m", str(mtu), *no_ports, "--"])


class Runnel(Peer):
    name = "runnel"

    def missing(self):
        return super().missing() if os.path.exists(self.program) else f"{self.program} is not built"

    def version(self):
        return rig.run([self.program, "version"]).out.strip().splitlines()[0]

    def start(self, host, mtu):
        return self._start_with_client(host, [self.program, "run", "--mtu", str(mtu), "--"])


class Slirp4netns(Peer):
    name = "slirp4netns"

    def start(self, host, mtu):
        client = ["sleep", str(next(_marks))]
        host.start(rig.as_user(["unshare", "--user", "--map-root-user", "--net", *client]))
        rig.wait_until(lambda: _find(client), "the client of slirp4netns runs")
        pid = _find(client)
        process = host.start(rig.as_user([self.program, "-c", f"--mtu={mtu}", "--disable-host-loopback", pid, "tap0"]))
        return Running(process, pid)


class Kernel(Peer):
    """No peer but the limit: a client with a cable into `host`, which forwards. Nothing runs in user space."""
    name = "kernel"

    def __init__(self):
        super().__init__("ip")

    def missing(self):
        return None

    def version(self):
        return os.uname().release

    def start(self, host, mtu):
        client = rig.Net("client")
        rig.veth(client, "c0", "192.0.2.2/24", host, "p0", "192.0.2.1/24")
        client.ip(f"link set c0 mtu {min(mtu, 65520)}")
        host.ip(f"link set p0 mtu {min(mtu, 65520)}")
        client.ip("route add default via 192.0.2.1")
        host.run("sysctl -qw net.ipv4.ip_forward=1").ok()
        return Running(None, client.holder.pid)
