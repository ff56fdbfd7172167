#!/usr/bin/env python3
"""What `runnel map path` says of filters, held against the kernel: for each case a connection is tried, and where the
answer is yes or no, it must be what became of it."""
import sys

import rig
from map_rig import BRIEF, HTTP, agrees, build, can_connect, pid, way

# ---- nf_tables ----

# (where, rules of nft in a table of the family inet, whether a connection passes, what is told)
FILTERS = [
    ("router", "type filter hook forward priority 0; policy drop;", [], "dropped by the policy of inet f c"),
    ("router", "type filter hook forward priority 0; policy drop;", ["tcp dport 80 accept", "ct state established accept"], None),
    ("router", "type filter hook forward priority 0; policy drop;", ["tcp dport { 22, 81-90 } accept"], "dropped by the policy"),
    ("router", "type filter hook forward priority 0;", ["iifname c0 oifname br0 ip daddr 10.2.0.0/24 reject"],
     "dropped by inet f c handle"),
    ("router", "type filter hook forward priority 0; policy drop;", ["ct state vmap { established : accept, new : jump d }"], None),
    ("router", "type filter hook forward priority 0; policy drop;", ["ct state established,related accept", "ip saddr 10.1.0.2 accept"],
     None),
    ("router", "type filter hook prerouting priority -300;", ["ip saddr 10.1.0.2 tcp dport 80 drop"], "dropped by inet f c"),
    ("router", "type filter hook postrouting priority 0;", ["oifname != br0 accept", "ip daddr 10.2.0.2 drop"], "dropped by inet f c"),
    ("router", "type filter hook input priority 0; policy drop;", [], None),
    ("client", "type filter hook output priority 0;", ["meta l4proto tcp th dport 80 goto d", "drop"], "dropped by inet f d"),
    ("client", "type filter hook output priority 0;", ["meta mark 7 drop", "oifname lo drop"], None),
    ("server", "type filter hook input priority 0; policy drop;", ["iifname eth0 tcp dport 80 ip saddr 10.1.0.0/24 accept"], None),
    ("server", "type filter hook input priority 0; policy drop;", ["iifname lo accept"], "dropped by the policy of inet f c"),
]


@rig.test(seconds=120)
def filters_are_told_as_the_kernel_obeys_them():
    rig.need("nft")
    nets = dict(zip(("client", "router", "server"), build()))
    rules = rig.workdir() / "filter.nft"
    for where, head, lines, why in FILTERS:
        last = "accept" if where == "router" else "drop"
        body = "".join(f"    {line}\n" for line in lines)
        rules.write_text(f"table inet f {{\n  chain d {{\n    {last}\n  }}\n  chain c {{\n    {head}\n{body}  }}\n}}\n")
        nets[where].run(["nft", "-f", rules]).ok()

        told = way(pid(nets["client"]), "10.2.0.2:80")

        assert told["reached"] == (why is None) and agrees(told, nets["client"], "10.2.0.2", 80), (where, lines, told)
        assert why is None or told["why"].startswith(why), (where, lines, told)
        assert told["filters_asked"]
        nets[where].run("nft delete table inet f").ok()


@rig.test
def what_a_filter_asks_and_nobody_knows_is_not_guessed():
    rig.need("nft")
    client, router, _ = build()
    router.run("nft add table ip f").ok()
    router.run(["nft", "add chain ip f c { type filter hook forward priority 0 ; }"]).ok()
    router.run("nft add rule ip f c tcp sport 1000-2000 drop").ok()

    told = way(pid(client), "10.2.0.2:80")
    router.run("nft add rule ip f c tcp dport 80 drop").ok()
    sure = way(pid(client), "10.2.0.2:80")
    without_port = way(pid(client), "10.2.0.2")

    assert not told["reached"] and told["why"].startswith("cannot tell: ip f c handle"), told
    assert sure["why"].startswith("dropped by ip f c handle"), sure
    assert without_port["reached"] and not without_port["filters_asked"], without_port


