"""What tests of `runnel map` share: a scan as an object, programs that hold things, tenants with a root of their own."""
import json
import os
import pathlib
import sys

import rig

# Runs in a network given as the first argument: opens what later arguments say and says so, then waits.
HOLD = r"""
import ctypes, fcntl, os, socket, struct, sys, threading, time
libc = ctypes.CDLL(None, use_errno=True)
home = os.open("/proc/self/ns/net", os.O_RDONLY)
def go(fd):
    assert libc.setns(fd, 0x40000000) == 0, ctypes.get_errno()
def fresh():
    assert libc.unshare(0x40000000) == 0, ctypes.get_errno()
    return os.stat("/proc/thread-self/ns/net").st_ino
kept = []
def listen(family, kind, addr, port, only=None, proto=0):
    s = socket.socket(family, kind, proto)
    if only is not None:
        s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, only)
    s.bind((addr, port))
    if kind == socket.SOCK_STREAM:
        s.listen()
    kept.append(s)
"""


def hold(code):
    """Starts a program that does @code, and returns (process, what it printed as one word per line)."""
    program = rig.start([sys.executable, "-c", HOLD + code + "\nprint('done', flush=True)\ntime.sleep(100)\n"])
    rig.wait_until(lambda: "done" in program.log.read_text() or program.poll() is not None, "the holder is ready")
    words = program.log.read_text().split()
    assert words and words[-1] == "done", program.log.read_text()
    return program, words[:-1]


class Map:
    """One scan, as its JSON says."""

    def __init__(self, *arguments, command=None):
        ran = rig.run(command or rig.runnel("map", "--json", *arguments)).ok()
        self.doc = json.loads(ran.out)
        self.by_inode = {int(n["inode"]): n for n in self.doc["namespaces"]}
        self.by_id = {n["id"]: n for n in self.doc["namespaces"]}

    def net(self, net):
        return self.by_inode[os.stat(net.path).st_ino]

    def link(self, net, name):
        return next(link for link in self.net(net)["links"] if link["name"] == name)

    def points_to(self, ref, net, name):
        return ref is not None and ref["name"] == name and ref["netns"] == self.net(net)["id"]

    def unreadable(self, what):
        return [u for u in self.doc["unreadable"] if u["what"] == what]


def tenant_with(files):
    """A process with a network and a root of its own, in whose /etc lie @files: a function of the path for each."""
    busy = "/bin/busybox"
    if not os.path.exists(busy):
        rig.skip("busybox is not installed")
    root = rig.workdir() / "root"
    for folder in ("bin", "etc", "proc"):
        (root / folder).mkdir(parents=True)
    (root / "bin/busybox").write_bytes(pathlib.Path(busy).read_bytes())
    (root / "bin/busybox").chmod(0o755)
    for name, make in files.items():
        make(root / "etc" / name)
    process = rig.start(["unshare", "--net", "--mount", "chroot", root, "/bin/busybox", "sleep", "100"])
    rig.wait_until(lambda: os.readlink(f"/proc/{process.pid}/root") == str(root), "the tenant is inside")
    return process


def dns_of(seen, pid):
    for net in seen.doc["namespaces"]:
        for tenant in net["tenants"]:
            if tenant["pid"] == pid:
                return tenant["dns"]
    raise AssertionError(f"no tenant {pid}")


# ---- ways ----

HTTP = """import socket, time
s = socket.create_server(('::', 80), family=socket.AF_INET6, dualstack_ipv6=True)
time.sleep(300)"""


def build():
    """
    client                      router                         server
    eth0 10.1.0.2/24  =======   c0 10.1.0.1/24                 listens 80/tcp
    default via 10.1.0.1        br0 10.2.0.1/24 - s0  =======  eth0 10.2.0.2/24, default via 10.2.0.1
    """
    client, router, server = rig.Net("client"), rig.Net("router"), rig.Net("server")
    rig.veth(client, "eth0", "10.1.0.2/24", router, "c0", "10.1.0.1/24")
    rig.veth(server, "eth0", "10.2.0.2/24", router, "s0", [])
    for command in ["link add br0 type bridge", "link set s0 master br0", "link set br0 up", "addr add 10.2.0.1/24 dev br0"]:
        router.ip(command)
    router.run("sysctl -qw net.ipv4.ip_forward=1").ok()
    client.ip("route add default via 10.1.0.1")
    server.ip("route add default via 10.2.0.1")
    server.start([sys.executable, "-c", HTTP])
    server.wait_listening(80)
    return client, router, server


def pid(net):
    return str(net.holder.pid)


def way(*arguments):
    """A way as JSON, which must be as its schema says, and say no more."""
    document = json.loads(map_("--json", "path", *arguments).out)
    try:
        import jsonschema
    except ImportError:
        return document
    schema = json.loads((rig.ROOT / "share/runnel.path-1.schema.json").read_text())
    schema["additionalProperties"] = schema["properties"]["steps"]["items"]["additionalProperties"] = False
    jsonschema.Draft202012Validator(schema).validate(document)
    return document


BRIEF = 0.3  # seconds: more than enough for who is nearby and answers, for connections that should not come about


def can_connect(net, addr, port, seconds=2):
    code = f"import socket; socket.create_connection(('{addr}', {port}), {seconds})"
    return net.run([sys.executable, "-c", code]).status == 0


def agrees(told, net, addr, port):
    """Whether a connection is as @told says."""
    return can_connect(net, addr, port, seconds=5 if told["reached"] else BRIEF) == told["reached"]


def map_(*arguments, **options):
    return rig.run(rig.runnel("map", *arguments), **options)
