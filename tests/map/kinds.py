#!/usr/bin/env python3
"""Interfaces of every kind, also of those that the kernel at hand lacks: a stream of runnel.dump/1 with the messages
their kernels would send (linux/if_link.h), drawn by `runnel map --from -`.

usage: kinds.py SOURCE_DIR RUNNEL
"""
import base64
import json
import pathlib
import re
import socket
import struct
import subprocess
import sys
import tempfile

ROOT, RUNNEL = pathlib.Path(sys.argv[1]), sys.argv[2]

# ---- netlink, as the kernel writes it: native byte order, unless a value is told as big-endian ----


def attr(kind, data=b""):
    return struct.pack("=HH", 4 + len(data), kind) + data + b"\0" * (-len(data) % 4)


def u8(kind, value):
    return attr(kind, struct.pack("=B", value))


def u16(kind, value):
    return attr(kind, struct.pack("=H", value))


def u32(kind, value):
    return attr(kind, struct.pack("=I", value))


def be16(kind, value):
    return attr(kind, struct.pack(">H", value))


def be32(kind, value):
    return attr(kind, struct.pack(">I", value))


def text(kind, value):
    return attr(kind, value.encode() + b"\0")


def ip(kind, value):
    return attr(kind, socket.inet_pton(socket.AF_INET6 if ":" in value else socket.AF_INET, value))


IFLA_ADDRESS, IFLA_IFNAME, IFLA_MTU, IFLA_LINK, IFLA_MASTER, IFLA_OPERSTATE, IFLA_LINKINFO, IFLA_LINK_NETNSID = \
    1, 3, 4, 5, 10, 16, 18, 37
INFO_KIND, INFO_DATA, INFO_SLAVE_KIND, INFO_SLAVE_DATA = 1, 2, 4, 5


def link(index, name, kind=None, data=b"", more=b"", port=None):
    info = (text(INFO_KIND, kind) if kind else b"") + (attr(INFO_DATA, data) if data else b"")
    if port:
        info += text(INFO_SLAVE_KIND, port[0]) + attr(INFO_SLAVE_DATA, port[1])
    body = struct.pack("=BxHiII", 0, 1, index, 0x1043, 0) + text(IFLA_IFNAME, name) + u32(IFLA_MTU, 1500)
    body += attr(IFLA_ADDRESS, bytes([2, 0, 0, 0, 0, index])) + u8(IFLA_OPERSTATE, 6) + more
    if info:
        body += attr(IFLA_LINKINFO, info)
    return struct.pack("=IHHII", 16 + len(body), 16, 2, 1, 0) + body


# ---- the stream ----


def frame(kind, payload, table=0):
    return struct.pack(">IHH", len(payload), kind, table) + payload


def string(value):
    return struct.pack(">H", len(value)) + value.encode()


HOST, NETNS, VISIT, NETLINK, END = 1, 5, 7, 8, 15
TABLE_LINK, TABLE_WIREGUARD = 1, 27


def stream(messages):
    host = struct.pack(">IQQI4Q", 0, 0, 1700000000, 0, 4, 1000, 4, 1000) + string("kinds") + string("") * 3
    return (b"runnel.dump/1\n" + struct.pack("=I", 0x01020304) + frame(HOST, host) +
            frame(NETNS, struct.pack(">IQQ", 0, 4, 1000)) + frame(VISIT, struct.pack(">IQIQ", 0, 1, 0, 0)) +
            b"".join(frame(NETLINK, message, TABLE_LINK) for message in messages) +
            frame(NETLINK, wireguard(32), TABLE_WIREGUARD) + frame(END, b""))