@rig.test
def filters_of_iptables_on_nf_tables_count_and_so_does_forwarding():
    rig.need("iptables-nft")
    client, router, _ = build()
    for rule in ("-P FORWARD DROP", "-N WEB", "-A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
                 "-A FORWARD -i c0 ! -o c0 -j WEB", "-A WEB -p tcp -m multiport --dports 80,443 -j ACCEPT"):
        router.run(f"iptables-nft {rule}").ok()

    assert way(pid(client), "10.2.0.2:80")["reached"] and can_connect(client, "10.2.0.2", 80)
    router.run("iptables-nft -F WEB").ok()
    stopped = way(pid(client), "10.2.0.2:80")
    assert stopped["why"] == "dropped by the policy of ip filter FORWARD" and not can_connect(client, "10.2.0.2", 80, BRIEF), stopped
    router.run("iptables-nft -P FORWARD ACCEPT").ok()
    router.run("sysctl -qw net.ipv4.ip_forward=0").ok()
    stopped = way(pid(client), "10.2.0.2:80")
    assert "net.ipv4.ip_forward is 0" in stopped["why"] and not can_connect(client, "10.2.0.2", 80, BRIEF), stopped


@rig.test
def rules_beyond_what_is_read_are_not_taken_for_none():
    rig.need("nft")
    client, router, _ = build()
    rules = rig.workdir() / "many.nft"
    tables = [f"table ip t{i} {{\n chain c {{\n type filter hook forward priority 0;\n }}\n}}\n" for i in range(80)]
    rules.write_text("".join(tables))
    router.run(["nft", "-f", rules]).ok()

    told = way(pid(client), "10.2.0.2:80")

    assert told["why"] == "cannot tell: the rules of this network could not be read", told


# ---- iptables, of both kinds ----

REACHED, STOPPED, UNKNOWN = "reached", "dropped by", "cannot tell"
BACK = "-A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT"

