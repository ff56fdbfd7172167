"""What the scripts of this folder are made of: networks, links, servers, programs, and a clean end.

A script runs inside mount, pid and network namespaces of its own (and a user namespace, without root). When it ends,
however it ends, the kernel ends everything it started and removes every network it made; nothing of the host is
touched. See README.md.
"""
import contextlib
import hashlib
import os
import pathlib
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
RUNNEL = os.environ.get("RUNNEL", str(ROOT / "build" / "runnel"))
TEST_SECONDS = 120  # what a test may take unless it says otherwise
# The kernel makes no network while it clears away a big one (pernet_ops_rwsem, rtnl): one of 20 000 routes takes its time.
NET_SECONDS = 90
INSIDE = "RN_NETNS_INSIDE"  # set in the process that is in the namespaces: the uid we came with

_tests = []
_cleanups = contextlib.ExitStack()


class Skip(Exception):
    """Raised by skip(): this machine cannot run the test; the text says why."""


def skip(reason):
    raise Skip(reason)


def need(*programs):
    """Skips the test unless all these programs are installed."""
    for program in programs:
        if not shutil.which(program):
            skip(f"{program} is not installed")


def need_plain_build(why):
    """Skips the test in a build with sanitizers, whose runtime makes system calls of its own."""
    if os.environ.get("RN_IS_SANITIZED") == "1":
        skip(f"not in a build with sanitizers: {why}")


def test(function=None, *, seconds=TEST_SECONDS):
    """Marks a test; its name, with spaces, is the statement that it proves."""
    if function is None:
        return lambda marked: test(marked, seconds=seconds)
    _tests.append((function, seconds))
    return function


# Programs ------------------------------------------------------------------------------------------------------

class Ran:
    """How a program ended: .status, .out, .err, .seconds"""

    def __init__(self, command, done, seconds):
        self.command, self.status, self.seconds = command, done.returncode, seconds
        self.out, self.err = done.stdout, done.stderr

    def ok(self):
        """Fails the test unless the program ended with 0; returns itself."""
        assert self.status == 0, f"{shlex.join(map(str, self.command))}: status {self.status}\n{self.out}{self.err}"
        return self


def _as_list(command):
    return shlex.split(command) if isinstance(command, str) else [str(word) for word in command]


def run(command, seconds=30, **options):
    """Runs to the end and returns a Ran; too slow fails the test."""
    command = _as_list(command)
    options.setdefault("stdin", subprocess.DEVNULL)
    began = time.monotonic()
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=seconds, **options)
    return Ran(command, done, time.monotonic() - began)


def start(command, **options):
    """Starts in the background, output into a file (.log); ended when the test ends. Returns the Popen."""
    log = pathlib.Path(tempfile.mkstemp(prefix="log-", dir=workdir())[1])
    with log.open("w") as output:
        options = {"stdin": subprocess.DEVNULL, "stdout": output, "stderr": output, **options}
        process = subprocess.Popen(_as_list(command), **options)
    process.log = log
    _cleanups.callback(stop, process)
    return process


def stop(process, seconds=5):
    """Asks a started program to end; insists after a while. Returns its status."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.kill()
    return process.wait()


def as_user(command):
    """The same command without root's rights. Where we came without root there is nothing to take away."""
    plain = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--inh-caps=-all", "--"]
    return (plain if came_as_root() else []) + _as_list(command)


def came_as_root():
    return os.environ[INSIDE] == "0"


def runnel(*arguments):
    """The command line of the program under test; skips the test where it was not built."""
    if not os.path.exists(RUNNEL):
        skip("runnel is not built")
    return [RUNNEL, *map(str, arguments)]


def wait_until(is_true, what, seconds=10):
    deadline = time.monotonic() + seconds
    while not is_true():
        assert time.monotonic() < deadline, f"after {seconds} s still not: {what}"
        time.sleep(0.02)


# Networks ------------------------------------------------------------------------------------------------------

