#!/usr/bin/env python3
"""A checker that cannot fail checks nothing: each is shown a good tree and several bad ones.

usage: selftest.py            prints TAP
"""
import functools
import importlib.util
import pathlib
import shutil
import subprocess
import sys
import tempfile

SKIP_EXIT = 77
ROOT = pathlib.Path(__file__).resolve().parent.parent
TOOLS = ROOT / "tools"
GOOD = "#pragma once\n#include <stdint.h>\nint rn_good(int a);\n"
ROWS = "| B01 | x |\n"
ROW_TESTS = "static void test_B01_x(void **state)\ncmocka_unit_test(test_B01_x)\n"
LONG_FUNCTION = "int f(void)\n{\n" + "    ;\n" * 100 + "}\n"
LINE_COMMENT = "int x; /" + "/ old style\n"
LATER = "/* TO" + "DO later */\n"
MACHINE_PATH = "see /wo" + "rk/somewhere\n"

# what is shown, to whom, its files, the words of the complaint (none: it must pass)
CASES = [
    ("layers: lower is seen", "layers", {"src/base/a.h": GOOD, "src/wire/b.c": '#include "base/a.h"\n'}, None),
    ("layers: upward", "layers", {"src/base/a.c": '#include "wire/b.h"\n'}, "base/ may not know wire/"),
    ("layers: host and io are strangers", "layers", {"src/host/a.c": '#include "io/b.h"\n'}, "may not know io/"),
    ("layers: tcp is above ip", "layers", {"src/ip/a.c": '#  include "tcp/b.h"\n'}, "ip/ may not know tcp/"),
    ("layers: a test may join layers", "layers", {"src/ip/a_test.c": '#include "sock/b.h"\n'}, None),
    ("layers: no folder", "layers", {"src/base/a.c": '#include "b.h"\n'}, "folder/file.h"),
    ("layers: libc in the core", "layers", {"src/tcp/a.c": "#include <stdio.h>\n"}, "not for the core"),
    ("layers: libc above the core", "layers", {"src/io/a.c": "#include <stdio.h>\n"}, None),
    ("layers: unknown folder", "layers", {"src/misc/a.c": "int x;\n"}, "has no row"),
    ("layers: conditional code", "layers", {"src/io/a.c": "#ifdef __linux__\n#endif\n"}, "#if is for"),
    ("layers: platform in a public header", "layers", {"include/runnel/a.h": "#include <linux/tcp.h>\n"},
     "in a public header"),
    ("layers: nothing to check", "layers", {"README": "\n"}, "0 files"),
    ("size: small", "size", {"src/base/a.c": "int f(void)\n{\n}\n"}, None),
    ("size: file", "size", {"src/base/a.c": "\n" * 801}, "at most 800"),
    ("size: test file", "size", {"src/base/a_test.c": "\n" * 1201}, "at most 1200"),
    ("size: test file has more room", "size", {"src/base/a_test.c": "\n" * 801}, None),
    ("size: header", "size", {"src/base/a.h": "\n" * 401}, "at most 400"),
    ("size: a fixture has more room", "size", {"tests/support/a.h": "\n" * 401}, None),
    ("size: function", "size", {"src/base/a.c": LONG_FUNCTION}, "f() has 102 lines"),
    ("words: clean", "words", {"a.c": '/* http://example.org */\nchar *u = "a//b";\n'}, None),
    ("words: line comment", "words", {"a.c": LINE_COMMENT}, "comments are"),
    ("words: later", "words", {"a.c": LATER}, "promise for later"),
    ("words: machine", "words", {"README.md": MACHINE_PATH}, "path of one machine"),
    ("words: libc", "words", {"a.c": "    strcpy(a, b);\n"}, "unbounded"),
    ("words: scanf of text", "words", {"a.c": '    sscanf(line, "%u %s", &n, text);\n'}, "without a width"),
    ("words: scanf of numbers", "words", {"a.c": '    sscanf(line, "%u %*s %lu", &n, &m);\n'}, None),
    ("attack: each row has a test", "attack", {"tests/attack/README.md": ROWS, "tests/attack/a.c": ROW_TESTS}, None),
    ("attack: a row without", "attack", {"tests/attack/README.md": ROWS + "| B02 | y |\n",
                                         "tests/attack/a.c": ROW_TESTS}, "row B02 has no test"),
    ("attack: a test that is not run", "attack",
     {"tests/attack/README.md": ROWS, "tests/attack/a.c": ROW_TESTS.split("cmocka")[0]}, "is never run"),
    ("attack: a test of no row", "attack", {"tests/attack/README.md": "\n", "tests/attack/a.c": ROW_TESTS},
     "does not have"),
    ("headers: alone", "headers", {"src/base/a.h": GOOD}, None),
    ("headers: needs another", "headers", {"src/base/a.h": "#pragma once\nuint8_t f(void);\n"}, "compile alone"),
    ("headers: not twice", "headers", {"src/base/a.h": "struct a {\n    int b;\n};\n"}, "compile alone"),
    ("format: as the formatter writes it", "format", {"src/a.c": "int a;\n", ".clang-format": "IndentWidth: 4\n"}, None),
    ("format: by hand", "format", {"src/a.c": "int  a ;\n", ".clang-format": "IndentWidth: 4\n"}, "src/a.c"),
    ("core: pure", "core", {"src/base/a.c": "int f(int a);\nint f(int a)\n{\n    return a;\n}\n"}, None),
    ("core: const tables of pointers", "core",
     {"src/base/a.c": "int f(void);\nint f(void)\n{\n    return 1;\n}\nint (*const t[])(void);\n"
                      "int (*const t[])(void) = { f };\n"}, None),
    ("core: a system call", "core",
     {"src/base/a.c": "int getpid(void);\nint f(void);\nint f(void)\n{\n    return getpid();\n}\n"}, "calls getpid"),
    ("core: a global", "core", {"src/base/a.c": "int counter = 1;\n"}, "state of its own"),
    ("core: a static", "core",
     {"src/base/a.c": "int f(void);\nint f(void)\n{\n    static int n;\n    return n++;\n}\n"}, "state of its own"),
]
HARDENED = "-O2 -fPIE -pie -fstack-protector-all -Wl,-z,relro,-z,now,-z,noexecstack"
PROGRAM = {"a.c": "int main(void)\n{\n    return 0;\n}\n"}
LIBRARY = {"a.c": "int other_f(void);\nint other_f(void)\n{\n    return 0;\n}\n"}
# linker flags, name of what is built, what must be found
BUILDS = [
    ("hardening: all", HARDENED, "a", PROGRAM, None),
    ("hardening: no PIE", HARDENED.replace("-fPIE -pie", "-no-pie"), "a", PROGRAM, "not position independent"),
    ("hardening: lazy", HARDENED.replace("z,now", "z,lazy"), "a", PROGRAM, "not bound at start"),
    ("hardening: no RELRO", HARDENED.replace("z,relro", "z,norelro"), "a", PROGRAM, "no RELRO"),
    ("hardening: stack", HARDENED.replace("noexecstack", "execstack"), "a", PROGRAM, "executable stack"),
    ("hardening: canary", HARDENED.replace("-fstack-protector-all", "-fno-stack-protector"), "a", PROGRAM,
     "no stack protector"),
    ("hardening: search path", HARDENED + " -Wl,-rpath,/opt", "a", PROGRAM, "search path"),
    ("hardening: foreign export", "-shared -fPIC -Wl,-z,relro,-z,now", "librunnel.so", LIBRARY, "exports other_f"),
    ("hardening: foreign library", "-shared -fPIC -Wl,-z,relro,-z,now,--no-as-needed -lm", "librunnel.so", LIBRARY,
     "needs libm"),
]
LOG = {"name": "p", "returncode": 0, "result": "OK", "stdout": "", "stderr": ""}
CMOCKA_OUT = ("[==========] Running 3 test(s).\n[ RUN      ] test_a\n[       OK ] test_a\n[ RUN      ] test_b\n"
              "[  SKIPPED ] test_b\n[ RUN      ] test_c\n[  FAILED  ] test_c\n[  FAILED  ] tests: 1 test(s)\n"
              "[  FAILED  ] test_c\n")
