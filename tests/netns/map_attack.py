#!/usr/bin/env python3
"""Hosts that mean harm to who looks at them: rows G01..G12 of the attack list, and scenarios S18, S21, S22.

A test's name begins with its row. G05 and G08 are also held by unit tests (escape_test.c, nlattr_test.c, the fuzz
target disco_dump); G10 is of the web service, which does not exist.
"""
import os
import pathlib
import select
import socket
import subprocess
import sys
import time

import rig
from map_rig import Map, dns_of, hold, tenant_with

FAKE_ENGINE = """
import os, socket, sys, time
path, kind = sys.argv[1:3]
server = socket.socket(socket.AF_UNIX); server.bind(path); server.listen()
print("ready", flush=True)
while True:
    peer, _ = server.accept()
    peer.recv(4096)
    try:
        if kind == "endless":
            peer.sendall(b"HTTP/1.0 200 OK\\r\\n\\r\\n[")
            while True:
                peer.sendall(b"1," * 32768)
        while kind == "slow":
            peer.sendall(b"H")
            time.sleep(1)
        if kind == "empty":
            peer.sendall(b"HTTP/1.0 200 OK\\r\\n\\r\\n[]")
        peer.sendall(b"HTTP/1.0 302 Found\\r\\nLocation: http://localhost/etc/shadow\\r\\n\\r\\n")
    except OSError:
        pass
    peer.close()
"""


# A tenant of its own network and mounts whose root holds a file system that answers nothing but that it is there.
HANGING_TENANT = """
import ctypes, os, struct, sys, threading, time
root, where = sys.argv[1:3]
libc = ctypes.CDLL(None, use_errno=True)
def must(result):
    if result != 0:
        raise OSError(ctypes.get_errno(), "refused")
must(libc.unshare(0x40020000))
must(libc.mount(b"none", b"/", None, 0x44000, None))
fuse = os.open("/dev/fuse", os.O_RDWR)
must(libc.mount(b"hangs", os.path.join(root, where).encode(), b"fuse", 0,
                f"fd={fuse},rootmode=40000,user_id=0,group_id=0".encode()))
def reply(unique, body, error=0):
    os.write(fuse, struct.pack("<IiQ", 16 + len(body), error, unique) + body)
def answer():
    while True:
        opcode, unique = struct.unpack_from("<IQ", os.read(fuse, 1 << 17), 4)
        if opcode == 26:  # the greeting
            reply(unique, struct.pack("<IIIIHHII", 7, 31, 4096, 0, 12, 10, 4096, 1) + bytes(32))
        elif opcode == 34:  # may it be entered?
            reply(unique, b"", -38)
threading.Thread(target=answer, daemon=True).start()
os.chroot(root)
print("hangs", flush=True)
time.sleep(100)
"""


def hanging_tenant(where):
    if not os.path.exists("/dev/fuse") or not rig.came_as_root():
        rig.skip("no file system of our own can be mounted here")
    root = rig.workdir() / f"root-{len(list(rig.workdir().iterdir()))}"
    (root / "etc").mkdir(parents=True)
    tenant = rig.start([sys.executable, "-c", HANGING_TENANT, root, where])
    rig.wait_until(lambda: "hangs" in tenant.log.read_text() or tenant.poll() is not None, "the tenant is there")
    if tenant.poll() is not None:
        rig.skip(f"it cannot be made here: {tenant.log.read_text().strip().splitlines()[-1:]}")
    return tenant


def timed_map(*arguments, seconds):
    """A scan that must end within @seconds."""
    before = time.monotonic()
    seen = Map(*arguments)
    took = time.monotonic() - before
    assert took < seconds, f"{took:.1f} s"
    return seen


# G01 .. G03: files ------------------------------------------------------------------------------------------------

@rig.test
def g01_links_out_of_a_tenants_root_lead_nowhere():
    secret = rig.workdir() / "secret"
    secret.write_text("10.6.6.6 stolen\n")
    tenant = tenant_with({
        "hosts": lambda path: path.symlink_to(secret),
        "hostname": lambda path: path.symlink_to("../" * 12 + str(secret)),
        "resolv.conf": lambda path: path.symlink_to("/proc/self/root" + str(secret)),
    })
    dns = dns_of(Map(), tenant.pid)
    assert dns["hosts"] == [] and dns["etc_hostname"] == "" and dns["nameservers"] == [], dns


