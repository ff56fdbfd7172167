#!/usr/bin/env python3
"""Birth, signals, status, terminal and end of what `runnel run` starts.

    terminal - shell - runnel (supervisor) -- rn-cell (keeper) -- command -- what it starts
                          |                    own network
                       runnel-net (worker)     host: one network with loopback only
"""
import os
import pathlib
import pty
import select
import signal
import time

import behind
import rig
from behind import SERVER4


@behind.each_way
def the_status_is_the_commands(way):
    host = rig.Net("host")
    for command, status in ((["true"], 0), (["sh", "-c", "exit 7"], 7), (["sh", "-c", "kill -TERM $$"], 143),
                            (["sh", "-c", "kill -KILL $$"], 137), (["/no/such/program"], 127), (["no-such-program"], 127),
                            (["/etc/passwd"], 126)):
        got = behind.run(host, command, way=way, env={**os.environ, "PATH": "/usr/bin:/bin"})
        assert got.status == status, (command, got.status, got.err)
        if status in (126, 127):
            assert command[0] in got.err, got.err


@behind.each_way
def our_own_failures_are_125_and_usage_is_2(way):
    host = rig.Net("host")
    assert behind.run(host, ["true"], "--pcap", "/no/such/dir/x.pcapng", way=way).status == 125
    assert behind.run(host, ["true"], "--no-such-option", way=way).status == 2
    assert behind.run(host, ["true"], "--impair", "loss=banana", way=way).status == 2
    assert behind.run(host, ["true"], "-p", "x", way=way).status == 2
    assert behind.run(host, ["true"], "--mtu", "10", way=way).status == 2


@behind.each_way
def no_descriptor_leaks_and_standard_streams_are_kept(way):
    host = rig.Net("host")
    got = behind.run(host, ["sh", "-c", "ls /proc/self/fd; cat; echo err >&2"], way=way, stdin=None, input="hello\n")

    assert got.ok().out.split() == ["0", "1", "2", "3", "hello"] and got.err == "err\n", (got.out, got.err)


@behind.each_way
def signals_sent_to_runnel_reach_the_command(way):
    host = rig.Net("host")
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1):
        process = behind.popen(host, ["sh", "-c", "echo up; exec sleep 100"], way=way)
        assert process.stdout.readline() == "up\n"
        process.send_signal(number)
        assert process.wait(5) == 128 + number, (number, process.returncode)


@behind.each_way
def a_command_that_handles_a_signal_decides_itself(way):
    host = rig.Net("host")
    process = behind.popen(host, ["sh", "-c", "trap 'echo bye; exit 3' TERM; echo up; while :; do sleep 0.05; done"], way=way)
    assert process.stdout.readline() == "up\n"

    process.terminate()

    assert process.stdout.readline() == "bye\n" and process.wait(5) == 3


