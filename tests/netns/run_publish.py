#!/usr/bin/env python3
"""Published ports and the host's own name.

    command, in its cell               host                                    peer
    (10.210.71.2, fd72:...::2) -- runnel -- h0 198.51.100.1/24 -- veth -- s0 198.51.100.2/24
     http :80, echo :7 (udp)        -p      2001:db8:1::1/64                 2001:db8:1::2/64
    host.runnel is 10.210.71.1 and fd72:...::1
"""
import behind
import rig
from behind import GATE4, GATE6, HOST4, HOST6, SERVER4, SERVER6

# Tells each peer how it is seen.
WHO = """
import socket, sys, threading
def tcp(port):
    l = socket.create_server(('::', port), family=socket.AF_INET6, dualstack_ipv6=True)
    while True:
        c, who = l.accept()
        c.sendall((who[0].replace('::ffff:', '') + ' ' + str(port)).encode())
        c.close()
def udp(port):
    s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    s.bind(('::', port))
    while True:
        data, who = s.recvfrom(2000)
        s.sendto((who[0].replace('::ffff:', '') + ' ' + data.decode()).encode(), who)
for port in (80, 81, 82):
    threading.Thread(target=tcp, args=[port]).start()
udp(7)
"""
ASK_TCP = "import socket, sys\nprint(socket.create_connection((sys.argv[1], int(sys.argv[2])), 5).makefile().read())"
ASK_UDP = """
import socket, sys
s = socket.socket(socket.AF_INET6 if ':' in sys.argv[1] else socket.AF_INET, socket.SOCK_DGRAM)
s.settimeout(5)
s.connect((sys.argv[1], int(sys.argv[2])))
s.send(b'hello')
print(s.recv(2000).decode())
"""


def ask(net, addr, port, kind="tcp"):
    return net.run([*behind.python(ASK_UDP if kind == "udp" else ASK_TCP), addr, port])


def serve(host, way, *options):
    return behind.start(host, behind.python(WHO), *options, way=way)


def wait_for(net, addr, port, kind="tcp"):
    rig.wait_until(lambda: ask(net, addr, port, kind).out.strip(), f"{addr} port {port} answers")


@behind.each_way
def a_published_port_is_reached_by_both_loopbacks_and_by_nobody_else(way):
    host, server = behind.two_nets()
    serve(host, way, "-p", "8080:80")
    wait_for(host, "127.0.0.1", 8080)

    assert ask(host, "127.0.0.1", 8080).ok().out.split() == [GATE4, "80"], "loopback peers are host.runnel"
    assert ask(host, "::1", 8080).ok().out.split() == [GATE6, "80"]
    assert "refused" in ask(server, HOST4, 8080).err
    assert "refused" in ask(server, HOST6, 8080).err


@behind.each_way
def a_port_published_to_all_shows_the_peers_own_address(way):
    host, server = behind.two_nets()
    serve(host, way, "-p", "0.0.0.0:8080:80", "-p", "[::]:8080:80")
    wait_for(server, HOST4, 8080)

    assert ask(server, HOST4, 8080).ok().out.split() == [SERVER4, "80"]
    assert ask(server, HOST6, 8080).ok().out.split() == [SERVER6, "80"]
    assert ask(host, "127.0.0.1", 8080).ok().out.split() == [GATE4, "80"]


@behind.each_way
def a_range_of_ports_is_published_in_order(way):
    host, _ = behind.two_nets()
    serve(host, way, "-p", "8080-8082:80-82")
    wait_for(host, "127.0.0.1", 8080)

    for i in range(3):
        assert ask(host, "127.0.0.1", 8080 + i).ok().out.split() == [GATE4, str(80 + i)]


@behind.each_way
def datagrams_are_published_too(way):
    host, server = behind.two_nets()
    serve(host, way, "-p", "0.0.0.0:7000:7/udp", "-p", "[::]:7000:7/udp")
    wait_for(server, HOST4, 7000, "udp")

    assert ask(server, HOST4, 7000, "udp").ok().out.split() == [SERVER4, "hello"]
    assert ask(server, HOST6, 7000, "udp").ok().out.split() == [SERVER6, "hello"]
    assert ask(host, "127.0.0.1", 7000, "udp").ok().out.split() == [GATE4, "hello"]