def wireguard(index):
    """linux/wireguard.h: a port, a mark, two peers; the secret keys are zero, as the recorder leaves them."""
    endpoint = struct.pack("=H", socket.AF_INET) + struct.pack(">H", 51821) + bytes([198, 51, 100, 9]) + bytes(8)
    allowed = attr(0, u8(3, 24) + u16(1, socket.AF_INET) + ip(2, "10.9.0.0")) + attr(0, u8(3, 64) + u16(1, socket.AF_INET6) + ip(2, "fd09::"))
    told = (attr(4, endpoint) + attr(6, struct.pack("=qq", 1699999990, 0)) + attr(7, struct.pack("=Q", 2**60)) +
            attr(8, struct.pack("=Q", 7)) + attr(9, allowed))
    silent = attr(6, bytes(16)) + attr(7, bytes(8)) + attr(8, bytes(8))
    peers = b"".join(attr(0, attr(1, bytes([i]) * 32) + attr(2, bytes(32)) + u16(5, 25) + more) for i, more in ((1, told), (2, silent)))
    body = struct.pack("=BBH", 0, 1, 0) + u32(1, index) + attr(3, bytes(32)) + attr(4, bytes([9]) * 32) + u16(6, 51820)
    body += u32(7, 9) + attr(8, peers)
    return struct.pack("=IHHII", 16 + len(body), 30, 2, 1, 0) + body


def key(byte):
    return base64.b64encode(bytes([byte]) * 32).decode()


PEERS = [{"public_key": key(1), "endpoint": "198.51.100.9", "endpoint_port": 51821, "allowed": ["10.9.0.0/24", "fd09::/64"],
          "handshake_unix_s": "1699999990", "rx_bytes": str(2**60), "tx_bytes": "7", "keepalive_s": 25},
         {"public_key": key(2), "endpoint": None, "endpoint_port": 0, "allowed": [], "handshake_unix_s": "0", "rx_bytes": "0",
          "tx_bytes": "0", "keepalive_s": 25}]

# ---- kinds: (message, what must be seen of the link) ----

ETH0 = 2
BOND_PORT = u8(1, 1) + u8(2, 0) + u32(3, 4) + attr(4, bytes([2, 0, 0, 0, 0, 0x99])) + u16(5, 1)
BRIDGE = (u32(1, 1500) + u32(2, 200) + u32(3, 2000) + u32(4, 30000) + u32(5, 1) + u16(6, 4096) + u8(7, 1) + be16(8, 0x8100) +
          attr(10, bytes.fromhex("1000020000000001")) + attr(11, bytes.fromhex("1000020000000002")) + u16(12, 1) +
          u32(13, 7) + u8(23, 1) + u8(36, 1) + u16(39, 5))
BRIDGE_PORT = u8(1, 3) + u16(2, 32) + u32(3, 100) + u8(4, 1) + u8(5, 1) + u8(8, 1) + u8(9, 1) + u16(20, 1) + u8(33, 1)
VXLAN = (u32(1, 42) + ip(2, "192.0.2.9") + u32(3, ETH0) + ip(4, "192.0.2.1") + u8(5, 64) + u8(6, 4) + u8(7, 1) +
         u32(8, 300) + u32(9, 10) + attr(10, struct.pack(">HH", 1000, 2000)) + u8(11, 1) + u8(12, 1) + u8(13, 1) +
         u8(14, 1) + be16(15, 4789) + u8(18, 1) + u8(25, 0) + attr(23) + be32(26, 7) + u8(29, 1))
GRE = u32(1, ETH0) + be32(4, 5) + ip(6, "192.0.2.1") + ip(7, "192.0.2.9") + u8(8, 64) + u8(9, 4)
IPIP = u32(1, ETH0) + ip(2, "192.0.2.1") + ip(3, "192.0.2.9") + u8(4, 64) + u8(5, 4)
IP6TNL = u32(1, ETH0) + ip(2, "2001:db8::1") + ip(3, "2001:db8::9") + u8(4, 64)
GENEVE = (u32(1, 42) + ip(2, "192.0.2.9") + u8(3, 64) + u8(4, 4) + be16(5, 6081) + u8(8, 1) + be32(11, 7) + u8(13, 1))
TUN = u32(1, 0) + u32(2, 5) + u8(3, 2) + u8(4, 0) + u8(5, 1) + u8(6, 1) + u8(7, 1) + u32(8, 2) + u32(9, 1)
NO_LOWER = None

