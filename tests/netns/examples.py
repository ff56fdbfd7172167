#!/usr/bin/env python3
"""The examples, as their comments say to start them, and the README's piece of C.

    nc ---- kernel 192.0.2.1/24 ---- tun0 ---- 192.0.2.2, the example
            2001:db8:2::1/64                   or 2001:db8:2::2
"""
import hashlib
import os
import pathlib
import re
import subprocess

import behind
import rig

EXAMPLES = pathlib.Path(os.environ.get("EXAMPLES", str(rig.ROOT / "build/examples")))
OWN = {"192.0.2.2": "192.0.2.1/24", "2001:db8:2::2": "2001:db8:2::1/64"}


def program(name):
    path = EXAMPLES / f"example_{name}"
    if not path.exists():
        rig.skip(f"{path} is not built")
    return str(path)


def up(net, addr):
    rig.wait_until(lambda: "tun0" in net.ip("-o link"), "the device is there")
    net.ip("link set tun0 up")
    net.addr("tun0", OWN[addr])


def net_with_tun():
    if not os.access("/dev/net/tun", os.R_OK | os.W_OK):
        rig.skip("/dev/net/tun is closed to us")
    return rig.Net("host")


@rig.test
def the_echo_server_on_a_tun_returns_every_byte():
    for addr in OWN:
        net = net_with_tun()
        server = net.start([program("tcp_echo_tun"), "tun0", addr, "7"])
        up(net, addr)
        sent = rig.random_file("sent", 4 << 20)

        got = net.run(["sh", "-c", f"nc -N {addr} 7 < {sent} | sha256sum"]).ok()

        assert got.out.split()[0] == rig.sha256(sent)
        assert rig.stop(server) == 0, server.log.read_text()


FAST = """
import socket, struct, sys
def ask(text):
    s = socket.socket(socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET)
    s.sendto(text, socket.MSG_FASTOPEN, (sys.argv[1], 7))
    s.shutdown(socket.SHUT_WR)
    got = b""
    while piece := s.recv(65536):
        got += piece
    assert got == text, got
    return s.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 8)[5] & 32 != 0  # TCPI_OPT_SYN_DATA
print(ask(b"hello"), ask(b"again"), ask(b"x" * 5000))
"""


@rig.test
def the_kernels_second_connection_is_opened_fast():
    for addr in OWN:
        net = net_with_tun()
        server = net.start([program("tcp_echo_tun"), "tun0", addr, "7"])
        up(net, addr)
        net.run(["sh", "-c", "echo 1 >/proc/sys/net/ipv4/tcp_fastopen"]).ok()

        got = net.run(["python3", "-c", FAST, addr]).ok()

        # Without a cookie first; then data goes with the SYN, and is taken there, as far as it fits.
        assert got.out.split() == ["False", "True", "True"], got.out
        assert rig.stop(server) == 0, server.log.read_text()


@rig.test
def the_client_on_a_tun_sends_and_hears_every_byte():
    for addr, own in OWN.items():
        net = net_with_tun()
        kernel = own.partition("/")[0]
        net.start(behind.python(
            "import socket\nl = socket.create_server(('::', 7), family=socket.AF_INET6, dualstack_ipv6=True)\n"
            "while True:\n c, _ = l.accept()\n while b := c.recv(65536):\n  c.sendall(b)\n c.close()\n"))
        net.wait_listening(7)
        text = os.urandom(1 << 20)
        client = subprocess.Popen(net.inside([program("tcp_connect_tun"), "tun0", addr, kernel, "7"]),
                                  stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        rig._cleanups.callback(client.kill)
        up(net, addr)

        out, _ = client.communicate(text, timeout=30)

        assert client.returncode == 0 and hashlib.sha256(out).digest() == hashlib.sha256(text).digest()


@rig.test
def a_refused_connection_is_told():
    net = net_with_tun()
    client = subprocess.Popen(net.inside([program("tcp_connect_tun"), "tun0", "192.0.2.2", "192.0.2.1", "9"]),
                              stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    rig._cleanups.callback(client.kill)
    up(net, "192.0.2.2")

    _, err = client.communicate("", timeout=30)

    assert client.returncode == 1 and "refused" in err, err


@rig.test
def two_stacks_need_nothing_of_the_system():
    rig.run([program("two_stacks")]).ok()


@rig.test
def the_readmes_piece_of_c_compiles():
    rig.need("cc")
    pieces = re.findall(r"^```c\n(.*?)^```", (rig.ROOT / "README.md").read_text(), re.M | re.S)
    assert pieces, "README.md shows the library"
    for number, piece in enumerate(pieces):
        source = rig.workdir() / f"piece{number}.c"
        source.write_text(piece)
        rig.run(["cc", "-std=c17", "-Wall", "-Wextra", "-Werror", "-I", rig.ROOT / "include", "-c", source, "-o",
                 rig.workdir() / "piece.o"]).ok()


rig.main()
