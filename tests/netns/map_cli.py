#!/usr/bin/env python3
"""`runnel map` as its users meet it: forms, filters, ways, saved pictures, errors and exit statuses."""
import fcntl
import json
import os
import pathlib
import struct
import subprocess
import sys
import termios

import rig
from map_rig import build, map_, pid, way


@rig.test
def a_way_is_told_as_the_packets_go_it():
    client, _, server = build()

    told = map_("path", pid(client), "10.2.0.2:80")
    steps = way(pid(client), "10.2.0.2:80")

    assert told.status == 0, told.out
    assert "default via 10.1.0.1 dev eth0" in told.out and "reached: python3" in told.out, told.out
    assert steps["reached"] and steps["netns"] == f"net-{os.stat(server.path).st_ino}", steps
    assert client.run([sys.executable, "-c", "import socket; socket.create_connection(('10.2.0.2', 80), 5)"]).status == 0


@rig.test
def a_way_that_ends_says_why_and_exits_with_one():
    client, router, _ = build()
    router.ip("route add blackhole 10.66.0.0/16")

    for target, why in (("10.2.0.2:81", "nobody listens here on port 81/tcp"), ("10.66.0.1", "is blackhole"),
                        ("10.2.0.99", "cannot tell: nobody known has 10.2.0.99"), ("10.99.0.1", "no route leads there")):
        told = map_("path", pid(client), target)
        assert told.status == 1 and why in told.out, (target, told.out)


@rig.test
def the_first_table_that_answers_decides_as_it_does_for_the_kernel():
    client, router, _ = build()
    router.ip("route add unreachable 10.2.0.2/32 table 100")
    router.ip("rule add iif c0 lookup 100 priority 50")

    told = map_("path", pid(client), "10.2.0.2")

    assert told.status == 1 and "is unreachable" in told.out, told.out
    kernel = router.run("ip route get 10.2.0.2 from 10.1.0.2 iif c0")
    assert kernel.status != 0 and "No route to host" in kernel.err, kernel.out + kernel.err


@rig.test
def a_circle_of_routes_is_told_as_one():
    client, router, _ = build()
    router.ip("route add 203.0.113.0/24 via 10.1.0.2")

    told = map_("path", pid(client), "203.0.113.1")

    assert told.status == 1 and "circle" in told.out, told.out


@rig.test
def a_saved_picture_is_drawn_again_anywhere():
    client, _, _ = build()
    folder = rig.workdir()

    saved = map_("--json", "--netns", pid(client), "--save", str(folder / "a.dump"), "--full").ok().out
    inode = str(os.stat(client.path).st_ino)
    again = map_("--json", "--netns", inode, "--from", str(folder / "a.dump")).ok().out
    by_nobody = rig.run(rig.as_user(rig.runnel("map", "--from", "-", "--netns", inode)),
                        stdin=open(folder / "a.dump")) if rig.came_as_root() else None

    assert json.loads(saved) == json.loads(again)
    assert (folder / "a.dump").stat().st_mode & 0o077 == 0, "others may not read it"
    assert by_nobody is None or (by_nobody.status == 0 and "eth0" in by_nobody.out), by_nobody.err


@rig.test
def a_saved_picture_keeps_names_and_addresses_to_itself_unless_told_otherwise():
    client, _, _ = build()
    client.ip("link set dev eth0 alias very-private-alias")
    folder = rig.workdir()

    map_("--save", str(folder / "shared.dump")).ok()
    map_("--save", str(folder / "full.dump"), "--full").ok()
    shared = json.loads(map_("--json", "--from", str(folder / "shared.dump")).ok().out)

    assert b"very-private-alias" in (folder / "full.dump").read_bytes()
    assert b"very-private-alias" not in (folder / "shared.dump").read_bytes()
    assert shared["redacted"] and "10.1.0.2" not in json.dumps(shared)
    assert sum(len(n["links"]) for n in shared["namespaces"]) >= 6, "the topology is the same"


