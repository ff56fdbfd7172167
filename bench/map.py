#!/usr/bin/env python3
"""What `runnel map --json` costs beside a bare probe that asks the kernel the same (bench/map.c).

usage: map.py [--runnel FILE] [--namespaces N,N] [--scenes veth,tcp,owners] [--rounds N] [--busy-ok]

Every namespace is joined by a veth pair to a bridge in a hub and holds one process; in a second scene also a listening
and an established TCP connection. A third scene holds 15 000 sockets in 15 processes. Processor time is of all
processes of a run, user and system; memory is the sum of their peaks. Medians; nothing of the host is changed.
"""
import argparse
import ctypes
import os
import pathlib
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
LIBC = ctypes.CDLL(None, use_errno=True)
NEWNET = 0x40000000
PR_SET_PDEATHSIG = 1
BRIDGE_PORTS = 1000  # the kernel's limit is 1023
BUSY = 0.15
OWNERS, SOCKETS_EACH = 15, 1000


def parse_arguments():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--runnel", default=str(ROOT / "build" / "runnel"))
    options.add_argument("--namespaces", default="100,500")
    options.add_argument("--scenes", default="veth,tcp,owners")
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--busy-ok", action="store_true", help="measure although others use this machine")
    return options.parse_args()


def build_probe(folder):
    probe = pathlib.Path(folder) / "probe"
    subprocess.run(["cc", "-O2", "-D_GNU_SOURCE", "-o", probe, ROOT / "bench" / "map.c"], check=True)
    return probe


# Scenes -----------------------------------------------------------------------------------------------------------

