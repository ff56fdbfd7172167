#!/usr/bin/env python3
"""What `runnel map` finds and how it joins it, against networks made for the purpose.

Each test draws its own network in its first lines; names of tests are the statements. Names S1.. are the scenarios of
the catalogue that these tests come from.
"""
import fcntl
import os
import pathlib
import struct
import subprocess

import rig
from map_rig import Map, dns_of, hold, tenant_with

def inode_of(net):
    return os.stat(net.path).st_ino


# S1 ---------------------------------------------------------------------------------------------------------------

@rig.test
def veth_ends_with_equal_indices_find_each_other():
    nets = [rig.Net(name) for name in "abcd"]
    rig.veth(nets[0], "e0", "10.0.0.1/24", nets[1], "e0", "10.0.0.2/24")
    rig.veth(nets[2], "e0", "10.0.0.1/24", nets[3], "e0", "10.0.0.2/24")
    seen = Map()
    for one, other in ((0, 1), (1, 0), (2, 3), (3, 2)):
        assert seen.link(nets[one], "e0")["index"] == 2
        assert seen.points_to(seen.link(nets[one], "e0")["peer"], nets[other], "e0"), (one, other)


@rig.test
def more_pairs_of_equal_indices_than_are_worth_guessing_find_each_other():
    nets = [rig.Net(f"n{i}") for i in range(16)]
    for one, other in zip(nets[::2], nets[1::2]):
        rig.veth(one, "e0", "10.0.0.1/24", other, "e0", "10.0.0.2/24")
    seen = Map()
    for one, other in zip(nets[::2], nets[1::2]):
        assert seen.points_to(seen.link(one, "e0")["peer"], other, "e0")
        assert seen.points_to(seen.link(other, "e0")["peer"], one, "e0")
    assert not seen.unreadable("nsids")


@rig.test
def a_number_that_no_link_uses_is_known_in_the_own_namespace():
    a, b = rig.Net("a"), rig.Net("b")
    rig.veth(a, "e0", "10.0.0.1/24", b, "e0", "10.0.0.2/24")
    a.ip("link del e0")  # the number stays
    seen = Map(command=a.inside(rig.runnel("map", "--json")))
    assert [n["netns"] for n in seen.net(a)["nsids"]] == [seen.net(b)["id"]], seen.net(a)["nsids"]


@rig.test
def of_many_networks_on_hubs_found_before_and_after_them_each_is_joined_and_told():
    first = rig.Net("first")
    leaves = [rig.Net(f"n{i}") for i in range(48)]
    last = rig.Net("last")
    for i, leaf in enumerate(leaves):
        first.ip(f"link add f{i} type veth peer name e0 netns {leaf.holder.pid}")
        first.ip(f"link add g{i} type veth peer name e1 netns {leaf.holder.pid}")
        last.ip(f"link add l{i} type veth peer name e2 netns {leaf.holder.pid}")
    seen = Map()
    for i, leaf in enumerate(leaves):
        for hub, there, here in ((first, f"f{i}", "e0"), (first, f"g{i}", "e1"), (last, f"l{i}", "e2")):
            assert seen.points_to(seen.link(hub, there)["peer"], leaf, here), (there, here)
            assert seen.points_to(seen.link(leaf, here)["peer"], hub, there), (there, here)
        tenant, = seen.net(leaf)["tenants"]
        assert tenant["dns"] == seen.net(first)["tenants"][0]["dns"], i
    assert not seen.unreadable("nsids")


# S2, S3, S4 -------------------------------------------------------------------------------------------------------

@rig.test
def links_moved_elsewhere_keep_the_link_they_stand_on():
    a, b, c = (rig.Net(name) for name in "abc")
    rig.veth(a, "e0", "10.210.0.1/24", b, "e0", "10.210.0.2/24")
    a.ip("link add vx type vxlan id 42 dstport 4789 dev e0 remote 10.210.0.2")
    a.ip("link add mv link e0 type macvlan mode bridge")
    a.ip("link add mt link e0 type macvtap mode vepa")
    for link in ("vx", "mv"):
        a.ip(f"link set {link} netns {c.holder.pid}")
    seen = Map()
    assert seen.points_to(seen.link(c, "vx")["lower"], a, "e0")
    assert seen.points_to(seen.link(c, "mv")["lower"], a, "e0")
    assert seen.points_to(seen.link(a, "mt")["lower"], a, "e0")
    assert {u["name"] for u in seen.link(a, "e0")["uppers"]} == {"vx", "mv", "mt"}