# (where, rules, whether a connection passes, the rule that is told: table, chain, number or "policy")
XT_FILTERS = [
    ("router", ["-P FORWARD DROP"], STOPPED, "filter FORWARD policy"),
    ("router", ["-P FORWARD DROP", BACK, "-A FORWARD -p tcp --dport 80 -j ACCEPT"], REACHED, ""),
    ("router", ["-P FORWARD DROP", BACK, "-A FORWARD -p tcp ! --dport 80 -j ACCEPT"], STOPPED, "filter FORWARD policy"),
    ("router", ["-P FORWARD DROP", BACK, "-A FORWARD -s 10.1.0.0/24 ! -d 10.3.0.0/16 -i c+ -o br0 -j ACCEPT"], REACHED, ""),
    ("router", ["-A FORWARD -s 10.1.0.3 -j DROP", "-A FORWARD -i c0 ! -s 10.1.0.0/24 -j DROP", "-A FORWARD -p udp -j DROP"], REACHED, ""),
    ("router", ["-A FORWARD -i c1 -j DROP", "-A FORWARD ! -o br0 -j DROP", "-A FORWARD -d 10.2.0.2/32 -j REJECT"],
     STOPPED, "filter FORWARD 3"),
    ("router", ["-A FORWARD -m state --state NEW -p tcp -m tcp --syn -j DROP"], STOPPED, "filter FORWARD 1"),
    ("router", ["-A FORWARD -p tcp -m tcp ! --syn -m conntrack --ctstate NEW -j DROP", "-A FORWARD -f -j DROP"], REACHED, ""),
    ("router", ["-A FORWARD -p tcp -m multiport --dports 22,70:90 -m comment --comment web -j DROP"], STOPPED, "filter FORWARD 1"),
    ("router", ["-A FORWARD -i c0 -p tcp -m multiport ! --dports 22,70:90 -j DROP"], REACHED, ""),
    ("router", ["-A FORWARD -m iprange --src-range 10.1.0.2-10.1.0.9 ! --dst-range 10.2.0.3-10.2.0.9 -j DROP"],
     STOPPED, "filter FORWARD 1"),
    ("router", ["-A FORWARD -m addrtype --dst-type LOCAL -j DROP", "-A FORWARD -i c0 -m addrtype ! --src-type UNICAST -j DROP"], REACHED, ""),
    ("router", ["-N A", "-N B", "-A FORWARD -j A", "-A FORWARD -j DROP", "-A A -p udp -j ACCEPT", "-A A -g B", "-A A -j ACCEPT",
                "-A B -p tcp --dport 81 -j ACCEPT", "-A B -s 10.1.0.2 -j RETURN", "-A B -j ACCEPT"], STOPPED, "filter FORWARD 2"),
    ("router", ["-N A", "-N B", "-A FORWARD -j A", "-A A -p tcp -j B", "-A A -j ACCEPT", "-A B -i c0"], REACHED, ""),
    ("router", ["-N A", "-A FORWARD -p tcp -j A", "-A A -p udp", "-A A -m mark --mark 0x0/0xff -j DROP"], STOPPED, "filter A 2"),
    ("router", ["-t mangle -A PREROUTING -i c0 -j MARK --set-xmark 0x8000/0x8000", "-A FORWARD -m mark --mark 0x8000/0x8000 -j DROP"],
     STOPPED, "filter FORWARD 1"),
    ("router", ["-t mangle -A PREROUTING -i c0 -j MARK --set-mark 7", "-t mangle -A PREROUTING -j CONNMARK --save-mark",
                "-t mangle -A FORWARD -m connmark --mark 7 -p tcp -m conntrack --ctstate NEW -j DROP"], STOPPED, "mangle FORWARD 1"),
    ("router", ["-t mangle -A PREROUTING -i c0 -p udp -j MARK --set-mark 7", "-A FORWARD -m mark --mark 7 -j DROP"], REACHED, ""),
    ("router", ["-t raw -A PREROUTING -p tcp --dport 80 -j DROP"], STOPPED, "raw PREROUTING 1"),
    ("router", ["-t raw -A PREROUTING -m conntrack --ctstate NEW -j DROP"], REACHED, ""),
    ("router", ["-t mangle -A POSTROUTING -o br0 -p tcp -m conntrack --ctproto 6 --ctdir ORIGINAL -j DROP"],
     STOPPED, "mangle POSTROUTING 1"),
    ("router", ["-t security -A FORWARD -d 10.2.0.2 -p tcp -j DROP"], STOPPED, "security FORWARD 1"),
    ("router", ["-P INPUT DROP", "-P OUTPUT DROP"], REACHED, ""),
    ("router", ["-A FORWARD -p tcp --sport 1:1024 -j DROP", "-A FORWARD -m ttl --ttl-eq 3 -j DROP"], UNKNOWN, "filter FORWARD 1"),
    ("router", ["-P FORWARD DROP", "-A FORWARD -m limit --limit 1000/s --limit-burst 1000 -j ACCEPT"], UNKNOWN, "filter FORWARD 1"),
    ("router", ["-N A", "-A FORWARD -m length --length 40:100 -j A", "-A FORWARD -p tcp -j DROP", "-A A -j ACCEPT"],
     UNKNOWN, "filter A 1"),
    ("client", ["-A OUTPUT -o eth0 -p tcp -d 10.2.0.0/16 --dport 80 -j REJECT --reject-with tcp-reset"], STOPPED, "filter OUTPUT 1"),
    ("client", ["-A OUTPUT -o lo -j DROP", "-A INPUT -i lo -j DROP"], REACHED, ""),
    ("server", ["-P INPUT DROP", "-A INPUT -i lo -j ACCEPT", "-A INPUT -p icmp -j ACCEPT"], STOPPED, "filter INPUT policy"),
    ("server", ["-P INPUT DROP", "-A INPUT -m conntrack --ctstate ESTABLISHED -j ACCEPT",
                "-A INPUT -s 10.1.0.2 -p tcp -m conntrack --ctstate NEW -m tcp --dport 80 -j ACCEPT"], REACHED, ""),
]


