#!/usr/bin/env python3
"""Programs people use, unmodified, behind `runnel run`.

    command, in its cell          host                                     server
    (10.210.71.2, fd72:...::2) -- runnel -- h0 198.51.100.1/24 -- veth -- s0 198.51.100.2/24   nginx :80, DNS :53,
                                            2001:db8:1::1/64                 2001:db8:1::2/64  iperf3 :5201
"""
import contextlib
import json
import os
import re
import subprocess

import behind
import rig
from behind import HOST4, HOST6, SERVER4, SERVER6


@behind.each_way
def ping_reaches_the_host_the_server_and_itself(way):
    rig.need("ping")
    host, _ = behind.two_nets()
    host.run(["sh", "-c", "echo '0 2147483647' > /proc/sys/net/ipv4/ping_group_range"]).ok()

    for addr in ("127.0.0.1", "::1", SERVER4, SERVER6, HOST4, HOST6, behind.GATE4, behind.GATE6):
        # having heard one answer, ping waits for the last no longer than the interval: on a busy machine 0.1 s is short
        got = behind.run(host, ["ping", "-c3", "-i0.5", "-W2", addr], way=way)
        assert " 3 received, 0% packet loss" in got.ok().out.replace("packets transmitted,", ""), got.out


@behind.each_way
def ping_says_why_where_the_host_lets_us_send_no_echo(way):
    rig.need("ping")
    if way == "root":
        rig.skip("root has raw sockets")
    host, _ = behind.two_nets()
    host.run(["sh", "-c", "echo '1 0' > /proc/sys/net/ipv4/ping_group_range"]).ok()

    got = behind.run(host, ["ping", "-c1", "-W2", SERVER4], way=way)

    assert got.status == 1 and re.search("filtered|prohibited", got.out + got.err), got.out + got.err


@behind.each_way
def ping_gets_a_large_echo_back(way):
    rig.need("ping")
    host, _ = behind.two_nets()
    host.run(["sh", "-c", "echo '0 2147483647' > /proc/sys/net/ipv4/ping_group_range"]).ok()

    for addr in (SERVER4, SERVER6):
        behind.run(host, ["ping", "-c1", "-W2", "-s", "8000", addr], way=way).ok()


@behind.each_way
def an_unprivileged_user_without_ping_sockets_may_use_debians_ping(way):
    """Its file capability asks for cap_net_raw of a namespace where nobody has it: exec must not fail."""
    rig.need("getcap", "ping")
    real = os.path.realpath("/usr/bin/ping")
    if "cap_net_raw" not in rig.run(["getcap", real]).out:
        if not rig.came_as_root():
            rig.skip("ping has no file capability here")
        copy = "/var/tmp/rn-ping"  # a file system that keeps capabilities
        rig.run(["cp", real, copy]).ok()
        rig._cleanups.callback(os.unlink, copy)
        rig.run(["setcap", "cap_net_raw+ep", copy]).ok()
        real = copy
    host, _ = behind.two_nets()

    behind.run(host, [real, "-c1", "-W2", behind.GATE4], way=way).ok()


@behind.each_way
def names_resolve_by_udp_and_by_tcp(way):
    rig.need("dig")
    host, server = behind.two_nets()
    rig.resolv_conf(f"nameserver {SERVER4}\n")
    behind.dns_server(server, f"www.test={SERVER4},{SERVER6}")

    for how in ([], ["+tcp"], ["-6"], ["-6", "+tcp"]):
        got = behind.run(host, ["dig", *how, "+short", "+tries=1", "www.test", "A", "www.test", "AAAA"], way=way)
        assert got.ok().out.split() == [SERVER4, SERVER6], (how, got.out)
    got = behind.run(host, ["dig", "+short", "+tries=1", "long.test", "A"], way=way)  # truncated, then by TCP
    assert len(got.ok().out.split()) == 500, got.out
    for how in ([], ["+tcp"]):
        got = behind.run(host, ["dig", *how, "+short", "+tries=1", "host.runnel", "A", "host.runnel", "AAAA"], way=way)
        assert got.ok().out.split() == [behind.GATE4, behind.GATE6], (how, got.out)