@rig.test
def a_vxlan_without_a_lower_link_is_a_port_of_its_bridge():
    a = rig.Net("a")
    a.ip("link add br0 type bridge")
    a.ip("link add vxp type vxlan id 43 local 10.210.0.1 dstport 4790")
    a.ip("link set vxp master br0")
    seen = Map()
    assert seen.link(a, "vxp")["lower"] is None
    assert seen.points_to(seen.link(a, "vxp")["master"], a, "br0")
    assert [p["name"] for p in seen.link(a, "br0")["ports"]] == ["vxp"]


# S5 ---------------------------------------------------------------------------------------------------------------

@rig.test
def a_tap_knows_who_serves_it_from_another_namespace():
    rig.tun_for_everyone()
    if not os.access("/dev/net/tun", os.R_OK | os.W_OK):
        rig.skip("/dev/net/tun is closed to us")
    b = rig.Net("b")
    holder, _ = hold(f"""
go(os.open("{b.path}", os.O_RDONLY))
tun = os.open("/dev/net/tun", os.O_RDWR)
fcntl.ioctl(tun, 0x400454ca, struct.pack("16sH22x", b"tapx", 0x1002))
go(home)
""")
    tap = Map().link(b, "tapx")
    assert tap["kind"] == "tuntap"
    assert tap["attributes"]["processors"] == [holder.pid], tap["attributes"]


# S6 ---------------------------------------------------------------------------------------------------------------

@rig.test
def namespaces_that_only_a_descriptor_a_socket_or_a_thread_holds_are_found():
    _, words = hold("""
print(fresh()); kept.append(os.open("/proc/thread-self/ns/net", os.O_RDONLY)); go(home)
print(fresh()); kept.append(socket.socket()); go(home)
found = []
def run():
    found.append(fresh())
    time.sleep(100)
threading.Thread(target=run, daemon=True).start()
while not found:
    time.sleep(0.01)
print(found[0])
""")
    seen = Map()
    for word, how in zip(words, ("fd", "socket", "thread")):
        refs = [ref["found_by"] for ref in seen.by_inode[int(word)]["refs"]]
        assert how in refs, (how, refs)
        assert seen.by_inode[int(word)]["entered"], how


# S7, S9 -----------------------------------------------------------------------------------------------------------

@rig.test
def sockets_are_seen_where_they_are_and_owned_by_who_holds_them():
    d = rig.Net("d")
    holder, _ = hold(f"""
go(os.open("{d.path}", os.O_RDONLY))
listen(socket.AF_INET, socket.SOCK_STREAM, "0.0.0.0", 7010)
listen(socket.AF_INET6, socket.SOCK_STREAM, "::", 7001, 1)
listen(socket.AF_INET6, socket.SOCK_STREAM, "::", 7002, 0)
listen(socket.AF_INET, socket.SOCK_DGRAM, "127.0.0.1", 7003)
listen(socket.AF_INET6, socket.SOCK_DGRAM, "::", 7004, 0)
c = socket.create_connection(("127.0.0.1", 7010))
go(home)
""")
    sockets = Map().net(d)["sockets"]
    listening = {s["local_port"]: s for s in sockets if s["listening"]}
    assert set(listening) == {7001, 7002, 7003, 7004, 7010}, sorted(listening)
    assert all(s["owners"] == [holder.pid] for s in listening.values())
    assert not listening[7001]["dual"] and listening[7001]["v6only"]
    assert listening[7002]["dual"] and listening[7004]["dual"]
    assert [s["state"] for s in sockets if s["remote_port"] == 7010] == ["established"]


# S8 ---------------------------------------------------------------------------------------------------------------

@rig.test
def so_many_namespaces_that_two_children_visit_them_are_each_read_once():
    _, words = hold("import resource; resource.setrlimit(resource.RLIMIT_NOFILE, (1024, 1024))\n"
                    "for _ in range(300): print(fresh()); kept.append(os.open('/proc/thread-self/ns/net', os.O_RDONLY))")
    seen = Map()
    assert len(words) == 300
    for ino in map(int, words):
        net = seen.by_inode[ino]
        assert net["entered"] and [link["name"] for link in net["links"]] == ["lo"], net
    assert not seen.unreadable("netns")


