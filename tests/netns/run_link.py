#!/usr/bin/env python3
"""The link between the command and runnel: captured, made bad, made small.

    command, in its cell    --impair    host                                     server
    (10.210.71.2, ...) ----- --pcap --- runnel -- h0 198.51.100.1/24 -- veth -- s0 198.51.100.2/24   nginx :80, DNS :53
                                                  2001:db8:1::1/64                 2001:db8:1::2/64
"""
import json
import os
import pathlib
import subprocess

import behind
import rig
from behind import SERVER4, SERVER6


def fetch_and_send(host, server, way, n_bytes, *options, seconds=50):
    """@n_bytes from the server and to it, through a link of these options."""
    sent = rig.random_file("sent", n_bytes)
    behind.nginx(server, rig.workdir())
    got = behind.run(host, ["sh", "-c", f"curl -sSf {behind.url(SERVER4, 'sent')} | sha256sum"], *options, way=way,
                     seconds=seconds)
    assert got.ok().out.split()[0] == rig.sha256(sent)
    sink = server.start(["sh", "-c", "nc -l -p 9000 | sha256sum"])
    server.wait_listening(9000)
    behind.run(host, ["sh", "-c", f"nc -N {SERVER4} 9000 < {sent}"], *options, way=way, seconds=seconds).ok()
    sink.wait(10)
    assert sink.log.read_text().split()[0] == rig.sha256(sent)


@behind.each_way(seconds=150)
def lost_and_late_packets_lose_no_byte(way):
    host, server = behind.two_nets()
    fetch_and_send(host, server, way, 8 << 20, "--mtu", "1500", "--impair", "loss=1%,delay=10ms,seed=1")


@behind.each_way(seconds=150)
def lost_swapped_and_doubled_packets_lose_no_byte(way):
    host, server = behind.two_nets()
    fetch_and_send(host, server, way, 8 << 20, "--mtu", "1500", "--impair", "loss=5%,reorder=5%,dup=1%,seed=2")


@behind.each_way(seconds=100)
def corrupted_packets_lose_no_byte(way):
    host, server = behind.two_nets()
    fetch_and_send(host, server, way, 2 << 20, "--mtu", "1500", "--impair", "corrupt=1%,seed=3")


@behind.each_way(seconds=100)
def lost_packets_do_not_hold_a_download_back(way):
    """The link takes 2 s for it. A controller that takes each loss for congestion uses a sixth of the link."""
    host, server = behind.two_nets()
    rig.random_file("sent", 4 << 20)
    behind.nginx(server, rig.workdir())
    got = behind.run(host, ["curl", "-sSf", "-o/dev/null", "-w%{time_total}", behind.url(SERVER4, "sent")], "--mtu", "1500",
                     "--impair", "rate=20mbit,delay=25ms,loss=1%,seed=1", way=way, seconds=60).ok()
    assert 1.5 < float(got.out) < 6, got.out


@behind.each_way
def a_rate_is_kept_in_the_direction_it_is_given_for(way):
    rig.need("iperf3")
    host, server = behind.two_nets()
    server.start(["iperf3", "-s"])
    server.wait_listening(5201)
    rates = {}
    for options in ([], ["-R"]):
        got = behind.run(host, ["iperf3", "-J", "-t3", "-c", SERVER4, *options], "--mtu", "1500",
                         "--impair", "in:rate=20mbit,delay=1ms", way=way).ok()
        rates[bool(options)] = json.loads(got.out)["end"]["sum_received"]["bits_per_second"] / 1e6

    limited, free = sorted(rates.values())
    assert 12 < limited < 21, rates
    assert free > 60, rates


@behind.each_way
def a_delay_is_felt_both_ways(way):
    rig.need("ping")
    host, _ = behind.two_nets()
    got = behind.run(host, ["ping", "-c3", "-i0.2", behind.GATE4], "--impair", "delay=20ms", way=way).ok()

    fastest = float(got.out.rpartition("= ")[2].split("/")[0])
    assert 40 <= fastest < 60, got.out


@behind.each_way(seconds=100)
def an_io_uring_carries_files_names_and_many_connections(way):
    host, server = behind.two_nets()
    said = behind.run(host, ["true"], "--io", "uring", way=way)
    if said.status == 125 and "veth by io_uring" in said.err:
        return  # refused for the reason it should be
    if said.status == 125 and "io_uring" in said.err:
        rig.skip(f"no io_uring here: {said.err.strip()}")
    fetch_and_send(host, server, way, 64 << 20, "--io", "uring", "--busy-poll", "20")
    ping = ["ping", "-f", "-c", "300", behind.GATE4]
    assert " 0% packet loss" in behind.run(host, ping, "--io", "uring", way=way).ok().out


