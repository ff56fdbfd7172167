#!/usr/bin/env python3
"""The picture of a host with some thirty networks: Docker, podman, and what people make by hand.

    vm      where the script runs: br-lab with ports to lab-1..lab-6; uplink -- inet: e0
    host    dockerd and podman: networks shop_default, back, infra; a macvlan network on ext0
    lab-1   tap0 served by a program; lab-2 a vxlan to lab-5 over br-lab; lab-6 a router to far-1 -- far-2
    and some that are alone

RN_PICTURE=folder keeps the dump and the drawings, to be looked at.
"""
import json
import os
import pathlib
import re
import shutil
import xml.etree.ElementTree

import rig
from engines import Docker, Podman
from map_rig import Map, hold


def named(name):
    """A network under /run/netns, as people make them."""
    if not os.path.isdir("/run/netns"):
        rig.run("mount -t tmpfs none /run").ok()
    rig.run(f"ip netns add {name}").ok()
    rig.run(f"ip -n {name} link set lo up").ok()
    return name


def ip(name, arguments):
    return rig.run(f"ip -n {name} {arguments}").ok()


def wire(one, link_one, addr_one, other, link_other, addr_other):
    ip(one, f"link add {link_one} type veth peer name {link_other} netns {other}")
    for net, link, addr in ((one, link_one, addr_one), (other, link_other, addr_other)):
        ip(net, f"link set {link} up")
        if addr:
            ip(net, f"addr add {addr} dev {link}")


def make_lab():
    """Six networks on one bridge, a tap, a vxlan, a router with two networks behind it."""
    hub = named("lab-hub")
    ip(hub, "link add br-lab type bridge")
    ip(hub, "link set br-lab up")
    ip(hub, "addr add 10.20.0.254/24 dev br-lab")
    labs = [named(f"lab-{i}") for i in range(1, 7)]
    for i, lab in enumerate(labs, 1):
        wire(hub, f"to-lab-{i}", None, lab, "eth0", f"10.20.0.{i}/24")
        ip(hub, f"link set to-lab-{i} master br-lab")
        ip(lab, "route add default via 10.20.0.254")
    for one, other in ((2, 5), (5, 2)):
        ip(f"lab-{one}", f"link add vx100 type vxlan id 100 dstport 4789 dev eth0 remote 10.20.0.{other}")
        ip(f"lab-{one}", "link set vx100 up")
        ip(f"lab-{one}", f"addr add 172.31.0.{one}/24 dev vx100")
    for i, far in enumerate(("far-1", "far-2"), 1):
        named(far)
        wire("lab-6", f"down{i}", f"10.21.{i}.1/24", far, "eth0", f"10.21.{i}.2/24")
        ip(far, f"route add default via 10.21.{i}.1")
    hold("""
go(os.open("/run/netns/lab-1", os.O_RDONLY))
kept.append(open("/dev/net/tun", "rb+", buffering=0))
fcntl.ioctl(kept[-1], 0x400454ca, struct.pack("16sH22x", b"tap0", 0x1002))
listen(socket.AF_INET, socket.SOCK_STREAM, "0.0.0.0", 5432)
listen(socket.AF_INET6, socket.SOCK_STREAM, "::", 8443, 0)
go(home)
""")
    for name in ("quiet-1", "quiet-2", "quiet-3"):
        named(name)
    rig.run("iptables -t nat -L -n")  # loads nothing, and shows whether there is one
    rig.run(["nsenter", "--net=/run/netns/lab-hub", "iptables", "-t", "nat", "-A", "PREROUTING", "-p", "tcp", "--dport", "9000",
             "-j", "DNAT", "--to-destination", "10.20.0.1:5432"])


def make_containers(host):
    docker, podman = Docker(host), Podman(host)
    for net in ("shop_default", "back"):
        docker.docker("network", "create", net)
    docker.docker("network", "create", "-d", "macvlan", "-o", "parent=ext0", "--subnet", "10.80.0.0/24", "lan")
    http = ("httpd", "-f", "-p", "80", "-h", "/www")

    def compose(project, service, *arguments, command=("sleep", "900")):
        docker.start(f"{project}-{service}-1", "--label", f"com.docker.compose.project={project}",
                     "--label", f"com.docker.compose.service={service}", *arguments, command=command)

    compose("shop", "web", "--network", "shop_default", "-p", "8080:80", command=http)
    compose("shop", "cart", "--network", "shop_default")
    compose("shop", "db", "--network", "shop_default", command=("httpd", "-f", "-p", "5432"))
    docker.docker("network", "connect", "back", "shop-cart-1")
    compose("mail", "smtp", "--network", "back", "-p", "127.0.0.1:2525:25", command=("httpd", "-f", "-p", "25"))
    compose("mail", "spool", "--network", "container:mail-smtp-1")
    docker.start("printer", "--network", "lan")
    docker.start("scratch")
    docker.start("sealed", "--network", "none")
    podman.podman("network", "create", "infra")
    podman.start("metrics", "--network", "infra", "-p", "9090:80", command=http)
    podman.start("logs", "--network", "infra")
    podman.podman("pod", "create", "--name", "blog", "--infra-image", "localhost/bb:1", "--infra-command", "/bin/top",
                  "-p", "8000:80")
    podman.start("blog-front", "--pod", "blog", command=http)
    podman.start("blog-back", "--pod", "blog")
    podman.serve()
    return docker, podman


def make_host():
    host, inet = rig.Net("host"), rig.Net("inet")
    rig.veth(host, "ext0", ["10.79.0.1/24", "2001:db8:79::1/64"], inet, "e0", ["10.79.0.2/24", "2001:db8:79::2/64"])
    host.ip("route add default via 10.79.0.2")
    return host


def keep(dump):
    folder = os.environ.get("RN_PICTURE")
    if not folder:
        return
    shutil.copy(dump, pathlib.Path(folder) / "host.dump")
    for form, name in (("svg", "host.svg"), ("dot", "host.dot"), ("json", "host.json"), ("gostwire", "host.gostwire.json")):
        (pathlib.Path(folder) / name).write_text(rig.run(rig.runnel("map", "--from", dump, "-o", form)).ok().out)


@rig.test(seconds=250)
def a_host_with_thirty_networks_is_drawn_whole():
    host = make_host()
    engines = make_containers(host)
    make_lab()
    for _ in range(5):
        rig.Net("apart")
    dump = rig.workdir() / "host.dump"
    rig.run(rig.runnel("map", "--save", dump, "--full")).ok()
    keep(dump)
    for engine in engines:
        engine.close()

    seen = Map("--from", dump)
    svg = rig.run(rig.runnel("map", "--from", dump, "-o", "svg")).ok().out
    texts = {"".join(node.itertext()) for node in xml.etree.ElementTree.fromstring(svg).iter() if node.tag.endswith("text")}
    assert len(seen.doc["namespaces"]) >= 30
    for net in seen.doc["namespaces"]:
        assert any(net["title"][:12] in text for text in texts), net["title"]
    for name in ("shop_default", "back", "infra"):
        assert any(name in text for text in texts), name


if __name__ == "__main__":
    rig.main()
