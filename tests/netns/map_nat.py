#!/usr/bin/env python3
"""Rules that change a destination, in every form nf_tables and both iptables have, and what `runnel map` makes of them.

    nat: all rules of all tests; nothing needs to be reached, since only what is read is judged
"""
import json

import rig
from map_rig import Map

# Tables, chains, maps and sets that the rules below refer to.
BASE = """
table ip a {
  map m1 { type inet_service : ipv4_addr; elements = { 1001 : 172.30.0.2, 1002 : 172.30.0.2 }; }
  map m2 { type ipv4_addr . inet_service : ipv4_addr . inet_service; elements = { 10.0.0.1 . 1003 : 172.30.0.2 . 80 }; }
  map m3 { type inet_service : ipv4_addr; flags interval; elements = { 1010-1019 : 172.30.0.2, 1020 : 172.30.0.3 }; }
  map m4 { type ipv4_addr . inet_service : ipv4_addr; flags interval; elements = { 10.1.0.0/16 . 1030-1039 : 172.30.0.2 }; }
  set s1 { type inet_service; elements = { 1050, 1051 }; }
  set s2 { type inet_service; flags interval; elements = { 1060-1062, 1064 }; }
  chain c1 { meta l4proto tcp dnat to 172.30.0.2:80; }
  chain c2 { meta l4proto tcp redirect to :8080; }
  map vm { type inet_service : verdict; elements = { 1040 : jump c1, 1041 : goto c2 }; }
  chain pre { type nat hook prerouting priority -100; }
  chain out { type nat hook output priority -100; }
  chain mangle { type filter hook prerouting priority -150; }
}
table inet b {
  chain pre { type filter hook prerouting priority -150; }
  chain n { type nat hook prerouting priority -100; }
}
table ip6 c { 
  map m { type inet_service : ipv6_addr . inet_service; elements = { 1160 : 2001:db8::2 . 80 }; }
  chain pre { type nat hook prerouting priority -100; }
}
table netdev d { 
  chain ing { type filter hook ingress device "lo" priority 0; }
}
"""

