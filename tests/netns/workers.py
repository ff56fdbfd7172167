#!/usr/bin/env python3
"""Several workers behind one TUN: whatever queue a packet comes by, it is as if there were one.

    command, in its cell    queue 0 -- worker 0      host                                     server
    (10.210.71.2, ...) -----queue 1 -- worker 1 -- runnel -- h0 198.51.100.1/24 -- veth -- s0 198.51.100.2/24
                            queue N -- worker N                2001:db8:1::1/64               2001:db8:1::2/64
"""
import pathlib
import re

import behind
import rig
from behind import GATE4, HOST4, SERVER4, SERVER6

ECHO_TCP = """
import asyncio, sys
async def serve(r, w):
    while data := await r.read(65536):
        w.write(data); await w.drain()
    w.close()
async def main():
    await asyncio.gather(*[(await asyncio.start_server(serve, None, int(p), backlog=512)).serve_forever() for p in sys.argv[1:]])
asyncio.run(main())
"""

# Sends back what came, and says from where.
ECHO_UDP = """
import select, socket, sys
socks = []
for port in range(int(sys.argv[1]), int(sys.argv[2])):
    for family, addr in ((socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")):
        s = socket.socket(family, socket.SOCK_DGRAM)
        if family == socket.AF_INET6:
            s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        s.bind((addr, port)); socks.append(s)
while True:
    for s in select.select(socks, [], [])[0]:
        data, peer = s.recvfrom(65535)
        s.sendto(str(peer[1]).encode().ljust(len(data), b"."), peer)
"""

MANY_TCP = """
import asyncio, hashlib, os, sys
async def one(host, port, n):
    data = os.urandom(n)
    r, w = await asyncio.open_connection(host, port)
    async def send():
        w.write(data); await w.drain(); w.write_eof()
    got, _ = await asyncio.gather(r.read(-1), send())
    w.close()
    assert got == data, (host, port, n, len(got))
async def main():
    await asyncio.gather(*[one(h, int(sys.argv[1]), 1000 + 3001 * i) for h in sys.argv[3:] for i in range(int(sys.argv[2]))])
asyncio.run(main())
"""

# One inner port, many destinations, @size bytes each time: prints the outer ports it was seen with.
ONE_PORT = """
import socket, sys
host, first, last, *sizes = sys.argv[1:]
family = socket.AF_INET6 if ":" in host else socket.AF_INET
for i in range(20):
    s = socket.socket(family, socket.SOCK_DGRAM); s.settimeout(8)
    outer = set()
    for size in sizes:
        for port in range(int(first), int(last)):
            s.sendto(b"x" * int(size), (host, port))
            data, peer = s.recvfrom(65535)
            assert len(data) == int(size) and peer[1] == port, (len(data), peer)
            outer.add(data.rstrip(b"."))
    assert len(outer) == 1, outer
print("one port each")
"""


def each_crew(function):
    """A test done with two workers and with four."""
    def make(n):
        def case():
            if not rig.came_as_root():
                rig.skip("started without root: no /dev/net/tun")
            return function(n)
        case.__name__ = f"{function.__name__}_of_{n}"
        rig.test(case)

    make(2)
    make(4)
    return function


def echo_tcp(net, *ports):
    net.start(behind.python(ECHO_TCP) + [str(p) for p in ports])
    for port in ports:
        net.wait_listening(port)


def echo_udp(net, first, last):
    net.start(behind.python(ECHO_UDP) + [str(first), str(last)])
    net.wait_listening(last - 1, "udp")


@each_crew
def many_connections_of_both_families_lose_no_byte(n):
    host, server = behind.two_nets()
    echo_tcp(server, 7)
    said = behind.run(host, behind.python(MANY_TCP) + ["7", "60", SERVER4, SERVER6], "-v", "--workers", n, seconds=60).ok()

    shares = [int(count) for count in re.findall(r"worker \d+: tcp: (\d+) connections", said.err)]
    assert len(shares) == n and sum(shares) == 120, said.err
    assert min(shares) > 0, shares


@each_crew
def bulk_of_both_directions_arrives_whole(n):
    host, server = behind.two_nets()
    sent = rig.random_file("sent", 16 << 20)
    behind.nginx(server, rig.workdir())
    fetch = " & ".join(f"curl -sSf {behind.url(h, 'sent')} | sha256sum" for h in (SERVER4, SERVER6) * 4)
    got = behind.run(host, ["sh", "-c", f"{fetch} & wait"], "--workers", n, seconds=60).ok()
    assert {line.split()[0] for line in got.out.splitlines()} == {rig.sha256(sent)} and len(got.out.splitlines()) == 8

    sink = server.start(["sh", "-c", "nc -l -p 9000 | sha256sum"])
    server.wait_listening(9000)
    behind.run(host, ["sh", "-c", f"nc -N {SERVER4} 9000 < {sent}"], "--workers", n).ok()
    sink.wait(10)
    assert sink.log.read_text().split()[0] == rig.sha256(sent)


