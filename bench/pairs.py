"""M6: who can join two of its stacks in one process, and how it is told to."""
import os

from networks import Bench
from peers import PAIR


class Pair:
    """A program that runs two stacks for some seconds and prints what it reached, as JSON."""
    kinds = (PAIR,)

    def __init__(self, name, program, command):
        self.name, self.program, self._command = name, program, command

    def missing(self):
        if isinstance(self.program, Exception):
            return str(self.program)
        return None if os.path.exists(self.program) else f"{os.path.basename(self.program)} is not built"

    def version(self):
        return ""

    def start(self, kind, mtu, tools):
        bench = Bench(list, "", lambda: [])
        bench.pair_command = lambda *case: self._command(self.program, *case)
        return bench


def _runnel(program, mtu, flows, mode, seconds):
    flags = {"copy": [], "zero-copy": ["--zero-copy"], "gso": ["--gso"], "connections": ["--connections"]}[mode]
    return [program, "--mtu", mtu, "--flows", flows, "--seconds", seconds, *flags]


def _copy_only(program, mtu, flows, mode, seconds):
    """Peers have an interface that copies and nothing else."""
    return [program, "pair", mtu, flows, seconds] if mode == "copy" else None


class NoPair(Exception):
    """Why a peer cannot do it."""


def all_pairs(build, programs):
    return [Pair("runnel", f"{build}/bench/two_stacks", _runnel),
            Pair("gvisor", programs["gvisor"], _copy_only),
            Pair("smoltcp", programs["smoltcp"], _copy_only),
            Pair("lwip", NoPair("has one stack in a process"), _copy_only)]
