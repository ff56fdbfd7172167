#!/usr/bin/env python3
"""Containers of real engines, as `runnel map` sees them: Docker (scenario S13), podman (S14), containerd.

    host: dockerd, or podman, or containerd      every container: a network of its own, or a neighbour's
          bridges neta, netint; ext0 -- peer: e0, the link under a macvlan network

No registry is asked: the image is one busybox. Where an engine is missing or refuses to run, its tests are skipped.
"""
import os
import re

import rig
from engines import Containerd, Docker, Podman
from map_rig import Map


def container(seen, name):
    found = [c for c in seen.doc["containers"] if c["name"] == name]
    assert len(found) == 1, (name, [c["name"] for c in seen.doc["containers"]])
    return found[0]


def net_of(seen, name):
    return seen.by_id[container(seen, name)["netns"]]


def forwards(seen, net, **wanted):
    return [f for f in seen.net(net)["forwards"] if all(f[key] == value for key, value in wanted.items())]


def host_with_uplink():
    host, peer = rig.Net("host"), rig.Net("peer")
    rig.veth(host, "ext0", "10.79.0.1/24", peer, "e0", "10.79.0.2/24")
    return host


def answers(net, url):
    """Forwarding works, so that what the map says of it can be true."""
    return net.run(["curl", "-s", "-m", "5", url]).out


@rig.test(seconds=200)
def s13_docker():
    host = host_with_uplink()
    engine = Docker(host)
    engine.docker("network", "create", "neta")
    engine.docker("network", "create", "--internal", "netint")
    engine.docker("network", "create", "-d", "macvlan", "-o", "parent=ext0", "--subnet", "10.80.0.0/24", "dmv")
    web = engine.start("web", "--network", "neta", "-p", "127.0.0.1:28080:80", "-p", "28081:81/udp", "-p", "28082:80",
                       "--label", "com.docker.compose.project=shop", "--label", "com.docker.compose.service=front",
                       command=("httpd", "-f", "-p", "80", "-h", "/www"))
    engine.start("side", "--network", "container:web")
    engine.start("quiet", "--network", "netint", "--cap-add", "ALL", "--cap-drop", "SYS_RESOURCE")
    engine.start("flat", "--network", "dmv")
    engine.docker("pause", "quiet")
    try:
        seen = Map()
        tree = rig.run(rig.runnel("map")).ok().out
        served = answers(host, "http://127.0.0.1:28080/")
    finally:
        engine.docker("unpause", "quiet")
        engine.close()

    assert served == "hello\n", served
    assert container(seen, "web")["engine"] == "docker" and container(seen, "web")["pid"] == web
    assert container(seen, "web")["project"] == "shop" and container(seen, "web")["service"] == "front"
    assert net_of(seen, "side") is net_of(seen, "web")
    assert container(seen, "quiet")["paused"] and not container(seen, "web")["paused"]
    assert not container(seen, "quiet")["privileged"]
    assert [e["kind"] for e in seen.doc["engines"]] == ["docker"] and seen.doc["engines"][0]["version"]

    bridges = {link["network"]: link for link in seen.net(host)["links"] if link["network"]}
    assert set(bridges) == {"bridge", "neta", "netint", "dmv"}, bridges.keys()
    assert bridges["netint"]["network_internal"] and not bridges["neta"]["network_internal"]
    assert [port["name"][:4] for port in bridges["neta"]["ports"]] == ["veth"]
    flat = [link for link in net_of(seen, "flat")["links"] if link["kind"] == "macvlan"]
    assert len(flat) == 1 and seen.points_to(flat[0]["lower"], host, "ext0")

    to_web = {"to_netns": net_of(seen, "web")["id"], "to_port_from": 80, "owners": [web]}
    assert len(forwards(seen, host, port_from=28080, address="127.0.0.1/32", proto="tcp", **to_web)) == 1
    assert len(forwards(seen, host, port_from=28082, proto="tcp", family=4, origin="iptables-nft", **to_web)) == 1
    assert len(forwards(seen, host, port_from=28081, proto="udp", family=4, to_port_from=81, owners=[])) == 1
    assert len(forwards(seen, host, port_from=28082, proto="tcp", family=6, origin="proxy", **to_web)) == 1
    inside = {(f["proto"], f["address"], f["port_from"]): f for f in net_of(seen, "web")["forwards"]}
    assert set(inside) == {("tcp", "127.0.0.11/32", 53), ("udp", "127.0.0.11/32", 53)}, inside.keys()
    assert all(f["owners"] == [engine.process.pid] for f in inside.values())  # Docker's own DNS server

    for line in ("side, web  docker project shop", "quiet  docker · paused", 'bridge "neta"', "flat  docker"):
        assert line in tree, (line, tree)