# (rule as `nft add rule` takes it, the forwarded ports it amounts to: family, protocol, address, ports, to, ports there;
# a "?" at the end: on a condition that a picture cannot decide)
RULES = [
    ("ip a pre dnat to tcp dport map @m1", ["4 tcp * 1001 > 172.30.0.2 =", "4 tcp * 1002 > 172.30.0.2 ="]),
    ("ip a pre dnat to ip daddr . tcp dport map @m2", ["4 tcp 10.0.0.1/32 1003 > 172.30.0.2 80"]),
    ("ip a pre dnat to tcp dport map @m3", ["4 tcp * 1010-1019 > 172.30.0.2 =", "4 tcp * 1020 > 172.30.0.3 ="]),
    ("ip a pre dnat to ip daddr . tcp dport map @m4", ["4 tcp 10.1.0.0/16 1030-1039 > 172.30.0.2 ="]),
    ("ip a pre tcp dport vmap @vm", ["4 tcp * 1040 > 172.30.0.2 80", "4 tcp * 1041 > self 8080"]),
    ("ip a pre tcp dport @s1 dnat to 172.30.0.2:80", ["4 tcp * 1050 > 172.30.0.2 80", "4 tcp * 1051 > 172.30.0.2 80"]),
    ("ip a pre udp dport @s2 dnat to 172.30.0.2", ["4 udp * 1060-1062 > 172.30.0.2 =", "4 udp * 1064 > 172.30.0.2 ="]),
    ("ip a pre tcp dport 1070-1079 dnat to 172.30.0.2:2070-2079", ["4 tcp * 1070-1079 > 172.30.0.2 2070-2079"]),
    ("ip a pre tcp dport 1080 dnat to 172.30.0.2-172.30.0.4", [f"4 tcp * 1080 > 172.30.0.{i} =?" for i in (2, 3, 4)]),
    ("ip a pre tcp dport 1081 redirect", ["4 tcp * 1081 > self ="]),
    ("ip a pre tcp dport 1082 redirect to :9000-9009", ["4 tcp * 1082 > self 9000-9009"]),
    ("ip a pre tcp dport { 1090, 1092-1093 } dnat to 172.30.0.2:80",
     ["4 tcp * 1090 > 172.30.0.2 80", "4 tcp * 1092-1093 > 172.30.0.2 80"]),
    ("ip a pre tcp dport 1094 dnat to numgen random mod 2 map { 0 : 172.30.0.2, 1 : 172.30.0.3 }",
     ["4 tcp * 1094 > 172.30.0.2 =?", "4 tcp * 1094 > 172.30.0.3 =?"]),
    ("ip a pre tcp dport 1095 dnat to jhash ip saddr mod 2 map { 0 : 172.30.0.2, 1 : 172.30.0.3 }",
     ["4 tcp * 1095 > 172.30.0.2 =?", "4 tcp * 1095 > 172.30.0.3 =?"]),
    ("ip a pre meta l4proto { tcp, udp } th dport 1096 dnat to 172.30.0.2:80",
     ["4 tcp * 1096 > 172.30.0.2 80", "4 udp * 1096 > 172.30.0.2 80"]),
    ("ip a pre sctp dport 1097 dnat to 172.30.0.2:80", ["4 sctp * 1097 > 172.30.0.2 80"]),
    ("ip a pre ip saddr 10.9.0.0/24 tcp dport 1098 dnat to 172.30.0.2:80", ["4 tcp * 1098 > 172.30.0.2 80?"]),
    ("ip a pre ip daddr 10.0.0.0/8 tcp dport >= 1100 tcp dport < 1110 dnat to 172.30.0.2",
     ["4 tcp 10.0.0.0/8 1100-1109 > 172.30.0.2 ="]),
    ("ip a pre ip daddr 10.5.5.5 dnat to 172.30.0.5", ["4 any 10.5.5.5/32 * > 172.30.0.5 ="]),
    ("ip a pre dnat ip prefix to ip daddr map { 10.6.0.0/24 : 172.31.0.0/24 }", ["4 any 10.6.0.0/24 * > 172.31.0.0 =?"]),
    ("ip a pre tcp dport != 22 ip daddr 10.7.7.7 dnat to 172.30.0.7:1", ["4 tcp 10.7.7.7/32 * > 172.30.0.7 1?"]),
    ("ip a pre ct state new tcp dport 1120 dnat to 172.30.0.2:80", ["4 tcp * 1120 > 172.30.0.2 80"]),
    ("ip a pre meta mark 5 tcp dport 1121 dnat to 172.30.0.2:80", ["4 tcp * 1121 > 172.30.0.2 80?"]),
    ("ip a pre fib daddr type local tcp dport 1122 dnat to 172.30.0.2:80", ["4 tcp * 1122 > 172.30.0.2 80"]),
    ("ip a pre ip daddr { 10.8.0.1, 10.8.0.2 } tcp dport { 1123, 1124 } dnat to 172.30.0.2:80",
     [f"4 tcp 10.8.0.{i}/32 {port} > 172.30.0.2 80" for i in (1, 2) for port in (1123, 1124)]),
    ("ip a pre tcp dport 1125 counter log prefix x dnat to 172.30.0.2:80", ["4 tcp * 1125 > 172.30.0.2 80"]),
    ("ip a pre tcp dport 1126 limit rate 5/second dnat to 172.30.0.2:80", ["4 tcp * 1126 > 172.30.0.2 80?"]),
    ("ip a pre tcp dport 1127 dnat to ip daddr map { 10.10.0.1 : 172.30.0.2, 10.10.0.2 : 172.30.0.3 }",
     ["4 tcp 10.10.0.1/32 1127 > 172.30.0.2 =", "4 tcp 10.10.0.2/32 1127 > 172.30.0.3 ="]),
    ("ip a pre iif lo tcp dport 1128 dnat to 172.30.0.2:80", ["4 tcp * 1128 > 172.30.0.2 80"]),
    ("ip a pre tcp dport vmap { 1129 : goto c1 }", ["4 tcp * 1129 > 172.30.0.2 80"]),
    ("ip a out tcp dport 1130 ip daddr 127.0.0.1 dnat to 172.30.0.2:80", ["4 tcp 127.0.0.1/32 1130 > 172.30.0.2 80"]),
    ("ip a mangle tcp dport 1180 ip daddr set 172.30.0.2", ["4 tcp * 1180 > 172.30.0.2 ="]),
    ("ip a mangle tcp dport 1181 tcp dport set 80", ["4 tcp * 1181 > self 80"]),
    ("ip a mangle ip daddr 10.11.0.1 tcp dport 1182 ip daddr set 172.30.0.2 tcp dport set 81",
     ["4 tcp 10.11.0.1/32 1182 > 172.30.0.2 81"]),
    ("inet b pre tcp dport 1140 tproxy ip to 127.0.0.1:5000", ["4 tcp * 1140 > 127.0.0.1 5000"]),
    ("inet b pre tcp dport 1141 tproxy to :5001", ["4 tcp * 1141 > self 5001", "6 tcp * 1141 > self 5001"]),
    ("inet b n meta nfproto ipv6 tcp dport 1150 dnat ip6 to [2001:db8::2]:80", ["6 tcp * 1150 > 2001:db8::2 80"]),
    ("inet b n ip6 daddr 2001:db8::/64 udp dport 53 redirect to :5353", ["6 udp 2001:db8::/64 53 > self 5353"]),
    ("inet b n tcp dport 1151 dnat ip to 172.30.0.2:80", ["4 tcp * 1151 > 172.30.0.2 80"]),
    ("inet b n tcp dport 1152 redirect to :80", ["4 tcp * 1152 > self 80", "6 tcp * 1152 > self 80"]),
    ("ip6 c pre dnat to tcp dport map @m", ["6 tcp * 1160 > 2001:db8::2 80"]),
    ("netdev d ing ip daddr 10.66.0.1 ip daddr set 172.30.0.2", ["4 any 10.66.0.1/32 * > 172.30.0.2 ="]),
]

