"""What the machine and its processes say of themselves: how busy, whose processor time, how much memory."""
import os
import pathlib
import resource
import time

TICKS = os.sysconf("SC_CLK_TCK")
DESCRIPTORS = 400000  # 100 000 connections of a relay are as many sockets again


def cpu_seconds(pids):
    """(user, system) of these processes, all their threads; what they do in the kernel for others included."""
    user = system = 0
    for pid in pids:
        try:
            fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        except FileNotFoundError:
            continue
        user += int(fields[11])
        system += int(fields[12])
    return user / TICKS, system / TICKS


def memory_kib(pids):
    """Resident memory of these processes together; a page shared by two counts once for each."""
    total = 0
    for pid in pids:
        try:
            status = pathlib.Path(f"/proc/{pid}/status").read_text()
        except FileNotFoundError:
            continue
        total += sum(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS:"))
    return total


def orphans():
    """TCP sockets without a process, of all networks: what they hold counts against the memory that TCP of all shares."""
    words = pathlib.Path("/proc/net/sockstat").read_text().split()
    return int(words[words.index("orphan") + 1])


def core_seconds():
    """(all, idle) of all cores together, since the machine began."""
    fields = [int(word) for word in pathlib.Path("/proc/stat").read_text().splitlines()[0].split()[1:9]]  # then guests: again
    return sum(fields) / TICKS, (fields[3] + fields[4]) / TICKS


def busy_share(seconds=1.0):
    """How much of all cores was in use during the next second, 0..1."""
    total, idle = core_seconds()
    time.sleep(seconds)
    total_after, idle_after = core_seconds()
    return 1 - (idle_after - idle) / max(1 / TICKS, total_after - total)


def raise_limits():
    """Many connections need many descriptors, in us and in every peer we start; as many as we are allowed."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    for wanted in (max(hard, DESCRIPTORS), hard):
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, wanted))
            return
        except (ValueError, PermissionError):
            continue


def descriptors():
    """How many descriptors a process may have."""
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def describe():
    """Kernel, processor and cores, for the record; no name of the machine."""
    models = [line.split(":")[1].strip() for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines()
              if line.startswith("model name")]
    return {"kernel": os.uname().release, "cores": os.cpu_count(), "cpu": models[0] if models else os.uname().machine,
            "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1)}