def rule_name(program, rule):
    """As `runnel map` names what the table calls "filter FORWARD 2"."""
    table, chain, number = rule.split()
    policy = "the policy of " if number == "policy" else ""
    if program.endswith("-nft"):
        return f"{policy}ip {table} {chain}"
    return f"{policy}{program} {table} {chain}" + ("" if policy else f" rule {number}")


def cleared(net, program):
    for table in ("filter", "mangle", "raw", "security"):
        net.run(f"{program} -t {table} -F").ok()
        net.run(f"{program} -t {table} -X").ok()
    for chain in ("INPUT", "FORWARD", "OUTPUT"):
        net.run(f"{program} -P {chain} ACCEPT").ok()


def check_xt(program):
    rig.need(program)
    nets = dict(zip(("client", "router", "server"), build()))
    if nets["router"].run(f"{program} -A FORWARD -j ACCEPT").status != 0:
        rig.skip(f"{program} works not here")
    cleared(nets["router"], program)
    for where, lines, verdict, rule in XT_FILTERS:
        net = nets[where]
        refused = [line for line in lines if net.run(f"{program} {line}").status != 0]
        told = way(pid(nets["client"]), "10.2.0.2:80")

        assert not refused, (program, refused)
        assert told["reached"] == (verdict == REACHED), (lines, told)
        assert verdict == UNKNOWN or agrees(told, nets["client"], "10.2.0.2", 80), (lines, told)
        if verdict != REACHED:
            assert told["why"].startswith(f"{verdict}{':' if verdict == UNKNOWN else ''} {rule_name(program, rule)}"), (lines, told)
        cleared(net, program)


@rig.test(seconds=240)
def rules_of_the_older_iptables_are_told_as_the_kernel_obeys_them():
    check_xt("iptables-legacy")


@rig.test(seconds=240)
def rules_of_iptables_on_nf_tables_are_told_as_the_kernel_obeys_them():
    check_xt("iptables-nft")


@rig.test(seconds=120)
def rules_of_the_older_ip6tables_are_told_as_the_kernel_obeys_them():
    rig.need("ip6tables-legacy")
    client, router, server = build()
    for net, link, address in ((client, "eth0", "fd01::2/64"), (router, "c0", "fd01::1/64"), (router, "br0", "fd02::1/64"),
                               (server, "eth0", "fd02::2/64")):
        net.ip(f"addr add {address} dev {link} nodad")
    client.ip("route add default via fd01::1")
    server.ip("route add default via fd02::1")
    router.run("sysctl -qw net.ipv6.conf.all.forwarding=1").ok()
    if router.run("ip6tables-legacy -A FORWARD -j ACCEPT").status != 0:
        rig.skip("ip6tables-legacy works not here")
    rig.wait_until(lambda: can_connect(client, "fd02::2", 80, seconds=1), "addresses are no longer tentative")
    for lines, verdict, rule in (
            ([], REACHED, ""), (["-P FORWARD DROP"], STOPPED, "the policy of ip6tables-legacy filter FORWARD"),
            (["-A FORWARD -s fd01::/64 -d fd02::2 -i c0 -p tcp --dport 80 -j DROP"], STOPPED, "ip6tables-legacy filter FORWARD rule 1"),
            (["-N A", "-A FORWARD -i c0 ! -s fd01::/64 -j DROP", "-A FORWARD -p tcp -g A", "-A FORWARD -p tcp -j DROP", "-A A -p udp -j DROP"], REACHED, ""),
            (["-A FORWARD -m frag --fragid 1 -j DROP"], UNKNOWN, "ip6tables-legacy filter FORWARD rule 1")):
        cleared(router, "ip6tables-legacy")
        for line in lines:
            router.run(f"ip6tables-legacy {line}").ok()

        told = way(pid(client), "[fd02::2]:80")

        assert told["reached"] == (verdict == REACHED) and (not rule or rule in told["why"]), (lines, told)
        assert verdict == UNKNOWN or agrees(told, client, "fd02::2", 80), (lines, told)


