#!/usr/bin/env python3
"""What `runnel map path` says of filters, held against the kernel: for each case a connection is tried, and where the
answer is yes or no, it must be what became of it."""
import rig
from map_rig import build, can_connect, pid, way

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

        assert told["reached"] == can_connect(nets["client"], "10.2.0.2", 80) == (why is None), (where, lines, told)
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
    assert stopped["why"] == "dropped by the policy of ip filter FORWARD" and not can_connect(client, "10.2.0.2", 80), stopped
    router.run("iptables-nft -P FORWARD ACCEPT").ok()
    router.run("sysctl -qw net.ipv4.ip_forward=0").ok()
    stopped = way(pid(client), "10.2.0.2:80")
    assert "net.ipv4.ip_forward is 0" in stopped["why"] and not can_connect(client, "10.2.0.2", 80), stopped


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
        passes = can_connect(nets["client"], "10.2.0.2", 80, seconds=1)
        assert told["reached"] == (verdict == REACHED), (lines, told)
        assert verdict == UNKNOWN or passes == told["reached"], (lines, told, passes)
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
        assert verdict == UNKNOWN or can_connect(client, "fd02::2", 80, seconds=1) == told["reached"], (lines, told)


if __name__ == "__main__":
    rig.main()
