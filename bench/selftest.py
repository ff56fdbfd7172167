#!/usr/bin/env python3
"""The arithmetic of the rig, on figures made up for it: ratios, quartiles, the record's schema, the picture.

usage: selftest.py            prints TAP; measures nothing
"""
import json
import pathlib
import sys
import xml.etree.ElementTree

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "tests" / "netns"))

import chart  # noqa: E402
import measures  # noqa: E402
import results  # noqa: E402
import verdicts  # noqa: E402


def row(peer, number, **figures):
    return {"measure": "m1", "kind": "relay", "case": "up1", "mtu": 1500, "peer": peer, "round": number, "number": 0,
            "figures": ["gbit_per_s", "cpu_s_per_gib"], **figures}


def rows_of(peer, rates):
    return [row(peer, number, gbit_per_s=rate, cpu_s_per_gib=1 / rate) for number, rate in enumerate(rates, 1)]


ROWS = rows_of("runnel", [12, 9, 20]) + rows_of("pasta", [4, 9, 5]) + rows_of("slirp4netns", [6, 3, 10]) + \
    rows_of("kernel", [100, 100, 100]) + [row("gvisor", 1, failed="did not start")]


def record():
    plain = [{name: value for name, value in one.items() if name != "number"} for one in ROWS]
    return {"schema": "runnel.bench/1", "when": "2026-01-01T00:00:00+0000", "congestion": "cubic", "rounds": 3,
            "machine": {"kernel": "6.0", "cores": 2, "cpu": "a <processor>", "memory_gib": 1.0, "busy_share": 0.0},
            "seconds": 1.0, "versions": {}, "skipped": [{"peer": "lwip", "kinds": ["own"], "reason": "none"}],
            "ratios": results.ratio_rows(ROWS), "results": plain}


def a_ratio_is_ours_over_the_best_peer_of_the_same_round():
    ratios, best = results.ratios_of([one for one in ROWS if "failed" not in one], "gbit_per_s")

    assert ratios == [2, 1, 2], ratios
    assert best == ["slirp4netns", "pasta"], best


def where_less_is_better_the_best_is_the_least():
    ratios, _ = results.ratios_of([one for one in ROWS if "failed" not in one], "cpu_s_per_gib")

    assert [round(ratio, 6) for ratio in ratios] == [0.5, 1, 0.5], ratios


def quartiles_are_values_that_were_measured():
    assert results.spread([7, 1, 3, 2, 5, 4, 6]) == (2, 4, 6)
    assert results.spread([5]) == (5, 5, 5)


UP1 = verdicts.Asked("m1", "relay", "up1", 1500, "gbit_per_s", 2, "best")


def judged(ours, theirs=1.0, asked=UP1):
    return verdicts.verdict(asked, rows_of("runnel", ours) + rows_of("pasta", [theirs] * len(ours)))[1]


def what_was_asked_holds_by_its_median_and_worse_quartile():
    assert judged([2.0] * 7) == "holds"
    assert judged([1.9, 1.9, 2, 2, 2, 3, 3]) == "holds"
    assert judged([1.8, 1.8, 2, 2, 2, 3, 3]) == "falls short"
    assert judged([1.9] * 7) == "falls short"


def where_less_was_asked_the_upper_quartile_counts():
    asked = UP1._replace(figure="cpu_s_per_gib", wanted=0.5)

    assert judged([2.0] * 7, asked=asked) == "holds"
    assert judged([1.5, 1.5, 2, 2, 2, 2, 2], asked=asked) == "falls short"


def few_rounds_prove_nothing_and_a_failure_is_none():
    assert judged([9.0] * 6) == "too few rounds"
    assert verdicts.verdict(UP1, rows_of("runnel", [9.0] * 7) + [row("runnel", 8, failed="stalled")])[1] == "failed"


def all_that_was_asked_is_measured():
    known = {(case.measure, case.kind, case.name, case.mtu) for case in measures.all_cases()}

    assert not [asked for asked in verdicts.ASKED if asked[:4] not in known]


def every_case_compares_figures_with_a_unit():
    for case in measures.all_cases():
        assert case.figures and all(figure in measures.FIGURES for figure in case.figures), case.name


def no_two_cases_have_one_name():
    names = [(case.measure, case.kind, case.name, case.mtu) for case in measures.all_cases()]

    assert len(names) == len(set(names))


def the_record_keeps_to_its_schema():
    try:
        import jsonschema
    except ImportError:
        return "SKIP python3-jsonschema is not installed"
    jsonschema.validate(record(), json.loads((HERE / "bench.schema.json").read_text()))
    return None


def the_picture_is_well_formed_and_names_every_peer():
    text = chart.draw(record())

    xml.etree.ElementTree.fromstring(text)
    assert all(f">{peer}<" in text for peer in ("runnel", "pasta", "slirp4netns", "kernel")), text


TESTS = [a_ratio_is_ours_over_the_best_peer_of_the_same_round, where_less_is_better_the_best_is_the_least,
         quartiles_are_values_that_were_measured, what_was_asked_holds_by_its_median_and_worse_quartile,
         where_less_was_asked_the_upper_quartile_counts, few_rounds_prove_nothing_and_a_failure_is_none,
         all_that_was_asked_is_measured, every_case_compares_figures_with_a_unit, no_two_cases_have_one_name,
         the_record_keeps_to_its_schema, the_picture_is_well_formed_and_names_every_peer]


def main():
    print(f"1..{len(TESTS)}")
    failed = 0
    for number, function in enumerate(TESTS, 1):
        name, note, trouble = function.__name__.replace("_", " "), None, None
        try:
            note = function()
        except Exception as error:  # told below
            trouble = error
        failed += trouble is not None
        print(f"{'not ok' if trouble else 'ok'} {number} - {name}{f' # {note}' if note else ''}")
        if trouble:
            print(f"# {type(trouble).__name__}: {trouble}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
