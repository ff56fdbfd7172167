#!/usr/bin/env python3
"""Hosts of every kind, and hosts that change while a command runs.

    command, in its cell          host                                     server
    (10.210.71.2, fd72:...::2) -- runnel -- h0 198.51.100.1/24 -- veth -- s0 198.51.100.2/24   nginx :80, DNS :53
                                            2001:db8:1::1/64                 2001:db8:1::2/64
    Some hosts lack a family, a default route, or any address but loopback.
"""
import os
import pathlib
import time

import behind
import rig
from behind import SERVER4, SERVER6

CONNECT = """
import socket, sys, errno, time
began = time.monotonic()
try:
    s = socket.create_connection((sys.argv[1], 80), 10)
    print('connected')
except OSError as e:
    print(errno.errorcode.get(e.errno, e))
print('at once' if time.monotonic() - began < 2 else 'late')
"""


def connect(host, addr, way, *options):
    return behind.run(host, [*behind.python(CONNECT), addr], *options, way=way).ok().out.split("\n")[:2]


@behind.each_way
def a_host_without_ipv6_fails_ipv6_at_once(way):
    host, server = behind.two_nets(v6=False)
    rig.http_server(server, rig.workdir())

    assert connect(host, SERVER4, way) == ["connected", "at once"]
    assert connect(host, SERVER6, way) == ["ENETUNREACH", "at once"]
    assert connect(host, SERVER6, way, "-6") == ["ENETUNREACH", "at once"]


@behind.each_way
def a_host_without_ipv4_fails_ipv4_at_once(way):
    host, server = behind.two_nets(v4=False)
    rig.http_server(server, rig.workdir())

    assert connect(host, SERVER6, way) == ["connected", "at once"]
    assert connect(host, SERVER4, way) == ["ENETUNREACH", "at once"]


@behind.each_way
def an_offline_host_starts_and_says_unreachable_at_once(way):
    host = rig.Net("host")

    assert connect(host, SERVER4, way) == ["ENETUNREACH", "at once"]
    assert connect(host, SERVER6, way) == ["ENETUNREACH", "at once"]
    got = behind.run(host, ["ping", "-c1", "-W2", behind.GATE4], way=way)
    assert got.ok()


@behind.each_way
def a_host_without_default_routes_reaches_its_neighbours(way):
    host, server = behind.two_nets(has_default=False)
    rig.http_server(server, rig.workdir())

    assert connect(host, SERVER4, way) == ["connected", "at once"]
    assert connect(host, "203.0.113.1", way) == ["ENETUNREACH", "at once"]


@behind.each_way
def one_family_can_be_left_out(way):
    host, server = behind.two_nets()
    rig.http_server(server, rig.workdir())

    assert connect(host, SERVER4, way, "-4") == ["connected", "at once"]
    assert connect(host, SERVER6, way, "-4") == ["ENETUNREACH", "at once"]
    assert connect(host, SERVER6, way, "-6") == ["connected", "at once"]
    assert connect(host, SERVER4, way, "-6") == ["ENETUNREACH", "at once"]


@behind.each_way(seconds=120)
def three_nested_runs_fetch_a_file(way):
    rig.need("curl")
    host, server = behind.two_nets()
    rig.resolv_conf(f"nameserver {SERVER4}\n")
    behind.dns_server(server, f"www.test={SERVER4},{SERVER6}")
    sent = rig.random_file("sent", 4 << 20)
    rig.http_server(server, rig.workdir())
    run = " ".join(rig.runnel("run", "-q"))

    for family in ("-4", "-6"):
        got = host.run((rig.as_user if way == "user" else list)(
            ["sh", "-c", f"{run} -- {run} -- {run} -- curl {family} -sSf http://www.test/sent | sha256sum"]), seconds=50)
        assert got.ok().out.split()[0] == rig.sha256(sent), got.err


@behind.each_way
def a_change_of_the_hosts_addresses_is_no_end(way):
    """The host moves from one network to another: connections of before are gone, new ones work."""
    host, server = behind.two_nets()
    rig.http_server(server, rig.workdir())
    process = behind.popen(host, ["sh", "-c", f"while read x; do {behind.PYTHON} -c \"$CONNECT\" $x; done"], way=way,
                           env={**os.environ, "CONNECT": CONNECT})

    def ask(addr):
        process.stdin.write(addr + "\n")
        process.stdin.flush()
        return [process.stdout.readline().strip(), process.stdout.readline().strip()]

    assert ask(SERVER4) == ["connected", "at once"]
    host.ip("addr del 198.51.100.1/24 dev h0")
    assert ask(SERVER4) == ["ENETUNREACH", "at once"]
    host.ip("addr add 192.0.2.1/24 dev h0")
    server.ip("addr add 192.0.2.2/24 dev s0")
    assert ask("192.0.2.2") == ["connected", "at once"]


