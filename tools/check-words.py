#!/usr/bin/env python3
"""What must not stand in the repository: paths of one person's machine, promises for later, foreign comments.

usage: check-words.py [--root DIR]
"""
import argparse
import pathlib
import re
import subprocess
import sys

HOUSE = re.compile("/(" + "work|root|home" + r")/[a-z]")  # a path that exists on one machine only
LATER = re.compile(r"\b(TO" + "DO|FIX" + "ME|XX" + "X)\\b")  # finish it, or open an issue
SLASHES = re.compile(r"(^|[\s;{}])//")
LIBC_PRINT = re.compile(r"\b(sprintf|vsprintf|strcpy|strcat|atoi|atol|gets|alloca)\s*\(")
SCANF_TEXT = re.compile(r'\bs?f?scanf\s*\(.*%[lhjz]*[s\[]')  # numbers of /proc are fine, text without a width is not
TABS = re.compile(r"\t")
STRING_OR_COMMENT = re.compile(r'"(?:\\.|[^"\\])*"|/\*.*?\*/')

ALL_TEXT = [(HOUSE, "a path of one machine"), (LATER, "a promise for later")]
C_ONLY = [(SLASHES, "comments are /* */"), (LIBC_PRINT, "unbounded libc function"), (TABS, "tab")]
C_SUFFIXES = {".c", ".h", ".def"}
BINARY_SUFFIXES = {".png", ".pcap", ".pcapng", ".bin", ".ico", ".woff2", ".gz"}
# Built from elsewhere, or data that only looks like text.
SKIPPED = ("web/dist/", "tests/fuzz/corpus/", "LICENSE")
# XX in the state tables is a name (DESIGN 2.4); a line of the /proc format or of a man page may need such a path.
EXCUSED = re.compile(r"words: allowed")


def tracked_files(root):
    if (root / ".git").exists():
        listed = subprocess.run(["git", "-C", root, "ls-files", "-co", "--exclude-standard"], capture_output=True,
                                text=True)
        if listed.returncode == 0:
            return [root / name for name in listed.stdout.splitlines()]
    return [p for p in root.rglob("*") if p.is_file() and "build" not in p.relative_to(root).parts[0]]


def check_line(line, is_c):
    if EXCUSED.search(line):
        return None
    for pattern, why in ALL_TEXT:
        if pattern.search(line):
            return why
    if is_c and SCANF_TEXT.search(line):
        return "scanf of text without a width"
    code = STRING_OR_COMMENT.sub('""', line) if is_c else ""
    for pattern, why in C_ONLY if is_c else []:
        if pattern.search(code):
            return why
    return None


def check_file(path, root):
    name = str(path.relative_to(root))
    if name.startswith(SKIPPED) or path.suffix in BINARY_SUFFIXES or not path.is_file():
        return []
    try:
        lines = path.read_text().splitlines()
    except UnicodeDecodeError:
        return []
    is_c = path.suffix in C_SUFFIXES
    found = ((number, check_line(line, is_c)) for number, line in enumerate(lines, 1))
    return [f"{name}:{number}: {why}" for number, why in found if why]


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--root", type=pathlib.Path, default=pathlib.Path(__file__).resolve().parent.parent)
    root = options.parse_args().root
    files = tracked_files(root)
    complaints = [c for path in sorted(files) for c in check_file(path, root)]
    print("\n".join(complaints + [f"{len(files)} files, {len(complaints)} forbidden words"]))
    return 1 if complaints or not files else 0


if __name__ == "__main__":
    sys.exit(main())