@rig.test(seconds=60)
def g01_a_file_swapped_for_a_link_while_it_is_read_never_shows_the_hosts():
    secret = rig.workdir() / "secret"
    secret.write_text("10.6.6.6 stolen\n")
    tenant = tenant_with({"hosts": lambda path: path.write_text("10.0.0.1 own\n")})
    etc = rig.workdir() / "root/etc"
    swap = (f"import os\nwhile True:\n os.symlink('{secret}', '{etc}/l'); os.rename('{etc}/l', '{etc}/hosts')\n"
            f" open('{etc}/f', 'w').write('10.0.0.1 own\\n'); os.rename('{etc}/f', '{etc}/hosts')\n")
    rig.start([sys.executable, "-c", swap])
    for _ in range(20):
        assert all(h["name"] != "stolen" for h in dns_of(Map(), tenant.pid)["hosts"])


@rig.test
def g02_what_is_no_regular_file_blocks_nothing_and_is_told():
    def listen(path):
        server = socket.socket(socket.AF_UNIX)
        server.bind(os.path.relpath(path))

    tenant = tenant_with({"hosts": os.mkfifo, "hostname": lambda path: path.mkdir(), "resolv.conf": listen})
    seen = timed_map(seconds=8)
    told = {u["id"] for u in seen.unreadable("dns")}
    for name in ("hosts", "hostname", "resolv.conf"):
        assert f"pid {tenant.pid} /etc/{name}" in told, told


@rig.test(seconds=60)
def g02_a_file_system_that_never_answers_stops_no_scan():
    tenants = [hanging_tenant("etc"), hanging_tenant(".")]
    seen = timed_map(seconds=8)
    told = {u["id"].rsplit(" ", 1)[0] for u in seen.unreadable("dns")}
    for tenant in tenants:
        assert f"pid {tenant.pid}" in told, (tenant.pid, told)
    assert all(n["entered"] for n in seen.doc["namespaces"]), "what hung took others with it"


@rig.test
def g02_a_link_to_a_device_is_not_read():
    tenant = tenant_with({"hosts": lambda path: path.symlink_to("/dev/zero"), "resolv.conf": lambda path: path.symlink_to("hosts")})
    device = rig.workdir() / "root/dev"
    device.mkdir()
    made = rig.run(["mknod", device / "zero", "c", "1", "5"])
    if made.status != 0:
        rig.skip(f"no device can be made: {made.err.strip()}")
    seen = timed_map(seconds=8)
    assert {u["id"] for u in seen.unreadable("dns")} >= {f"pid {tenant.pid} /etc/hosts", f"pid {tenant.pid} /etc/resolv.conf"}


@rig.test
def g03_files_without_end_are_cut():
    def one_line(path):
        with path.open("wb") as file:
            file.write(b"nameserver 10.0.0.1\n" + b"x" * (1 << 20))
            file.truncate(1 << 33)

    tenant = tenant_with({"resolv.conf": one_line, "hosts": lambda path: path.write_bytes(b"\0" * 4096)})
    dns = dns_of(timed_map(seconds=8), tenant.pid)
    assert dns["truncated"] and dns["nameservers"] == ["10.0.0.1"] and dns["hosts"] == [], dns


# G04, G06: what vanishes, what is refused -------------------------------------------------------------------------

@rig.test(seconds=120)
def g04_processes_that_end_meanwhile_break_no_scan():
    churn = ("import os\nwhile True:\n for _ in range(20):\n  if os.fork() == 0:\n   import ctypes\n"
             "   ctypes.CDLL(None).unshare(0x40000000); os._exit(0)\n for _ in range(20):\n  os.wait()\n")
    rig.start([sys.executable, "-c", churn])
    for _ in range(30):
        for net in Map().doc["namespaces"]:
            assert net["inode"] != "0"