@rig.test(seconds=200)
def s14_podman():
    host = host_with_uplink()
    engine = Podman(host)
    engine.podman("network", "create", "pnet")
    web = engine.start("pweb", "--network", "pnet", "-p", "18080:80", "--label", "com.docker.compose.project=stall",
                       command=("httpd", "-f", "-p", "80", "-h", "/www"))
    engine.podman("pod", "create", "--name", "pod1", "--infra-image", "localhost/bb:1", "--infra-command", "/bin/top",
                  "-p", "18081:81")
    engine.start("inpod", "--pod", "pod1")
    engine.start("onhost", "--network", "host")
    engine.start("held")
    engine.podman("pause", "held")
    try:
        silent = Map()
        service = engine.serve()
        asked = Map()
        served = answers(host, "http://10.79.0.1:18080/")
        rig.stop(service)
    finally:
        engine.podman("unpause", "held")
        engine.close()

    assert served == "hello\n", served
    for seen in (silent, asked):  # by its control groups and files, and by a service started by hand
        assert all(c["engine"] == "podman" for c in seen.doc["containers"]), seen.doc["containers"]
        assert container(seen, "pweb")["pid"] == web
        assert container(seen, "held")["paused"] and not container(seen, "pweb")["paused"]
        assert net_of(seen, "onhost") is seen.net(host)
        pods = {c["pod"] for c in seen.doc["containers"] if c["netns"] == container(seen, "inpod")["netns"]}
        assert len(pods) == 1 and "" not in pods, pods
        found = forwards(seen, host, port_from=18080, to_port_from=80, owners=[web])
        assert len(found) == 1 and found[0]["to_netns"] == net_of(seen, "pweb")["id"], seen.net(host)["forwards"]
        found = forwards(seen, host, port_from=18081, to_port_from=81)
        assert len(found) == 1 and found[0]["to_netns"] == net_of(seen, "inpod")["id"]
    assert container(asked, "inpod")["pod"] == "pod1"
    assert container(asked, "pweb")["project"] == "stall"
    assert [e["kind"] for e in asked.doc["engines"]] == ["podman"] and silent.doc["engines"] == []
    assert "pnet" in {link["network"] for link in asked.net(host)["links"]}


@rig.test(seconds=100)
def containers_of_containerd_are_found_without_asking_it():
    host = rig.Net("host")
    engine = Containerd(host)
    one = engine.start("one")
    engine.start("two", "--privileged", namespace="work") if may_be_privileged() else engine.start("two", namespace="work")
    engine.start("third", "--net-host", "--annotation", "nerdctl/name=pretty")
    seen = Map()
    dump = rig.workdir() / "host.dump"
    rig.run(rig.runnel("map", "--save", dump)).ok()
    shared = Map("--from", dump)
    told = dump.read_bytes()
    engine.close()

    assert {c["name"] for c in seen.doc["containers"]} == {"one", "work/two", "pretty"}, seen.doc["containers"]
    assert all(c["engine"] == "containerd" for c in seen.doc["containers"])
    assert container(seen, "one")["pid"] == one and container(seen, "one")["netns"] != seen.net(host)["id"]
    assert container(seen, "work/two")["privileged"] == may_be_privileged()
    assert not container(seen, "one")["privileged"]
    assert b"PATH=" not in told and b"pretty" not in told, "what a configuration says stays here"
    assert len(shared.doc["containers"]) == 3 and not {"one", "pretty"} & {c["name"] for c in shared.doc["containers"]}


def may_be_privileged():
    """A runtime cannot give away capabilities that the machine does not have."""
    with open("/proc/self/status", encoding="ascii") as status:
        have = int(re.search(r"CapBnd:\s*(\w+)", status.read())[1], 16)
    with open("/proc/sys/kernel/cap_last_cap", encoding="ascii") as last:
        return have == (1 << (int(last.read()) + 1)) - 1


FAKE_SHIM = r"""
import json, os, sys, time
open("/proc/self/comm", "w").write("containerd-shim")
os.chdir(sys.argv[5])
if os.fork() == 0:
    os.execvp("unshare", ["unshare", "--net", "sleep", "100"])
print("ready", flush=True)
time.sleep(100)
"""


@rig.test
def a_configuration_names_nothing_but_what_lives_below_its_shim():
    bundle = rig.workdir() / "state/default/mine"
    bundle.mkdir(parents=True)
    everything = '{"linux": {"resources": {"devices": [{"allow": true, "access": "rwm"}]}}, "annotations": {"nerdctl/name": "%s"}}'
    (bundle / "config.json").write_text(everything % "evil\\u001b[31m")
    for name in ("other", "again"):
        (bundle.parent / name).mkdir()
    (bundle.parent / "other/config.json").write_text("{")
    (bundle.parent / "again/config.json").symlink_to("/etc/passwd")
    victim = rig.Net("victim")
    shim = rig.start(["python3", "-c", FAKE_SHIM, "-namespace", "default", "-id", "mine", bundle])
    rig.wait_until(lambda: "ready" in shim.log.read_text(), "the shim runs")
    ours = os.readlink("/proc/self/ns/net")

    def lives_apart():
        kids = rig.run(["pgrep", "-P", str(shim.pid)]).out.split()
        return kids and os.readlink(f"/proc/{kids[0]}/ns/net") != ours

    rig.wait_until(lives_apart, "its container runs")
    seen = Map()
    assert len(seen.doc["containers"]) == 1, seen.doc["containers"]
    assert seen.doc["containers"][0]["privileged"] and seen.doc["containers"][0]["name"].startswith("evil")
    assert seen.doc["containers"][0]["netns"] != seen.net(victim)["id"]
    assert "\x1b" not in rig.run(rig.runnel("map", "--color=never")).ok().out


if __name__ == "__main__":
    rig.main()
