#!/usr/bin/env python3
"""Everything `ip`, `ss` and `lsns` tell of a network is in `runnel map --json`, or docs/map-coverage.md says why not.

    left                                    right
    eth0 10.1.0.1/24 fd01::1/64 ==========  eth0 10.1.0.2/24 fd01::2/64     listens 7001/tcp 7002/tcp6 7003/udp
    br0 10.2.0.1/24                         tables, rules, blackhole, ways of equal cost, nexthop objects
      p0 === p1  mv0 (on p1)
    vx0 (on eth0)  tap0  ifb9
"""
import grp
import json
import os
import pathlib
import pwd
import re
import sys

import rig

SOURCE = pathlib.Path(__file__).resolve().parents[2]
DOC = SOURCE / "docs/map-coverage.md"
ROW = re.compile(r"^\| `([^`]+)` \| (shown|json|left out) \| (.*) \|$")


def documented():
    """{command: {key: (state, what the third column says)}}"""
    tables, command = {}, None
    for line in DOC.read_text().splitlines():
        heading = re.match(r"^## `(.+)`$", line)
        row = ROW.match(line)
        if heading:
            command = heading[1]
            tables[command] = {}
        elif row and command:
            tables[command][row[1]] = (row[2], row[3])
    return tables


def build():
    left, right = rig.Net("left"), rig.Net("right")
    rig.veth(left, "eth0", ["10.1.0.1/24", "fd01::1/64"], right, "eth0", ["10.1.0.2/24", "fd01::2/64"])
    for command in ["link add br0 type bridge", "link add p0 type veth peer name p1", "link set p0 master br0",
                    "link set br0 up", "link set p0 up", "link set p1 up", "addr add 10.2.0.1/24 brd + dev br0",
                    "link add mv0 link p1 type macvlan mode bridge",
                    "link add vx0 type vxlan id 42 dstport 4789 remote 10.1.0.2 local 10.1.0.1 dev eth0",
                    "tuntap add dev tap0 mode tap", "link set dev eth0 alias uplink", "link set vx0 up",
                    "addr add 10.9.0.1 peer 10.9.0.2 dev mv0 valid_lft 1000 preferred_lft 500",
                    "neigh add 10.1.0.77 lladdr 02:00:00:00:00:77 dev eth0 nud permanent"]:
        left.ip(command)
    for command in ["route add 10.20.0.0/16 via 10.1.0.1 metric 50 mtu 1400", "route add blackhole 10.66.0.0/16",
                    "route add 10.30.0.0/16 nexthop via 10.1.0.1 weight 2 nexthop via 10.1.0.3",
                    "route add default via 10.1.0.1 table 100", "-6 route add fd20::/64 via fd01::1 pref high",
                    "rule add from 10.1.0.0/24 fwmark 0x5/0xff lookup 100 priority 100",
                    "rule add iif eth0 ipproto tcp dport 80-90 lookup 100 priority 101",
                    "-6 rule add to fd20::/64 lookup main suppress_prefixlength 0 priority 102",
                    "nexthop add id 7 via 10.1.0.1 dev eth0", "route add 10.40.0.0/16 nhid 7"]:
        right.ip(command)
    add_what_the_kernel_has(left, right)
    right.start([sys.executable, "-c", """
import socket, time
kept = []
for family, kind, port in ((2, 1, 7001), (10, 1, 7002), (2, 2, 7003)):
    s = socket.socket(family, kind)
    s.bind(("", port))
    kept.append(s)
    if kind == 1:
        s.listen()
c = socket.create_connection(("127.0.0.1", 7001))
kept.append((c, kept[0].accept()))
time.sleep(100)
"""])
    right.wait_listening(7002)
    right.wait_listening(7003, "udp")
    return left, right