# ---- bridges and devices ----


def build_bridge():
    """
    client                    middle                          server
    eth0 10.5.0.2/24  =====   c0 - br0 10.5.0.1/24 - s0 =====  eth0 10.5.0.3/24, listens 80/tcp
    """
    client, middle, server = rig.Net("client"), rig.Net("middle"), rig.Net("server")
    rig.veth(client, "eth0", "10.5.0.2/24", middle, "c0", [])
    rig.veth(server, "eth0", "10.5.0.3/24", middle, "s0", [])
    for command in ("link set dev {c} address 02:00:00:00:05:02", "link set dev {s} address 02:00:00:00:05:03"):
        (client if "{c}" in command else server).ip(command.format(c="eth0", s="eth0"))
    for command in ("link add br0 type bridge", "link set c0 master br0", "link set s0 master br0", "link set br0 up",
                    "addr add 10.5.0.1/24 dev br0"):
        middle.ip(command)
    server.start([sys.executable, "-c", HTTP])
    server.wait_listening(80)
    middle.start([sys.executable, "-c", HTTP])
    middle.wait_listening(80)
    return client, middle, server


BACK_AND_ARP = ["ether type arp accept", "ip daddr 10.5.0.2 accept"]
FORWARD = "bridge forward"

# (where, family and hook of the chain, rules, whether a connection passes, what is told)
FRAME_FILTERS = [
    ("middle", FORWARD, ["ip daddr 10.5.0.3 tcp dport 80 drop"], STOPPED, "bridge f c handle"),
    ("middle", FORWARD, ["policy drop", *BACK_AND_ARP, "ip saddr 10.5.0.2 tcp dport { 80, 443 } accept"], REACHED, ""),
    ("middle", FORWARD, ["policy drop", *BACK_AND_ARP, "ip saddr 10.5.0.2 tcp dport 443 accept"], STOPPED, "the policy of bridge f c"),
    ("middle", FORWARD, ["policy drop", "ip protocol tcp accept"], STOPPED, "the policy of bridge f c"),  # ARP is
    ("middle", FORWARD, ["arp operation request arp daddr ip 10.5.0.3 drop"], STOPPED, "bridge f c handle"),
    ("middle", FORWARD, ["arp operation request arp daddr ip 10.5.0.4 drop", "arp saddr ip != 10.5.0.0/24 drop"], REACHED, ""),
    ("middle", FORWARD, ["ether saddr 02:00:00:00:05:02 ip protocol tcp drop"], STOPPED, "bridge f c handle"),
    ("middle", FORWARD, ["ether saddr 02:00:00:00:05:09 drop", "ether daddr 02:00:00:00:05:09 drop"], REACHED, ""),
    ("middle", FORWARD, ["ether daddr { 02:00:00:00:05:03, 02:00:00:00:05:04 } drop"], STOPPED, "bridge f c handle"),
    ("middle", FORWARD, ["meta ibrname br0 iifname c0 oifname s0 tcp dport 80 drop"], STOPPED, "bridge f c handle"),
    ("middle", FORWARD, ["meta obrname br1 drop", "iifname s0 tcp dport 80 drop", "vlan id 3 drop"], REACHED, ""),
    ("middle", FORWARD, ["tcp flags & (fin | syn | rst | ack) == syn ip frag-off & 0x1fff == 0 drop"], STOPPED, "bridge f c handle"),
    ("middle", FORWARD, ["ct state new tcp dport 80 drop"], STOPPED, "bridge f c handle"),
    ("middle", FORWARD, ["tcp dport 80 limit rate over 1000/second burst 1000 packets drop"], UNKNOWN, "bridge f c handle"),
    ("middle", "bridge prerouting", ["iifname c0 tcp dport 80 meta mark set 5"], REACHED, ""),
    ("middle", "bridge postrouting", ["oifname s0 tcp dport 80 drop"], STOPPED, "bridge f c handle"),
    ("middle", "bridge input", ["policy drop"], REACHED, ""),
    ("middle", "netdev ingress device c0", ["ip daddr 10.5.0.3 tcp dport 80 drop"], STOPPED, "netdev f c handle"),
    ("middle", "netdev ingress device s0", ["ip daddr 10.5.0.3 tcp dport 80 drop"], REACHED, ""),
    ("middle", "netdev egress device s0", ["tcp dport 80 drop"], STOPPED, "netdev f c handle"),
    ("middle", "netdev egress devices = { c0, s0 }", ["tcp dport 80 drop"], STOPPED, "netdev f c handle"),
    ("server", "inet ingress device eth0", ["ip saddr 10.5.0.2 tcp dport 80 drop"], STOPPED, "inet f c handle"),
    ("server", "netdev ingress device eth0", ["policy drop", "ip saddr 10.5.0.2 accept"], STOPPED, "the policy of netdev f c"),  # ARP
    ("client", "netdev egress device eth0", ["meta protocol ip tcp dport 80 drop"], STOPPED, "netdev f c handle"),
    ("client", "netdev egress device eth0", ["ether type ip tcp dport 80 drop"], STOPPED, "netdev f c handle"),
    ("client", "netdev egress device eth0", ["iifname eth0 drop", "iif eth0 drop"], REACHED, ""),
    ("server", "arp input", ["arp operation request drop"], STOPPED, "arp f c handle"),
    ("server", "arp input", ["arp operation reply drop"], REACHED, ""),
    ("client", "arp output", ["arp daddr ip 10.5.0.3 drop"], STOPPED, "arp f c handle"),
    # br_netfilter, which is there and on: IP is asked of what only crosses the bridge
    ("middle", "ip forward", ["iifname br0 oifname br0 tcp dport 80 drop"], STOPPED, "ip f c handle"),
    ("middle", "ip prerouting", ["iifname br0 ip daddr 10.5.0.3 drop"], STOPPED, "ip f c handle"),
    ("middle", "ip postrouting", ["oifname br0 ip daddr 10.5.0.3 drop"], STOPPED, "ip f c handle"),
]


