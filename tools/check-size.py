#!/usr/bin/env python3
"""Files, headers and functions stay small enough to be read in one sitting.

usage: check-size.py [--root DIR]

file <= 800 lines (a test <= 1200), header <= 400, function <= 70 (told) and <= 100 (fails).
"""
import argparse
import pathlib
import re
import sys

MAX_FILE = 800
MAX_TEST_FILE = 1200
MAX_HEADER = 400
FUNCTION_TOLD = 70
FUNCTION_MAX = 100

# clang-format puts the brace of a function, and of nothing else but a function, alone in column 0.
NAME = re.compile(r"(\w+)\(")


def functions(lines):
    """Yields (name, first line number, number of lines) of each function body."""
    start, name = None, "?"
    for number, line in enumerate(lines, 1):
        if line and (line[0].isalpha() or line[0] == "_") and NAME.search(line):
            name = NAME.search(line)[1]
        if line == "{":
            start = number
        elif line == "}" and start:
            yield name, start, number - start + 1
            start = None


def limit_of(path, root):
    if path.suffix == ".h":
        # a fixture of tests is code that happens to be included
        return MAX_FILE if path.relative_to(root).parts[0] == "tests" else MAX_HEADER
    return MAX_TEST_FILE if path.stem.endswith("_test") else MAX_FILE


def check_file(path, root):
    """Returns (failures, remarks) about one file."""
    name = path.relative_to(root)
    lines = path.read_text().splitlines()
    failures, remarks = [], []
    if len(lines) > limit_of(path, root):
        failures.append(f"{name}: {len(lines)} lines, at most {limit_of(path, root)}")
    for function, start, length in functions(lines):
        text = f"{name}:{start}: {function}() has {length} lines"
        if length > FUNCTION_MAX:
            failures.append(f"{text}, at most {FUNCTION_MAX}")
        elif length > FUNCTION_TOLD:
            remarks.append(f"{text}, better at most {FUNCTION_TOLD}")
    return failures, remarks


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--root", type=pathlib.Path, default=pathlib.Path(__file__).resolve().parent.parent)
    root = options.parse_args().root
    failures, remarks, count = [], [], 0
    for pattern in ("src/**/*.[ch]", "include/**/*.h", "tests/**/*.[ch]", "examples/**/*.[ch]", "bench/**/*.[ch]"):
        for path in sorted(root.glob(pattern)):
            failed, remarked = check_file(path, root)
            failures, remarks, count = failures + failed, remarks + remarked, count + 1
    print("\n".join(remarks + failures + [f"{count} files, {len(remarks)} long functions, {len(failures)} too large"]))
    return 1 if failures or not count else 0


if __name__ == "__main__":
    sys.exit(main())
