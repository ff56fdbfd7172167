"""What the run_*.py scripts share: one host with one server beyond it, and commands that run behind runnel on that host.

    command, in its cell          host                                     server
    (10.210.71.2, fd72:...::2) -- runnel -- h0 198.51.100.1/24 -- veth -- s0 198.51.100.2/24
                                            2001:db8:1::1/64                 2001:db8:1::2/64
"""
import os
import pathlib
import subprocess

import rig

HOST4, SERVER4 = "198.51.100.1", "198.51.100.2"
HOST6, SERVER6 = "2001:db8:1::1", "2001:db8:1::2"
GATE4, INNER4 = "10.210.71.1", "10.210.71.2"
GATE6, INNER6 = "fd72:756e:9e6c::1", "fd72:756e:9e6c::2"
PYTHON = "/usr/bin/python3"
HERE = pathlib.Path(__file__).resolve().parent
IS_LONG = os.environ.get("RN_LONG") == "1"  # `make soak`: the sizes and times of the real world


def url(host, path, port=80):
    return f"http://[{host}]:{port}/{path}" if ":" in host else f"http://{host}:{port}/{path}"


def two_nets(v4=True, v6=True, has_default=True):
    """(host, server), joined; the host's default routes lead to the server."""
    host, server = rig.Net("host"), rig.Net("server")
    one = [f"{HOST4}/24"] * v4 + [f"{HOST6}/64"] * v6
    other = [f"{SERVER4}/24"] * v4 + [f"{SERVER6}/64"] * v6
    rig.veth(host, "h0", one, server, "s0", other)
    for family, addr in (("-4", SERVER4), ("-6", SERVER6)):
        if has_default and (v4 if family == "-4" else v6):
            host.ip(f"{family} route add default via {addr}")
    return host, server


def line(command, *options, way="root"):
    """The command line that runs @command behind runnel, as root or as an ordinary user."""
    whole = rig.runnel("run", "-q", *options, "--", *rig._as_list(command))
    return rig.as_user(whole) if way == "user" else whole


def run(host, command, *options, way="root", **more):
    return host.run(line(command, *options, way=way), **more)


def start(host, command, *options, way="root", **more):
    return host.start(line(command, *options, way=way), **more)


def popen(host, command, *options, way="root", **more):
    """Started with pipes, ended with the test."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, **more}
    process = subprocess.Popen(host.inside(line(command, *options, way=way)), **pipes)
    rig._cleanups.callback(rig.stop, process)
    return process


def each_way(function=None, *, seconds=rig.TEST_SECONDS):
    """A test done twice: as root, who gets a TUN, and as an ordinary user, who gets a veth pair."""
    if function is None:
        return lambda marked: each_way(marked, seconds=seconds)

    def make(way):
        def case():
            if way == "root" and not rig.came_as_root():
                rig.skip("started without root")
            return function(way)
        case.__name__ = f"{function.__name__}_as_{way}"
        return rig.test(case, seconds=seconds)

    make("root")
    make("user")
    return function


def nginx(net, folder, port=80):
    """nginx, which sends files as a real server does; Python's own where it is not installed."""
    if not os.path.exists("/usr/sbin/nginx"):
        return rig.http_server(net, folder, port)
    conf = rig.workdir() / f"nginx-{port}.conf"
    conf.write_text(f"""
        daemon off; pid {rig.workdir()}/nginx-{port}.pid; error_log stderr; worker_processes 1;
        events {{ worker_connections 1024; }}
        http {{ access_log off; sendfile on; client_body_temp_path {rig.workdir()}/body;
               proxy_temp_path {rig.workdir()}/p; fastcgi_temp_path {rig.workdir()}/f; uwsgi_temp_path {rig.workdir()}/u;
               scgi_temp_path {rig.workdir()}/s;
               server {{ listen {port}; listen [::]:{port}; root {folder}; }} }}
        """)
    server = net.start(["/usr/sbin/nginx", "-c", conf])
    net.wait_listening(port)
    return server


def dns_server(net, *names):
    """Answers A and AAAA of NAME=ADDR[,ADDR] and of long.test (500 addresses: by TCP only) on port 53."""
    server = net.start([PYTHON, HERE / "dns_server.py", *names])
    net.wait_listening(53)
    return server


def python(text):
    return [PYTHON, "-c", text]


def worker_of(process):
    """Pid of the worker that serves @process, a runnel started by popen()."""
    found = []

    def look():
        found[:] = [pid for pid in descendants(process.pid) if name_of(pid) == "runnel-net"]
        return found

    rig.wait_until(look, "the worker runs")
    return found[0]


def name_of(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""


def descendants(root):
    """Pids below @root; itself included."""
    children = {}
    for entry in pathlib.Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                stat = (entry / "stat").read_text()
            except OSError:
                continue
            children.setdefault(int(stat.rpartition(")")[2].split()[1]), []).append(int(entry.name))
    found = [root]
    for pid in found:
        found.extend(children.get(pid, []))
    return found


def rss_kib(pid):
    for text in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if text.startswith("VmRSS:"):
            return int(text.split()[1])
    return 0


