#!/usr/bin/env python3
"""clang-tidy and cppcheck over the sources. What did not change since it was found clean is not looked at again.

Tests are left out: they run under the sanitizers, which know what an analyzer can only suspect.

usage: lint.py BUILD [FILE...]       BUILD: a build directory made by clang
"""
import concurrent.futures
import hashlib
import json
import os
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
INCLUDE = re.compile(r'^\s*#\s*include\s*["<]((?:\w+/)?[\w.]+)[">]', re.M)
SEARCHED = [ROOT / "src", ROOT / "include", ROOT / "tests/support"]


def find_header(name):
    return next((folder / name for folder in SEARCHED if (folder / name).is_file()), None)


def closure(path, seen):
    """Adds the file and all project headers it reaches to @seen."""
    if path not in seen:
        seen.add(path)
        for name in INCLUDE.findall(path.read_text()):
            header = find_header(name)
            if header:
                closure(header, seen)
    return seen


def fingerprint(path, command):
    """What the verdict on a file depends on."""
    digest = hashlib.sha256(command.encode() + (ROOT / ".clang-tidy").read_bytes())
    for part in sorted(closure(path, set())):
        digest.update(part.read_bytes())
    return digest.hexdigest()


def tidy(build, path, command, cache):
    """None if the file is clean, else what clang-tidy says."""
    stamp = cache / fingerprint(path, command)
    if stamp.exists():
        return None
    ran = subprocess.run(["clang-tidy", "-p", build, "--quiet", path], capture_output=True, text=True)
    if ran.returncode == 0:
        stamp.touch()
        return None
    return ran.stdout + (ran.stderr if "error" in ran.stderr else "")


def is_test(path):
    return path.stem.endswith("_test") or (ROOT / "tests") in path.parents


def tidy_all(build, chosen):
    """Returns (files looked at, what was said)."""
    cache = pathlib.Path(build, "lint")
    cache.mkdir(exist_ok=True)
    commands = {}
    for entry in json.loads(pathlib.Path(build, "compile_commands.json").read_text()):
        path = pathlib.Path(entry["directory"], entry["file"]).resolve()
        commands.setdefault(path, entry["command"])
    paths = sorted(p for p in commands if p in chosen or not chosen and not is_test(p))
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        said = list(pool.map(lambda p: tidy(build, p, commands[p], cache), paths))
    return len(paths), [text for text in said if text]


def cppcheck(build):
    folder = pathlib.Path(build, "cppcheck")
    folder.mkdir(exist_ok=True)
    ran = subprocess.run(
        ["cppcheck", "--enable=warning,performance,portability", "--std=c11", "--inline-suppr", "--quiet",
         "--error-exitcode=1", f"--suppressions-list={ROOT}/tools/cppcheck.suppress", f"--cppcheck-build-dir={folder}",
         f"-j{os.cpu_count()}", f"-I{ROOT}/include", f"-I{ROOT}/src", f"{ROOT}/src"], capture_output=True, text=True)
    return ran.stderr if ran.returncode else ""


def main():
    build, *chosen = sys.argv[1:]
    count, said = tidy_all(build, {pathlib.Path(name).resolve() for name in chosen})
    print("".join(said), end="")
    from_cppcheck = "" if chosen else cppcheck(build)
    print(from_cppcheck, end="")
    print(f"clang-tidy: {count} files, {len(said)} with findings; cppcheck: {from_cppcheck.count('[')} findings")
    return 1 if said or from_cppcheck else 0


if __name__ == "__main__":
    sys.exit(main())