@each_crew
def one_inner_udp_port_is_one_outer_port_for_all_destinations(n):
    host, server = behind.two_nets()
    echo_udp(server, 7000, 7016)
    for addr in (SERVER4, SERVER6):
        behind.run(host, behind.python(ONE_PORT) + [addr, "7000", "7016", "100"], "--workers", n).ok()


@each_crew
def datagrams_in_fragments_leave_by_the_same_port_as_small_ones(n):
    host, server = behind.two_nets()
    echo_udp(server, 7000, 7008)
    for addr in (SERVER4, SERVER6):
        behind.run(host, behind.python(ONE_PORT) + [addr, "7000", "7008", "100", "8000", "30", "4000"],
                   "--workers", n, "--mtu", "1500", seconds=60).ok()


@each_crew
def names_and_pings_are_answered(n):
    rig.need("ping")
    host, server = behind.two_nets()
    behind.dns_server(server, *[f"n{i}.test=192.0.2.{i}" for i in range(1, 31)])
    ask = "; ".join(f"getent ahostsv4 n{i}.test | head -1" for i in range(1, 31))
    pings = "; ".join(f"ping -q -c2 -i0.1 -W3 {a} || exit 1" for a in (GATE4, SERVER4, SERVER6, HOST4))
    got = behind.run(host, ["sh", "-c", f"{ask}; {pings}"], "--dns", SERVER4, "--workers", n).ok()

    assert [line.split()[0] for line in got.out.splitlines() if "STREAM" in line] == [f"192.0.2.{i}" for i in range(1, 31)]
    assert got.out.count(" 0% packet loss") == 4, got.out


@each_crew
def published_connections_survive_an_idle_time(n):
    """The kernel forgets after 3 s by which queue a flow was answered: what the inside says then comes by any."""
    host, _ = behind.two_nets()
    inside = behind.popen(host, behind.python(ECHO_TCP) + ["8080"], "-p", "8080:8080", "--workers", n)
    host.wait_listening(8080)
    text = """
import asyncio
async def one(i):
    for _ in range(100):
        try:
            r, w = await asyncio.open_connection("127.0.0.1", 8080)
            w.write(b"a" * (i + 1)); got = await r.readexactly(i + 1)
            break
        except (ConnectionError, asyncio.IncompleteReadError):
            await asyncio.sleep(0.1) # the server inside does not listen yet
    await asyncio.sleep(5)
    for size in (1, 300000):
        w.write(b"b" * size)
        assert await r.readexactly(size) == b"b" * size
    w.write_eof(); assert await r.read(-1) == b""
async def main():
    await asyncio.gather(*[one(i) for i in range(40)])
asyncio.run(asyncio.wait_for(main(), 40))
"""
    host.run(behind.python(text), seconds=50).ok()
    assert inside.poll() is None


@each_crew
def a_published_udp_port_answers_each_peer(n):
    host, _ = behind.two_nets()
    ports = range(7000, 7008)
    options = [word for p in ports for word in ("-p", f"{p}:{p}/udp")]
    behind.popen(host, behind.python(ECHO_UDP) + ["7000", "7008"], *options, "--workers", n)
    host.wait_listening(7007, "udp")
    text = """
import socket, time
for port in range(7000, 7008):
    for i in range(10):
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.settimeout(0.3)
        s.connect(("127.0.0.1", port))
        for _ in range(30): # the server inside may not be there yet
            try:
                s.send(b"x" * 50)
                assert len(s.recv(100)) == 50
                break
            except (TimeoutError, ConnectionRefusedError):
                time.sleep(0.1)
        else:
            raise SystemExit(f"{port}: no answer")
"""
    host.run(behind.python(text)).ok()


@each_crew
def refusals_and_errors_come_to_who_asked(n):
    host, _ = behind.two_nets()
    text = f"""
import socket
for addr in ("{SERVER4}", "{SERVER6}"):
    family = socket.AF_INET6 if ":" in addr else socket.AF_INET
    for i in range(20):
        s = socket.socket(family, socket.SOCK_STREAM); s.settimeout(5)
        try:
            s.connect((addr, 4000 + i)); raise SystemExit("connected to nobody")
        except ConnectionRefusedError:
            pass
    for i in range(4): # more the server's kernel does not answer at once
        u = socket.socket(family, socket.SOCK_DGRAM); u.settimeout(5)
        u.connect((addr, 5000 + i)); u.send(b"x")
        try:
            u.recv(10); raise SystemExit("an answer of nobody")
        except ConnectionRefusedError:
            pass
"""
    behind.run(host, behind.python(text), "--workers", n).ok()