# a record of meson's log, and what it must count as: passed, failed, skipped
RECORDS = [
    ("runner: a plain program", {}, (1, 0, 0)),
    ("runner: exit status", {"result": "FAIL", "returncode": 3}, (0, 1, 0)),
    ("runner: out of time", {"result": "TIMEOUT", "returncode": -15}, (0, 1, 0)),
    ("runner: skipped program", {"result": "SKIP", "returncode": 77, "stdout": "no namespaces\n"}, (0, 0, 1)),
    ("runner: cmocka", {"result": "FAIL", "returncode": 1, "stdout": CMOCKA_OUT}, (1, 1, 1)),
    ("runner: cmocka that died", {"result": "FAIL", "returncode": -6, "stdout": CMOCKA_OUT[:70]}, (1, 1, 0)),
    ("runner: a leak found at exit", {"result": "FAIL", "returncode": 23, "stdout": "1..1\nok 1 - a\n"}, (1, 1, 0)),
    ("runner: TAP", {"stdout": "1..3\nok 1 - a\nnot ok 2 - b\nok 3 - c # SKIP no wget\n"}, (1, 1, 1)),
    ("runner: TAP that ended early", {"stdout": "1..2\nok 1 - a\n"}, (1, 1, 0)),
    ("runner: TAP, all skipped", {"result": "SKIP", "stdout": "1..0 # SKIP no namespaces\n"}, (0, 0, 1)),
]


