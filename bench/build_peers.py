"""Builds the peers' programs of bench/peers/ from the system's packages. What cannot be built has a reason instead."""
import os
import pathlib
import shutil
import subprocess

HERE = pathlib.Path(__file__).resolve().parent / "peers"
LWIP_HEADERS = "/usr/include/lwip"
RUST_SOURCES = "/usr/share/cargo/registry"
SMOLTCP_CRATES = ("smoltcp", "managed", "heapless")
GO_SOURCES = "/usr/share/gocode"  # where Debian's -dev packages of Go put what they hold


class NotBuilt(Exception):
    """The text says why."""


def _sources(folder):
    return [path for path in sorted(folder.rglob("*")) if path.suffix in (".c", ".h", ".go", ".rs")]


def _is_newer(program, sources):
    return program.exists() and all(program.stat().st_mtime >= path.stat().st_mtime for path in sources)


def _run(command, log, **options):
    with log.open("w") as output:
        ran = subprocess.run(command, stdout=output, stderr=output, stdin=subprocess.DEVNULL, **options)
    if ran.returncode != 0:
        said = [line for line in log.read_text().splitlines() if "error" in line.lower()]
        raise NotBuilt(f"does not build here: {said[0].strip() if said else command[0]} (see {log.name})")


def build_lwip(into):
    program, source = into / "own_lwip", HERE / "own_lwip.c"
    if not os.path.isdir(LWIP_HEADERS):
        raise NotBuilt("liblwip-dev is not installed")
    load = HERE.parent / "load"
    if not _is_newer(program, [source, *_sources(load)]):
        _run(["cc", "-O2", "-D_GNU_SOURCE", f"-I{load}", f"-I{LWIP_HEADERS}", str(source), str(load / "common.c"),
              "-o", str(program), "-llwip"], into / "lwip.log")
    return program


def build_gvisor(into):
    program, folder = into / "gvisor", HERE / "gvisor"
    if not shutil.which("go"):
        raise NotBuilt("golang-go is not installed")
    if not os.path.isdir(f"{GO_SOURCES}/src/gvisor.dev/gvisor/pkg/tcpip"):
        raise NotBuilt("golang-gvisor-gvisor-dev is not installed")
    if not _is_newer(program, _sources(folder)):
        env = {**os.environ, "GO111MODULE": "off", "GOPATH": GO_SOURCES, "GOCACHE": str(into / "go-cache")}
        _run(["go", "build", "-o", str(program), "."], into / "gvisor.log", cwd=folder, env=env)
    return program


def debian_version(package):
    """Of an installed package; empty if there is none."""
    asked = subprocess.run(["dpkg-query", "-W", "-f=${Version}", package], capture_output=True, text=True)
    return asked.stdout.strip() if asked.returncode == 0 else ""


def build_smoltcp(into):
    """Not among Debian 12's packages, nor fetched by us: RN_SMOLTCP names a directory with its crates, if somebody has them.
    What these depend on is taken from the system's packages of Rust's libraries."""
    program, crates = into / "smoltcp/target/release/peer-smoltcp", os.environ.get("RN_SMOLTCP")
    if not crates:
        raise NotBuilt("Debian 12 does not package it; RN_SMOLTCP may name a directory with the crates "
                       + ", ".join(SMOLTCP_CRATES))
    if not shutil.which("cargo"):
        raise NotBuilt("cargo is not installed")
    sources = _sources(HERE / "smoltcp")
    if not _is_newer(program, sources):
        # A copy, since cargo writes beside what it builds.
        shutil.copytree(HERE / "smoltcp", into / "smoltcp", dirs_exist_ok=True)
        settings = ['source.crates-io.replace-with="system"', f'source.system.directory="{RUST_SOURCES}"',
                    *(f'patch.crates-io.{name}.path="{crates}/{name}"' for name in SMOLTCP_CRATES)]
        _run(["cargo", "build", "--release", "--offline", *(word for text in settings for word in ("--config", text))],
             into / "smoltcp.log", cwd=into / "smoltcp")
    return program


BUILDERS = {"lwip": build_lwip, "gvisor": build_gvisor, "smoltcp": build_smoltcp}


def build(names, into):
    """name -> path of its program, or the NotBuilt that says why there is none."""
    into = pathlib.Path(into)
    into.mkdir(parents=True, exist_ok=True)
    programs = {}
    for name in names:
        try:
            programs[name] = BUILDERS[name](into)
        except NotBuilt as reason:
            programs[name] = reason
    return programs