@each_crew
def a_segment_of_no_connection_is_reset_once(n):
    host, _ = behind.two_nets()
    text = f"""
import socket, struct
def checksum(b):
    total = sum(struct.unpack(f">{{len(b) // 2}}H", b)); total = (total & 0xffff) + (total >> 16)
    return ~(total + (total >> 16)) & 0xffff
me, peer = "10.210.71.2", "{SERVER4}"
raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_TCP); raw.bind((me, 0)); raw.settimeout(1)
for port in range(20000, 20020):
    tcp = struct.pack(">HHIIBBHHH", port, 80, 1000, 2000, 5 << 4, 0x10, 1000, 0, 0)
    pseudo = socket.inet_aton(me) + socket.inet_aton(peer) + struct.pack(">BBH", 0, 6, len(tcp))
    tcp = tcp[:16] + struct.pack(">H", checksum(pseudo + tcp)) + tcp[18:]
    raw.sendto(tcp, (peer, 0))
resets = []
try:
    while True:
        p = raw.recv(100)
        sport, dport, seq, ack, off, flags = struct.unpack(">HHIIBB", p[20:34])
        assert (sport, seq, flags & 4) == (80, 2000, 4), (sport, seq, flags)
        resets.append(dport)
except TimeoutError:
    pass
assert sorted(resets) == list(range(20000, 20020)), resets
"""
    behind.run(host, behind.python(text), "--workers", n).ok()


@each_crew
def every_thread_is_in_the_sandbox(n):
    rig.need_plain_build("it has no sandbox then")
    host, _ = behind.two_nets()
    pid = behind.worker_of(behind.popen(host, ["sleep", "30"], "--workers", n))

    def settled():
        return len(tasks()) == n and all("Seccomp:\t2" in task for task in tasks())

    def tasks():
        return [path.read_text() for path in pathlib.Path(f"/proc/{pid}/task").glob("*/status")]

    rig.wait_until(settled, "all threads run, filtered")
    for task in tasks():
        assert "NoNewPrivs:\t1" in task and "CapEff:\t0000000000000000" in task, task


@each_crew
def they_take_little_memory_at_rest(n):
    rig.need_plain_build("its shadow memory is large")
    host, _ = behind.two_nets()
    process = behind.popen(host, ["sleep", "30"], "--workers", n)
    pid = behind.worker_of(process)
    rig.wait_until(lambda: len(list(pathlib.Path(f"/proc/{pid}/task").iterdir())) == n, "all threads run")
    all_kib = {behind.name_of(p): behind.rss_kib(p) for p in behind.descendants(process.pid)}
    print(f"# {n} workers at rest: runnel-net {behind.rss_kib(pid)} KiB; {all_kib}")
    assert behind.rss_kib(pid) < 4096 + 1024 * n, all_kib


@each_crew
def an_io_uring_drives_each_queue(n):
    host, server = behind.two_nets()
    said = behind.run(host, ["true"], "--io", "uring", "--workers", n)
    if "io_uring" in said.err:
        rig.skip(said.err.strip())
    said.ok()
    echo_tcp(server, 7)
    echo_udp(server, 7000, 7004)
    behind.run(host, behind.python(MANY_TCP) + ["7", "40", SERVER4, SERVER6], "--io", "uring", "--workers", n, seconds=60).ok()
    behind.run(host, behind.python(ONE_PORT) + [SERVER4, "7000", "7004", "100"], "--io", "uring", "--workers", n).ok()


@each_crew
def what_was_sent_last_still_arrives(n):
    """Nothing is lost between two workers when the command ends."""
    host, server = behind.two_nets()
    count = server.start(behind.python("""
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20); s.bind(("0.0.0.0", 7000)); s.settimeout(20)
seen = set()
while len(seen) < 100:
    seen.add(s.recv(100))
print("all", len(seen), flush=True)
"""))
    server.wait_listening(7000, "udp")
    text = f"""
import socket
for i in range(100):
    socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(str(i).encode(), ("{SERVER4}", 7000))
"""
    behind.run(host, behind.python(text), "--workers", n).ok()
    assert count.wait(5) == 0 and "all 100" in count.log.read_text()


@rig.test
def what_wants_all_packets_in_one_place_is_refused():
    host, _ = behind.two_nets()
    for options in (["--pcap", "/dev/null"], ["--impair", "loss=1%"], ["--link", "veth"]):
        ran = behind.run(host, ["true"], "--workers", "2", *options)
        assert ran.status == 2 and options[0] in ran.err, f"{ran.status} {ran.err}"


rig.main()