class Terminal:
    """An interactive shell on a terminal of its own, as a person has it."""

    def __init__(self, host):
        pid, self.fd = pty.fork()
        if pid == 0:
            line = host.inside(["bash", "--norc", "-i"])
            os.execvpe(line[0], line, {**os.environ, "PS1": "$ ", "TERM": "dumb"})
        self.pid = pid
        self.seen = ""
        rig._cleanups.callback(self.end)

    def end(self):
        os.close(self.fd)
        try:
            os.kill(self.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        os.waitpid(self.pid, 0)

    def type(self, text):
        os.write(self.fd, text.encode())

    def expect(self, text, seconds=10):
        """Reads until @text appears; what came before it is forgotten."""
        deadline = time.monotonic() + seconds
        while text not in self.seen:
            left = deadline - time.monotonic()
            assert left > 0, f"the terminal never showed {text!r}: {self.seen[-500:]!r}"
            if select.select([self.fd], [], [], left)[0]:
                self.seen += os.read(self.fd, 4096).decode(errors="replace")
        self.seen = self.seen.partition(text)[2]


@behind.each_way
def control_c_ends_the_command_and_the_shell_sees_130(way):
    terminal = Terminal(rig.Net("host"))
    terminal.type(" ".join(behind.line(["sh", "-c", "'echo re''ady; exec sleep 100'"], way=way)) + "; echo st''atus $?\n")
    terminal.expect("ready")

    terminal.type("\x03")
    terminal.type("echo st''atus $?\n")  # bash gives up the list after the interrupt

    terminal.expect("status 130")


@behind.each_way
def control_z_stops_the_job_and_fg_goes_on(way):
    terminal = Terminal(rig.Net("host"))
    terminal.type(" ".join(behind.line(["sh", "-c", "'echo re''ady; read x; echo go''t $x; exit 5'"], way=way)) + "\n")
    terminal.expect("ready")

    terminal.type("\x1a")
    terminal.expect("Stopped")
    terminal.type("fg\n")
    time.sleep(0.3)  # the terminal is the job's only after that
    terminal.type("word\n")
    terminal.expect("got word")
    terminal.type("echo st''atus $?\n")

    terminal.expect("status 5")


@behind.each_way
def the_command_has_the_terminal(way):
    terminal = Terminal(rig.Net("host"))
    terminal.type(" ".join(behind.line(["sh", "-c", "'test -t 0 && stty size && tty'"], way=way)) + " && echo it''is\n")

    terminal.expect("itis")


def left_over():
    """Our processes, whoever started them; the script is alone in its pid namespace."""
    names = {}
    for entry in pathlib.Path("/proc").iterdir():
        if entry.name.isdigit():
            name = behind.name_of(entry.name)
            try:
                state = (entry / "stat").read_text().rpartition(")")[2].split()[0]
            except OSError:
                continue
            if state != "Z" and (name in ("runnel", "runnel-net", "rn-cell") or name == "sleep" and "4711" in
                                 (entry / "cmdline").read_text()):
                names[entry.name] = name
    return names


@behind.each_way
def the_network_outlives_the_command_for_those_left_inside(way):
    host = rig.Net("host")
    script = "(setsid sh -c 'sleep 1; ping -c1 -W1 10.210.71.1 >/dev/null && echo alive' &) ; exit 4"
    process = behind.popen(host, ["sh", "-c", script], way=way)

    assert process.wait(5) == 4
    assert process.stdout.readline() == "alive\n"
    rig.wait_until(lambda: not left_over(), "all has ended after the last one")


READS_LATE = """
import socket, time
l = socket.create_server(('0.0.0.0', 9007))
u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
u.bind(('0.0.0.0', 9007))
c, _ = l.accept()
time.sleep(1.5)
n = 0
while chunk := c.recv(1 << 20):
    n += len(chunk)
u.settimeout(1)
try:
    m = 0
    while u.recv(100):
        m += 1
except TimeoutError:
    pass
print(n, m, flush=True)
"""
WRITES_AND_GOES = """
import os, socket, sys
u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for i in range(50):
    u.sendto(b'x', (sys.argv[1], 9007))
s = socket.create_connection((sys.argv[1], 9007))
s.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 16 << 20)
s.settimeout(0.3)
n = 0
try:
    while n < 32 << 20:
        n += s.send(b'x' * 65536)
except TimeoutError:
    pass
for i in range(50):
    u.sendto(b'x', (sys.argv[1], 9007))
print(n, flush=True)
os._exit(3)
"""


@behind.each_way
def what_a_command_sent_last_arrives_after_its_end(way):
    """The server does not read yet: everything between is full when the command ends, and nothing of it may be lost."""
    host, server = behind.two_nets()
    reader = server.start(behind.python(READS_LATE))
    server.wait_listening(9007)

    got = behind.run(host, [*behind.python(WRITES_AND_GOES), SERVER4], way=way)

    assert got.status == 3 and reader.poll() is None, "the shell got its status before the server had read"
    rig.wait_until(lambda: reader.poll() is not None, "the server has all")
    assert reader.log.read_text().split() == [got.out.strip(), "100"], (reader.log.read_text(), got.out)


@behind.each_way
def no_linger_ends_all_with_the_command(way):
    host = rig.Net("host")
    got = behind.run(host, ["sh", "-c", "(setsid sleep 4711 </dev/null >/dev/null 2>&1 &) ; exit 4"], "--no-linger", way=way)

    assert got.status == 4
    rig.wait_until(lambda: not left_over(), "nothing is left")


def killed(way, victim):
    host = rig.Net("host")
    links = host.ip("-o link")
    process = behind.popen(host, ["sh", "-c", "setsid sleep 4711 & setsid sh -c 'sleep 4711 & wait' & echo up; wait"],
                           "-p", "8080:80", way=way)
    assert process.stdout.readline() == "up\n"
    family = {behind.name_of(pid): pid for pid in behind.descendants(process.pid)}

    os.kill(family[victim], signal.SIGKILL)

    rig.wait_until(lambda: not left_over(), f"nothing is left: {left_over()}")
    rig.wait_until(lambda: process.poll() is not None, "runnel ended")
    assert host.ip("-o link") == links
    assert not host.run("ss -ltnH").out.strip(), "the published port is free"
    return process


@behind.each_way
def killing_runnel_leaves_nothing(way):
    killed(way, "runnel")


@behind.each_way
def killing_the_worker_leaves_nothing(way):
    process = killed(way, "runnel-net")
    assert process.returncode == 125 and "worker" in process.stderr.read()


@behind.each_way
def killing_the_keeper_leaves_nothing(way):
    process = killed(way, "rn-cell")
    assert process.returncode == 125 and "keeper" in process.stderr.read()


@behind.each_way
def an_idle_command_costs_no_time(way):
    host = rig.Net("host")
    process = behind.popen(host, ["sleep", "100"], way=way)
    worker = behind.worker_of(process)
    time.sleep(0.5)  # until it has settled

    def ticks():
        return sum(map(int, pathlib.Path(f"/proc/{worker}/stat").read_text().rpartition(")")[2].split()[11:13]))

    before = ticks()
    time.sleep(2)
    assert ticks() - before <= 1
    assert behind.rss_kib(worker) < 24 << 10


@behind.each_way
def without_a_command_it_starts_the_shell(way):
    host = rig.Net("host")
    whole = rig.runnel("run", "-q")
    got = host.run(rig.as_user(whole) if way == "user" else whole, stdin=None, input="echo $((6 * 7))\n",
                   env={**os.environ, "SHELL": "/bin/sh"})

    assert got.ok().out == "42\n"


@behind.each_way
def a_proxy_on_loopback_gets_a_hint(way):
    host = rig.Net("host")
    env = {**os.environ, "http_proxy": "http://127.0.0.1:3128"}
    loud = rig.runnel("run", "--", "true")

    assert "--host-loopback" in host.run(rig.as_user(loud) if way == "user" else loud, env=env).ok().err
    assert behind.run(host, ["true"], way=way, env=env).ok().err == ""


@behind.each_way
def the_plan_is_printed_without_doing_it(way):
    host = rig.Net("host")
    got = behind.run(host, ["touch", rig.workdir() / "made"], "--dry-run", "-p", "8080:80", "--impair", "loss=1%", way=way)

    assert "10.210.71.2/30" in got.ok().out and "8080" in got.out and "loss=1%" in got.out and "touch" in got.out
    assert not (rig.workdir() / "made").exists()


rig.main()