class Net:
    """A network namespace with loopback up. It lives as long as its holder process: until the test ends."""

    def __init__(self, name):
        self.name = name
        self.holder = subprocess.Popen(["unshare", "--net", "sleep", "infinity"], stdin=subprocess.DEVNULL)
        _cleanups.callback(stop, self.holder)
        self.path = f"/proc/{self.holder.pid}/ns/net"
        ours = os.readlink("/proc/self/ns/net")
        wait_until(lambda: os.readlink(self.path) != ours, f"namespace of {name}", NET_SECONDS)
        self.ip("link set lo up")

    def inside(self, command):
        # Not `ip netns exec`: that remounts /sys, and with it the view of the control groups.
        return ["nsenter", f"--net={self.path}", "--", *_as_list(command)]

    def run(self, command, **options):
        return run(self.inside(command), **options)

    def start(self, command, **options):
        return start(self.inside(command), **options)

    def ip(self, arguments):
        return self.run(f"ip {arguments}").ok().out

    def addr(self, link, *addrs):
        for addr in addrs:
            self.ip(f"addr add {addr} dev {link}" + (" nodad" if ":" in addr else ""))

    def wait_listening(self, port, kind="tcp"):
        flag = "-ltnH" if kind == "tcp" else "-lunH"
        wait_until(lambda: self.run(f"ss {flag} sport = :{port}").out.strip(), f"{self.name} listens on {kind} {port}")


def veth(one, link_one, addrs_one, other, link_other, addrs_other):
    """Joins two networks by a cable: one:link_one <-> other:link_other, both up and with these addresses."""
    one.ip(f"link add {link_one} type veth peer name {link_other} netns {other.holder.pid}")
    for net, link, addrs in ((one, link_one, addrs_one), (other, link_other, addrs_other)):
        net.ip(f"link set {link} up")
        net.addr(link, *([addrs] if isinstance(addrs, str) else addrs))


def tun_for_everyone():
    """Lets ordinary users open /dev/net/tun in this script, as most distributions do. Without root: as it is."""
    if came_as_root() and os.path.exists("/dev/net/tun"):
        run("mount -t tmpfs -o mode=755 none /dev/net").ok()
        run("mknod -m 666 /dev/net/tun c 10 200").ok()


def resolv_conf(text):
    """Gives this script its own /etc/resolv.conf, by a bind mount in its mount namespace."""
    path = workdir() / "resolv.conf"
    path.write_text(text)
    path.chmod(0o644)
    target = os.path.realpath("/etc/resolv.conf")
    run(["mount", "--bind", path, target]).ok()
    _cleanups.callback(run, ["umount", target])


def http_server(net, folder, port=80, addr="::"):
    """Serves the files of a folder (both families with addr '::'); returns once it listens."""
    server = net.start([sys.executable, "-m", "http.server", "--bind", addr, "--directory", folder, port])
    net.wait_listening(port)
    return server


# Files and captures --------------------------------------------------------------------------------------------

def workdir():
    """A folder of the running test, readable by everyone, removed at its end."""
    return pathlib.Path(os.environ["RN_NETNS_DIR"])


def random_file(name, n_bytes):
    """Makes a file of unpredictable bytes in the test's folder; returns its path."""
    path = workdir() / name
    with path.open("wb") as file:
        while n_bytes > 0:
            file.write(os.urandom(min(n_bytes, 1 << 20)))
            n_bytes -= 1 << 20 if n_bytes >= 1 << 20 else n_bytes
    path.chmod(0o644)
    return path


def sha256(path):
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def check_capture(path, may_offload=True):
    """tshark finds no malformed packet in the file and, unless the kernel computes them, no bad checksum."""
    need("tshark")
    wrong = "_ws.malformed"
    if not may_offload:
        wrong += " || ip.checksum.status == 0 || tcp.checksum.status == 0 || udp.checksum.status == 0"
    options = ["-o", "ip.check_checksum:TRUE", "-o", "tcp.check_checksum:TRUE", "-o", "udp.check_checksum:TRUE"]
    found = run(["tshark", "-n", *options, "-r", path, "-Y", wrong], seconds=60).ok()
    assert not found.out.strip(), f"in {path}:\n{found.out[:2000]}"


# The run of a script -------------------------------------------------------------------------------------------