@rig.test
def a_namespace_bound_only_inside_a_mount_namespace_without_processes_is_found():
    folder = rig.workdir() / "bound"
    folder.mkdir()
    rig.run(["mount", "-t", "tmpfs", "none", folder]).ok()
    rig.run(["mount", "--make-private", folder]).ok()
    (folder / "mnt").touch()
    (folder / "in").mkdir()
    inner = f"""
mount -t tmpfs none {folder}/in && touch {folder}/in/net &&
unshare --net sh -c 'mount --bind /proc/self/ns/net {folder}/in/net && stat -L -c %i /proc/self/ns/net'
"""
    # Only a younger mount namespace may be bound, and the kernel counts their ages by processors.
    for cpu in sorted(os.sched_getaffinity(0)):
        made = rig.run(["taskset", "-c", str(cpu), "unshare", f"--mount={folder}/mnt", "--propagation", "private", "sh", "-c", inner])
        if made.status == 0:
            break
    try:
        if made.status != 0:
            rig.skip(f"a mount namespace cannot be bound here ({made.err.strip()})")
        net = Map().by_inode[int(made.out)]
        assert [ref["path"] for ref in net["refs"]] == [f"{folder}/in/net"]
        assert net["entered"] and [link["name"] for link in net["links"]] == ["lo"]
    finally:
        rig.run(["umount", f"{folder}/mnt"])
        rig.run(["umount", folder])


# S10 --------------------------------------------------------------------------------------------------------------

@rig.test
def routes_of_every_table_and_type_and_rules_are_shown():
    a, b = rig.Net("a"), rig.Net("b")
    rig.veth(a, "e0", ["10.9.0.1/24", "2001:db8::1/64"], b, "e0", "10.9.0.2/24")
    a.ip("route add 10.66.0.0/16 nexthop via 10.9.0.2 weight 2 nexthop via 10.9.0.3")
    a.ip("route add blackhole 10.67.0.0/16")
    a.ip("route add 10.68.0.0/16 via 10.9.0.2 table 1000")
    a.ip("rule add from 9.9.9.9 fwmark 7 table 1000")
    a.ip("-6 route add 2001:db8:1::/48 via 2001:db8::2 dev e0 pref high")
    seen = Map()
    routes = {(r["dst"], r["table"]): r for r in seen.net(a)["routes"]}
    assert [h["gateway"] for h in routes["10.66.0.0/16", 254]["hops"]] == ["10.9.0.2", "10.9.0.3"]
    assert routes["10.67.0.0/16", 254]["type"] == "blackhole"
    assert routes["10.68.0.0/16", 1000]["gateway"] == "10.9.0.2"
    assert routes["2001:db8:1::/48", 254]["pref"] == "high"
    assert any(r["table"] == 1000 and r["fwmark"] == 7 for r in seen.net(a)["rules"])


# S11, S12 ---------------------------------------------------------------------------------------------------------

def nat_machine():
    """nat: br0 172.30.0.1/24 -- srv: eth0 172.30.0.2/24, which listens on port 80"""
    nat, srv = rig.Net("nat"), rig.Net("srv")
    nat.ip("link add br0 type bridge")
    nat.ip("link set br0 up")
    nat.addr("br0", "172.30.0.1/24")
    nat.ip(f"link add p0 type veth peer name eth0 netns {srv.holder.pid}")
    nat.ip("link set p0 master br0 up")
    srv.ip("link set eth0 up")
    srv.addr("eth0", "172.30.0.2/24")
    server, _ = hold(f"""
go(os.open("{srv.path}", os.O_RDONLY))
listen(socket.AF_INET, socket.SOCK_STREAM, "0.0.0.0", 80)
go(home)
""")
    return nat, srv, server


def forwarded(seen, net, port):
    found = [f for f in seen.net(net)["forwards"] if f["port_from"] <= port <= f["port_to"]]
    assert len(found) == 1, (port, found)
    return found[0]


@rig.test
def a_port_forwarded_by_any_dialect_is_found_and_resolved():
    rig.need("iptables-nft", "iptables-legacy", "nft")
    nat, srv, server = nat_machine()
    to = "--to-destination 172.30.0.2:80"
    for rule in ("-N DOCKER", "-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER",
                 f"-A DOCKER ! -i br0 -p tcp --dport 28080 -j DNAT {to}",
                 f"-A PREROUTING -p tcp --dport 28081 -j DNAT {to}"):
        nat.run(f"iptables-nft -t nat {rule}").ok()
    if nat.run(f"iptables-legacy -t nat -A PREROUTING -p tcp --dport 28082 -j DNAT {to}").status != 0:
        rig.skip("no legacy nat table here")
    rules = rig.workdir() / "rules.nft"
    rules.write_text("""table inet own {
  map to { type inet_service : ipv4_addr . inet_service; elements = { 28084 : 172.30.0.2 . 80 } }
  chain pre { type nat hook prerouting priority -100;
    tcp dport 28083 dnat ip to 172.30.0.2:80
    dnat ip addr . port to tcp dport map @to
  }
}""")
    nat.run(["nft", "-f", rules]).ok()
    seen = Map()
    for port, origin in ((28080, "iptables"), (28081, "iptables"), (28082, "legacy"), (28083, "nft"), (28084, "nft")):
        found = forwarded(seen, nat, port)
        assert origin in found["origin"], found
        assert found["to"] == "172.30.0.2" and found["to_port_from"] == 80
        assert found["to_netns"] == seen.net(srv)["id"]
        assert found["owners"] == [server.pid]