@behind.each_way
def a_dead_name_server_is_passed_over_by_udp_and_by_tcp(way):
    rig.need("dig")
    host, server = behind.two_nets()
    rig.resolv_conf(f"nameserver {behind.HOST4}\nnameserver {SERVER4}\n")  # nobody listens at the first
    behind.dns_server(server, f"www.test={SERVER4}")

    for how in ([], ["+tcp"]):
        got = behind.run(host, ["dig", *how, "+short", "+tries=1", "+time=4", "www.test", "A"], way=way)
        assert got.ok().out.split() == [SERVER4], (how, got.out)


@behind.each_way
def our_resolver_answers_at_the_addresses_that_programs_carry(way):
    """127.0.0.53 is resolved's, and a program may have read the host's resolv.conf by another way than we see."""
    rig.need("dig")
    host, server = behind.two_nets()
    rig.resolv_conf(f"nameserver {SERVER4}\nnameserver {SERVER6}\n")
    behind.dns_server(server, f"www.test={SERVER4}")

    for at in ("127.0.0.53", "127.0.0.54", SERVER4, SERVER6, behind.GATE4, behind.GATE6):
        for how in ([], ["+tcp"]):
            got = behind.run(host, ["dig", f"@{at}", *how, "+short", "+tries=1", "+time=3", "www.test", "A"], way=way)
            assert got.ok().out.split() == [SERVER4], (at, how, got.out)
        got = behind.run(host, ["dig", f"@{at}", "+short", "+tries=1", "+time=3", "host.runnel", "A"], way=way)
        assert got.ok().out.split() == [behind.GATE4], (at, got.out)


@behind.each_way
def the_rest_of_loopback_stays_inside(way):
    """That 127.0.0.53 leads to us must not bend what the command says to itself."""
    host, _ = behind.two_nets()
    text = ("import socket\nl = socket.create_server(('127.0.0.1', 53))\n"
            "c = socket.create_connection(('127.0.0.1', 53))\nc.sendall(b'x')\ns, who = l.accept()\n"
            "print(who[0], s.recv(1).decode())\n")

    assert behind.run(host, behind.python(text), way=way).ok().out.split() == ["127.0.0.1", "x"]


@behind.each_way
def wget_follows_a_name(way):
    rig.need("wget")
    host, server = behind.two_nets()
    rig.resolv_conf(f"nameserver {SERVER4}\n")
    behind.dns_server(server, f"www.test={SERVER4},{SERVER6}")
    sent = rig.random_file("sent", 1 << 20)
    behind.nginx(server, rig.workdir())

    got = behind.run(host, ["sh", "-c", "wget -nv -O - http://www.test/sent | sha256sum"], way=way)

    assert got.ok().out.split()[0] == rig.sha256(sent), got.err


@behind.each_way
def git_clones_over_http(way):
    rig.need("git")
    host, server = behind.two_nets()
    make = ("git init -q src && cd src && head -c 3000000 /dev/urandom > blob && git add . && "
            "git -c user.name=a -c user.email=a@b commit -qm one && cd .. && git clone -q --bare src repo.git && "
            "cd repo.git && git update-server-info && chmod -R a+rX ..")
    rig.run(["sh", "-c", f"cd {rig.workdir()} && {make}"]).ok()
    behind.nginx(server, rig.workdir())

    got = behind.run(host, ["sh", "-c", f"d=$(mktemp -d) && cd $d && git clone -q {behind.url(SERVER4, 'repo.git')} && "
                                        "sha256sum < repo/blob; rm -rf $d"], way=way)

    assert got.ok().out.split()[0] == rig.sha256(rig.workdir() / "src" / "blob"), got.err


def iperf(host, way, *options, seconds=3):
    got = behind.run(host, ["iperf3", "-J", "-c", SERVER4, "-t", seconds, *options], way=way, seconds=seconds + 20)
    report = json.loads(got.out)
    assert got.status == 0 and "error" not in report, report.get("error")
    return report["end"]