def enter(stays_in_pids=False):
    """Starts this script again inside the namespaces, in which it is root and, unless it stays among the processes it
    came from, pid 1. Returns only if that is refused, with the reason, or if we are there already, with None."""
    if INSIDE in os.environ:
        return None
    flags = ["--net", "--mount", "--fork", "--kill-child"]
    if not stays_in_pids:
        flags += ["--pid", "--mount-proc"]
    if os.getuid() != 0:
        flags = ["--user", "--map-root-user", *flags]
    tried = subprocess.run(["unshare", *flags, "true"], capture_output=True, text=True, stdin=subprocess.DEVNULL)
    if tried.returncode != 0:
        return tried.stderr.strip()
    os.environ[INSIDE] = str(os.getuid())
    sys.stdout.flush()
    os.execvp("unshare", ["unshare", *flags, sys.executable, *sys.argv])


@contextlib.contextmanager
def scratch():
    """A workdir() and whatever is started and made inside the block; both are gone after it."""
    with tempfile.TemporaryDirectory(prefix="rn-netns-") as folder:
        os.chmod(folder, 0o777)
        os.environ["RN_NETNS_DIR"] = folder
        if os.environ.get("RN_IS_SANITIZED") == "1":
            _ask_for_reports(folder)
        try:
            yield pathlib.Path(folder)
        finally:
            _cleanups.close()


@contextlib.contextmanager
def at_most(seconds):
    """Whatever takes longer in the block is interrupted by a TimeoutError."""
    def too_slow(*_):
        raise TimeoutError(f"longer than {seconds} s")

    signal.signal(signal.SIGALRM, too_slow)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)


def _run_test(function, seconds):
    """Returns (is good, directive, comment) of one test."""
    with scratch() as folder:
        try:
            with at_most(seconds):
                function()
            _cleanups.close()
            reports = _sanitizer_reports(folder)
            return not reports, "", reports
        except Skip as reason:
            return True, f" # SKIP {reason}", ""
        except Exception:  # anything else, a KeyboardInterrupt above all, ends the script
            return False, "", traceback.format_exc() + _logs_of(folder)


def _ask_for_reports(folder):
    """Programs with sanitizers write what they find into the folder: a worker's words, or status, may reach nobody."""
    for name in ("ASAN_OPTIONS", "UBSAN_OPTIONS"):
        others = [o for o in os.environ.get(name, "").split(":") if o and not o.startswith("log_path=")]
        os.environ[name] = ":".join([*others, f"log_path={folder}/sanitizer"])


def _sanitizer_reports(folder):
    return "".join(path.read_text(errors="replace")[:8000] for path in sorted(pathlib.Path(folder).glob("sanitizer*")))


def _logs_of(folder):
    parts = []
    for log in sorted(pathlib.Path(folder).glob("log-*")):
        text = log.read_text(errors="replace")
        if text.strip():
            parts.append(f"{log.name}:\n{text[-2000:]}\n")
    return "".join(parts)


def _hear_signals():
    """nohup(1), and a shell that starts us with &, have us ignore signals, and so would all that the tests start."""
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT):
        if signal.getsignal(number) == signal.SIG_IGN:
            signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)


def main(stays_in_pids=False):
    """Call this last in a script. Arguments choose tests by name; none means all."""
    _hear_signals()
    refused = enter(stays_in_pids)
    if refused:
        print(f"1..0 # SKIP namespaces are refused here ({refused})")
        return
    run("ip link set lo up").ok()
    chosen = [(f, s) for f, s in _tests if not sys.argv[1:] or f.__name__ in sys.argv[1:]]
    print(f"1..{len(chosen)}", flush=True)
    failed = 0
    for number, (function, seconds) in enumerate(chosen, 1):
        is_good, directive, comment = _run_test(function, seconds)
        failed += not is_good
        name = function.__name__.replace("_", " ")
        print(f"{'ok' if is_good else 'not ok'} {number} - {name}{directive}")
        for line in comment.splitlines():
            print(f"# {line}")
        sys.stdout.flush()
    sys.exit(1 if failed else 0)