@rig.test
def a_forwarded_port_that_ends_in_a_blackhole_says_so():
    rig.need("iptables-nft")
    nat = rig.Net("nat")
    nat.ip("route add blackhole 10.66.0.0/16")
    nat.run("iptables-nft -t nat -N DOCKER").ok()
    nat.run("iptables-nft -t nat -A PREROUTING -j DOCKER").ok()
    nat.run("iptables-nft -t nat -A DOCKER -p tcp --dport 80 -j DNAT --to-destination 10.66.0.5:80").ok()
    found = forwarded(Map(), nat, 80)
    assert found["to_netns"] is None and "blackhole" in found["why"], found


@rig.test
def what_pasta_listens_on_leads_into_the_namespace_of_its_tap():
    rig.need("pasta")
    rig.tun_for_everyone()
    host, peer = rig.Net("host"), rig.Net("peer")
    rig.veth(host, "e0", "10.9.0.1/24", peer, "e0", "10.9.0.2/24")
    host.ip("route add default via 10.9.0.2")
    inside = host.start(rig.as_user(["pasta", "--config-net", "-f", "-t", "2222:22,8080-8081:80-81", "-u", "none", "--",
                                     "python3", "-c", "import socket, time; s = socket.create_server(('', 80)); "
                                     "print('inside', flush=True); time.sleep(100)"]))
    rig.wait_until(lambda: "inside" in inside.log.read_text() or inside.poll() is not None, "pasta runs")
    if inside.poll() is not None:
        rig.skip(f"pasta does not run here: {inside.log.read_text()[-100:]}")
    seen = Map()
    for port, to_port in ((2222, 22), (8080, 80), (8081, 81)):
        found = [f for f in seen.net(host)["forwards"] if f["port_from"] == port and f["to"] == "10.9.0.1"]
        assert len(found) == 1 and found[0]["origin"] == "proxy" and found[0]["to_port_from"] == to_port, (port, found)
        net = seen.by_id[found[0]["to_netns"]]
        assert any(link["kind"] == "tuntap" for link in net["links"])
        assert bool(found[0]["owners"]) == (to_port == 80), found


# S15 --------------------------------------------------------------------------------------------------------------

@rig.test(seconds=120)
def namespaces_that_come_and_go_break_no_scan():
    rig.run("mount -t tmpfs none /run/netns").ok() if os.path.isdir("/run/netns") else os.mkdir("/run/netns")
    churn = rig.start(["sh", "-c", "while :; do for i in 1 2 3 4 5 6 7 8; do ip netns add c$i; ip -n c$i link add a type "
                                   "veth peer name b; done; for i in 1 2 3 4 5 6 7 8; do ip netns del c$i; done; done"])
    try:
        for _ in range(60):
            seen = Map()
            for net in seen.doc["namespaces"]:
                for link in net["links"]:
                    for ref in [link["peer"], link["master"], link["lower"], *link["ports"], *link["uppers"]]:
                        assert ref is None or ref["netns"] in seen.by_id
    finally:
        rig.stop(churn)


# S16, S17 ---------------------------------------------------------------------------------------------------------

@rig.test
def hostile_names_arrive_as_they_are():
    a = rig.Net("a")
    alias = "\"quoted\" </script> \u202e\u00e4 \x1b[31m"
    a.run(["ip", "link", "set", "lo", "alias", alias]).ok()
    copy = rig.workdir() / "x) y\nz"
    copy.symlink_to("/bin/sleep")
    process = a.start([copy, "100"])
    rig.wait_until(lambda: pathlib.Path(f"/proc/{process.pid}/comm").read_text().startswith("x) y"), "it is its own self")
    seen = Map()
    assert seen.link(a, "lo")["alias"] == alias
    assert [p["comm"] for p in seen.doc["processes"] if p["pid"] == process.pid] == ["x) y\nz"]