@rig.test
def documents_of_a_live_machine_keep_their_promises():
    build()
    folder = rig.workdir()
    (folder / "a.json").write_text(map_("--json").ok().out)
    (folder / "b.json").write_text(map_("--gostwire").ok().out)
    judge = pathlib.Path(__file__).resolve().parents[1] / "map/documents.py"

    ran = rig.run([sys.executable, str(judge), str(judge.parents[2]), str(folder / "a.json"), str(folder / "b.json")])

    if ran.status == 77:
        rig.skip("python3-jsonschema is not installed")
    assert ran.status == 0, ran.out


@rig.test
def filters_and_forms_show_what_was_asked_for():
    client, router, _ = build()

    by_kind = map_("--netns", pid(router), "--kind", "bridge").ok().out
    by_port = map_("--port", "80").ok().out
    svg = map_("-o", "svg").ok().out
    dot = map_("-o", "dot").ok().out
    shown = map_("show", f"c0@{pid(router)}").ok().out

    assert "br0" in by_kind and "c0" not in by_kind, by_kind
    assert "80/tcp" in by_port and "10.1.0.2" not in by_port, by_port
    assert svg.startswith("<svg") and svg.rstrip().endswith("</svg>")
    assert dot.startswith("graph runnel {") and dot.count("{") == dot.count("}")
    assert "10.1.0.1" in shown and "peer" in shown, shown
    assert "\x1b" not in by_kind + by_port + shown, "no colours in a pipe"


def on_terminal(arguments, columns, **environment):
    """What `runnel map` writes to a terminal of so many columns (0: it does not say)."""
    ours, theirs = os.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    env = {key: value for key, value in os.environ.items() if key not in ("NO_COLOR", "COLUMNS", "LC_ALL")}
    process = subprocess.Popen(rig.runnel("map", *arguments), stdout=theirs, env={**env, **environment})
    os.close(theirs)
    text = b""
    while True:
        try:
            piece = os.read(ours, 65536)
        except OSError:
            break
        if not piece:
            break
        text += piece
    os.close(ours)
    assert process.wait() == 0
    return text.decode().replace("\r\n", "\n")


@rig.test
def a_terminal_gets_lines_of_its_width_and_colours_if_it_wants_them():
    _, router, _ = build()
    here = ("-v", "--netns", pid(router))

    coloured = on_terminal(here, 50, LC_ALL="C.UTF-8")
    plain = on_terminal(here, 50, LC_ALL="C.UTF-8", NO_COLOR="1")
    by_columns = on_terminal(here, 0, LC_ALL="C.UTF-8", NO_COLOR="1", COLUMNS="45")
    narrow = on_terminal(here, 10, LC_ALL="C.UTF-8", NO_COLOR="1")
    ascii_ = on_terminal((*here, "--color=never"), 120, LC_ALL="C")

    assert "\x1b[1m" in coloured and "\x1b" not in plain
    assert max(map(len, plain.splitlines())) == 50, plain
    assert max(map(len, by_columns.splitlines())) == 45, by_columns
    assert max(map(len, narrow.splitlines())) <= 40, narrow
    assert ascii_.isascii() and "`- " in ascii_ and "\x1b" not in ascii_, ascii_
    assert "\x1b[1m" in map_("--color=always", *here).out


@rig.test
def wrong_questions_are_refused_with_a_hint():
    for arguments, status, text in ((["--netns", "nowhere"], 1, "no network namespace"), (["show", "eth77"], 1, "no interface"),
                                    (["path", "nowhere"], 2, "there is no"), (["path", "10.0.0.1:99999"], 2, "cannot understand"),
                                    (["dance"], 2, "what should be done"), (["--save", "/no/where"], 1, "/no/where"),
                                    (["--from", "/does/not/exist"], 1, "/does/not/exist"), (["-o", "oil"], 2, "oil")):
        ran = map_(*arguments)
        assert ran.status == status and text in ran.err, (arguments, ran.status, ran.err)
        assert ran.out == "", (arguments, ran.out)


rig.main()