# (arguments of both iptables; as above)
XT_RULES = [
    ("-t nat -A PREROUTING -p tcp --dport 1200 -j REDIRECT --to-ports 80", ["4 tcp * 1200 > self 80"]),
    ("-t nat -A PREROUTING -p tcp -m multiport --dports 1201,1203:1205 -j DNAT --to-destination 172.30.0.2:80",
     ["4 tcp * 1201 > 172.30.0.2 80", "4 tcp * 1203-1205 > 172.30.0.2 80"]),
    ("-t nat -A PREROUTING -d 10.20.0.0/16 -j NETMAP --to 172.31.0.0/16", ["4 any 10.20.0.0/16 * > 172.31.0.0 =?"]),
    ("-t nat -A PREROUTING -p tcp --dport 1206 -m statistic --mode random --probability 0.5 -j DNAT "
     "--to-destination 172.30.0.2:80", ["4 tcp * 1206 > 172.30.0.2 80?"]),
    ("-t nat -A PREROUTING -p tcp --dport 1207:1209 -j DNAT --to-destination 172.30.0.2-172.30.0.3:2000-2002",
     ["4 tcp * 1207-1209 > 172.30.0.2 2000-2002?", "4 tcp * 1207-1209 > 172.30.0.3 2000-2002?"]),
    ("-t nat -A OUTPUT -d 10.22.0.1 -p tcp -m owner --uid-owner 0 --dport 1210 -j DNAT --to-destination 172.30.0.2:80",
     ["4 tcp 10.22.0.1/32 1210 > 172.30.0.2 80?"]),
    ("-t mangle -A PREROUTING -p tcp --dport 1211 -j TPROXY --on-port 5000 --on-ip 127.0.0.1",
     ["4 tcp * 1211 > 127.0.0.1 5000"]),
]


def ports(low, high, otherwise):
    if (low, high) == (0, 0):
        return otherwise
    return f"{low}-{high}" if high > low else str(low)


def text_of(forward):
    """A forwarded port in the words of the tables above."""
    f = forward
    return (f"{f['family']} {f['proto']} {f['address'] or '*'} {ports(f['port_from'], f['port_to'], '*')} > "
            f"{f['to'] or 'self'} {ports(f['to_port_from'], f['to_port_to'], '=')}{'?' if f['conditional'] else ''}")


def check(forwards, wanted):
    found = sorted(text_of(f) for f in forwards)
    assert found == sorted(wanted), f"\nfound {found}\nwanted {sorted(wanted)}"


def net_with_base():
    rig.need("nft")
    net = rig.Net("nat")
    rules = rig.workdir() / "base.nft"
    rules.write_text(BASE)
    net.run(["nft", "-f", rules]).ok()
    return net


@rig.test
def every_nft_rule_that_changes_a_destination_is_a_forwarded_port():
    net = net_with_base()
    skipped = []
    wanted = []
    for rule, forwards in RULES:
        if net.run(["nft", "add", "rule", *rule.split()]).status == 0:
            wanted += forwards
        else:  # an older nft or kernel
            skipped.append(rule)

    forwards = Map().net(net)["forwards"]

    assert len(skipped) < len(RULES) / 4, skipped
    check(forwards, wanted)
    changing = {"dnat", "redirect", "tproxy", "mangle"}
    told = {f["rule"] for f in forwards}
    for item in json.loads(net.run("nft -j list ruleset").ok().out)["nftables"]:
        rule = item.get("rule")
        if rule and changing & {key for expression in rule["expr"] for key in expression}:
            name = f"{rule['family']} {rule['table']} {rule['chain']} handle {rule['handle']}"
            assert name in told, (name, rule["expr"])


def check_iptables(program):
    rig.need(program)
    net = rig.Net("nat")
    wanted = []
    for rule, forwards in XT_RULES:
        if net.run(f"{program} {rule}").status == 0:
            wanted += forwards
    if not wanted:
        rig.skip(f"{program} works not here")
    check(Map().net(net)["forwards"], wanted)


@rig.test
def every_rule_of_iptables_on_nf_tables_is_a_forwarded_port():
    check_iptables("iptables-nft")


@rig.test
def every_rule_of_the_older_iptables_is_a_forwarded_port():
    check_iptables("iptables-legacy")


@rig.test
def rules_behind_an_unconditional_end_forward_nothing():
    net = net_with_base()
    for rule in ("ip a pre tcp dport 1 dnat to 172.30.0.2:80", "ip a pre accept", "ip a pre tcp dport 2 dnat to 172.30.0.2:80"):
        net.run(["nft", "add", "rule", *rule.split()]).ok()

    check(Map().net(net)["forwards"], ["4 tcp * 1 > 172.30.0.2 80"])


if __name__ == "__main__":
    rig.main()