@rig.test
def files_of_a_hostile_tenant_neither_block_nor_leak_the_hosts():
    tenant = tenant_with({
        "hosts": os.mkfifo,
        "hostname": lambda path: path.symlink_to("../../../../../../../etc/hostname"),
        "resolv.conf": lambda path: path.symlink_to("/etc/resolv.conf"),
        "nsswitch.conf": lambda path: path.symlink_to("/proc/kcore"),
    })
    ran = rig.run(rig.runnel("map", "--json"), seconds=10)
    seen = Map()
    dns = dns_of(seen, tenant.pid)
    assert ran.seconds < 5
    assert dns["hosts"] == [] and dns["etc_hostname"] == "" and dns["nameservers"] == [], dns
    assert any(f"pid {tenant.pid} /etc/hosts" == u["id"] for u in seen.unreadable("dns")), seen.unreadable("dns")


@rig.test
def a_huge_hosts_file_is_cut_and_says_so():
    def sparse(path):
        with path.open("wb") as file:
            file.write(b"10.0.0.1 first\n")
            file.truncate(1 << 33)

    tenant = tenant_with({"hosts": sparse})
    dns = dns_of(Map(), tenant.pid)
    assert dns["truncated"]
    assert [(h["name"], h["address"]) for h in dns["hosts"]] == [("first", "10.0.0.1")]


# S20, S21 ---------------------------------------------------------------------------------------------------------

@rig.test
def a_user_sees_its_own_network_and_is_told_what_hides_the_rest():
    rig.Net("other")
    if not rig.came_as_root():
        rig.skip("there is nobody else to be")
    seen = Map(command=rig.as_user(rig.runnel("map", "--json")))
    current = [n for n in seen.doc["namespaces"] if n["current"]]
    assert len(current) == 1 and current[0]["entered"]
    assert any(link["name"] == "lo" for link in current[0]["links"])
    assert {u["needs"] for u in seen.unreadable("capability")} >= {"CAP_SYS_ADMIN", "CAP_SYS_PTRACE"}


@rig.test
def a_user_enters_the_networks_its_own_user_namespaces_own():
    if not rig.came_as_root():
        rig.skip("there is nobody else to be")
    inner = "ip link add own type dummy 2>/dev/null || ip link add own type bridge; sleep 100"
    owner = rig.start(rig.as_user(["unshare", "--user", "--map-root-user", "--net", "sh", "-c", inner]))
    rig.wait_until(lambda: os.readlink(f"/proc/{owner.pid}/ns/net") != os.readlink("/proc/self/ns/net"), "it is there")
    inode = os.stat(f"/proc/{owner.pid}/ns/net").st_ino

    def is_made():
        seen = Map(command=rig.as_user(rig.runnel("map", "--json")))
        net = seen.by_inode.get(inode)
        return net is not None and net["entered"] and any(link["name"] == "own" for link in net["links"])

    rig.wait_until(is_made, "the user sees the bridge in its own namespace")


@rig.test
def each_missing_capability_is_reported_as_what_it_hides():
    rig.need("setpriv")
    net = rig.Net("other")
    for cap in ("sys_admin", "sys_ptrace", "sys_chroot", "dac_read_search", "net_admin"):
        drop = ["setpriv", f"--bounding-set=-{cap}", f"--inh-caps=-{cap}", "--"]
        seen = Map(command=[*drop, *rig.runnel("map", "--json")])
        assert [u["id"] for u in seen.unreadable("capability")] == [f"CAP_{cap.upper()}"], cap
        if cap == "sys_admin":
            assert not seen.net(net)["entered"]
        if cap == "sys_ptrace":
            assert seen.unreadable("process") or seen.net(net)["entered"]


# The viewer -------------------------------------------------------------------------------------------------------

@rig.test
def what_parses_the_dump_holds_no_privilege():
    dump = rig.workdir() / "machine.dump"
    rig.run(rig.runnel("map", "--save", dump, "--full")).ok()
    viewer = rig.start(rig.runnel("map", "--from", "-"), stdin=subprocess.PIPE)
    viewer.stdin.write(dump.read_bytes()[:64])
    viewer.stdin.flush()

    def field(name):
        lines = pathlib.Path(f"/proc/{viewer.pid}/status").read_text().splitlines()
        return next(line.split()[1] for line in lines if line.startswith(name + ":"))

    rig.wait_until(lambda: field("NoNewPrivs") == "1", "the viewer has begun to read")
    rig.wait_until(lambda: int(field("CapEff"), 16) == 0, "it holds no capability")
    assert int(field("CapPrm"), 16) == 0
    if rig.came_as_root():
        assert field("Uid") == "65534"
    viewer.stdin.close()


if __name__ == "__main__":
    rig.main()
