#!/usr/bin/env python3
"""TCP through `runnel run`: bytes, ends, errors and back-pressure mean the same inside as outside.

    command, in its cell          host                                     server
    (10.210.71.2, fd72:...::2) -- runnel -- h0 198.51.100.1/24 -- veth -- s0 198.51.100.2/24   nginx :80, others by test
                                            2001:db8:1::1/64                 2001:db8:1::2/64
    198.51.100.99 is nobody on the cable; 203.0.113.0/24 and 2001:db8:3::/48 are unreachable by a route of the host.
"""
import hashlib
import time

import behind
import rig
from behind import SERVER4, SERVER6

BIG = (1 << 30) if behind.IS_LONG else (64 << 20)


@behind.each_way(seconds=300)
def a_big_file_arrives_whole_by_both_families(way):
    rig.need("curl")
    host, server = behind.two_nets()
    sent = rig.random_file("sent", BIG)
    behind.nginx(server, rig.workdir())

    for addr in (SERVER4, SERVER6):
        got = behind.run(host, ["sh", "-c", f"curl -sSf '{behind.url(addr, 'sent')}' | sha256sum"], way=way, seconds=240)
        assert got.ok().out.split()[0] == rig.sha256(sent)


@behind.each_way(seconds=300)
def a_big_file_leaves_whole_by_both_families(way):
    host, server = behind.two_nets()
    sent = rig.random_file("sent", BIG)
    for addr in (SERVER4, SERVER6):
        sink = server.start(["sh", "-c", f"nc -l -p 9000 {'-6' if ':' in addr else ''} | sha256sum"])
        server.wait_listening(9000)
        behind.run(host, ["sh", "-c", f"nc -N {addr} 9000 < {sent}"], way=way, seconds=240).ok()
        sink.wait(30)
        assert sink.log.read_text().split()[0] == rig.sha256(sent)


@behind.each_way
def what_passed_is_told_in_the_end(way):
    host, server = behind.two_nets()
    sent = rig.random_file("sent", 100000)
    behind.nginx(server, rig.workdir())

    got = behind.run(host, ["curl", "-s", "-o", "/dev/null", behind.url(SERVER4, "sent")], "-vv", way=way).ok()
    assert "runnel: tcp: 1 connections, 0 refused, 0 reset; " in got.err, got.err
    down = int(got.err.split(" bytes up, ")[1].split()[0])
    assert 100000 < down < 101000, down
    assert "runnel: tcp.in_segs " in got.err, got.err


@behind.each_way
def a_closed_port_refuses_at_once(way):
    rig.need("curl")
    host, _ = behind.two_nets()

    for addr in (SERVER4, SERVER6):
        got = behind.run(host, ["curl", "-v", behind.url(addr, "", 81)], way=way)
        assert got.status == 7 and "refused" in got.err, (got.status, got.err)
        assert got.seconds < 3, got.seconds


CONNECT = """
import socket, sys, os, errno
s = socket.socket(socket.AF_INET6 if ':' in sys.argv[1] else socket.AF_INET)
s.settimeout(20)
try:
    s.connect((sys.argv[1], 80))
    print('connected')
except OSError as e:
    print(errno.errorcode.get(e.errno, e))
"""


def connect_error(host, addr, way, *options):
    return behind.run(host, [*behind.python(CONNECT), addr], *options, way=way, seconds=40).ok().out.strip()


@behind.each_way
def an_unreachable_network_is_told_as_such(way):
    host, _ = behind.two_nets()
    host.ip("route add unreachable 203.0.113.0/25")
    host.ip("route add prohibit 203.0.113.128/25")
    host.ip("route add unreachable 2001:db8:3::/48")
    for addr, error in (("203.0.113.1", "EHOSTUNREACH"), ("203.0.113.129", "EHOSTUNREACH"),
                        ("2001:db8:3::1", "EHOSTUNREACH")):
        began = time.monotonic()
        got = connect_error(host, addr, way)
        # what the host itself says of these routes: unreachable EHOSTUNREACH, prohibit EACCES
        assert got in (error, "EACCES"), (addr, got)
        assert time.monotonic() - began < 5


@behind.each_way
def a_silent_neighbour_ends_as_no_route_to_host(way):
    host, _ = behind.two_nets()

    assert connect_error(host, "198.51.100.99", way) == "EHOSTUNREACH"


HALF_CLOSE_CLIENT = """
import socket, sys, hashlib
s = socket.create_connection((sys.argv[1], 9001))
s.sendall(b'q' * 300000)
s.shutdown(socket.SHUT_WR)
n = 0
while chunk := s.recv(65536):
    n += len(chunk)
print(n)
"""
HALF_CLOSE_SERVER = """
import socket, sys
l = socket.create_server(('::', 9001), family=socket.AF_INET6, dualstack_ipv6=True)
while True:
    c, _ = l.accept()
    n = 0
    while chunk := c.recv(65536):
        n += len(chunk)
    c.sendall(b'a' * (2 * n))   # only after the end of the question
    c.close()
"""


@behind.each_way
def a_half_close_by_the_command_leaves_the_answer_open(way):
    host, server = behind.two_nets()
    server.start(behind.python(HALF_CLOSE_SERVER))
    server.wait_listening(9001)

    for addr in (SERVER4, SERVER6):
        got = behind.run(host, [*behind.python(HALF_CLOSE_CLIENT), addr], way=way)
        assert got.ok().out.strip() == "600000"