KINDS = [
    (link(1, "lo", more=b""), {"kind": "device"}),
    (link(ETH0, "eth0"), {"kind": "device", "physical": True}),
    (link(3, "br0", "bridge", BRIDGE),
     {"kind": "bridge", "attributes": {"ageing_s": 300, "forward_delay_s": 15, "hello_s": 2, "max_age_s": 20, "priority": 4096,
                                       "stp_state": 1, "vlan_filtering": True, "vlan_protocol": 0x8100, "root_port": 1,
                                       "root_path_cost": 7, "root_id": "1000.020000000001", "bridge_id": "1000.020000000002",
                                       "mcast_snooping": True, "nf_call_iptables": True, "default_pvid": 5}}),
    (link(4, "eth0.7", "vlan", u16(1, 7) + attr(2, struct.pack("=II", 1, 1)) + be16(5, 0x88a8), u32(IFLA_LINK, ETH0) +
          u32(IFLA_MASTER, 3), port=("bridge", BRIDGE_PORT)),
     {"kind": "vlan", "lower": "eth0", "master": "br0", "attributes": {"id": 7, "protocol": 0x88a8, "flags": 1},
      "port": {"kind": "bridge", "state": 3, "priority": 32, "cost": 100, "hairpin": True, "guard": True, "learning": True,
               "flood": True, "isolated": True}}),
    (link(5, "bond0", "bond", u8(1, 4) + u32(2, 6) + u32(3, 100) + u32(4, 200) + u32(5, 300) + u32(11, 6) + u8(14, 1) +
          u8(21, 1) + u8(22, 2)),
     {"kind": "bond", "ports": ["eth1"],
      "attributes": {"mode": "802.3ad", "active_slave": 6, "miimon_ms": 100, "updelay_ms": 200, "downdelay_ms": 300,
                     "primary": 6, "xmit_policy": 1, "lacp_rate": 1, "ad_select": 2}}),
    (link(6, "eth1", more=u32(IFLA_MASTER, 5), port=("bond", BOND_PORT)),
     {"kind": "device", "master": "bond0", "permaddr": "02:00:00:00:00:99", "port": {"kind": "bond", "state": 1}}),
    (link(7, "team0", "team"), {"kind": "team", "ports": ["eth2"]}),
    (link(8, "eth2", more=u32(IFLA_MASTER, 7), port=("team", b"")), {"kind": "device", "master": "team0"}),
    (link(9, "vrf0", "vrf", u32(1, 900)), {"kind": "vrf", "ports": ["eth3"], "attributes": {"table": 900}}),
    (link(10, "eth3", more=u32(IFLA_MASTER, 9), port=("vrf", u32(1, 900))), {"kind": "device", "master": "vrf0"}),
    (link(11, "mv0", "macvlan", u32(1, 4) + u16(2, 1) + u32(6, 3), u32(IFLA_LINK, ETH0)),
     {"kind": "macvlan", "lower": "eth0", "attributes": {"mode": 4, "flags": 1, "source_macs": 3}}),
    (link(12, "mt0", "macvtap", u32(1, 2), u32(IFLA_LINK, ETH0)), {"kind": "macvtap", "lower": "eth0", "attributes": {"mode": 2}}),
    (link(13, "ipv0", "ipvlan", u16(1, 1) + u16(2, 2), u32(IFLA_LINK, ETH0)),
     {"kind": "ipvlan", "lower": "eth0", "attributes": {"mode": 1, "flags": 2}}),
    (link(14, "ipt0", "ipvtap", u16(1, 0), u32(IFLA_LINK, ETH0)), {"kind": "ipvtap", "lower": "eth0", "attributes": {"mode": 0}}),
    (link(15, "vx0", "vxlan", VXLAN),
     {"kind": "vxlan", "lower": "eth0",
      "attributes": {"id": 42, "remote": "192.0.2.9", "local": "192.0.2.1", "dst_port": 4789, "src_port_low": 1000,
                     "src_port_high": 2000, "ttl": 64, "tos": 4, "df": 1, "label": 7, "ageing_s": 300, "limit": 10,
                     "external": False, "learning": True, "proxy": True, "rsc": True, "l2miss": True, "l3miss": True,
                     "udp_csum": True, "gbp": True}}),
    (link(16, "gnv0", "geneve", GENEVE),
     {"kind": "geneve", "attributes": {"id": 42, "remote": "192.0.2.9", "ttl": 64, "tos": 4, "dst_port": 6081, "label": 7,
                                       "df": 1, "udp_csum": True, "external": False}}),
    (link(17, "gnvx", "geneve", attr(6) + be16(5, 6082)), {"kind": "geneve", "attributes": {"external": True, "remote": None}}),
    *[(link(20 + i, f"t{i}", kind, data),
       {"kind": "tunnel", "kind_name": kind, "lower": "eth0", "attributes": {"remote": remote, "local": local, "ttl": ttl}})
      for i, (kind, data, remote, local, ttl) in enumerate([
          ("gre", GRE, "192.0.2.9", "192.0.2.1", 64), ("gretap", GRE, "192.0.2.9", "192.0.2.1", 64),
          ("erspan", GRE, "192.0.2.9", "192.0.2.1", 64), ("ipip", IPIP, "192.0.2.9", "192.0.2.1", 64),
          ("sit", IPIP, "192.0.2.9", "192.0.2.1", 64), ("ip6tnl", IP6TNL, "2001:db8::9", "2001:db8::1", 64)])],
    (link(30, "vti0", "vti", u32(1, ETH0) + be32(2, 7) + ip(4, "192.0.2.1") + ip(5, "192.0.2.9")),
     {"kind": "tunnel", "kind_name": "vti", "lower": "eth0", "attributes": {"id": 7, "remote": "192.0.2.9", "local": "192.0.2.1"}}),
    (link(31, "tap0", "tun", TUN),
     {"kind": "tuntap", "attributes": {"mode": "tap", "owner_uid": 0, "group_gid": 5, "pi": False, "vnet_hdr": True,
                                       "persistent": True, "multi_queue": True, "queues": 2, "disabled_queues": 1}}),
    (link(32, "wg0", "wireguard"), {"kind": "wireguard", "attributes": {"listen_port": 51820, "fwmark": 9, "peers": 2,
                                                                           "public_key": key(9), "peer_list": PEERS}}),
    (link(33, "dummy0", "dummy"), {"kind": "dummy"}), (link(34, "ifb0", "ifb"), {"kind": "ifb"}),
    (link(35, "nk0", "netkit", u32(2, 1), u32(IFLA_LINK, 36)), {"kind": "netkit", "peer": "nk1"}),
    (link(36, "nk1", "netkit", u32(2, 1), u32(IFLA_LINK, 35)), {"kind": "netkit", "peer": "nk0"}),
    (link(37, "ve0", "veth", more=u32(IFLA_LINK, 38)), {"kind": "veth", "peer": "ve1"}),
    (link(38, "ve1", "veth", more=u32(IFLA_LINK, 37)), {"kind": "veth", "peer": "ve0"}),
    *[(link(40 + i, f"o{i}", kind), {"kind": "other", "kind_name": kind})
      for i, kind in enumerate(["macsec", "nlmon", "vcan", "hsr", "batadv", "rmnet", "one-of-next-year"])],
    *[(link(50 + i, f"u{i}", kind), {"kind": "tunnel", "kind_name": kind}) for i, kind in enumerate(["xfrm", "bareudp", "gtp"])],
    (link(60, "far", "macvlan", u32(1, 4), u32(IFLA_LINK, 9) + u32(IFLA_LINK_NETNSID, 5)), {"kind": "macvlan", "lower": NO_LOWER}),
]


