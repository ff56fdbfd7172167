#!/usr/bin/env python3
"""What a newcomer types: demo, doctor, --help, and what they say where namespaces are refused. No network but loopback.

    curl, in its cell -- runnel -- host: lo   demo's own web server on 127.0.0.1
"""
import json
import os

import behind
import rig

# Refuses unshare(2) as a container's seccomp filter does, then runs its arguments.
REFUSE = """
import ctypes, os, struct, sys
libc = ctypes.CDLL(None)
rules = ((0x20, 0, 0, 0), (0x15, 0, 1, %d), (0x06, 0, 0, 0x00050001), (0x06, 0, 0, 0x7fff0000))
code = ctypes.create_string_buffer(b''.join(struct.pack('HBBI', *rule) for rule in rules))
class Program(ctypes.Structure):
    _fields_ = [('n', ctypes.c_ushort), ('code', ctypes.c_void_p)]
assert libc.prctl(38, 1, 0, 0, 0) == 0
assert libc.prctl(22, 2, ctypes.byref(Program(len(rules), ctypes.addressof(code))), 0, 0) == 0
os.execv(sys.argv[1], sys.argv[1:])
""" % (272 if os.uname().machine == "x86_64" else 97)


def here(way, *arguments):
    line = rig.runnel(*arguments)
    return rig.as_user(line) if way == "user" else line


@behind.each_way
def the_demo_shows_the_main_job_within_15_seconds(way):
    host = rig.Net("host")
    capture = rig.workdir() / "demo.pcapng"
    got = host.run(here(way, "demo", "--pcap", capture)).ok()

    assert got.out.count(" ok ") == (4 if "skipped" not in got.out else 3), got.out
    assert ("TUN" if way == "root" else "packet socket") in got.out.splitlines()[1], got.out
    assert got.seconds < 15, got.seconds
    if way == "root":  # the other is the user's own
        rig.check_capture(capture, may_offload=False)


@behind.each_way
def where_namespaces_are_refused_the_demo_shows_two_stacks(way):
    host = rig.Net("host")
    got = host.run(behind.python(REFUSE) + here(way, "demo")) if way == "root" else \
        host.run(rig.as_user(behind.python(REFUSE) + rig.runnel("demo")))

    assert "refused" in got.ok().out and "every byte equal" in got.out, got.out


@behind.each_way
def where_namespaces_are_refused_run_says_who_refused_and_what_helps(way):
    host = rig.Net("host")
    line = behind.python(REFUSE) + rig.runnel("run", "--", "true")
    got = host.run(rig.as_user(line) if way == "user" else line)

    assert got.status == 125, got.status
    assert "seccomp" in got.err and "hint:" in got.err, got.err


@rig.test
def a_sysctl_that_refuses_is_named():
    """user.max_user_namespaces belongs to the user namespace we are in: changing it is seen nowhere else."""
    host = rig.Net("host")
    script = "echo 0 > /proc/sys/user/max_user_namespaces && exec \"$@\""
    line = ["unshare", "--user", "--map-root-user", "sh", "-c", script, "sh", *rig.runnel("run", "--userns", "--", "true")]
    got = host.run(line)

    assert got.status == 125 and "user.max_user_namespaces" in got.err, (got.status, got.err)


@behind.each_way
def the_doctor_tells_what_is_allowed_and_how_to_mend_the_rest(way):
    host = rig.Net("host")
    got = host.run(here(way, "doctor")).ok()
    for subject in ("namespaces", "TUN", "queue", "ping", "low ports", "IPv6", "DNS"):
        assert subject in got.out, got.out
    assert got.out.count("mend:") == got.out.count("  less  ") + got.out.count("  no  ") \
        - got.out.count("the host has none: IPv6"), got.out

    report = json.loads(host.run(here(way, "doctor", "--json")).ok().out)
    assert report["can_run"] is True and len(report["findings"]) >= 7


@rig.test
def the_doctor_fails_where_nothing_can_run():
    host = rig.Net("host")
    got = host.run(rig.as_user(behind.python(REFUSE) + rig.runnel("doctor")))

    assert got.status == 4 and "seccomp" in got.out, (got.status, got.out)


@rig.test
def every_help_fits_a_terminal():
    verbs = [line.split()[0] for line in rig.run(rig.runnel()).out.splitlines()[2:] if line.startswith("  ")]
    verbs = [verb for verb in verbs if verb != "runnel"]
    assert "run" in verbs and "doctor" in verbs, verbs
    for arguments in [[], *([verb, "--help"] for verb in verbs)]:
        lines = rig.run(rig.runnel(*arguments)).out.splitlines()
        assert len(lines) <= 24, (arguments, len(lines))
        assert max(map(len, lines)) <= 80, (arguments, max(lines, key=len))
        assert sum("runnel" in line for line in lines[2:]) >= 2 or arguments == ["version", "--help"], arguments
    assert len(rig.run(rig.runnel()).out.splitlines()) <= 10


@rig.test
def the_man_page_is_read_without_complaint_and_names_every_option():
    rig.need("man")
    page = rig.workdir() / "runnel.1"
    page.write_text(rig.run(rig.runnel("--manual", "man")).ok().out)

    got = rig.run(["man", "--warnings", "-l", page], env={**os.environ, "MANWIDTH": "80", "LC_ALL": "C.UTF-8"}).ok()

    assert not got.err.strip(), got.err
    for word in ("--publish", "--impair", "--host-loopback", "EXIT STATUS", "126", "host.runnel"):
        assert word in got.out, word


@rig.test
def a_typing_error_is_answered_with_what_was_meant():
    got = rig.run(rig.runnel("run", "--publsh", "8080:80", "--", "true"))
    assert got.status == 2 and "--publish" in got.err, got.err
    got = rig.run(rig.runnel("rum"))
    assert got.status == 2 and "run" in got.err, got.err


rig.main()
