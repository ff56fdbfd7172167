#!/usr/bin/env python3
"""The worker under attack from inside, and what it may do itself.

    command, in its cell          host
    (10.210.71.2, fd72:...::2) -- runnel -- lo only; http :8000 on 127.0.0.1
"""
import os
import pathlib
import time

import behind
import rig

SECONDS = 60 if behind.IS_LONG else 5

# Random frames and packets by a packet socket on the device, so that the worker reads them: pure noise, and noise behind
# headers that lead into each parser.
GARBAGE = """
import os, random, socket, struct, sys, time
name, seconds = sys.argv[1], float(sys.argv[2])
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
s.bind((name, 0))
tun = name.startswith('tun')
far = bytes([2]) + b'rungw'
near = s.getsockname()[4] or b'\\0' * 6
r = random.Random(4711)
me4, gw4 = bytes([10, 210, 71, 2]), bytes([10, 210, 71, 1])
me6 = bytes.fromhex('fd72756e9e6c00000000000000000002')
gw6 = me6[:15] + b'\\1'
def fold(b):
    n = sum(struct.unpack('!%dH' % (len(b) // 2), b))
    n = (n & 65535) + (n >> 16)
    return ~((n & 65535) + (n >> 16)) & 65535
def v4(proto, body):
    frag = r.choice([0, 0, 0, 0x2000, r.randrange(65536)])
    h = bytearray(struct.pack('!BBHHHBBH4s4s', 0x45, r.randrange(256), 20 + len(body), r.randrange(65536), frag, 64, proto, 0,
                              me4, r.choice([gw4, gw4, bytes([127, 0, 0, 53]), os.urandom(4)])))
    h[10:12] = struct.pack('!H', fold(bytes(h)))
    return bytes(h) + body
def v6(proto, body):
    return struct.pack('!IHBB16s16s', 0x60000000, len(body), proto, 255, me6, r.choice([gw6, gw6, os.urandom(16)])) + body
def body(proto):
    n = r.choice([0, 1, 7, 20, 40, 60, 200, 1400])
    b = bytearray(os.urandom(n))
    if proto == 6 and n >= 20:
        b[2:4] = struct.pack('!H', r.choice([80, 53, 8000]))
        b[12] = r.randrange(5, 16) << 4
        b[13] = r.choice([2, 16, 18, 24, 17, 4, r.randrange(256)])
    if proto == 17 and n >= 8:
        b[2:4] = struct.pack('!H', r.choice([53, 7, 123]))
        b[4:6] = struct.pack('!H', n)
        b[6:8] = bytes(2)
    return bytes(b)
sent = 0
end = time.monotonic() + seconds
while time.monotonic() < end:
    for _ in range(200):
        proto = r.choice([1, 6, 17, 58, 0, 43, 44, 50, 60, r.randrange(256)])
        kind = r.randrange(4)
        if kind == 0:
            p, ether = os.urandom(r.randrange(1, 1500)), r.choice([0x800, 0x86dd, 0x806, r.randrange(65536)])
        elif kind == 1:
            p, ether = v4(proto, body(proto)), 0x800
        elif kind == 2:
            p, ether = v6(proto, body(proto)), 0x86dd
        else:
            p, ether = struct.pack('!HHBBH', 1, 0x800, 6, 4, r.choice([1, 2])) + os.urandom(20), 0x806
        frame = p if tun else r.choice([far, far, b'\\xff' * 6]) + near + struct.pack('!H', ether) + p
        try:
            s.send(frame) if not tun else s.sendto(p, (name, ether))
            sent += 1
        except OSError:
            pass
    time.sleep(0.001)
print('sent', sent, flush=True)
"""


def descriptors(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


@behind.each_way(seconds=180)
def random_packets_neither_crash_nor_grow_the_worker_nor_stop_others(way):
    rig.need("curl")
    host = rig.Net("host")
    file = rig.random_file("sent", 8 << 20)
    rig.http_server(host, rig.workdir(), 8000, "127.0.0.1")
    device = "tun0" if way == "root" else "eth0"
    (rig.workdir() / "garbage.py").write_text(GARBAGE)
    errors = rig.workdir() / "errors"
    script = (f"{behind.PYTHON} {rig.workdir()}/garbage.py {device} {SECONDS} & p=$!; n=0; "
              "while kill -0 $p 2>/dev/null; do "
              f"curl -sSf --max-time 30 http://host.runnel:8000/sent 2>>{errors} | sha256sum | grep -q {rig.sha256(file)} && n=$((n+1)) "
              "|| echo failed; done; wait $p; echo files $n; read x")
    options = ["--host-loopback"] + (["--map-root"] if way == "user" else [])
    process = behind.popen(host, ["sh", "-c", script], *options, way=way)
    worker = behind.worker_of(process)
    time.sleep(min(2, SECONDS / 2))
    early = behind.rss_kib(worker)

    sent, files = process.stdout.readline().split(), process.stdout.readline().split()

    assert sent[0] == "sent" and int(sent[1]) > 500 * SECONDS, (sent, files)
    assert files[0] == "files" and int(files[1]) > 0, (files, errors.read_text())
    assert behind.rss_kib(worker) < early * 1.5 + (48 << 10), f"{early} KiB -> {behind.rss_kib(worker)} KiB"
    process.stdin.write("\n")
    process.stdin.flush()
    assert process.wait(10) == 0, process.stderr.read()


@behind.each_way
def the_worker_has_nothing_to_lose(way):
    rig.need_plain_build("the worker runs unsandboxed")
    host = rig.Net("host")
    process = behind.popen(host, ["sh", "-c", "echo up; read x"], way=way)
    assert process.stdout.readline() == "up\n"
    pid = behind.worker_of(process)
    status = dict(line.split(":", 1) for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines())

    for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
        assert int(status[name], 16) == 0, (name, status[name])
    assert status["NoNewPrivs"].strip() == "1" and status["Seccomp"].strip() == "2"
    assert "0" not in status["Uid"].split(), status["Uid"]
    if rig.came_as_root():
        assert os.listdir(f"/proc/{pid}/root") == [], "its root is empty"
    for fd in os.listdir(f"/proc/{pid}/fd"):
        target = os.readlink(f"/proc/{pid}/fd/{fd}")
        assert not target.startswith("/") or target in ("/dev/net/tun", "/dev/null") or int(fd) < 3, (fd, target)


@behind.each_way
def finished_connections_leave_no_descriptor_and_no_memory(way):
    rig.need("curl")
    host = rig.Net("host")
    rig.random_file("sent", 1 << 20)
    rig.http_server(host, rig.workdir(), 8000, "127.0.0.1")
    fetch = "for i in 1 2 3 4 5 6 7 8 9 10; do curl -sSf -o /dev/null http://host.runnel:8000/sent; done; echo done; read x; "
    process = behind.popen(host, ["sh", "-c", fetch * 4], "--host-loopback", way=way)
    worker = behind.worker_of(process)
    sizes = []
    for _ in range(4):
        assert process.stdout.readline() == "done\n"
        sizes.append((descriptors(worker), behind.rss_kib(worker)))
        process.stdin.write("\n")
        process.stdin.flush()

    assert sizes[3][0] <= sizes[0][0] + 1, sizes
    assert sizes[3][1] <= sizes[1][1] * 1.2 + 2048, sizes


rig.main()