def spawn(prepare):
    """A child that runs @prepare, which returns what is to be kept, and then waits to be killed."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            signal.signal(signal.SIGINT, signal.SIG_IGN)  # of the terminal: the parent ends us in its own time
            LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)  # and no namespace outlives even a killed bench
            os.close(reader)
            kept = prepare()
            os.close(writer)
            while kept is not None:
                signal.pause()
        finally:
            os._exit(1)
    os.close(writer)
    os.read(reader, 1)
    os.close(reader)
    return pid


def namespace(has_tcp):
    def prepare():
        if LIBC.unshare(NEWNET) != 0:
            raise OSError(ctypes.get_errno(), "unshare")
        if not has_tcp:
            return ()
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
        listener = socket.create_server(("127.0.0.1", 7000))
        return listener, socket.create_connection(("127.0.0.1", 7000))
    return prepare


def batch(pid, lines):
    subprocess.run(["nsenter", f"--net=/proc/{pid}/ns/net", "ip", "-batch", "-"], input="\n".join(lines) + "\n",
                   text=True, check=True)


def make_namespaces(pids, count, has_tcp):
    """Adds to @pids as it goes, so that whoever is interrupted knows whom to end."""
    hub = spawn(namespace(False))
    pids.append(hub)
    for _ in range(count):
        pids.append(spawn(namespace(has_tcp)))
    lines = []
    for i in range(0, count, BRIDGE_PORTS):
        lines += [f"link add br{i // BRIDGE_PORTS} type bridge", f"link set br{i // BRIDGE_PORTS} up"]
    for i, pid in enumerate(pids[1:]):
        lines += [f"link add v{i} type veth peer name eth0 netns {pid}",
                  f"link set v{i} master br{i // BRIDGE_PORTS} up"]
    batch(hub, lines)
    for i, pid in enumerate(pids[1:]):
        batch(pid, [f"addr add 10.1.{i // 250}.{i % 250 + 1}/16 dev eth0", "link set eth0 up"])
    time.sleep(2.5)  # duplicate address detection is over: addresses stand still


def make_owners(pids):
    for _ in range(OWNERS):
        pids.append(spawn(lambda: [socket.socket(socket.AF_UNIX) for _ in range(SOCKETS_EACH)]))


def end(pids):
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    for pid in pids:
        os.waitpid(pid, 0)


# Measuring --------------------------------------------------------------------------------------------------------

def peak_kib(root):
    """Sum of the peaks of a process and all below it, as of now."""
    total, todo = 0, [root]
    while todo:
        pid = todo.pop()
        try:
            status = pathlib.Path(f"/proc/{pid}/status").read_text()
            todo += [int(word) for word in pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
        except OSError:
            continue
        total += sum(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM:"))
    return total


def run(command, wants_memory=False):
    """(wall ms, processor ms, KiB)"""
    before = time.monotonic()
    program = subprocess.Popen(list(map(str, command)), stdout=subprocess.DEVNULL)
    most = 0
    while wants_memory:
        most = max(most, peak_kib(program.pid))
        done, _, usage = os.wait4(program.pid, os.WNOHANG)
        if done:
            break
    if not wants_memory:
        _, _, usage = os.wait4(program.pid, 0)
    program.returncode = 0
    return (time.monotonic() - before) * 1e3, (usage.ru_utime + usage.ru_stime) * 1e3, most


def medians(options, commands):
    """Commands take turns: {name: (wall ms, processor ms)}"""
    runs = {name: [] for name in commands}
    for _ in range(options.rounds):
        for name, command in commands.items():
            runs[name].append(run(command))
    return {name: tuple(statistics.median(r[i] for r in all_runs) for i in (0, 1)) for name, all_runs in runs.items()}


def busy_share():
    def sample():
        fields = [int(word) for word in pathlib.Path("/proc/stat").read_text().splitlines()[0].split()[1:]]
        return sum(fields), fields[3] + fields[4]
    total, idle = sample()
    time.sleep(1)
    total_after, idle_after = sample()
    return 1 - (idle_after - idle) / max(1, total_after - total)


def measure_namespaces(options, probe, count, has_tcp):
    command = [options.runnel, "map", "--json"]
    pids = []
    try:
        make_namespaces(pids, count, has_tcp)
        found = medians(options, {"runnel": command, "probe": [probe]})
        memory = run(command, wants_memory=True)[2]
    finally:
        end(pids)
    (wall, cpu), (probe_wall, probe_cpu) = found["runnel"], found["probe"]
    what = "veth, LISTEN, ESTABLISHED" if has_tcp else "veth"
    print(f"{count:5} namespaces, {what:26}: runnel {wall:7.1f} ms ({cpu:7.1f} ms of processors), "
          f"probe {probe_wall:7.1f} ({probe_cpu:7.1f}), {cpu / max(probe_cpu, 1):4.1f} times, {memory / 1024:5.1f} MiB",
          flush=True)


def measure_owners(options, probe):
    command = [options.runnel, "map", "--json"]
    idle = medians(options, {"runnel": command, "probe": [probe, "owners"]})
    pids = []
    try:
        make_owners(pids)
        full = medians(options, {"runnel": command, "probe": [probe, "owners"]})
    finally:
        end(pids)
    ours, least = (full[name][1] - idle[name][1] for name in ("runnel", "probe"))
    print(f"{OWNERS * SOCKETS_EACH:5} sockets: runnel {ours:.1f} ms of processors more than without them, "
          f"a readlink loop {least:.1f}, {ours / max(least, 1):.1f} times")


def interrupted(number, _):
    sys.exit(128 + number)  # through the finally of whatever scene stands


def main():
    options = parse_arguments()
    signal.signal(signal.SIGTERM, interrupted)
    signal.signal(signal.SIGINT, interrupted)
    share = busy_share()
    if share > BUSY:
        print(f"map: {share:.0%} of this machine is in use by others; wall times mean little", file=sys.stderr)
        if not options.busy_ok:
            sys.exit("hint: wait, or say --busy-ok")
    with tempfile.TemporaryDirectory() as folder:
        probe = build_probe(folder)
        scenes = options.scenes.split(",")
        for count in map(int, options.namespaces.split(",")):
            for scene in ("veth", "tcp"):
                if scene in scenes:
                    measure_namespaces(options, probe, count, scene == "tcp")
        if "owners" in scenes:
            measure_owners(options, probe)


if __name__ == "__main__":
    main()