def set_chain(net, chain, lines):
    family, hook = chain.split(" ", 1)
    policy = [line for line in lines if line.startswith("policy")]
    body = "".join(f"    {line}\n" for line in lines if line not in policy)
    head = f"type filter hook {hook} priority 0; " + "".join(f"{line};" for line in policy)
    rules = rig.workdir() / "frames.nft"
    rules.write_text(f"table {family} f {{\n  chain c {{\n    {head}\n{body}  }}\n}}\n")
    return net.run(["nft", "-f", rules])


def check_frame(nets, told, verdict, what):
    """The answer, and what a connection makes of it, once nobody remembers a MAC."""
    for net in nets.values():
        net.ip("neigh flush all")
    assert told["reached"] == (verdict == REACHED), (what, told)
    if verdict != UNKNOWN:
        assert agrees(told, nets["client"], "10.5.0.3", 80), (what, told)


def has_bridge_filters(net):
    return net.run("test -e /proc/sys/net/bridge/bridge-nf-call-iptables").status == 0


@rig.test(seconds=240)
def filters_of_bridges_and_devices_are_told_as_the_kernel_obeys_them():
    rig.need("nft")
    nets = dict(zip(("client", "middle", "server"), build_bridge()))
    skipped = []
    for where, chain, lines, verdict, why in FRAME_FILTERS:
        for net in nets.values():
            net.ip("neigh flush all")
        if set_chain(nets[where], chain, lines).status != 0:  # of an older kernel
            skipped.append(chain)
            continue
        if chain.startswith("ip ") and not has_bridge_filters(nets["middle"]):
            skipped.append(chain)
        else:
            told = way(pid(nets["client"]), "10.5.0.3:80")
            check_frame(nets, told, verdict, (where, chain, lines))
            assert why in told["why"] and (verdict == REACHED or verdict in told["why"]), (chain, lines, told)
        nets[where].run(f"nft delete table {chain.split()[0]} f").ok()
    assert len(skipped) < len(FRAME_FILTERS) / 3, skipped