CHURN = """
import ctypes, os, random, signal, socket, subprocess, time
libc = ctypes.CDLL(None)
def live():
    libc.unshare(0x40000000)
    held = [socket.socket() for _ in range(3)]
    batch = "link set lo up\\n" + "".join(f"link add v{i} type veth peer name w{i}\\naddr add 10.{i}.0.1/24 dev v{i}\\n"
                                         for i in range(3)) + "link del v1\\n"
    subprocess.run(["ip", "-batch", "-"], input=batch, text=True, stderr=subprocess.DEVNULL)
    time.sleep(random.random() / 20)
    os._exit(0)
while True:
    for _ in range(8):
        if os.fork() == 0:
            live()
    for _ in range(8):
        os.wait()
"""


@rig.test(seconds=120)
def g04_under_churn_a_scan_needs_few_descriptors_and_its_picture_holds_together():
    rig.need("prlimit")
    kept = [rig.Net(f"kept{i}") for i in range(40)]
    rig.start([sys.executable, "-c", CHURN])
    for _ in range(20):
        # one descriptor left open for each of the 40 would be too many
        seen = Map(command=["prlimit", "--nofile=40:40", "--", *rig.runnel("map", "--json")])
        assert all(seen.net(net)["entered"] for net in kept)
        for net in seen.doc["namespaces"]:
            assert len({link["index"] for link in net["links"]}) == len(net["links"])
            for link in net["links"]:
                assert link["peer"] is None or link["peer"]["netns"] in seen.by_id


@rig.test(seconds=60)
def g04_a_scan_that_is_killed_leaves_nobody_behind():
    def mine():
        found = set()
        for folder in pathlib.Path("/proc").iterdir():
            try:
                if os.readlink(folder / "exe") == os.path.realpath(rig.RUNNEL) and \
                        b"stay-behind" in (folder / "environ").read_bytes():
                    found.add(int(folder.name))
            except OSError:
                continue
        return found

    nets = [rig.Net(f"n{i}") for i in range(20)]
    for delay in (0.0, 0.002, 0.005, 0.01, 0.02, 0.04):
        scan = rig.start(rig.runnel("map", "--json"), env={**os.environ, "MARK": "stay-behind"})
        time.sleep(delay)
        scan.kill()
        scan.wait()
        rig.wait_until(lambda: not mine(), "all of the scan has ended")
    assert len(nets) == 20


@rig.test
def g06_setns_refused_is_a_note_on_every_namespace():
    rig.need("setpriv")
    net = rig.Net("other")
    seen = Map(command=["setpriv", "--bounding-set=-sys_admin", "--inh-caps=-sys_admin", "--", *rig.runnel("map", "--json")])
    node = seen.net(net)
    assert not node["entered"]
    assert any(u["needs"] == "CAP_SYS_ADMIN" for u in seen.unreadable("netns")), seen.doc["unreadable"]


# G05: names -------------------------------------------------------------------------------------------------------

@rig.test
def g05_no_byte_of_a_name_steers_the_terminal():
    a = rig.Net("a")
    a.run(["ip", "link", "set", "lo", "alias", "\x1b]0;owned\x07 \u202e</script>\r\n"]).ok()
    copy = rig.workdir() / "\x1b[2J\u202ex"
    copy.symlink_to("/bin/sleep")
    a.start([copy, "100"])
    for form in ([], ["show", f"lo@{os.stat(a.path).st_ino}"], ["-o", "dot"], ["-o", "svg"]):
        out = rig.run(rig.runnel("map", *form)).ok().out
        assert "\x1b" not in out and "\u202e" not in out and "\r" not in out, form
    assert "</script>" not in rig.run(rig.runnel("map", "-o", "svg")).out


# G07: rules -------------------------------------------------------------------------------------------------------

