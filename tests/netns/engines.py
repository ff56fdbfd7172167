"""Real container engines inside a test: dockerd, podman and containerd, each with its data in the test's folder and its
networks in a network of the test. No registry is needed: the image is one busybox.

What they leave outside of the namespaces of the script are control groups; clean_cgroups() removes those.
"""
import json
import os
import pathlib
import shutil

import rig

BUSYBOX = "/bin/busybox"
NOFILE = "1024:2048"  # the engines' defaults are more than a machine without CAP_SYS_RESOURCE may give
CGROUP_ROOTS = ("/sys/fs/cgroup",)


def rootfs():
    """A folder with what a container needs: one busybox under all its names, and a page to serve."""
    if not os.path.exists(BUSYBOX):
        rig.skip("busybox is not installed")
    root = rig.workdir() / "rootfs"
    if root.exists():
        return root
    for folder in ("bin", "proc", "sys", "dev", "etc", "tmp", "run", "root", "www"):
        (root / folder).mkdir(parents=True)
    shutil.copy(BUSYBOX, root / "bin/busybox")
    for name in rig.run([BUSYBOX, "--list"]).ok().out.split():
        if name != "busybox":
            (root / "bin" / name).symlink_to("busybox")
    (root / "www/index.html").write_text("hello\n")
    return root


def private_state():
    """What engines keep outside of the folders they are given is kept where only this script sees it."""
    for folder in ("/run", "/var/lib/cni", "/var/lib/containers"):
        if os.path.isdir(folder):
            rig.run(["mount", "-t", "tmpfs", "-o", "mode=755", "none", folder]).ok()
            rig._cleanups.callback(rig.run, ["umount", "-l", folder])


def unmount_below(folder):
    """What a test that failed left mounted; its folder could not be removed."""
    with open("/proc/self/mountinfo", encoding="utf-8") as mounts:
        points = [line.split()[4] for line in mounts]
    for point in sorted(points, reverse=True):
        if point.startswith(str(folder) + "/"):
            rig.run(["umount", "-l", point])


def clean_cgroups(*names):
    """Removes the groups that engines named so left, innermost first; busy ones belong to somebody else."""
    for root in CGROUP_ROOTS:
        for name in names:
            for group in pathlib.Path(root).glob(f"*/{name}"):
                for folder, _, _ in os.walk(group, topdown=False):
                    try:
                        os.rmdir(folder)
                    except OSError:
                        pass


def _needs_root():
    if not rig.came_as_root():
        rig.skip("the engine needs root")


class Docker:
    """A dockerd whose host is @net."""

    def __init__(self, net):
        rig.need("dockerd", "docker", "containerd", "runc", "iptables")
        _needs_root()
        private_state()
        self.net = net
        self.folder = rig.workdir() / "docker"
        self.folder.mkdir()
        rig._cleanups.callback(unmount_below, self.folder)
        self.group = f"rn-docker-{os.path.basename(rig.workdir())}"
        self.socket = self.folder / "docker.sock"
        rig._cleanups.callback(clean_cgroups, self.group)
        self.process = net.start([
            "dockerd", "--data-root", self.folder / "data", "--exec-root", self.folder / "exec",
            "-p", self.folder / "pid", "-H", f"unix://{self.socket}", "--exec-opt", "native.cgroupdriver=cgroupfs",
            "--cgroup-parent", f"/{self.group}/docker", "--default-ulimit", f"nofile={NOFILE}"])
        rig.wait_until(lambda: self.process.poll() is not None or self.try_docker("version").status == 0,
                       "dockerd answers", seconds=40)
        if self.process.poll() is not None:
            rig.skip(f"dockerd does not run here: {self.process.log.read_text()[-200:]}")
        rig.run(["sh", "-c", f"tar -C {rootfs()} -c . | docker -H unix://{self.socket} import - bb:1"]).ok()

    def try_docker(self, *arguments):
        return rig.run(["docker", "-H", f"unix://{self.socket}", *arguments], seconds=60)

    def docker(self, *arguments):
        return self.try_docker(*arguments).ok().out.strip()

    def start(self, name, *arguments, command=("sleep", "900")):
        """Starts a container and returns its first process."""
        self.docker("run", "-d", "--init=false", "--name", name, *arguments, "bb:1", *command)
        return int(self.docker("inspect", "-f", "{{.State.Pid}}", name))

    def close(self):
        names = self.docker("ps", "-aq").split()
        if names:
            self.try_docker("rm", "-f", *names)
        rig.stop(self.process, 15)


