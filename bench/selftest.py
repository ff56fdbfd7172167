#!/usr/bin/env python3
"""The arithmetic of the rig, on figures made up for it: ratios, quartiles, verdicts, the record's schema, the picture; and how it
hears a load.

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
import networks  # noqa: E402
import report  # noqa: E402
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
            "ratios": results.ratio_rows(ROWS), "verdicts": verdicts.verdict_rows(ROWS), "results": plain}


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


UP1 = verdicts.Asked("m1", "relay", "up1", 1500, "gbit_per_s", 2, verdicts.best_peer)


def verdict(asked, *rows):
    """Of rows of seven rounds."""
    return verdicts.verdict(asked, verdicts.rounds_of([one for some in rows for one in some]))


def judged(ours, theirs=1.0, asked=UP1):
    return verdict(asked, rows_of("runnel", ours), rows_of("pasta", [theirs] * len(ours))).word


def seven(peer, **figures):
    return [row(peer, number, **figures) for number in range(1, 8)]


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
    assert verdict(UP1, rows_of("runnel", [9.0] * 7), [row("runnel", 8, failed="stalled")]).word == "failed"


def where_both_clients_were_saturated_processor_time_decides():
    theirs = seven("pasta", gbit_per_s=10, cpu_s_per_gib=0.5, client_busy=0.96)

    thrifty = verdict(UP1, seven("runnel", gbit_per_s=11, cpu_s_per_gib=0.2, client_busy=1), theirs)
    wasteful = verdict(UP1, seven("runnel", gbit_per_s=30, cpu_s_per_gib=0.4, client_busy=1), theirs)

    assert (thrifty.word, thrifty.by, thrifty.values[0]) == ("holds", "cpu_s_per_gib", 2.5), thrifty
    assert "busy 1.00" in thrifty.note and "throughput 1.1" in thrifty.note, thrifty
    assert (wasteful.word, wasteful.by, wasteful.values[0]) == ("falls short", "cpu_s_per_gib", 1.25), wasteful


def where_only_our_client_was_saturated_either_suffices():
    theirs = seven("pasta", gbit_per_s=10, cpu_s_per_gib=0.5, client_busy=0.5)

    fast = verdict(UP1, seven("runnel", gbit_per_s=20, cpu_s_per_gib=0.5, client_busy=1), theirs)
    thrifty = verdict(UP1, seven("runnel", gbit_per_s=11, cpu_s_per_gib=0.25, client_busy=1), theirs)

    assert (fast.word, fast.by) == ("holds", "gbit_per_s"), fast
    assert (thrifty.word, thrifty.by) == ("holds", "cpu_s_per_gib"), thrifty


def a_client_that_had_time_left_leaves_the_throughput_to_decide():
    ours = seven("runnel", gbit_per_s=11, cpu_s_per_gib=0.1, client_busy=0.94)

    said = verdict(UP1, ours, seven("pasta", gbit_per_s=10, cpu_s_per_gib=0.5, client_busy=1))

    assert (said.word, said.by) == ("falls short", "gbit_per_s"), said


def a_client_that_sends_what_is_lost_is_not_the_limit():
    ours = seven("runnel", gbit_per_s=11, cpu_s_per_gib=0.1, client_busy=1, lost_share=0.3)

    said = verdict(UP1, ours, seven("pasta", gbit_per_s=10, cpu_s_per_gib=0.5, client_busy=1))

    assert said.by == "gbit_per_s", said


def operations_are_judged_by_processor_time_of_each():
    asked = UP1._replace(figure="per_s", wanted=0.97)
    ours = seven("runnel", per_s=50, cpu_us_per_op=9, client_busy=1)

    said = verdict(asked, ours, seven("smoltcp", per_s=60, cpu_us_per_op=10, client_busy=1))

    assert (said.word, said.by) == ("holds", "cpu_us_per_op"), said


def of_the_best_peer_and_the_floor_the_one_that_allows_more_counts():
    asked = UP1._replace(figure="cpu_s_per_gib", wanted=1, against=verdicts.nine_tenths_or_floor)
    theirs, floor = seven("pasta", cpu_s_per_gib=0.20, gbit_per_s=3.3), seven("floor", cpu_s_per_gib=0.24)

    by_peer = verdict(asked, seven("runnel", cpu_s_per_gib=0.18), theirs)
    by_floor = verdict(asked, seven("runnel", cpu_s_per_gib=0.25), theirs, floor)

    assert by_peer.word == by_floor.word == "holds", (by_peer, by_floor)
    assert by_floor.note == "best pasta at 3.3 Gbit/s", by_floor
    assert verdict(asked, seven("runnel", cpu_s_per_gib=0.25), theirs).word == "falls short"
    assert verdict(asked, seven("runnel", cpu_s_per_gib=0.28), theirs, floor).word == "falls short"


def the_rung_below_is_compared_with_the_tun_of_the_same_round():
    asked = UP1._replace(wanted=0.7, against=verdicts.own_tun, who="runnel-veth")

    said = verdict(asked, rows_of("runnel", [10, 20] * 4), rows_of("runnel-veth", [7.5, 15] * 4))

    assert said.word == "holds" and said.values == [0.75] * 8, said


def a_small_mtu_is_compared_with_the_big_one_of_the_same_round():
    asked = UP1._replace(wanted=0.75, against=verdicts.own_big_mtu)
    big = [{**one, "mtu": measures.BIG_MTU} for one in rows_of("runnel", [10, 20] * 4)]

    assert verdict(asked, rows_of("runnel", [8, 16] * 4), big).values == [0.8] * 8
    assert verdict(asked, rows_of("runnel", [8, 16] * 4)).word == "too few rounds"


def zero_copy_is_compared_with_our_copy():
    asked = verdicts.Asked("m6", "pair", "zero-copy", 65535, "gbit_per_core_s", 1.5, verdicts.own_copy)
    place = {"measure": "m6", "kind": "pair", "mtu": 65535}
    copy = [{**one, **place, "case": "copy"} for one in seven("runnel", gbit_per_core_s=140)]

    def zero(rate):
        return [{**one, **place, "case": "zero-copy"} for one in seven("runnel", gbit_per_core_s=rate)]

    assert verdict(asked, copy, zero(211)).word == "holds"
    assert verdict(asked, copy, zero(200)).word == "falls short"


def fairness_is_over_the_kernels_and_takes_its_time():
    asked = UP1._replace(figure="jain", wanted=0.9, against=verdicts.kernel)
    kernel = seven("kernel", jain=0.9, seconds=10)

    assert verdict(asked, seven("runnel", jain=0.82, seconds=10), kernel).word == "holds"
    assert verdict(asked, seven("runnel", jain=0.80, seconds=10), kernel).word == "falls short"
    assert verdict(asked, seven("runnel", jain=0.99, seconds=2), kernel).word == "too brief"


def one_stall_in_fifty_runs_falls_short():
    asked = UP1._replace(wanted=0.5, against=verdicts.own_median)

    assert verdict(asked, rows_of("runnel", [10] * 49 + [5])).word == "holds"
    assert verdict(asked, rows_of("runnel", [10] * 49 + [4.9])).word == "falls short"
    assert verdict(asked, rows_of("runnel", [10] * 49)).word == "too few rounds"


def records_are_joined_round_after_round():
    both = report.join([record(), record()])

    assert both["rounds"] == 6
    assert results.ratios_of([one for one in both["results"] if "failed" not in one], "gbit_per_s")[0] == [2, 1, 2] * 2


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


def said_by(script):
    load = networks.Load(["sh", "-c", script])
    try:
        return [load.line(10), load.line(10)]
    finally:
        load.end()


def what_a_load_says_is_heard_line_by_line():
    assert said_by("printf 'begin\\n{}\\n'; read x") == ["begin", "{}"]
    assert said_by("printf be; sleep 0.1; printf 'gin\\n{'; sleep 0.1; echo '}'; read x") == ["begin", "{}"]
    try:
        said_by("echo begin; echo no network >&2")
    except networks.Stalled as stalled:
        assert str(stalled) == "no network", stalled
    else:
        raise AssertionError("a load that ended said a second line")


def clients_share_connections_so_that_none_needs_too_many_descriptors():
    assert measures.shares_of(100) == [100]
    assert measures.shares_of(100001) == [9091] * 11
    assert sum(measures.shares_of(100002)) == 100002 and max(measures.shares_of(100002)) <= measures.CLIENT_CONNECTIONS


TESTS = [a_ratio_is_ours_over_the_best_peer_of_the_same_round, where_less_is_better_the_best_is_the_least,
         quartiles_are_values_that_were_measured, what_was_asked_holds_by_its_median_and_worse_quartile,
         where_less_was_asked_the_upper_quartile_counts, few_rounds_prove_nothing_and_a_failure_is_none,
         where_both_clients_were_saturated_processor_time_decides, where_only_our_client_was_saturated_either_suffices,
         a_client_that_had_time_left_leaves_the_throughput_to_decide, a_client_that_sends_what_is_lost_is_not_the_limit,
         operations_are_judged_by_processor_time_of_each, of_the_best_peer_and_the_floor_the_one_that_allows_more_counts,
         the_rung_below_is_compared_with_the_tun_of_the_same_round,
         a_small_mtu_is_compared_with_the_big_one_of_the_same_round, zero_copy_is_compared_with_our_copy,
         fairness_is_over_the_kernels_and_takes_its_time, one_stall_in_fifty_runs_falls_short,
         records_are_joined_round_after_round,
         all_that_was_asked_is_measured, every_case_compares_figures_with_a_unit, no_two_cases_have_one_name,
         the_record_keeps_to_its_schema, the_picture_is_well_formed_and_names_every_peer,
         what_a_load_says_is_heard_line_by_line, clients_share_connections_so_that_none_needs_too_many_descriptors]


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