def command_of(checker, root, files):
    if checker == "headers":
        return [TOOLS / "check-headers.sh", "cc", root]
    if checker == "format":
        return [TOOLS / "check-format.sh", root]
    if checker == "core":
        return [TOOLS / "check-core.sh", "cc", root, *files]
    return [TOOLS / f"check-{checker}.py", "--root", root]


def run_case(checker, files, complaint):
    """None if the checker said what it should, else what it said."""
    with tempfile.TemporaryDirectory() as root:
        for name, text in files.items():
            path = pathlib.Path(root, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        ran = subprocess.run(command_of(checker, root, files), capture_output=True, text=True)
    said = ran.stdout + ran.stderr
    failed = ran.returncode != 0
    if failed != (complaint is not None) or (complaint and complaint not in said):
        return f"exit {ran.returncode}: {said}"
    return None


def run_build(flags, name, files, complaint):
    with tempfile.TemporaryDirectory() as root:
        pathlib.Path(root, "a.c").write_text(files["a.c"])
        subprocess.run(["gcc", "-o", f"{root}/{name}", f"{root}/a.c", *flags.split()], check=True,
                       stderr=subprocess.DEVNULL)
        ran = subprocess.run([TOOLS / "check-hardening.sh", f"{root}/{name}"], capture_output=True, text=True)
    if (ran.returncode != 0) != (complaint is not None) or (complaint or "") not in ran.stdout:
        return f"exit {ran.returncode}: {ran.stdout}{ran.stderr}"
    return None


def run_record(changes, expected):
    spec = importlib.util.spec_from_file_location("run_tests", TOOLS / "run-tests.py")
    runner = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(runner)
    verdicts = [r.verdict for r in runner.results_of_program({**LOG, **changes})]
    counted = tuple(verdicts.count(v) for v in ("passed", "failed", "skipped"))
    return None if counted == expected else f"counted {counted}, expected {expected}"


def tests():
    """Yields (title, function that returns what is wrong)."""
    has_formatter = subprocess.run([TOOLS / "check-format.sh", ROOT], capture_output=True).returncode != SKIP_EXIT
    for title, checker, files, complaint in CASES:
        if checker == "format" and not has_formatter:
            continue
        yield title, functools.partial(run_case, checker, files, complaint)
    for title, flags, name, files, complaint in BUILDS if shutil.which("gcc") else []:
        yield title, functools.partial(run_build, flags, name, files, complaint)
    for title, changes, expected in RECORDS:
        yield title, functools.partial(run_record, changes, expected)


def main():
    all_tests = list(tests())
    print(f"1..{len(all_tests)}")
    bad = 0
    for number, (title, find_wrong) in enumerate(all_tests, 1):
        wrong = find_wrong()
        print(f"{'not ok' if wrong else 'ok'} {number} - {title}")
        if wrong:
            print("# " + wrong.replace("\n", "\n# "))
            bad += 1
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