# What not every kernel can make; a machine that can compares it.
KINDS = [
    "ifb9 type ifb", "dummy9 type dummy", "mvt9 link p1 type macvtap mode private", "mvs9 link p1 type macvlan mode source",
    "vx9 type vxlan id 9 group 239.1.1.1 dev eth0 dstport 8472 ttl 3 tos 4 ageing 30 maxaddress 5 nolearning proxy rsc l2miss l3miss",
    "vx6 type vxlan id 10 remote fd01::2 local fd01::1 dstport 4790 udp6zerocsumtx", "vxe type vxlan external dstport 4791",
    "vlan9 link eth0 type vlan id 9 protocol 802.1ad", "bond9 type bond mode 802.3ad miimon 100 xmit_hash_policy layer3+4",
    "team9 type team", "ipv9 link eth0 type ipvlan mode l3 private", "ipt9 link eth0 type ipvtap mode l2",
    "vrf9 type vrf table 900", "gnv9 type geneve id 9 remote 10.1.0.2 dstport 6082 ttl 7", "wg9 type wireguard",
    "gre9 type gre remote 10.1.0.2 local 10.1.0.1 ttl 9 key 5", "gtap9 type gretap remote 10.1.0.2 local 10.1.0.1",
    "ipip9 type ipip remote 10.1.0.2 local 10.1.0.1 ttl 9", "sit9 type sit remote 10.1.0.2 local 10.1.0.1",
    "ip69 type ip6tnl remote fd01::2 local fd01::1", "vti9 type vti remote 10.1.0.2 local 10.1.0.1 key 7",
    "nk9 type netkit", "nlm9 type nlmon", "vcan9 type vcan", "xfrm9 type xfrm dev eth0 if_id 9", "bare9 type bareudp dstport 6635 ethertype mpls_uc",
]
LEFT = [
    "link set p0 type bridge_slave isolated on hairpin on cost 7 priority 3 learning off flood off guard on",
    "link set vx6 master br0", "link set br0 type bridge stp_state 1 ageing_time 12000 mcast_snooping 0 priority 4096",
    "link set eth0 promisc on", "link set p1 allmulticast on", "link set p1 group 5", "link set p1 txqueuelen 77",
    "link property add dev p1 altname patch-of-p0", "link set p1 addrgenmode none", "link set mv0 up",
    "tuntap add dev tun9 mode tun user 0 group 0 multi_queue", "link set eth0 gso_max_size 30000",
    "addr add 10.4.0.1/24 dev p1 noprefixroute scope link label p1:x", "addr add fd04::1/64 dev p1 home nodad",
    "addr add fd04::2/64 dev p1 mngtmpaddr", "addr add 10.4.1.1/24 dev p1 metric 44", "addr add fd05::5 peer fd05::6 dev p1",
    "neigh add 10.1.0.78 lladdr 02:00:00:00:00:78 dev eth0 nud noarp protocol static",
    "neigh add 10.1.0.79 lladdr 02:00:00:00:00:79 dev eth0 nud reachable router extern_learn",
    "neigh add fd01::79 lladdr 02:00:00:00:00:79 dev eth0 nud stale",
    "neigh add 10.1.0.80 dev eth0 nud permanent lladdr 02:00:00:00:00:80 use",
]
RIGHT = [
    "route add unreachable 10.67.0.0/16 metric 9", "route add prohibit 10.68.0.0/16", "route add throw 10.69.0.0/16 table 100",
    "route add 10.70.0.0/16 dev eth0 src 10.1.0.2 proto static scope link", "route add 10.71.0.0/16 via 10.99.0.1 dev eth0 onlink",
    "route add 10.72.0.0/16 via inet6 fd01::1 dev eth0", "route add 10.73.0.0/16 via 10.1.0.1 advmss 1000 rtt 30 initcwnd 20 window 5000",
    "route add 10.74.0.0/16 via 10.1.0.1 tos 0x10", "route add 10.75.0.0/16 via 10.1.0.1 mtu lock 1300 quickack 1 congctl reno",
    "route add local 10.76.0.0/16 dev lo", "route add 10.77.0.0/16 via 10.1.0.1 realm 5",
    "-6 route add fd21::/64 via fd01::1 expires 500 pref low", "-6 route add unreachable fd22::/64", "-6 route add fd23::/64 from fd01::/64 via fd01::1",
    "-6 route add fd24::/64 nexthop via fd01::1 weight 3 nexthop via fd01::3", "-6 route add blackhole fd25::/64 proto 200",
    "nexthop add id 8 via 10.1.0.3 dev eth0", "nexthop add id 9 group 7,3/8,1", "nexthop add id 10 blackhole",
    "route add 10.41.0.0/16 nhid 9", "route add 10.42.0.0/16 nhid 10", "route add multicast 239.1.0.0/16 dev eth0",
    "rule add not from 10.8.0.0/16 lookup 100 priority 110", "rule add oif eth0 lookup 100 priority 111",
    "rule add uidrange 100-200 lookup 100 priority 112", "rule add sport 1000-2000 ipproto udp lookup 100 priority 113",
    "rule add from 10.8.0.1 goto 120 priority 114", "rule add from 10.8.0.2 blackhole priority 115",
    "rule add from 10.8.0.3 unreachable priority 116", "rule add from 10.8.0.4 prohibit priority 117",
    "rule add tos 0x10 lookup 100 priority 118", "rule add from all nop priority 120",
    "rule add from 10.8.0.5 lookup 100 priority 121 suppress_ifgroup 5", "rule add from 10.8.0.6 lookup 100 priority 122 realms 1/2",
    "rule add tun_id 77 lookup 100 priority 123", "rule add l3mdev priority 124", "rule add from 10.8.0.7 nat 10.1.1.1 priority 125",
    "-6 rule add from fd08::/16 iif lo lookup 100 priority 130",
]


