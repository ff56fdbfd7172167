#!/usr/bin/env python3
"""Runs the tests of one build and counts what they really tested.

usage: run-tests.py [--suite NAME]... [--title TEXT] [--patience N] [--list] BUILD

A program of meson's is many tests: those of cmocka and those in TAP are counted one by one. Every skip is told
with its reason. The last line is "N passed, N failed, N skipped"; exit 0 only if none failed and some passed.
"""
import argparse
import collections
import json
import pathlib
import re
import subprocess
import sys

SKIP_EXIT = 77
TAP = re.compile(r"^(ok|not ok)\b\s*(\d+)?\s*-?\s*([^#]*?)\s*(?:#\s*(SKIP|TODO)\b\s*(.*))?$", re.M | re.I)  # words: allowed
TAP_PLAN = re.compile(r"^1\.\.(\d+)(?:\s*#\s*skip\b\s*(.*))?$", re.M | re.I)
CMOCKA_RUN = re.compile(r"^\[==========\].*Running (\d+) test", re.M)
CMOCKA = re.compile(r"^\[\s*(OK|FAILED|SKIPPED|ERROR)\s*\] (\S+)\s*$", re.M)

Result = collections.namedtuple("Result", "name verdict reason")
VERDICT_OF_CMOCKA = {"OK": "passed", "FAILED": "failed", "ERROR": "failed", "SKIPPED": "skipped"}


def results_of_tap(program, text):
    plan = TAP_PLAN.search(text)
    if plan and plan[2] is not None:
        return [Result(program, "skipped", plan[2] or "no reason given")]
    results = []
    for verdict, _, title, directive, reason in TAP.findall(text):
        skipped = directive.upper() == "SKIP"
        said = "skipped" if skipped else "passed" if verdict == "ok" else "failed"
        results.append(Result(f"{program}: {title}", said, reason or ("no reason given" if skipped else "")))
    if plan and len(results) < int(plan[1]):
        results.append(Result(program, "failed", f"ended after {len(results)} of {plan[1]} tests"))
    return results


def results_of_cmocka(program, text):
    """Failures are printed twice, and a test may be named in a fixture's error: the worst word counts."""
    verdicts = {}
    for word, test in CMOCKA.findall(text):
        verdict = VERDICT_OF_CMOCKA[word]
        if verdicts.get(test) != "failed":
            verdicts[test] = verdict
    planned = sum(int(n) for n in CMOCKA_RUN.findall(text))
    results = [Result(f"{program}: {test}", verdict, "skipped by the test" if verdict == "skipped" else "")
               for test, verdict in verdicts.items()]
    if len(results) < planned:
        results.append(Result(program, "failed", f"ended after {len(results)} of {planned} tests"))
    return results


def last_line(text):
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "no reason given"


def results_of_program(record):
    """What one program of meson's log tested: a list of Result."""
    program, code = record["name"], record.get("returncode", 0)
    out, err = record.get("stdout") or "", record.get("stderr") or ""
    if record["result"] == "SKIP" and code == SKIP_EXIT:
        return [Result(program, "skipped", last_line(out + err))]
    if TAP_PLAN.search(out):
        results = results_of_tap(program, out)
    elif CMOCKA_RUN.search(out + err):
        results = results_of_cmocka(program, out + "\n" + err)
    else:
        results = []
    if record["result"] == "EXPECTEDFAIL":
        return [Result(program, "passed", "")]  # what it says of itself is the point
    if record["result"] in ("OK", "SKIP"):
        return results or [Result(program, "passed", "")]
    if not any(r.verdict == "failed" for r in results):
        how = "ran out of time" if record["result"] == "TIMEOUT" else f"exit status {code}"
        results.append(Result(program, "failed", how))
    return results


def run_meson(build, suites, patience):
    """Runs the tests; returns the records of meson's log, empty if nothing ran."""
    log = pathlib.Path(build, "meson-logs", "testlog.json")
    log.unlink(missing_ok=True)
    command = ["meson", "test", "-C", build, "--no-rebuild", "--quiet",
               "--timeout-multiplier", str(patience)]
    for suite in suites:
        command += ["--suite", suite]
    ran = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                         text=True, errors="replace")
    if not log.exists():
        print(ran.stdout)
        return []
    return [json.loads(line) for line in log.read_text(errors="replace").splitlines()]


def print_failures(records, results):
    for record in records:
        if not any(r.verdict == "failed" for r in results_of_program(record)):
            continue
        output = ((record.get("stdout") or "") + (record.get("stderr") or "")).splitlines()
        print(f"\n---- {record['name']}, its last lines:")
        print("\n".join("    " + line for line in output[-60:]))
    for result in results:
        if result.verdict == "failed":
            print(f"FAILED   {result.name}" + (f" ({result.reason})" if result.reason else ""))


def print_skips(results):
    by_reason = collections.defaultdict(list)
    for result in results:
        if result.verdict == "skipped":
            by_reason[result.reason].append(result.name)
    for reason, names in by_reason.items():
        print(f"SKIPPED  {reason}: {', '.join(names)}")


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("build")
    options.add_argument("--suite", action="append", default=[], help="only these suites of meson's")
    options.add_argument("--title", default="", help="a word before the last line")
    options.add_argument("--patience", type=int, default=1, metavar="N", help="N times the time limits")
    options.add_argument("--list", action="store_true", help="name every test, also those that passed")
    chosen = options.parse_args()

    records = run_meson(chosen.build, chosen.suite, chosen.patience)
    results = [result for record in records for result in results_of_program(record)]
    if chosen.list:
        for result in results:
            print(f"{result.verdict:8} {result.name}")
    print_failures(records, results)
    print_skips(results)
    count = collections.Counter(r.verdict for r in results)
    seconds = sum(r.get("duration") or 0 for r in records)
    print(f"{len(records)} programs, {seconds:.0f} s of tests")
    title = f"{chosen.title}: " if chosen.title else ""
    print(f"{title}{count['passed']} passed, {count['failed']} failed, {count['skipped']} skipped")
    return 0 if count["passed"] and not count["failed"] else 1


if __name__ == "__main__":
    sys.exit(main())