SPEAKS_FIRST = """
import socket
l = socket.create_server(('0.0.0.0', 9002))
while True:
    c, _ = l.accept()
    c.sendall(b'hello')
    c.shutdown(socket.SHUT_WR)
    n = 0
    while chunk := c.recv(65536):
        n += len(chunk)
    print(n, flush=True)
"""
HEARS_FIRST = """
import socket, sys
s = socket.create_connection((sys.argv[1], 9002))
while s.recv(100):
    pass
s.sendall(b'x' * 1000000)   # after the end of the other direction
s.close()
"""


@behind.each_way
def a_half_close_by_the_server_leaves_the_question_open(way):
    host, server = behind.two_nets()
    listener = server.start(behind.python(SPEAKS_FIRST))
    server.wait_listening(9002)

    behind.run(host, [*behind.python(HEARS_FIRST), SERVER4], way=way).ok()

    rig.wait_until(lambda: listener.log.read_text().strip() == "1000000", "the server has all of it")


LINGER0 = "s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))"


@behind.each_way
def a_reset_by_the_server_is_a_reset_inside(way):
    host, server = behind.two_nets()
    server.start(behind.python(
        "import socket, struct, time\nl = socket.create_server(('0.0.0.0', 9003))\n"
        "while True:\n s, _ = l.accept()\n s.recv(5)\n " + LINGER0 + "\n s.close()\n"))
    server.wait_listening(9003)
    client = ("import socket, sys, errno\ns = socket.create_connection((sys.argv[1], 9003))\ns.sendall(b'12345')\n"
              "try:\n print(s.recv(1))\nexcept OSError as e:\n print(errno.errorcode[e.errno])\n")

    assert behind.run(host, [*behind.python(client), SERVER4], way=way).ok().out.strip() == "ECONNRESET"


@behind.each_way
def a_reset_by_the_command_is_a_reset_outside(way):
    host, server = behind.two_nets()
    listener = server.start(behind.python(
        "import socket, errno\nl = socket.create_server(('0.0.0.0', 9004))\ns, _ = l.accept()\ns.sendall(b'hi')\n"
        "try:\n print(s.recv(1), flush=True)\nexcept OSError as e:\n print(errno.errorcode[e.errno], flush=True)\n"))
    server.wait_listening(9004)
    client = ("import socket, struct, sys\ns = socket.create_connection((sys.argv[1], 9004))\ns.recv(2)\n"
              + LINGER0 + "\ns.close()\n")

    behind.run(host, [*behind.python(client), SERVER4], way=way).ok()

    rig.wait_until(lambda: listener.log.read_text().strip() == "ECONNRESET", "the server is told")


POUR = """
import socket, sys
sys.stdout.reconfigure(line_buffering=True)
s = %s
s.setblocking(False)
n = 0
import select
while True:
    r, w, _ = select.select([], [s], [], 3)
    if not w:
        break
    n += s.send(b'z' * 65536)
print('poured', n)
sys.stdin.readline()
"""


@behind.each_way
def a_server_that_does_not_read_stops_the_command_and_memory_stays_flat(way):
    host, server = behind.two_nets()
    server.start(behind.python("import socket, time\nl = socket.create_server(('0.0.0.0', 9005))\n"
                               "s, _ = l.accept()\ntime.sleep(1000)\n"))
    server.wait_listening(9005)
    process = behind.popen(host, behind.python(POUR % f"socket.create_connection(('{SERVER4}', 9005))"), way=way)
    worker = behind.worker_of(process)

    poured = int(process.stdout.readline().split()[1])

    assert poured < 64 << 20, poured
    assert behind.rss_kib(worker) < 64 << 10, behind.rss_kib(worker)


@behind.each_way
def a_command_that_does_not_read_stops_the_server_and_memory_stays_flat(way):
    host, server = behind.two_nets()
    source = server.start(behind.python(POUR % "socket.create_server(('0.0.0.0', 9006)).accept()[0]"))
    server.wait_listening(9006)
    client = f"import socket, time\ns = socket.create_connection(('{SERVER4}', 9006))\ntime.sleep(1000)\n"
    process = behind.popen(host, behind.python(client), way=way)
    worker = behind.worker_of(process)
    rig.wait_until(lambda: "poured" in source.log.read_text(), "the server is stopped", seconds=30)

    assert int(source.log.read_text().split()[1]) < 64 << 20
    assert behind.rss_kib(worker) < 64 << 10, behind.rss_kib(worker)


@behind.each_way
def two_hundred_programs_at_once_all_get_their_file(way):
    rig.need("curl")
    host, server = behind.two_nets()
    sent = rig.random_file("sent", 100000)
    behind.nginx(server, rig.workdir())
    script = (f"for i in $(seq 200); do curl -sSf -o /tmp/rn-$$-$i {behind.url(SERVER4, 'sent')} & pids=\"$pids $!\"; done;"
              f"for p in $pids; do wait $p || echo failed; done; cat /tmp/rn-$$-* | sha256sum; rm -f /tmp/rn-$$-*")

    got = behind.run(host, ["sh", "-c", script], way=way, seconds=50)

    assert "failed" not in got.ok().out + got.err, got.err

    assert got.out.split()[0] == hashlib.sha256(sent.read_bytes() * 200).hexdigest()


rig.main()