def add_what_the_kernel_has(left, right):
    for net, commands in ((left, [f"link add {kind}" for kind in KINDS] + LEFT), (right, RIGHT)):
        for command in commands:
            net.run(f"ip {command}")


def keys_of(value, prefix=""):
    """Keys of a JSON value, nested ones joined by dots; what differs by kind carries the kind."""
    if isinstance(value, list):
        for item in value:
            yield from keys_of(item, prefix)
    elif isinstance(value, dict):
        kind = value.get("info_kind") or value.get("info_slave_kind")
        for key, item in value.items():
            name = f"{prefix}{kind}." if key == "info_data" and kind else f"{prefix}{key}."
            if key == "info_slave_data":
                name = f"{prefix}{value.get('info_slave_kind')}-port."
            if isinstance(item, dict) or (isinstance(item, list) and item and isinstance(item[0], dict)):
                yield from keys_of(item, name)
            else:
                yield f"{prefix}{key}"


COMMANDS = {
    "ip -j -d -s link": ["ip -j -d -s link"],
    "ip -j -d addr": ["ip -j -d addr"],
    "ip -j -d route show table all": ["ip -j -d -4 route show table all", "ip -j -d -6 route show table all"],
    "ip -j -d rule": ["ip -j -d -4 rule", "ip -j -d -6 rule"],
    "ip -j -d neigh": ["ip -j -d neigh"],
}
FOREVER = 0xffffffff
IFF = {"UP": 1, "BROADCAST": 2, "LOOPBACK": 8, "POINTOPOINT": 0x10, "NOARP": 0x80, "PROMISC": 0x100,
       "ALLMULTI": 0x200, "MASTER": 0x400, "SLAVE": 0x800, "MULTICAST": 0x1000, "LOWER_UP": 0x10000}
SCOPES = {"global": 0, "site": 200, "link": 253, "host": 254, "nowhere": 255}
TABLES = {"default": 253, "main": 254, "local": 255}
PROTOCOLS = {"unspec": 0, "redirect": 1, "kernel": 2, "boot": 3, "static": 4, "ra": 9, "dhcp": 16}
NUD = {"INCOMPLETE": 1, "REACHABLE": 2, "STALE": 4, "DELAY": 8, "PROBE": 16, "FAILED": 32, "NOARP": 64, "PERMANENT": 128}
MACVLAN_MODES = {"private": 1, "vepa": 2, "bridge": 4, "passthru": 8, "source": 16}
IFA_FLAGS = {"secondary": 1, "temporary": 1, "nodad": 2, "optimistic": 4, "dadfailed": 8, "home": 0x10, "deprecated": 0x20,
             "mngtmpaddr": 0x100, "noprefixroute": 0x200, "autojoin": 0x400, "stable-privacy": 0x800}
NTF = {"proxy": 8, "extern_learn": 0x10, "offload": 0x20, "router": 0x80}
PORT_STATES = ["disabled", "listening", "learning", "forwarding", "blocking"]
HARDWARE = {"loopback": 772, "ether": 1, "none": 65534}


def bridge_id(text):
    """8000.4e:2b:fb:28:3f:5 as the kernel's eight bytes."""
    priority, _, mac = text.partition(".")
    return f"{int(priority, 16):04x}." + "".join(f"{int(b, 16):02x}" for b in mac.split(":"))


def number(table, text):
    return table[text] if text in table else int(str(text), 0)


def name_of(ref):
    return ref and ref["name"]


def pick(document, path):
    for step in path.split("."):
        document = document[step]
    return document


# key of the command: (what runnel says, from our object; what it must be, from the command's value)
def same(path):
    return lambda ours: pick(ours, path), lambda theirs: theirs


def within(path, tolerance):
    """A counter that runs on between the two looks."""
    return lambda ours: int(pick(ours, path)), lambda theirs: Near(theirs, tolerance)


class Near:
    def __init__(self, value, tolerance):
        self.value, self.tolerance = value, tolerance

    def __eq__(self, other):
        return other is not None and abs(self.value - other) <= self.tolerance

    def __repr__(self):
        return f"{self.value} +- {self.tolerance}"


def a(ours, theirs=lambda theirs: theirs):
    return ours, theirs