@rig.test(seconds=60)
def g07_five_thousand_rules_and_jumps_that_double_fourteen_times_end():
    rig.need("nft")
    a = rig.Net("a")
    rules = rig.workdir() / "rules.nft"
    ports = "\n".join(f"tcp dport {port} dnat to 10.9.0.2:80" for port in range(1000, 6000))
    deep = "\n".join(f"chain c{i} {{ jump c{i + 1}; jump c{i + 1}; }}" for i in range(14))
    rules.write_text(f"""table ip t {{
chain c14 {{ meta mark 7 accept; }}
{chr(10).join(reversed(deep.splitlines()))}
chain pre {{ type nat hook prerouting priority -100;
jump c0
{ports}
}}
}}
""")
    made = a.run(["nft", "-f", rules])
    if made.status != 0:
        rig.skip(f"nft refuses it here: {made.err.strip()[-300:]}")
    seen = timed_map(seconds=20)
    assert len(seen.net(a)["forwards"]) >= 5000 or seen.unreadable("forwarded ports (nf_tables)"), "cut, and not told"


@rig.test(seconds=60)
def g07_a_table_that_changes_under_its_dump_is_neither_doubled_nor_torn():
    a = rig.Net("a")
    a.ip("link add d0 type bridge")
    a.ip("link set d0 up")
    batch = rig.workdir() / "batch"
    batch.write_text("".join(f"addr add 10.{i // 250}.{i % 250}.1/32 dev d0\n" for i in range(1000)))
    a.run(["ip", "-batch", batch]).ok()
    a.start(["sh", "-c", "while :; do ip addr add 10.99.0.1/32 dev d0; ip addr del 10.99.0.1/32 dev d0; done"])
    for _ in range(15):
        seen = timed_map(seconds=10)
        found = [x["address"] for x in seen.link(a, "d0")["addresses"] if x["address"].startswith("10.") and
                 x["address"] != "10.99.0.1"]
        assert len(set(found)) == len(found), "twice"
        assert len(found) == 1000 or seen.unreadable("addresses"), f"{len(found)} of 1000, and nothing told"


# G08: many links --------------------------------------------------------------------------------------------------

@rig.test(seconds=60)
def g08_five_hundred_links_of_one_namespace_are_all_there():
    a = rig.Net("a")
    lines = "".join(f"link add v{i} type veth peer name w{i}\n" for i in range(250))
    batch = rig.workdir() / "batch"
    batch.write_text(lines)
    a.run(["ip", "-batch", batch]).ok()
    links = {link["name"]: link for link in timed_map(seconds=20).net(a)["links"]}
    assert len(links) == 501
    assert all(links[f"v{i}"]["peer"]["name"] == f"w{i}" for i in range(250))


@rig.test(seconds=120)
def g08_thousands_of_links_addresses_and_routes_are_all_there_in_bounded_time_and_memory():
    a = rig.Net("a")
    lines = ["link add d0 type bridge", "link set d0 up"]
    lines += [f"link add m{i} type bridge" for i in range(1500)]
    lines += [f"addr add 10.{i // 250}.{i % 250}.1/32 dev d0" for i in range(3000)]
    lines += [f"route add blackhole 11.{i // 60000}.{i // 250 % 240}.{i % 250}/32" for i in range(20000)]
    batch = rig.workdir() / "batch"
    batch.write_text("\n".join(lines) + "\n")
    a.run("sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1").ok()
    made = a.run(["ip", "-batch", batch], seconds=60)
    if made.status != 0:
        rig.skip(f"they cannot be made here: {made.err.strip()[-200:]}")
    net = timed_map(seconds=20).net(a)
    assert len(net["links"]) == 1502
    assert sum(link["name"] == "d0" and len(link["addresses"]) == 3000 for link in net["links"]) == 1
    assert sum(route["type"] == "blackhole" for route in net["routes"]) == 20000


# G09: engines -----------------------------------------------------------------------------------------------------

def fake_engine(kind, by=list):
    folder = rig.workdir() / f"engine-{kind}"
    folder.mkdir()
    folder.chmod(0o777)
    program = folder / "dockerd"
    program.symlink_to(sys.executable)
    script = folder / "engine.py"
    # The process is found by its name, which an interpreter's own link gives it.
    script.write_text("open('/proc/self/comm', 'w').write('dockerd')\n" + FAKE_ENGINE)
    engine = rig.start(by([program, script, folder / "docker.sock", kind]))
    rig.wait_until(lambda: "ready" in engine.log.read_text(), "the false engine listens")
    return engine


