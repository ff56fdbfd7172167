#!/usr/bin/env python3
"""Tells of records: tables, ratios, and whether what was asked holds. Of several it makes one, in which each has rounds of
its own: a long run may be taken in parts, and one that was cut off loses nothing.

usage: report.py RECORD.json... [--json FILE]
"""
import argparse
import json
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "tests" / "netns"))

import results  # noqa: E402
import verdicts  # noqa: E402


def conclude(record):
    """Prints what a record shows, and adds to it what follows from its results."""
    found = record["results"]
    for key, rows in results.cases_of(found).items():
        results.print_case(key, rows)
    record["ratios"] = results.ratio_rows(found)
    results.print_ratios(record["ratios"])
    record["verdicts"] = verdicts.verdict_rows(found)
    verdicts.print_verdicts(record["verdicts"])


def save(record, path):
    """All of it or what was there before, never a part."""
    rows = [{name: value for name, value in row.items() if name != "number"} for row in record["results"]]
    beside = pathlib.Path(f"{path}.new")
    beside.write_text(json.dumps({**record, "results": rows}, indent=1) + "\n")
    beside.replace(path)


def _case_of(row):
    return row["measure"], row["kind"], row["case"], row["mtu"]


def join(records):
    """One record of several. Rounds are counted on; the rest is the first's."""
    numbers, found, before = {}, [], 0
    for record in records:
        for row in record["results"]:
            number = numbers.setdefault(_case_of(row), len(numbers))
            found.append({**row, "round": before + row["round"], "number": number})
        before = max([before, *(row["round"] for row in found)])
    return {**records[0], "rounds": before, "results": found}


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("records", nargs="+", metavar="RECORD.json")
    options.add_argument("--json", default="", help="where the joint record goes")
    chosen = options.parse_args()
    record = join([json.loads(pathlib.Path(path).read_text()) for path in chosen.records])
    conclude(record)
    if chosen.json:
        save(record, chosen.json)


if __name__ == "__main__":
    main()