LINK = {
    "addr_info": a(lambda l: l["addresses"]), # here only if it is empty
    "ifindex": same("index"), "ifname": same("name"), "ifalias": same("alias"), "mtu": same("mtu"),
    "min_mtu": same("min_mtu"), "max_mtu": same("max_mtu"), "qdisc": same("qdisc"), "txqlen": same("txqlen"),
    "promiscuity": same("promiscuity"), "allmulti": same("allmulti"), "num_tx_queues": same("tx_queues"),
    "num_rx_queues": same("rx_queues"), "address": a(lambda l: l["address"]),
    "broadcast": a(lambda l: l["broadcast"]), "gso_max_size": same("gso_max_size"),
    "gso_max_segs": same("gso_max_segs"), "gro_max_size": same("gro_max_size"),
    "tso_max_size": same("tso_max_size"), "tso_max_segs": same("tso_max_segs"), "link_netnsid": same("link_nsid"),
    "flags": a(lambda l: {f for f in IFF if l["flags"] & IFF[f]}, lambda v: {f for f in v if f in IFF}),
    "operstate": a(lambda l: l["operstate"].replace("-", ""), lambda v: v.lower()),
    "linkmode": a(lambda l: l["link_mode"], lambda v: {"DEFAULT": 0, "DORMANT": 1}[v]),
    "group": a(lambda l: l["group"], lambda v: 0 if v == "default" else int(v)),
    "link_type": a(lambda l: l["hw_type"], lambda v: HARDWARE[v]),
    "link_index": same("link_index"),
    "link": a(lambda l: name_of(l["peer"]) or name_of(l["lower"])),
    "master": a(lambda l: name_of(l["master"])),
    "inet6_addr_gen_mode": a(lambda l: l["addrgen_mode"], lambda v: ["eui64", "none", "stable_secret", "random"].index(v)),
    "linkinfo.info_kind": same("kind_name"), "linkinfo.info_slave_kind": same("port.kind"),
    "linkinfo.bridge-port.state": a(lambda l: PORT_STATES[l["port"]["state"]]),
    "linkinfo.bridge-port.cost": same("port.cost"), "linkinfo.bridge-port.priority": same("port.priority"),
    "linkinfo.bridge-port.no": a(lambda l: l["port"]["number"], lambda v: int(v, 16)),
    "linkinfo.bridge-port.isolated": same("port.isolated"), "linkinfo.bridge-port.hairpin": same("port.hairpin"),
    "linkinfo.bridge-port.learning": same("port.learning"), "linkinfo.bridge-port.flood": same("port.flood"),
    "linkinfo.bridge-port.guard": same("port.guard"),
    "linkinfo.bridge.bridge_id": a(lambda l: l["attributes"]["bridge_id"], bridge_id),
    "linkinfo.bridge.root_id": a(lambda l: l["attributes"]["root_id"], bridge_id),
    "linkinfo.bridge.root_port": same("attributes.root_port"),
    "linkinfo.bridge.root_path_cost": same("attributes.root_path_cost"),
    "linkinfo.bridge.priority": same("attributes.priority"), "linkinfo.bridge.stp_state": same("attributes.stp_state"),
    "linkinfo.bridge.ageing_time": a(lambda l: l["attributes"]["ageing_s"], lambda v: v // 100),
    "linkinfo.bridge.forward_delay": a(lambda l: l["attributes"]["forward_delay_s"], lambda v: v // 100),
    "linkinfo.bridge.hello_time": a(lambda l: l["attributes"]["hello_s"], lambda v: v // 100),
    "linkinfo.bridge.max_age": a(lambda l: l["attributes"]["max_age_s"], lambda v: v // 100),
    "linkinfo.bridge.vlan_filtering": a(lambda l: l["attributes"]["vlan_filtering"], bool),
    "linkinfo.bridge.mcast_snooping": a(lambda l: l["attributes"]["mcast_snooping"], bool),
    "linkinfo.bridge.nf_call_iptables": a(lambda l: l["attributes"]["nf_call_iptables"], bool),
    "linkinfo.macvlan.mode": a(lambda l: l["attributes"]["mode"],
                               lambda v: MACVLAN_MODES[v]),
    "linkinfo.tun.type": same("attributes.mode"), "linkinfo.tun.persist": same("attributes.persistent"),
    "linkinfo.tun.multi_queue": same("attributes.multi_queue"), "linkinfo.tun.pi": same("attributes.pi"),
    "linkinfo.tun.vnet_hdr": same("attributes.vnet_hdr"),
    "linkinfo.vxlan.id": same("attributes.id"), "linkinfo.vxlan.remote": same("attributes.remote"),
    "linkinfo.vxlan.local": same("attributes.local"), "linkinfo.vxlan.port": same("attributes.dst_port"),
    "linkinfo.vxlan.link": a(lambda l: name_of(l["lower"])), "linkinfo.vxlan.ageing": same("attributes.ageing_s"),
    "linkinfo.vxlan.learning": same("attributes.learning"), "linkinfo.vxlan.ttl": same("attributes.ttl"),
    "linkinfo.vxlan.df": a(lambda l: l["attributes"]["df"], lambda v: {"unset": 0, "set": 1, "inherit": 2}[v]),
    "linkinfo.vxlan.udp_csum": same("attributes.udp_csum"),
    "linkinfo.vxlan.port_range.low": same("attributes.src_port_low"),
    "linkinfo.vxlan.port_range.high": same("attributes.src_port_high"),
    "altnames": same("altnames"), "permaddr": same("permaddr"), "parentbus": same("parent_bus"), "parentdev": same("parent_dev"),
    "phys_port_name": same("phys_port_name"), "proto_down": same("proto_down"),
    "gso_ipv4_max_size": same("gso_ipv4_max_size"), "gro_ipv4_max_size": same("gro_ipv4_max_size"),
    "linkinfo.macvlan.macaddr_count": same("attributes.source_macs"),
    "linkinfo.macvtap.macaddr_count": same("attributes.source_macs"),
    "linkinfo.macvtap.mode": a(lambda l: l["attributes"]["mode"], lambda v: MACVLAN_MODES[v]),
    "linkinfo.tun.user": a(lambda l: l["attributes"]["owner_uid"], lambda v: pwd.getpwnam(v).pw_uid),
    "linkinfo.tun.group": a(lambda l: l["attributes"]["group_gid"], lambda v: grp.getgrnam(v).gr_gid),
    "linkinfo.tun.numqueues": same("attributes.queues"),
    "linkinfo.tun.numdisabled": same("attributes.disabled_queues"),
    "linkinfo.vxlan.external": same("attributes.external"), "linkinfo.vxlan.group": same("attributes.remote"),
    "linkinfo.vxlan.group6": same("attributes.remote"), "linkinfo.vxlan.remote6": same("attributes.remote"),
    "linkinfo.vxlan.local6": same("attributes.local"), "linkinfo.vxlan.l2miss": same("attributes.l2miss"),
    "linkinfo.vxlan.l3miss": same("attributes.l3miss"), "linkinfo.vxlan.limit": same("attributes.limit"),
    "linkinfo.vxlan.proxy": same("attributes.proxy"), "linkinfo.vxlan.rsc": same("attributes.rsc"),
    "linkinfo.vxlan.gbp": same("attributes.gbp"),
    "linkinfo.vxlan.tos": a(lambda l: l["attributes"]["tos"], lambda v: 1 if v == "inherit" else int(str(v), 0)),
    "linkinfo.vxlan.label": a(lambda l: l["attributes"]["label"], lambda v: int(v, 0)),
    **{f"stats64.{way}.{key}": within(f"stats.{ours}", 40000 if key == "bytes" else 400) for way, key, ours in [
        ("rx", "bytes", "rx_bytes"), ("rx", "packets", "rx_packets"), ("rx", "errors", "rx_errors"),
        ("rx", "dropped", "rx_dropped"), ("rx", "over_errors", "rx_over_errors"), ("rx", "multicast", "multicast"),
        ("tx", "bytes", "tx_bytes"), ("tx", "packets", "tx_packets"), ("tx", "errors", "tx_errors"),
        ("tx", "dropped", "tx_dropped"), ("tx", "carrier_errors", "tx_carrier_errors"),
        ("tx", "collisions", "collisions")]},
}
ADDR = {
    "addr_info.local": same("address"), "addr_info.address": same("peer"), "addr_info.prefixlen": same("prefix"),
    "addr_info.family": a(lambda x: x["family"], lambda v: 4 if v == "inet" else 6),
    "addr_info.broadcast": same("broadcast"), "addr_info.label": same("label"),
    "addr_info.scope": a(lambda x: x["scope"], lambda v: number(SCOPES, v)),
    "addr_info.dynamic": a(lambda x: x["flags"] & 0x80 == 0),
    **{f"addr_info.{name}": (lambda x, bit=bit: x["flags"] & bit != 0, lambda v: v) for name, bit in IFA_FLAGS.items()},
    "addr_info.metric": same("metric"), "addr_info.anycast": same("anycast"),
    "addr_info.protocol": a(lambda x: x["proto"], lambda v: {"kernel_lo": 1, "kernel_ra": 2, "kernel_ll": 3}[v]),
    "addr_info.tentative": a(lambda x: True if x["flags"] & 0x40 else "settled", lambda v: Either(True, "settled")),
    "addr_info.valid_life_time": a(lambda x: FOREVER if x["valid_s"] is None else x["valid_s"], lambda v: Near(v, 5)),
    "addr_info.preferred_life_time": a(lambda x: FOREVER if x["preferred_s"] is None else x["preferred_s"],
                                       lambda v: Near(v, 5)),
}


class Either:
    """A state that may have changed between the two looks."""

    def __init__(self, *values):
        self.values = values

    def __eq__(self, other):
        return other in self.values


def dst_text(route):
    bits = 32 if route["family"] == 4 else 128
    addr, _, length = route["dst"].partition("/")
    return "default" if int(length) == 0 else addr if int(length) == bits else route["dst"]


ROUTE = {
    "dst": a(dst_text), "type": same("type"), "gateway": same("gateway"), "prefsrc": same("prefsrc"),
    "dev": a(lambda r: name_of(r["link"])), "metric": same("priority"), "pref": same("pref"), "nhid": same("nexthop_id"),
    "table": a(lambda r: r["table"], lambda v: number(TABLES, v)),
    "scope": a(lambda r: r["scope"], lambda v: number(SCOPES, v)),
    "protocol": a(lambda r: r["protocol"], lambda v: number(PROTOCOLS, v)),
    "flags": a(lambda r: r["flags"] & 4 != 0, lambda v: "onlink" in v),
    "metrics.mtu": same("mtu"), "metrics.advmss": same("advmss"),
    "expires": a(lambda r: r["expires_s"], lambda v: Near(v, 5)), "from": same("src"),
    "tos": a(lambda r: r["tos"], lambda v: int(v, 0)), "via.host": same("gateway"),
    "via.family": a(lambda r: "inet6" if ":" in r["gateway"] else "inet"),
}
HOP = {"gateway": same("gateway"), "dev": a(lambda h: name_of(h["link"])), "weight": same("weight"),
       "flags": a(lambda h: h["flags"] & 1 != 0, lambda v: "dead" in v)}
RULE = {
    "priority": same("priority"), "table": a(lambda r: r["table"], lambda v: number(TABLES, v)),
    "src": a(lambda r: (r["src"] or "all").partition("/")[0]), "srclen": a(lambda r: int(r["src"].partition("/")[2])),
    "dst": a(lambda r: (r["dst"] or "all").partition("/")[0]), "dstlen": a(lambda r: int(r["dst"].partition("/")[2])),
    "iif": same("iif"), "fwmark": a(lambda r: r["fwmark"], lambda v: int(v, 0)),
    "fwmask": a(lambda r: r["fwmask"], lambda v: int(v, 0)),
    "ipproto": a(lambda r: r["ip_proto"], lambda v: {"tcp": 6, "udp": 17}[v]),
    "dport_start": a(lambda r: r["dport"][0]), "dport_end": a(lambda r: r["dport"][1]),
    "suppress_prefixlen": same("suppress_prefix"), "oif": same("oif"), "goto": same("goto"),
    "action": a(lambda r: r["action"]), "nop": a(lambda r: r["action"] == "nop", lambda v: True),
    "not": a(lambda r: r["inverted"], lambda v: True), "tos": a(lambda r: r["tos"], lambda v: int(v, 0)),
    "l3mdev": a(lambda r: r["l3mdev"] == 1, lambda v: True),
    "sport_start": a(lambda r: r["sport"][0]), "sport_end": a(lambda r: r["sport"][1]),
    "sport": a(lambda r: r["sport"][0]), "dport": a(lambda r: r["dport"][0]),
    "uid_start": a(lambda r: r["uid_range"][0]), "uid_end": a(lambda r: r["uid_range"][1]),
    "suppress_ifgroup": a(lambda r: r["suppress_group"], lambda v: 0 if v == "default" else int(v)),
    "tun_id": a(lambda r: int(r["tun_id"])),
    "protocol": a(lambda r: r["protocol"], lambda v: number(PROTOCOLS, v)),
}
NEIGH = {"dst": same("address"), "dev": a(lambda n: name_of(n["link"])), "lladdr": same("hwaddr"),
         "state": a(lambda n: n["state"] in NUD.values(), lambda v: True),
         **{name: (lambda n, bit=bit: n["flags"] & bit != 0, lambda v: True) for name, bit in NTF.items()},
         "managed": a(lambda n: n["ext_flags"] & 1 != 0, lambda v: True),
         "protocol": a(lambda n: n["protocol"], lambda v: number(PROTOCOLS, v))}


class Comparison:
    def __init__(self):
        self.tables = documented()
        self.errors = []

    def state(self, command, key):
        if key.startswith("addr_info"):
            command = "ip -j -d addr"
        state = self.tables.get(command, {}).get(key)
        if state is None:
            self.errors.append(f"{command}: `{key}` is not in {DOC.name}")
        return state and state[0]

    def check(self, command, where, theirs, ours, how, prefix=""):
        """Every key of @theirs: listed, and if it is said to be in our JSON, of the same value there."""
        for key, value in theirs.items():
            nested = isinstance(value, dict) or (isinstance(value, list) and value and isinstance(value[0], dict))
            if nested:
                continue
            name = prefix + key
            state = self.state(command, name)
            if state in (None, "left out"):
                continue
            if name not in how:
                self.errors.append(f"{command}: `{name}` is said to be in JSON, but the test cannot compare it")
                continue
            get, convert = how[name]
            mine, other = get(ours), convert(value)
            if not (mine == other or other == mine):
                self.errors.append(f"{command}: {where}: {name} is {value!r}, we say {mine!r}")

    def links(self, command, net, ours):
        for theirs in json.loads(net.run(command).ok().out):
            link = next(l for l in ours["links"] if l["index"] == theirs["ifindex"])
            where = f"{net.name}/{link['name']}"
            self.check("ip -j -d -s link", where, theirs, link, LINK)
            info = theirs.get("linkinfo", {})
            self.check("ip -j -d -s link", where, info, link, LINK, "linkinfo.")
            self.check("ip -j -d -s link", where, info.get("info_data", {}), link, LINK,
                       f"linkinfo.{info.get('info_kind')}.")
            self.check("ip -j -d -s link", where, info.get("info_data", {}).get("port_range", {}), link, LINK,
                       f"linkinfo.{info.get('info_kind')}.port_range.")
            self.check("ip -j -d -s link", where, info.get("info_slave_data", {}), link, LINK,
                       f"linkinfo.{info.get('info_slave_kind')}-port.")
            for way, counters in theirs.get("stats64", {}).items():
                self.check("ip -j -d -s link", where, counters, link, LINK, f"stats64.{way}.")
            for addr in theirs.get("addr_info", []):
                mine = [x for x in link["addresses"] if x["address"] == addr["local"]]
                if not mine:
                    self.errors.append(f"{where}: has no {addr['local']}")
                    continue
                self.check("ip -j -d addr", where, addr, mine[0], ADDR, "addr_info.")

    def routes(self, net, ours):
        name = "ip -j -d route show table all"
        for command in COMMANDS[name]:
            family = 6 if "-6" in command else 4
            for theirs in json.loads(net.run(command).ok().out):
                table = number(TABLES, theirs.get("table", "main"))
                mine = [r for r in ours["routes"] if r["family"] == family and dst_text(r) == theirs["dst"] and
                        r["table"] == table and r["type"] == theirs["type"] and
                        (theirs.get("dev") is None or name_of(r["link"]) == theirs["dev"] or r["hops"])]
                where = f"{net.name}: {theirs['type']} {theirs['dst']} table {table}"
                if not mine:
                    self.errors.append(f"{where} is missing")
                    continue
                self.check(name, where, theirs, mine[0], ROUTE)
                self.check(name, where, theirs.get("via", {}), mine[0], ROUTE, "via.")
                for metrics in theirs.get("metrics", []):
                    self.check(name, where, metrics, mine[0], ROUTE, "metrics.")
                for hop, our_hop in zip(theirs.get("nexthops", []), mine[0]["hops"] + [None] * 9):
                    self.check(name, where, hop, our_hop, {f"nexthops.{k}": v for k, v in HOP.items()}, "nexthops.")
                if "nh_info" in theirs:
                    object_ = next(n for n in ours["nexthops"] if n["id"] == theirs["nh_info"]["id"])
                    self.check(name, where, theirs["nh_info"], object_,
                               {"nh_info.id": same("id"), "nh_info.gateway": same("gateway"),
                                "nh_info.blackhole": a(lambda n: n["blackhole"], lambda v: True),
                                "nh_info.dev": a(lambda n: name_of(n["link"])),
                                "nh_info.protocol": a(lambda n: n["protocol"], lambda v: number(PROTOCOLS, v))},
                               "nh_info.")

    def rules(self, net, ours):
        for command in COMMANDS["ip -j -d rule"]:
            family = 6 if "-6" in command else 4
            theirs = json.loads(net.run(command).ok().out)
            mine = [r for r in ours["rules"] if r["family"] == family]
            if len(theirs) != len(mine):
                self.errors.append(f"{net.name}: {len(theirs)} rules of IPv{family}, we have {len(mine)}")
            for one in theirs:
                found = [r for r in mine if r["priority"] == one["priority"]]
                if found:
                    self.check("ip -j -d rule", f"{net.name}: rule {one['priority']}", one, found[0], RULE)

    def neighbours(self, net, ours):
        for theirs in json.loads(net.run("ip -j -d neigh").ok().out):
            mine = [n for n in ours["neighbours"] if n["address"] == theirs["dst"] and name_of(n["link"]) == theirs["dev"]]
            if mine:
                self.check("ip -j -d neigh", f"{net.name}: {theirs['dst']}", theirs, mine[0], NEIGH)
            elif "PERMANENT" in theirs["state"]:
                self.errors.append(f"{net.name}: neighbour {theirs['dst']} is missing")


def scan():
    return json.loads(rig.run(rig.runnel("map", "--json")).ok().out)


def of(document, net):
    return next(n for n in document["namespaces"] if int(n["inode"]) == os.stat(net.path).st_ino)


class Other:
    """A namespace that this test did not make: the script's own, the host's, whatever else is in sight."""

    def __init__(self, node):
        self.name = node["title"]
        self.path = next(ref["path"] for ref in node["refs"] if os.access(ref["path"], os.R_OK))

    def run(self, command, **options):
        return rig.run(["nsenter", f"--net={self.path}", "--", *command.split()], **options)


def others(document, nets):
    made = {os.stat(net.path).st_ino for net in nets}
    return [Other(node) for node in document["namespaces"] if node["entered"] and int(node["inode"]) not in made and
            any(os.access(ref["path"], os.R_OK) for ref in node["refs"])]


def must_be_empty(errors):
    assert not errors, "\n".join(sorted(set(errors))[:int(os.environ.get("RN_ERRORS", "30"))])


@rig.test(seconds=120)
def every_key_of_ip_is_in_json_with_its_value_or_has_a_reason_not_to():
    nets = build()
    document = scan()

    comparison = Comparison()
    for net in nets + tuple(others(document, nets)):
        ours = of(document, net)
        comparison.links("ip -j -d -s link", net, ours)
        comparison.links("ip -j -d addr", net, ours)
        comparison.routes(net, ours)
        comparison.rules(net, ours)
        comparison.neighbours(net, ours)
    must_be_empty(comparison.errors)


SS_STATES = {"UNCONN": "close", "LISTEN": "listen", "ESTAB": "established", "TIME-WAIT": "time-wait"}


def endpoint(text, port):
    return f"{text}:{port}"


@rig.test(seconds=120)
def every_column_of_ss_is_in_json():
    rig.need("ss")
    nets = build()
    document = scan()
    errors = []
    for net in nets + tuple(others(document, nets)):
        errors += ss_errors(net, of(document, net)["sockets"])
    must_be_empty(errors)


def ss_errors(net, ours):
    columns = documented()["ss -tuaenp"]
    errors = []
    for line in net.run("ss -tuaenpH").ok().out.splitlines():
        proto, state, rx, tx, local, remote, *rest = line.split()
        port = int(local.rpartition(":")[2])
        inode = re.search(r"ino:(\d+)", line)
        mine = [s for s in ours if s["proto"] == proto and s["local_port"] == port and
                (inode is None or s["inode"] == inode[1])]
        if not mine:
            errors.append(f"{net.name}: missing: {line}")
            continue
        s = mine[0]
        pids = {int(pid) for pid in re.findall(r"pid=(\d+)", line)}
        checks = {"State": s["state"] == SS_STATES[state], "Recv-Q": s["state"] == "listen" or s["rx_queue"] == int(rx),
                  "Send-Q": s["state"] == "listen" or s["tx_queue"] == int(tx),
                  "Local": s["local"] == local.rpartition(":")[0].strip("[]").replace("*", "::"),
                  "users": set(s["owners"]) == pids, "ino": inode is None or s["inode"] == inode[1],
                  "sk": f"sk:{int(s['cookie']):x}" in rest,
                  "v6only": "v6only:" not in line or f"v6only:{int(s['v6only'])}" in line}
        for name, is_same in checks.items():
            if name not in columns:
                errors.append(f"`{name}` is not in {DOC.name}")
            if not is_same:
                errors.append(f"{name}: {line} | {s}")
        known = {"users", "uid", "ino", "sk", "cgroup", "v6only", "timer"}
        errors += [f"`{key}` is not in {DOC.name}" for key in re.findall(r"\b([a-z0-9]+):", " ".join(rest))
                   if key not in columns and key not in known - set(columns)]
    return errors


@rig.test(seconds=120)
def every_namespace_of_lsns_is_in_json():
    rig.need("lsns")
    build()
    theirs = json.loads(rig.run("lsns -J -t net --output-all").ok().out)["namespaces"]
    document = scan()
    ours = {int(n["inode"]): n for n in document["namespaces"]}
    processes = {p["pid"]: p for p in document["processes"]}

    columns = documented()["lsns"]
    errors = []
    for one in theirs:
        errors += [f"`{key}` is not in {DOC.name}" for key in one if key not in columns]
        if one["ns"] not in ours:
            errors.append(f"namespace {one['ns']} is missing")
        elif one["pid"] in processes:
            mine, process = ours[one["ns"]], processes[one["pid"]]
            checks = {"nprocs": Near(one["nprocs"], 3) == mine["processes"], "ppid": process["ppid"] == one["ppid"],
                      "pid": process["netns"] == mine["id"], "ons": int(mine["userns"]) == one["ons"],
                      "command": process["cmdline"] in (one["command"], "") or one["command"] in process["cmdline"],
                      "uid": process["status"] is None or process["status"]["uid"] == one["uid"]}
            errors += [f"{key}: {one} | {mine['title']}, {process}" for key, is_same in checks.items() if not is_same]
    must_be_empty(errors)


@rig.test
def the_document_lists_no_key_twice():
    lines = [line for line in DOC.read_text().splitlines() if ROW.match(line) or line.startswith("## ")]
    section, seen, twice = "", set(), []
    for line in lines:
        section = line if line.startswith("## ") else section
        if (section, line) in seen:
            twice.append(line)
        seen.add((section, line))
    must_be_empty(twice)


rig.main()