@rig.test(seconds=60)
def g09_an_engine_that_never_stops_answering_is_given_up():
    fake_engine("endless")
    seen = timed_map(seconds=20)
    assert seen.unreadable("engine"), "nobody was told"


@rig.test(seconds=60)
def g09_an_engine_of_a_byte_a_second_is_given_up():
    fake_engine("slow")
    seen = timed_map(seconds=20)
    assert seen.unreadable("engine"), "nobody was told"


@rig.test(seconds=60)
def g09_a_strangers_engine_is_spoken_to_as_the_stranger():
    rig.need("strace")
    rig.need_plain_build("its leak check refuses to be traced")
    if not rig.came_as_root():
        rig.skip("there are no strangers")
    fake_engine("empty", rig.as_user)
    trace = rig.workdir() / "trace"
    rig.run(["strace", "-f", "-e", "trace=connect,setresuid", "-o", trace, *rig.runnel("map", "--json")]).ok()
    became = set()
    for line in trace.read_text().splitlines():
        pid = line.split()[0]
        if "setresuid(65534" in line:
            became.add(pid)
        assert "connect(" not in line or pid in became, line


@rig.test(seconds=60)
def g09_no_redirect_is_followed():
    fake_engine("redirect")
    seen = timed_map(seconds=20)
    assert "shadow" not in str(seen.doc["engines"])


# G11, G12: the scanner itself -------------------------------------------------------------------------------------

@rig.test
def g11_with_four_capabilities_and_net_admin_everything_is_seen():
    rig.need("setpriv")
    if not rig.came_as_root():
        rig.skip("a user has none of them to keep")
    net = rig.Net("other")
    kept = "-all,+sys_admin,+sys_ptrace,+sys_chroot,+dac_read_search,+net_admin"
    seen = Map(command=["setpriv", f"--bounding-set={kept}", f"--inh-caps={kept}", "--", *rig.runnel("map", "--json")])
    assert seen.net(net)["entered"] and seen.unreadable("capability") == []


LOSSES = {
    "sys_admin": lambda seen, host: not seen.net(host.net)["entered"] and seen.unreadable("netns"),
    "sys_ptrace": lambda seen, host: seen.unreadable("process"),
    "sys_chroot": lambda seen, host: seen.unreadable("mount namespace") or host.bound not in seen.by_inode,
    "dac_read_search": lambda seen, host: any(str(host.tenant.pid) in u["id"] for u in seen.unreadable("dns")),
    "net_admin": lambda seen, host: seen.unreadable("forwarded ports (nf_tables)"),
}


class Host:
    """A network with a rule in it, and a tenant whose files only their owner may read."""

    def __init__(self):
        self.net = rig.Net("other")
        self.bound = 0
        self.tenant = tenant_with({"hosts": lambda path: path.write_text("10.0.0.1 own\n")})
        etc = rig.workdir() / "root/etc"
        (etc / "hosts").chmod(0o600)
        os.chown(etc / "hosts", 65533, 65533)
        etc.chmod(0o700)
        os.chown(etc, 65533, 65533)


@rig.test(seconds=60)
def g11_each_capability_taken_away_alone_loses_what_is_reported_as_lost():
    rig.need("setpriv")
    if not rig.came_as_root():
        rig.skip("a user has none of them to lose")
    host = Host()
    for cap, is_lost in LOSSES.items():
        # dac_override reads what dac_read_search would; sys_ptrace is asked for when others hold more than we
        less = f"-{cap}" + (",-dac_override" if cap == "dac_read_search" else "")
        seen = Map(command=["setpriv", f"--bounding-set={less}", f"--inh-caps={less}", "--", *rig.runnel("map", "--json")])
        assert f"CAP_{cap.upper()}" in [u["id"] for u in seen.unreadable("capability")], cap
        if cap != "sys_chroot":
            assert is_lost(seen, host), (cap, seen.doc["unreadable"])


