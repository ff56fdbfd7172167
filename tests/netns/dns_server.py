#!/usr/bin/env python3
"""A name server of a few names, for tests: dns_server.py NAME=ADDR[,ADDR]...

Answers by UDP and TCP on port 53 of every address. long.test has 500 addresses: truncated by UDP, whole by TCP.
"""
import ipaddress
import socket
import struct
import sys
import threading

A, AAAA = 1, 28
names = {"long.test": [f"192.0.2.{i % 250 + 1}" for i in range(500)]}


def question_of(query):
    at, labels = 12, []
    while query[at]:
        labels.append(query[at + 1:at + 1 + query[at]].decode())
        at += query[at] + 1
    kind, = struct.unpack_from("!H", query, at + 1)
    return ".".join(labels).lower(), kind, query[12:at + 5]


def answer(query, limit):
    name, kind, question = question_of(query)
    addrs = [ipaddress.ip_address(a) for a in names.get(name, [])]
    wanted = [a for a in addrs if (a.version == 4) == (kind == A)] if kind in (A, AAAA) else []
    records = b"".join(b"\xc0\x0c" + struct.pack("!HHIH", kind, 1, 60, len(a.packed)) + a.packed for a in wanted)
    is_cut = 12 + len(question) + len(records) > limit
    flags = 0x8180 | (0x0200 if is_cut else 0) | (0 if name in names else 3)
    head = query[:2] + struct.pack("!HHHHH", flags, 1, 0 if is_cut else len(wanted), 0, 0)
    return head + question + (b"" if is_cut else records)


def serve_udp(sock):
    while True:
        query, peer = sock.recvfrom(4096)
        sock.sendto(answer(query, 512), peer)


def serve_tcp(listener):
    while True:
        conn, _ = listener.accept()
        with conn, conn.makefile("rb") as stream:
            while len(head := stream.read(2)) == 2:
                reply = answer(stream.read(struct.unpack("!H", head)[0]), 65535)
                conn.sendall(struct.pack("!H", len(reply)) + reply)


for word in sys.argv[1:]:
    key, _, value = word.partition("=")
    names[key] = value.split(",")
for family, addr in ((socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")):
    udp = socket.socket(family, socket.SOCK_DGRAM)
    tcp = socket.socket(family, socket.SOCK_STREAM)
    for sock in (udp, tcp):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind((addr, 53))
    tcp.listen(64)
    threading.Thread(target=serve_udp, args=[udp], daemon=True).start()
    threading.Thread(target=serve_tcp, args=[tcp], daemon=True).start()
threading.Event().wait()