@behind.each_way
def a_small_mtu_carries_a_file(way):
    host, server = behind.two_nets()
    fetch_and_send(host, server, way, 1 << 20, "--mtu", "576")


@rig.test
def small_socket_queues_are_made_up_for_by_more_of_them():
    if os.environ.get("RN_IS_SANITIZED") == "1":
        rig.skip("nothing can be loaded before a sanitizer")
    if not rig.came_as_root():
        rig.skip("started without root: the user's way is then the only one, with the queues this machine has")
    host, server = behind.two_nets()
    small = os.environ.get("SMALL_QUEUE", str(rig.ROOT / "build/tests/netns/small_queue.so"))
    sent = rig.random_file("sent", 64 << 20)
    sink = server.start(["sh", "-c", "nc -l -p 9000 | sha256sum"])
    server.wait_listening(9000)
    whole = ["env", f"LD_PRELOAD={small}"] + rig.runnel("run", "-q", "--", "sh", "-c",
                                                        f"unset LD_PRELOAD; nc -N {SERVER4} 9000 < {sent}; sleep 2")
    process = subprocess.Popen(host.inside(rig.as_user(whole)))
    rig._cleanups.callback(rig.stop, process)
    fds = pathlib.Path(f"/proc/{behind.worker_of(process)}/fd")
    rig.wait_until(lambda: sum(os.readlink(fd).startswith("socket:") for fd in fds.iterdir()) >= 16,
                   "there are sixteen sockets")
    sink.wait(30)

    assert sink.log.read_text().split()[0] == rig.sha256(sent)


def traffic(host, server):
    sent = rig.random_file("sent", 3 << 20)
    behind.nginx(server, rig.workdir())
    rig.resolv_conf(f"nameserver {SERVER4}\n")
    behind.dns_server(server, f"www.test={SERVER4},{SERVER6}")
    return sent, ("curl -sSf http://www.test/sent | sha256sum; curl -4sSf http://www.test/sent | sha256sum; "
                  "curl -sS http://www.test:81/; dig +short @198.51.100.2 www.test AAAA >/dev/null; "
                  "ping -c1 -s 3000 -W1 $0 >/dev/null; true")


@behind.each_way(seconds=100)
def a_capture_is_well_formed_and_its_checksums_are_right(way):
    rig.need("tshark", "curl", "dig")
    host, server = behind.two_nets()
    sent, script = traffic(host, server)
    for mtu in ("65520", "1500"):
        capture = rig.workdir() / f"capture-{mtu}.pcapng"
        got = behind.run(host, ["sh", "-c", script, behind.GATE4], "--mtu", mtu, "--pcap", capture, way=way, seconds=60)
        assert got.ok().out.split()[0] == rig.sha256(sent)
        rig.run(["chmod", "644", capture])

        rig.check_capture(capture, may_offload=False)
        names = rig.run(["tshark", "-n", "-r", capture, "-T", "fields", "-e", "frame.interface_name"], seconds=60).ok()
        assert set(names.out.split()) == {"tun0" if way == "root" else "eth0"}


@behind.each_way
def a_capture_holds_only_what_its_filter_wants(way):
    rig.need("tshark", "ping", "dig")
    host = rig.Net("host")
    capture = rig.workdir() / "few.pcapng"
    script = "ping -c2 -i0.2 -s 500 $0 >/dev/null; dig +short +tries=1 +time=1 @$0 host.runnel >/dev/null"
    behind.run(host, ["sh", "-c", script, behind.GATE4], "--pcap", capture, "--pcap-filter", "icmp or (udp and src port 53)",
               way=way).ok()
    rig.run(["chmod", "644", capture])

    fields = rig.run(["tshark", "-n", "-r", capture, "-T", "fields", "-e", "ip.proto"], seconds=60).ok().out
    assert fields.split() == ["1"] * 4 + ["17"], fields


@behind.each_way
def a_capture_may_go_to_standard_output(way):
    rig.need("tshark")
    host = rig.Net("host")
    got = host.run(["sh", "-c", " ".join(behind.line(["sh", "-c", f"'ping -c1 {behind.GATE4} >/dev/null'"], "--pcap", "-",
                                                    way=way)) + " | tshark -n -r - 2>/dev/null"])

    assert "Echo (ping) reply" in got.ok().out, got.out + got.err


rig.main()