class Podman:
    """podman whose host is @net; runc, since crun refuses hybrid control groups."""

    def __init__(self, net):
        rig.need("podman", "runc", "conmon")
        _needs_root()
        private_state()
        self.net = net
        self.folder = rig.workdir() / "podman"
        self.folder.mkdir()
        rig._cleanups.callback(unmount_below, self.folder)
        conf = self.folder / "containers.conf"
        conf.write_text(f"""[containers]
default_ulimits=["nofile={NOFILE}","nproc=4096:8192"]
[engine]
runtime="runc"
cgroup_manager="cgroupfs"
events_logger="file"
[network]
network_backend="netavark"
network_config_dir="{self.folder}/networks"
""")
        self.env = {**os.environ, "CONTAINERS_CONF": str(conf)}
        rig._cleanups.callback(clean_cgroups, "libpod_parent")
        rig.run(["sh", "-c", f"tar -C {rootfs()} -cf {self.folder}/image.tar ."]).ok()
        done = self.try_podman("import", self.folder / "image.tar", "localhost/bb:1")
        if done.status != 0:
            rig.skip(f"podman does not run here: {done.err[-200:]}")

    def _command(self, arguments):
        return ["podman", "--root", self.folder / "root", "--runroot", self.folder / "run",
                "--tmpdir", self.folder / "tmp", *arguments]

    def try_podman(self, *arguments):
        return self.net.run(self._command(arguments), env=self.env, seconds=60)

    def podman(self, *arguments):
        return self.try_podman(*arguments).ok().out.strip()

    def start(self, name, *arguments, command=("sleep", "900")):
        """Starts a container and returns its first process."""
        self.podman("run", "-d", "--name", name, *arguments, "localhost/bb:1", *command)
        return int(self.podman("inspect", "-f", "{{.State.Pid}}", name))

    def serve(self):
        """Its API by hand, as `podman system service` does. Returns the process."""
        service = self.net.start(self._command(["system", "service", "--time=0", f"unix://{self.folder}/podman.sock"]),
                                 env=self.env)
        rig.wait_until((self.folder / "podman.sock").exists, "podman serves")
        return service

    def close(self):
        self.try_podman("pod", "rm", "-af", "-t", "0")
        self.try_podman("rm", "-af", "-t", "0")


class Containerd:
    """containerd with its own state; containers by ctr, in the networks that they are given."""

    def __init__(self, net):
        rig.need("containerd", "ctr", "runc")
        _needs_root()
        private_state()
        self.folder = rig.workdir() / "containerd"
        self.folder.mkdir()
        rig._cleanups.callback(unmount_below, self.folder)
        self.socket = self.folder / "containerd.sock"
        conf = self.folder / "config.toml"
        conf.write_text('version = 2\ndisabled_plugins = ["io.containerd.grpc.v1.cri"]\n')
        self.process = net.start(["containerd", "-c", conf, "--root", self.folder / "root",
                                  "--state", self.folder / "state", "--address", self.socket])
        rig._cleanups.callback(clean_cgroups, "default", "work")
        rig.wait_until(lambda: self.process.poll() is not None or self.try_ctr("version").status == 0,
                       "containerd answers", seconds=20)
        if self.process.poll() is not None:
            rig.skip(f"containerd does not run here: {self.process.log.read_text()[-200:]}")

    def try_ctr(self, *arguments, namespace="default"):
        return rig.run(["ctr", "-a", self.socket, "-n", namespace, *arguments], seconds=60)

    def start(self, name, *arguments, namespace="default", command=("/bin/sleep", "900")):
        """Starts a container of the folder rootfs() and returns its first process."""
        self.try_ctr("run", "-d", *arguments, "--rootfs", rootfs(), name, *command, namespace=namespace).ok()
        for line in self.try_ctr("task", "ls", namespace=namespace).ok().out.splitlines():
            if line.split()[0] == name:
                return int(line.split()[1])
        raise AssertionError(f"no task {name}")

    def close(self):
        for namespace in ("default", "work"):
            for line in self.try_ctr("task", "ls", "-q", namespace=namespace).out.split():
                self.try_ctr("task", "kill", "-s", "KILL", line, namespace=namespace)
        rig.stop(self.process)
