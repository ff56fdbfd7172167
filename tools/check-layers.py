#!/usr/bin/env python3
"""Every #include "folder/file.h" obeys the table of layers below (the picture is in CONTRIBUTING.md).

usage: check-layers.py [--root DIR]

A file may include headers of its own folder, of the folders its row names, and <runnel/...>.
"""
import argparse
import pathlib
import re
import sys

CORE = "base wire dev stack ip sock tcp filter save"
MAY_INCLUDE = {  # who: whom, lower levels only
    "base":      "",
    "wire":      "base",
    "dev":       "base wire",
    "stack":     "base wire dev",
    "ip":        "base wire dev stack",
    "sock":      "base wire dev stack ip",
    "tcp":       "base wire dev stack ip sock",
    "filter":    "base wire dev stack ip",
    "save":      "base wire dev stack ip sock tcp filter",
    "io":        CORE,
    "host":      CORE,
    "outnet":    CORE + " io host",
    "sysnet":    CORE + " io host outnet",
    "discovery": CORE + " io host outnet",
    "cli":       CORE + " io host outnet sysnet discovery",
}
# A test may look at every layer its program is linked with; that is how a stack is driven through a pipe.
TESTS_MAY_INCLUDE = CORE + " io"
# Core files see no libc header but these, so that nothing that could block is even declared (DESIGN: sans-I/O).
CORE_SYSTEM_HEADERS = {"stdatomic.h", "stdbool.h", "stddef.h", "stdint.h", "stdalign.h", "stdarg.h", "string.h",
                       "limits.h", "errno.h", "immintrin.h", "cpuid.h"}

ROOT = pathlib.Path(__file__).resolve().parent.parent
INCLUDE = re.compile(r'^\s*#\s*include\s*(?:"([^"]+)"|<([^>]+)>)')
CONDITIONAL = re.compile(r"^\s*#\s*(if|ifdef|ifndef|elif)\b")
MAY_BE_CONDITIONAL = {"include/runnel/attr.h", "src/base/checksum.c"}


def allowed_folders(folder, is_test):
    allowed = set(MAY_INCLUDE[folder].split()) | {folder}
    return allowed | set(TESTS_MAY_INCLUDE.split()) if is_test else allowed


def check_include(folder, is_test, quoted, angled):
    """The complaint about one include, or None."""
    if quoted:
        target = quoted.split("/")[0]
        if is_test and "/" not in quoted and (ROOT / "tests/support" / quoted).exists():
            return None
        if "/" not in quoted or target not in MAY_INCLUDE:
            return f'"{quoted}": project headers are included as "folder/file.h"'
        if target not in allowed_folders(folder, is_test):
            return f"{folder}/ may not know {target}/ ({quoted})"
    elif folder in CORE.split() and not is_test:
        if not angled.startswith("runnel/") and angled not in CORE_SYSTEM_HEADERS:
            return f"<{angled}> is not for the core"
    return None


def check_source(path, root):
    name = str(path.relative_to(root))
    folder = path.relative_to(root / "src").parts[0]
    if folder not in MAY_INCLUDE:
        return [f"{name}: folder {folder}/ has no row in tools/check-layers.py"]
    is_test = path.stem.endswith("_test")
    complaints = []
    for number, line in enumerate(path.read_text().splitlines(), 1):
        found = INCLUDE.match(line)
        complaint = check_include(folder, is_test, *found.groups()) if found else None
        if CONDITIONAL.match(line) and not is_test and name not in MAY_BE_CONDITIONAL:
            complaint = "#if is for attr.h and checksum.c only; choose a file in meson or an option at run time"
        if complaint:
            complaints.append(f"{name}:{number}: {complaint}")
    return complaints


def check_public_header(path, root):
    """Public headers stand alone: no internal header, nothing of the platform."""
    allowed = {"stdbool.h", "stddef.h", "stdint.h", "errno.h"}
    complaints = []
    for number, line in enumerate(path.read_text().splitlines(), 1):
        found = INCLUDE.match(line)
        if found and (found[1] or not (found[2].startswith("runnel/") or found[2] in allowed)):
            complaints.append(f"{path.relative_to(root)}:{number}: {line.strip()} in a public header")
    return complaints


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--root", type=pathlib.Path, default=ROOT)
    root = options.parse_args().root
    complaints, count = [], 0
    for path in sorted(root.glob("src/*/**/*.[ch]")):
        complaints += check_source(path, root)
        count += 1
    for path in sorted(root.glob("include/runnel/*.h")):
        complaints += check_public_header(path, root)
        count += 1
    print("\n".join(complaints + [f"{count} files, {len(complaints)} against the layers"]))
    return 1 if complaints or not count else 0


if __name__ == "__main__":
    sys.exit(main())