def private_etc(text):
    """The host's /etc as a folder of ours, so that its resolv.conf can be renamed over and be a link."""
    copy = rig.workdir() / "etc"
    copy.mkdir()
    for name in ("passwd", "group", "nsswitch.conf", "hosts"):
        if pathlib.Path("/etc", name).exists():
            (copy / name).write_text(pathlib.Path("/etc", name).read_text())
    (copy / "resolv.conf").write_text(text)
    for path in [copy, *copy.iterdir()]:
        path.chmod(0o755)
    rig.run(["mount", "--bind", copy, "/etc"]).ok()
    rig._cleanups.callback(rig.run, ["umount", "-l", "/etc"])


def asker(host, way):
    """A command that looks www.test up for each line it reads, by whom its resolv.conf names."""
    text = ("import socket, sys\nfor line in sys.stdin:\n try:\n  print(socket.gethostbyname('www.test'), flush=True)\n"
            " except OSError as e:\n  print(e, flush=True)\n")
    process = behind.popen(host, behind.python(text), way=way)

    def ask():
        process.stdin.write("\n")
        process.stdin.flush()
        return process.stdout.readline().strip()
    return ask


def name_servers(host, server):
    """Two name servers that say different things: 198.51.100.2 and 198.51.100.3."""
    behind.dns_server(server, "www.test=192.0.2.1")
    other = rig.Net("other")
    rig.veth(host, "h1", ["192.0.2.129/25"], other, "o0", ["192.0.2.130/25"])
    behind.dns_server(other, "www.test=192.0.2.2")


@behind.each_way
def a_resolv_conf_renamed_over_the_hosts_is_followed(way):
    host, server = behind.two_nets()
    name_servers(host, server)
    private_etc(f"nameserver {SERVER4}\n")
    ask = asker(host, way)
    assert ask() == "192.0.2.1"

    for text, answer in (("192.0.2.130", "192.0.2.2"), (SERVER4, "192.0.2.1"), ("192.0.2.130", "192.0.2.2")):
        pathlib.Path("/etc/new").write_text(f"nameserver {text}\n")
        os.rename("/etc/new", "/etc/resolv.conf")
        rig.wait_until(lambda: ask() == answer, f"{text} is asked")


@behind.each_way
def a_resolv_conf_that_is_a_link_is_followed(way):
    host, server = behind.two_nets()
    name_servers(host, server)
    private_etc("")
    far = rig.workdir() / "far"
    far.mkdir(mode=0o755)
    (far / "stub.conf").write_text(f"nameserver {SERVER4}\n")
    os.unlink("/etc/resolv.conf")
    os.symlink(far / "stub.conf", "/etc/resolv.conf")
    ask = asker(host, way)
    assert ask() == "192.0.2.1"

    (far / "new").write_text("nameserver 192.0.2.130\n")
    os.rename(far / "new", far / "stub.conf")

    rig.wait_until(lambda: ask() == "192.0.2.2", "the new server is asked")


@behind.each_way
def a_host_without_nameservers_says_so_at_once(way):
    host, _ = behind.two_nets()
    rig.resolv_conf("# nobody\n")
    began = time.monotonic()

    got = behind.run(host, behind.python("import socket\nsocket.gethostbyname('www.test')"), way=way)

    assert got.status == 1 and time.monotonic() - began < 5, got.err
    got = behind.run(host, behind.python("import socket\nprint(socket.gethostbyname('host.runnel'))"), way=way)
    assert got.ok().out.strip() == behind.GATE4


@behind.each_way
def another_nameserver_can_be_named(way):
    host, server = behind.two_nets()
    name_servers(host, server)
    rig.resolv_conf(f"nameserver {SERVER4}\n")
    ask = behind.python("import socket\nprint(socket.gethostbyname('www.test'))")

    assert behind.run(host, ask, "--dns", "192.0.2.130", way=way).ok().out.strip() == "192.0.2.2"


rig.main()
