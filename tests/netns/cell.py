#!/usr/bin/env python3
"""A cell: one command in namespaces of its own, and its end whoever dies first.

    supervisor (cell_probe) <-- socket --> keeper (rn-cell) --> command --> what it starts
                                           |  network namespace: lo, and
                                           |  tun0 or eth0  10.99.0.2/30  fd00:99::2/64, default by .1 and ::1
    Nobody answers on the device: these tests are about the cell, not about packets.
"""
import os
import pathlib
import signal
import subprocess
import time

import rig

PROBE = os.environ.get("CELL_PROBE", str(rig.ROOT / "build/tests/netns/cell_probe"))
RESOLV = "nameserver 10.99.0.1\n"


def cell(command, rung="auto", ids=None, user=False, **options):
    if ids is None:
        ids = "userns" if user or not rig.came_as_root() else "plain"
    line = [PROBE, rung, ids, RESOLV, *command]
    process = subprocess.Popen(rig.as_user(line) if user else line, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, text=True, **options)
    rig._cleanups.callback(process.kill)
    return process


def finish(process, text=""):
    out, err = process.communicate(text, timeout=20)
    if err.startswith("refused"):
        rig.skip(err.strip())
    words = dict(line.split(" ", 1) for line in err.splitlines() if line.split(" ")[0] in
                 ("rung", "keeper", "warnings", "started", "exec-failed", "stopped", "exited", "empty", "lost"))
    return out, words


def status_of(words):
    return os.waitstatus_to_exitcode(int(words["exited"]))


def sleepers(mark):
    """Pids of `sleep MARK`."""
    found = []
    for entry in pathlib.Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and (entry / "cmdline").read_bytes() == f"sleep\0{mark}\0".encode():
                found.append(int(entry.name))
        except OSError:
            pass
    return found


def started(process):
    """Reads until the command runs; returns what was told."""
    words = {}
    while "started" not in words:
        line = process.stderr.readline()
        assert line, f"it ended: {words}"
        if line.startswith("refused"):
            rig.skip(line.strip())
        words.update([line.strip().split(" ", 1)])
    return words


@rig.test
def an_ordinary_user_gets_ethernet_where_tun_is_closed():
    out, words = finish(cell(["sh", "-c", "ip -br addr; ip route; ip -6 route; id -u"], user=True))

    assert words["rung"] == ("2" if rig.came_as_root() else words["rung"])
    assert "10.99.0.2/30" in out and "fd00:99::2/64" in out
    assert "default via 10.99.0.1" in out and "default via fd00:99::1" in out
    assert words["warnings"] == "0", words


@rig.test
def root_gets_tun_and_keeps_ids_and_capabilities():
    if not rig.came_as_root():
        rig.skip("started without root")
    out, words = finish(cell(["sh", "-c", "ip -br addr; cat /proc/self/uid_map; grep CapEff /proc/self/status"]))

    assert words["rung"] == "1" and "tun0" in out
    assert "4294967295" in out, "no user namespace of its own"
    assert "0000000000000000" not in out


@rig.test
def the_users_command_has_no_capability_but_the_bounding_set():
    out, _ = finish(cell(["grep", "-E", "Cap|NoNewPrivs", "/proc/self/status"], user=True))

    status = dict(line.split(":\t") for line in out.splitlines())
    assert all(int(status[name], 16) == 0 for name in ("CapInh", "CapPrm", "CapEff", "CapAmb")), out
    assert int(status["CapBnd"], 16) != 0
    assert status["NoNewPrivs"] == "1"


@rig.test
def mapped_root_rules_its_own_network():
    out, words = finish(cell(["sh", "-c", "id -u; ip link add x type veth peer name y && echo made"], ids="root", user=True))

    assert out.split() == ["0", "made"] and status_of(words) == 0


@rig.test
def ping_and_low_ports_work_without_capabilities():
    rig.need("ping", "python3")
    bind = "import socket; socket.socket().bind(('127.0.0.1', 80)); print('bound')"
    out, _ = finish(cell(["sh", "-c", f"ping -c1 -W2 127.0.0.1 >&2 && echo pinged; python3 -c \"{bind}\""], user=True))

    assert out.split() == ["pinged", "bound"]


@rig.test
def no_descriptor_and_no_signal_setting_of_ours_leaks():
    out, _ = finish(cell(["sh", "-c", "ls /proc/self/fd; grep -E 'SigIgn|SigBlk' /proc/self/status"]))

    fds = [line for line in out.split("\n") if line.isdigit()]
    assert fds == ["0", "1", "2", "3"], out  # 3 is the listing itself
    mine = pathlib.Path("/proc/self/status").read_text()
    for name in ("SigBlk", "SigIgn"):
        line = next(line for line in out.splitlines() if line.startswith(name))
        inherited = next(line for line in mine.splitlines() if line.startswith(name))
        # Python ignores SIGPIPE and gives it back to its children
        assert int(line.split()[1], 16) & ~0x1000 == int(inherited.split()[1], 16) & ~0x1001000, (line, inherited)


@rig.test
def the_status_is_the_commands():
    _, words = finish(cell(["sh", "-c", "exit 7"]))
    assert status_of(words) == 7
    _, words = finish(cell(["sh", "-c", "kill -SEGV $$"]))
    assert status_of(words) == -signal.SIGSEGV