def drawn(form):
    ran = subprocess.run([RUNNEL, "map", "--from", "-", *form], input=stream([message for message, _ in KINDS]),
                         capture_output=True, check=True)
    return ran.stdout.decode()


def name_of(value):
    return value["name"] if isinstance(value, dict) and "name" in value and "netns" in value else value


def differences(where, wanted, seen):
    for key, value in wanted.items():
        mine = seen.get(key, "nothing")
        if key == "ports":
            mine = [name_of(port) for port in mine]
        if isinstance(value, dict):
            yield from differences(f"{where}.{key}", value, mine if isinstance(mine, dict) else {})
        elif name_of(mine) != value:
            yield f"{where}: {key} is {name_of(mine)!r}, not {value!r}"


def undocumented(links):
    """What docs/map-coverage.md promises of a kind is a member that links of that kind have."""
    of_kind = {}
    for one in links:
        of_kind.setdefault(one["kind_name"] or one["kind"], one)
        if one["port"]:
            of_kind.setdefault(f"{one['port']['kind']}-port", one)
    row = re.compile(r"^\| `linkinfo\.([a-z0-9-]+)\.[^`]+` \| (?:shown|json) \| .*?`links\[\]\.(attributes|port)\.(\w+)")
    for line in (ROOT / "docs/map-coverage.md").read_text().splitlines():
        found = row.match(line)
        if not found:
            continue
        kind, part, member = found.groups()
        if kind not in of_kind:
            yield f"{kind} is documented, but not made here"
        elif member not in (of_kind[kind][part] or {}):
            yield f"a {kind} has no {part}.{member}, though {line}"


