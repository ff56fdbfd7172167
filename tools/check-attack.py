#!/usr/bin/env python3
"""Each row of the attack list has a test that runs.

The rows are those of tests/attack/README.md: a table whose first cell names the row and whose second the input. For
each row tests/attack must hold at least one test_ROW_..., registered with cmocka; and no test may name a row that the
table does not have.

usage: check-attack.py [--root DIR]
"""
import argparse
import pathlib
import re
import sys

ROW = re.compile(r"^\| ([A-Z]\d\d) \|", re.M)
TEST = re.compile(r"static void (test_([A-Z]\d\d)_\w+)\(")


def problems(root):
    folder = root / "tests/attack"
    rows = ROW.findall((folder / "README.md").read_text())
    tested = set()
    for row in sorted({r for r in rows if rows.count(r) > 1}):
        yield f"README.md: row {row} stands twice"
    for path in sorted(folder.glob("*.c")):
        text = path.read_text()
        for name, row in TEST.findall(text):
            if not re.search(rf"cmocka_unit_test\(\s*{name}\)", text):
                yield f"{path.name}: {name} is never run"
            elif row not in rows:
                yield f"{path.name}: {name} is of a row that README.md does not have"
            else:
                tested.add(row)
    for row in rows:
        if row not in tested:
            yield f"README.md: row {row} has no test"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=pathlib.Path, default=pathlib.Path(__file__).resolve().parent.parent)
    found = list(problems(parser.parse_args().root))
    print("\n".join(found) if found else "each row has a test")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
