#!/usr/bin/env python3
"""Two networks joined by TUN, links and TUN, whose outer ends are replaced every 10 ms (swap_probe).

    near                                              far
    ta 198.51.100.1/30  --- p2p --- forwarders --- p2p ---  tb 198.51.100.2/30
"""
import os
import signal

import rig

PROBE = os.environ.get("SWAP_PROBE", str(rig.ROOT / "build/tests/netns/swap_probe"))
MEGABYTES = int(os.environ.get("SWAP_MEGABYTES", "64"))
SECONDS = 1  # at least, whatever the machine's speed: a hundred swaps
MTU = 1500

RECEIVE = """
import hashlib, socket
s = socket.create_server(("198.51.100.2", 5001))
c, _ = s.accept()
h = hashlib.sha256()
n = 0
while (data := c.recv(1 << 20)):
    h.update(data)
    n += len(data)
print(n, h.hexdigest())
"""
SEND = """
import hashlib, random, socket, sys, time
block = random.Random(7).randbytes(1 << 20)
h = hashlib.sha256()
c = socket.create_connection(("198.51.100.2", 5001))
end = time.monotonic() + float(sys.argv[2])
n = 0
while n < int(sys.argv[1]) or time.monotonic() < end:
    data = n.to_bytes(8, "big") + block[8:]
    h.update(data)
    c.sendall(data)
    n += 1
c.close()
print(n << 20, h.hexdigest())
"""
COUNT = """
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
s.bind(("198.51.100.2", 5002))
s.settimeout(5)
print("bound", flush=True)
got = []
while len(got) < 2000:
    got.append(int.from_bytes(s.recv(2000)[:4], "big"))
s.settimeout(0.2)
try:
    got.append(int.from_bytes(s.recv(2000)[:4], "big"))
except TimeoutError:
    pass
assert got == list(range(2000)), (len(got), got[:5])
print("whole")
"""
NUMBER = """
import socket, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for i in range(2000):
    s.sendto(i.to_bytes(4, "big") * 50, ("198.51.100.2", 5002))
    if i % 50 == 0:
        time.sleep(0.001)
"""


def joined():
    if not os.access("/dev/net/tun", os.R_OK | os.W_OK):
        rig.skip("/dev/net/tun is closed to us")
    near = rig.Net("near")
    far = rig.Net("far")
    probe = near.start([PROBE, "ta", "tb", MTU])
    rig.wait_until(lambda: "ready" in probe.log.read_text() or probe.poll() is not None, "both devices are open")
    assert "ready" in probe.log.read_text(), probe.log.read_text()
    near.ip(f"link set tb netns {far.holder.pid}")
    for net, link, addr in ((near, "ta", "198.51.100.1/30"), (far, "tb", "198.51.100.2/30")):
        net.ip(f"link set {link} mtu {MTU} up")
        net.addr(link, addr)
    return near, far, probe


@rig.test(seconds=240)
def a_stream_is_whole_while_both_ends_are_swapped():
    near, far, probe = joined()
    receiver = far.start(["python3", "-c", RECEIVE])
    far.wait_listening(5001)

    sent = near.run(["python3", "-c", SEND, MEGABYTES, SECONDS], seconds=200).ok().out.strip()
    rig.wait_until(lambda: receiver.poll() is not None, "the receiver has all")

    assert receiver.log.read_text().strip() == sent, (receiver.log.read_text(), sent)
    swaps = int(probe.log.read_text().split()[-1])
    assert swaps >= 40, f"only {swaps} swaps"


@rig.test
def each_datagram_arrives_exactly_once_while_nothing_is_swapped():
    near, far, probe = joined()
    os.kill(probe.pid, signal.SIGUSR1)
    counter = far.start(["python3", "-c", COUNT])
    rig.wait_until(lambda: "bound" in counter.log.read_text(), "the counter listens")

    near.run(["python3", "-c", NUMBER]).ok()
    rig.wait_until(lambda: counter.poll() is not None, "the counter has counted")

    assert "whole" in counter.log.read_text(), counter.log.read_text()


rig.main()
