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
        peer.sendall(b"HTTP/1.0 302 Found\\r\\nLocation: http://localhost/etc/shadow\\r\\n\\r\\n")
    except OSError:
        pass
    peer.close()
"""


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


# G09: engines -----------------------------------------------------------------------------------------------------

def fake_engine(kind):
    folder = rig.workdir() / f"engine-{kind}"
    folder.mkdir()
    program = folder / "dockerd"
    program.symlink_to(sys.executable)
    script = folder / "engine.py"
    # The process is found by its name, which an interpreter's own link gives it.
    script.write_text("open('/proc/self/comm', 'w').write('dockerd')\n" + FAKE_ENGINE)
    engine = rig.start([program, script, folder / "docker.sock", kind])
    rig.wait_until(lambda: "ready" in engine.log.read_text(), "the false engine listens")
    return engine


@rig.test(seconds=60)
def g09_an_engine_that_never_stops_answering_is_given_up():
    fake_engine("endless")
    seen = timed_map(seconds=20)
    assert seen.unreadable("engine"), "nobody was told"


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
    whole = Map("--save", str(dump))
    saved = dump.read_bytes()
    for secret in (b"verysecret", bytes([10, 77, 66, 55]), b"10.77.66.55", socket.gethostname().encode()):
        assert secret not in saved, secret
    again = Map("--from", str(dump))
    for net in (left, right):
        ends = [[(k["index"], k["kind"], len(k["addresses"]), k["peer"] and k["peer"]["netns"]) for k in
                 m.net(net)["links"]] for m in (whole, again)]
        assert [e[:3] for e in ends[0]] == [e[:3] for e in ends[1]]
        assert sum(e[3] is not None for e in ends[1]) == 1


if __name__ == "__main__":
    rig.main()