def betrayed():
    """What a picture saved to be shared tells of WireGuard that it must not, or does not though it may."""
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "shared.dump"
        drawn(["--save", str(path)])
        saved = path.read_bytes()
        again = subprocess.run([RUNNEL, "map", "--json", "--from", str(path)], capture_output=True, check=True).stdout
    yield from (f"{what} is in the shared picture" for what, secret in
                (("a key", bytes([1]) * 32), ("an endpoint", bytes([198, 51, 100, 9])), ("what is allowed", bytes([10, 9, 0, 0])))
                if secret in saved)
    peers = [peer for one in json.loads(again)["namespaces"][0]["links"] if one["kind"] == "wireguard"
             for peer in one["attributes"]["peer_list"]]
    if [peer["rx_bytes"] for peer in peers] != [peer["rx_bytes"] for peer in PEERS] or not peers[0]["endpoint"]:
        yield f"of peers the shared picture keeps {peers}"


def main():
    links = json.loads(drawn(["--json"]))["namespaces"][0]["links"]
    by_name = {one["name"]: one for one in links}
    errors = []
    for message, wanted in KINDS:
        length = struct.unpack("=H", message[32:34])[0]
        name = message[36:32 + length - 1].decode()
        errors += differences(name, wanted, by_name.get(name, {}))
    errors += undocumented(links)
    errors += betrayed()
    card = drawn(["show", "wg0"])
    errors += [f"show wg0 lacks {text}" for text in (key(1), "198.51.100.9:51821", "fd09::/64", "10 s ago") if text not in card]
    for form in (["-o", "tree"], ["-o", "svg"], ["-o", "dot"], ["--gostwire"]):
        output = drawn(form)
        errors += [f"{form} does not show {name}" for name in ("eth0.7", "bond0", "vx0") if name not in output]
    for error in errors:
        print(error)
    print(f"{len(KINDS)} links, {len(errors)} errors")
    return 1 if errors else 0


sys.exit(main())