@rig.test
def a_mac_that_is_known_is_not_asked_for():
    rig.need("nft")
    client, middle, server = build_bridge()
    set_chain(middle, FORWARD, ["ether type arp drop"]).ok()
    asked = way(pid(client), "10.5.0.3:80")
    client.ip("neigh replace 10.5.0.3 lladdr 02:00:00:00:05:03 dev eth0")
    server.ip("neigh replace 10.5.0.2 lladdr 02:00:00:00:05:02 dev eth0")

    told = way(pid(client), "10.5.0.3:80")

    assert not asked["reached"] and asked["why"].startswith("nobody hears who has 10.5.0.3: dropped by bridge f c"), asked
    assert told["reached"] and can_connect(client, "10.5.0.3", 80), told


@rig.test(seconds=60)
def bridged_packets_meet_the_rules_of_ip_only_where_the_kernel_shows_them():
    rig.need("nft")
    nets = dict(zip(("client", "middle", "server"), build_bridge()))
    middle = nets["middle"]
    if not has_bridge_filters(middle):
        rig.skip("no br_netfilter here")
    set_chain(middle, "ip forward", ["policy drop"]).ok()
    for commands, verdict in ((["sysctl -qw net.bridge.bridge-nf-call-iptables=0"], REACHED),
                              (["ip link set br0 type bridge nf_call_iptables 1"], STOPPED),
                              (["ip link set br0 type bridge nf_call_iptables 0", "sysctl -qw net.bridge.bridge-nf-call-iptables=1"],
                               STOPPED)):
        for command in commands:
            middle.run(command).ok()
        check_frame(nets, way(pid(nets["client"]), "10.5.0.3:80"), verdict, commands)


@rig.test
def what_goes_to_the_bridge_itself_meets_other_hooks_than_what_crosses_it():
    rig.need("nft")
    client, middle, _ = build_bridge()
    set_chain(middle, "bridge input", ["iifname c0 ip daddr 10.5.0.1 tcp dport 80 drop"]).ok()

    told = way(pid(client), "10.5.0.1:80")
    across = way(pid(client), "10.5.0.3:80")
    middle.run("nft delete table bridge f").ok()
    set_chain(middle, "bridge output", ["oifname s0 ip daddr 10.5.0.3 tcp dport 80 drop"]).ok()
    out = way(pid(middle), "10.5.0.3:80")

    assert told["why"].startswith("dropped by bridge f c handle"), told
    assert across["reached"] and can_connect(client, "10.5.0.3", 80), across
    assert out["why"].startswith("dropped by bridge f c handle") and not can_connect(middle, "10.5.0.3", 80, BRIEF), out
    assert can_connect(client, "10.5.0.1", 80)


@rig.test
def what_a_network_sends_to_itself_meets_the_filters_of_lo():
    rig.need("nft")
    _, _, server = build_bridge()
    for chain, line in (("netdev ingress device lo", "tcp dport 80 drop"), ("ip prerouting", "iifname lo tcp dport 80 drop")):
        set_chain(server, chain, [line]).ok()
        told = way(pid(server), "127.0.0.1:80")
        assert told["why"].startswith("dropped by") and not can_connect(server, "127.0.0.1", 80, BRIEF), (chain, told)
        server.run(f"nft delete table {chain.split()[0]} f").ok()
    assert way(pid(server), "127.0.0.1:80")["reached"] and can_connect(server, "127.0.0.1", 80)


if __name__ == "__main__":
    rig.main()