@behind.each_way(seconds=300 if behind.IS_LONG else rig.TEST_SECONDS)
def iperf3_runs_both_ways_by_tcp_and_udp(way):
    rig.need("iperf3")
    host, server = behind.two_nets()
    server.start(["iperf3", "-s"])
    server.wait_listening(5201)
    seconds = 30 if behind.IS_LONG else 1

    for options in ([], ["-R"], ["--bidir"]):
        assert iperf(host, way, *options, seconds=seconds)["sum_received"]["bits_per_second"] > 100e6, options
    mbit = 5  # nobody holds back a sender of datagrams: on a busy machine more than this is lost without us, too
    for options in ([], ["-R"]):
        end = iperf(host, way, "-u", "-b", f"{mbit}M", "-l", "1400", *options, seconds=seconds)["sum"]
        assert end["bytes"] > mbit * 1e5 * seconds and end["lost_percent"] < 5, (options, end)


@behind.each_way(seconds=90)
def memory_stays_flat_under_iperf3(way):
    rig.need("iperf3")
    rig.need_plain_build("freed memory is kept back to find its use")
    host, server = behind.two_nets()
    server.start(["iperf3", "-s"])
    server.wait_listening(5201)
    seconds = 30 if behind.IS_LONG else 6
    process = behind.popen(host, ["iperf3", "-J", "-c", SERVER4, "-t", str(seconds), "--bidir", "-P4"], way=way,
                           stdout=subprocess.DEVNULL)
    worker = behind.worker_of(process)
    sizes = []
    while process.poll() is None:
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # it may end between the two looks
            sizes.append(behind.rss_kib(worker))
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(0.5)
    assert process.returncode == 0, process.stderr.read()

    # The pool grows by chunks to the most that the buffers ever held at once, 39 MiB here within some 20 s; a packet lost
    # now and then would be hundreds of MiB of the gigabytes that pass.
    assert max(sizes) < 64 << 10, f"{max(sizes)} KiB"
    if behind.IS_LONG:
        half = sizes[len(sizes) // 2]
        assert sizes[-2] <= half * 1.1, f"grew from {half} to {sizes[-2]} KiB"


@rig.test
def root_may_drop_privileges_inside():
    """apt, nginx and others become another user: no user namespace may forbid it."""
    if not rig.came_as_root():
        rig.skip("started without root")
    host, server = behind.two_nets()
    rig.random_file("sent", 1000)
    behind.nginx(server, rig.workdir())

    got = behind.run(host, ["setpriv", "--reuid=33", "--regid=33", "--clear-groups", "--", "sh", "-c",
                            f"id -u; curl -sSf {behind.url(SERVER4, 'sent')} | wc -c"])

    assert got.ok().out.split() == ["33", "1000"], got.err


@behind.each_way
def nginx_serves_with_its_own_workers_inside(way):
    """By root its workers become another user; by a user everything is that user's."""
    rig.need("curl")
    if not os.path.exists("/usr/sbin/nginx"):
        rig.skip("nginx is not installed")
    host = rig.Net("host")
    sent = rig.random_file("sent", 4 << 20)
    folder = rig.workdir()
    (folder / "inner").mkdir(mode=0o777)
    (folder / "inner").chmod(0o777)
    temp = " ".join(f"{kind}_temp_path {folder}/inner/{kind};" for kind in
                    ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    (folder / "nginx.conf").write_text(f"""
        {"user www-data;" if way == "root" else ""} daemon off; pid {folder}/inner/pid; error_log stderr; worker_processes 2;
        events {{ }} http {{ access_log off; {temp} server {{ listen 80; listen [::]:80; root {folder}; }} }}
        """)
    behind.start(host, ["/usr/sbin/nginx", "-c", folder / "nginx.conf"], "-p", "8080:80", way=way)
    rig.wait_until(lambda: host.run("curl -s -o /dev/null http://127.0.0.1:8080/sent").status == 0, "nginx answers")

    for at in ("127.0.0.1", "[::1]"):
        got = host.run(["sh", "-c", f"curl -sSf http://{at}:8080/sent | sha256sum"]).ok()
        assert got.out.split()[0] == rig.sha256(sent)


@behind.each_way
def ports_below_1024_are_the_commands(way):
    host, _ = behind.two_nets()
    text = "import socket\nfor p in (80, 443, 1023):\n socket.create_server(('0.0.0.0', p))\nprint('bound')"

    assert behind.run(host, behind.python(text), way=way).ok().out.strip() == "bound"


rig.main()