@rig.test
def what_cannot_be_executed_is_told_with_its_reason():
    _, words = finish(cell(["/no/such/program"]))
    assert words["exec-failed"] == "-1002", words  # ENOENT
    _, words = finish(cell(["/etc/passwd"]))
    assert words["exec-failed"] == "-1013", words  # EACCES


@rig.test
def the_network_lives_until_its_last_process_ends():
    process = cell(["sh", "-c", "setsid sleep 4001 </dev/null >/dev/null 2>&1 & exit 0"])
    started(process)
    assert "exited 0" in process.stderr.readline()
    rig.wait_until(lambda: sleepers(4001), "the daemon runs")
    assert process.poll() is None

    os.kill(sleepers(4001)[0], signal.SIGTERM)

    assert "empty" in process.stderr.readline()
    assert process.wait(5) == 0


def has_ended(pid):
    try:
        return ") Z" in pathlib.Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return True


def everything_ends_when_killed(mark, victim, user):
    # a daemon, a child that left the session, one in a loop of forks: all must go
    command = f"setsid sleep {mark} & (setsid sh -c 'sleep {mark} & wait' &) ; while :; do sleep 0.01; done"
    process = cell(["sh", "-c", command], user=user)
    words = started(process)
    rig.wait_until(lambda: len(sleepers(mark)) == 2, "both daemons run")

    os.kill(process.pid if victim == "supervisor" else int(words["keeper"]), signal.SIGKILL)

    rig.wait_until(lambda: not sleepers(mark), "all that was inside is gone")
    rig.wait_until(lambda: has_ended(words["started"]), "the command is gone")
    rig.wait_until(lambda: process.poll() is not None, "the supervisor ended")
    return process


@rig.test
def killing_the_supervisor_ends_everything_inside():
    everything_ends_when_killed(4002, "supervisor", user=False)
    everything_ends_when_killed(4003, "supervisor", user=True)


@rig.test
def killing_the_keeper_ends_everything_inside():
    process = everything_ends_when_killed(4004, "keeper", user=False)
    assert "lost" in process.stderr.read()


@rig.test
def output_ends_with_the_command_though_the_keeper_lives():
    process = cell(["sh", "-c", "setsid sleep 4005 </dev/null >/dev/null 2>&1 & echo done"])
    began = time.monotonic()

    assert process.stdout.read() == "done\n"
    assert time.monotonic() - began < 10


def private_etc():
    """A copy of /etc over the real one, in this script's mount namespace, to be renamed in."""
    copy = rig.workdir() / "etc"
    copy.mkdir()
    for name in ("passwd", "group", "nsswitch.conf", "hosts"):
        if pathlib.Path("/etc", name).exists():
            (copy / name).write_text(pathlib.Path("/etc", name).read_text())
    (copy / "nsswitch.conf").write_text("passwd: files\nhosts: mymachines resolve dns\n")
    (copy / "resolv.conf").write_text("nameserver 192.0.2.53\n")
    for path in [copy, *copy.iterdir()]:
        path.chmod(0o755)
    rig.run(["mount", "--bind", copy, "/etc"]).ok()
    rig._cleanups.callback(rig.run, ["umount", "/etc"])


@rig.test
def name_resolution_inside_is_ours_and_survives_a_rename_by_the_host():
    private_etc()
    ask = "cat /etc/resolv.conf /etc/nsswitch.conf; echo ready; read x; cat /etc/resolv.conf"
    process = cell(["sh", "-c", ask])
    seen = iter(process.stdout.readline, "ready\n")
    assert list(seen) == [RESOLV, "passwd: files\n", "hosts:          files dns\n"]

    for text in ("nameserver 192.0.2.54\n", "nameserver 192.0.2.55\n"):
        pathlib.Path("/etc/new").write_text(text)
        os.rename("/etc/new", "/etc/resolv.conf")
        time.sleep(0.2)  # the kernel's time to tell the keeper: there is nothing to wait for from outside

    out, words = finish(process, "\n")
    assert out == RESOLV
    assert words.get("warnings", "0") == "0"
    assert pathlib.Path("/etc/resolv.conf").read_text() == "nameserver 192.0.2.55\n", "the host's own is untouched"


@rig.test
def resolv_conf_may_be_a_link_into_resolveds_directory():
    private_etc()
    if not rig.came_as_root():
        rig.skip("cannot mount over /run")
    rig.run(["mount", "-t", "tmpfs", "none", "/run"]).ok()
    rig._cleanups.callback(rig.run, ["umount", "/run"])
    stub = pathlib.Path("/run/systemd/resolve/stub-resolv.conf")
    stub.parent.mkdir(parents=True)
    stub.write_text("nameserver 127.0.0.53\n")
    (stub.parent / "io.systemd.Resolve").write_text("a socket of the daemon")
    os.unlink("/etc/resolv.conf")
    os.symlink(stub, "/etc/resolv.conf")

    out, words = finish(cell(["sh", "-c", "cat /etc/resolv.conf; ls /run/systemd/resolve"]))

    assert out == RESOLV + "stub-resolv.conf\n"
    assert words["warnings"] == "0"


@rig.test
def nothing_is_left_behind():
    before = rig.run("ip -o link").ok().out
    mounts = pathlib.Path("/proc/self/mountinfo").read_text()
    finish(cell(["true"], user=True))
    finish(cell(["true"], rung="veth"))

    assert rig.run("ip -o link").ok().out == before
    assert pathlib.Path("/proc/self/mountinfo").read_text() == mounts


rig.main()