@behind.each_way
def two_ports_lead_to_one_datagram_service(way):
    host, server = behind.two_nets()
    serve(host, way, "-p", "0.0.0.0:7000:7/udp", "-p", "0.0.0.0:7001:7/udp")
    wait_for(server, HOST4, 7000, "udp")

    for port in (7000, 7001, 7000):
        assert ask(server, HOST4, port, "udp").ok().out.split() == [SERVER4, "hello"]


@behind.each_way
def a_taken_port_names_its_holder(way):
    host, _ = behind.two_nets()
    command = ["nc", "-l", "-p", "8080"]
    holder = host.start(rig.as_user(command) if way == "user" else command)
    host.wait_listening(8080)

    got = behind.run(host, ["true"], "-p", "0.0.0.0:8080:80", way=way)

    assert got.status == 125, got.status
    assert "8080" in got.err and "nc" in got.err and str(holder.pid) in got.err, got.err


@behind.each_way
def a_port_nobody_serves_inside_is_reset(way):
    host, _ = behind.two_nets()
    behind.start(host, ["sleep", "100"], "-p", "8080:80", way=way)
    host.wait_listening(8080)

    got = ask(host, "127.0.0.1", 8080)

    assert got.status != 0 and "reset" in got.err.lower() or "refused" in got.err, got.err


@behind.each_way
def python_s_web_server_is_reached_from_the_host(way):
    rig.need("curl")
    host, _ = behind.two_nets()
    sent = rig.random_file("sent", 8 << 20)
    behind.start(host, [behind.PYTHON, "-m", "http.server", "--bind", "::", "--directory", rig.workdir(), "80"], "-p", "8080:80", way=way)
    wait = ["curl", "-sf", "-o", "/dev/null", "http://127.0.0.1:8080/"]
    rig.wait_until(lambda: host.run(wait).status == 0, "the web server answers")

    for at in ("127.0.0.1", "[::1]"):
        got = host.run(["sh", "-c", f"curl -sSf http://{at}:8080/sent | sha256sum"]).ok()
        assert got.out.split()[0] == rig.sha256(sent)


LISTEN = "import socket, sys\nl = socket.create_server((sys.argv[1], 8000), family=socket.AF_INET6 if ':' in " \
         "sys.argv[1] else socket.AF_INET)\nwhile True:\n c, _ = l.accept()\n c.sendall(b'here')\n c.close()\n"


@behind.each_way
def host_runnel_is_the_host_but_not_its_loopback(way):
    host, _ = behind.two_nets()
    for addr in (HOST4, HOST6):
        host.start([*behind.python(LISTEN), addr])
    host.wait_listening(8000)

    rig.wait_until(lambda: host.run("ss -ltnH sport = :8000").out.count("8000") == 2, "both listen")
    for addr in (GATE4, GATE6, "host.runnel"):
        got = behind.run(host, [*behind.python(ASK_TCP), addr, "8000"], way=way)
        assert got.ok().out.strip() == "here", (addr, got.err)


@behind.each_way
def the_hosts_loopback_opens_with_host_loopback_only(way):
    host, _ = behind.two_nets()
    for addr in ("127.0.0.1", "::1"):
        host.start([*behind.python(LISTEN), addr])
    rig.wait_until(lambda: host.run("ss -ltnH sport = :8000").out.count("8000") == 2, "both listen")

    for addr in (GATE4, GATE6):
        got = behind.run(host, [*behind.python(ASK_TCP), addr, "8000"], way=way)
        assert got.status != 0 and "refused" in got.err, (addr, got.out, got.err)
        got = behind.run(host, [*behind.python(ASK_TCP), addr, "8000"], "--host-loopback", way=way)
        assert got.ok().out.strip() == "here", (addr, got.err)


rig.main()