# Ends with EPERM whatever borrows a descriptor: what Yama's ptrace_scope 3 and containers' seccomp profiles do.
NO_LOANS = """
import ctypes, os, struct, sys
libc = ctypes.CDLL(None, use_errno=True)
PIDFD_GETFD = 438
code = [(0x20, 0, 0, 0), (0x15, 0, 1, PIDFD_GETFD), (0x06, 0, 0, 0x00050001), (0x06, 0, 0, 0x7fff0000)]
filters = b"".join(struct.pack("HBBI", *line) for line in code)
buf = ctypes.create_string_buffer(filters)
prog = struct.pack("HxxxxxxP", len(code), ctypes.addressof(buf))
assert libc.prctl(38, 1, 0, 0, 0) == 0 and libc.prctl(22, 2, ctypes.create_string_buffer(prog)) == 0
os.execv(sys.argv[1], sys.argv[1:])
"""


@rig.test
def g11_where_no_process_may_be_traced_what_hides_behind_sockets_is_told():
    hold("fresh(); kept.append(socket.socket()); go(home)")
    seen = Map(command=[sys.executable, "-c", NO_LOANS, *rig.runnel("map", "--json")])
    assert seen.unreadable("hidden networks"), seen.doc["unreadable"]
    assert not Map().unreadable("hidden networks") or not rig.came_as_root()


@rig.test
def g12_no_time_of_access_moves():
    tenant = tenant_with({"hosts": lambda path: path.write_text("10.0.0.1 own\n")})
    hosts = rig.workdir() / "root/etc/hosts"
    os.utime(hosts, (1000, 2000))  # older than the last change: any plain read would move it
    assert dns_of(Map(), tenant.pid)["hosts"]
    assert hosts.stat().st_atime == 1000


@rig.test
def g12_only_families_that_are_there_are_asked():
    rig.need("strace")
    rig.need_plain_build("its leak check refuses to be traced")
    trace = rig.workdir() / "trace"
    rig.run(["strace", "-f", "-e", "trace=socket", "-o", trace, *rig.runnel("map", "--json")]).ok()
    asked = {line.split("socket(")[1].split(")")[0] for line in trace.read_text().splitlines() if " socket(" in line}
    kinds = {a.split(",")[0] + "," + a.rsplit(",", 1)[1] for a in asked}
    assert kinds <= {"AF_NETLINK, NETLINK_ROUTE", "AF_NETLINK, NETLINK_SOCK_DIAG", "AF_NETLINK, NETLINK_NETFILTER",
                     "AF_NETLINK, NETLINK_GENERIC", "AF_INET, IPPROTO_IP", "AF_INET, IPPROTO_RAW", "AF_INET6, IPPROTO_RAW",
                     "AF_UNIX, 0"}, kinds


@rig.test
def g12_looking_loads_no_module_and_touches_no_file():
    def modules():
        try:
            return {line.split()[0] for line in pathlib.Path("/proc/modules").read_text().splitlines()}
        except OSError:
            return set()

    tenant_with({"hosts": lambda path: path.write_text("10.0.0.1 own\n")})
    before = modules()
    Map()
    assert modules() == before


# S18, S21, S22 ----------------------------------------------------------------------------------------------------

@rig.test
def s18_two_hosts_that_route_to_each_other_end_the_way():
    rig.need("iptables-nft")
    a, b = rig.Net("a"), rig.Net("b")
    rig.veth(a, "e0", "10.9.0.1/24", b, "e0", "10.9.0.2/24")
    a.ip("route add default via 10.9.0.2")
    b.ip("route add default via 10.9.0.1")
    a.run("iptables-nft -t nat -A PREROUTING -p tcp --dport 80 -j DNAT --to-destination 8.8.8.8:80").ok()
    found = next(f for f in timed_map(seconds=8).net(a)["forwards"] if f["port_from"] == 80)
    assert found["to_netns"] is None and "circle" in found["why"], found


@rig.test
def s18_an_address_behind_three_bridges_in_a_row_is_found():
    rig.need("iptables-nft")
    a, b = rig.Net("a"), rig.Net("b")
    for i in range(3):
        a.ip(f"link add br{i} type bridge")
        a.ip(f"link set br{i} up")
    for i in range(2):
        a.ip(f"link add x{i} type veth peer name y{i}")
        a.ip(f"link set x{i} master br{i} up")
        a.ip(f"link set y{i} master br{i + 1} up")
    a.addr("br0", "10.9.0.1/24")
    a.ip(f"link add p0 type veth peer name eth0 netns {b.holder.pid}")
    a.ip("link set p0 master br2 up")
    b.ip("link set eth0 up")
    b.addr("eth0", "10.9.0.2/24")
    a.run("iptables-nft -t nat -A PREROUTING -p tcp --dport 80 -j DNAT --to-destination 10.9.0.2:80").ok()
    rig.wait_until(lambda: "state DOWN" not in a.ip("link show up") + b.ip("link show up"), "all cables carry")
    seen = Map()
    found = next(f for f in seen.net(a)["forwards"] if f["port_from"] == 80)
    assert found["to_netns"] == seen.net(b)["id"], found


@rig.test
def s21_a_proc_that_hides_other_users_gives_a_partial_picture_that_says_so():
    if not rig.came_as_root():
        rig.skip("there is nobody else to be")
    inner = "mount -t proc -o hidepid=2 proc /proc && exec " + " ".join(map(str, rig.as_user(rig.runnel("map", "--json"))))
    seen = Map(command=["unshare", "--mount", "--propagation", "private", "sh", "-c", inner])
    assert any(n["current"] and n["entered"] for n in seen.doc["namespaces"])
    assert seen.unreadable("capability")


@rig.test(seconds=120)
def s22_fifteen_thousand_sockets_find_their_owners():
    a = rig.Net("a")
    holder, _ = hold(f"""
import resource
resource.setrlimit(resource.RLIMIT_NOFILE, (16000, 16000))
go(os.open("{a.path}", os.O_RDONLY))
for i in range(15000):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.bind(("0.0.0.0", 10000 + i))
    kept.append(s)
go(home)
""")
    sockets = timed_map(seconds=20).net(a)["sockets"]
    owned = [s for s in sockets if s["owners"] == [holder.pid]]
    assert len(owned) == 15000, (len(owned), len(sockets))


@rig.test(seconds=120)
def s22_a_hundred_namespaces_take_little_memory():
    hold("""
for _ in range(100):
    fresh(); kept.append(os.open("/proc/thread-self/ns/net", os.O_RDONLY)); go(home)
""")
    program = subprocess.Popen(rig.runnel("map", "--json"), stdout=subprocess.PIPE)
    try:
        select.select([program.stdout], [], [])  # the scan is over; the document is longer than a pipe
        status = pathlib.Path(f"/proc/{program.pid}/status").read_text()
    finally:
        program.stdout.read()
        program.stdout.close()
        program.wait()
    peak_kib = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM:"))
    assert os.environ.get("RN_IS_SANITIZED") == "1" or peak_kib < 16384, peak_kib


# --save -----------------------------------------------------------------------------------------------------------

@rig.test
def a_saved_picture_holds_no_name_and_no_address_of_the_machine():
    left, right = rig.Net("left"), rig.Net("right")
    rig.veth(left, "verysecret0", "10.77.66.55/24", right, "verysecret1", "10.77.66.56/24")
    dump = rig.workdir() / "redacted.dump"
    # A name of the machine that is long enough not to be there by chance: what stands for others is random.
    named = ["unshare", "--uts", "sh", "-c", 'hostname verysecret-host && exec "$@"', "-"]
    whole = Map(command=[*named, *rig.runnel("map", "--json", "--save", dump)])
    saved = dump.read_bytes()
    assert whole.doc["host"]["hostname"] == "verysecret-host"
    for secret in (b"verysecret", bytes([10, 77, 66, 55]), b"10.77.66.55"):
        assert secret not in saved, secret
    again = Map("--from", str(dump))
    for net in (left, right):
        ends = [[(k["index"], k["kind"], len(k["addresses"]), k["peer"] and k["peer"]["netns"]) for k in
                 m.net(net)["links"]] for m in (whole, again)]
        assert [e[:3] for e in ends[0]] == [e[:3] for e in ends[1]]
        assert sum(e[3] is not None for e in ends[1]) == 1


if __name__ == "__main__":
    rig.main()
