#!/usr/bin/env python3
"""Measures runnel beside its peers and beside the limits, in networks made for the purpose. See bench/README.md.

usage: bench.py [--build DIR] [--only m1,m3] [--cases up1,rr] [--peers A,B] [--mtu N,N] [--rounds N] [--seconds S]
                [--fair-seconds S] [--json FILE] [--chart FILE] [--busy-ok] [--list]

Peers take turns in every round, in random order, so that a noisy minute of the machine hits all of them. Figures are
medians over the rounds, with quartiles; nothing is thrown away. The record is kept as it grows: a run that is cut off has
all that it measured, and bench/report.py tells of it.
"""
import argparse
import os
import pathlib
import random
import sys
import time
import types

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests" / "netns"))

import build_peers  # noqa: E402
import chart  # noqa: E402
import machine  # noqa: E402
import measures  # noqa: E402
import networks  # noqa: E402
import pairs  # noqa: E402
import peers  # noqa: E402
import report  # noqa: E402
import rig  # noqa: E402

BUSY = 0.15  # share of all cores in use by others, above which figures mean little
ORDER_SEED = 1
ORPHANS_MAX = 64
ORPHANS_SECONDS = 30  # there may be others' as well
START_SECONDS = 2.5  # about what a peer takes to start and its networks to be made and gone; for the estimate
SCHEMA = "runnel.bench/1"  # bench/bench.schema.json


def parse_arguments():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--build", default=str(ROOT / "build"), help="where runnel and the load programs were built")
    options.add_argument("--only", default="", help="measures: m1 to m8, comma between them")
    options.add_argument("--cases", default="", help="by name, or its first word: up1,rr,idle")
    options.add_argument("--kinds", default="", help="relay, own, pair, forward")
    options.add_argument("--mtu", default="", help="inside, at the client")
    options.add_argument("--peers", default="", help="by name; all who are here if not said")
    options.add_argument("--rounds", type=int, default=7)
    options.add_argument("--seconds", type=float, default=2.0, help="of one measurement")
    options.add_argument("--fair-seconds", type=float, default=measures.FAIR_SECONDS,
                         help="of one that looks how fairly streams share")
    options.add_argument("--json", default="", help="where every single figure goes (bench.json of the build)")
    options.add_argument("--chart", default="", help="where the picture goes (bench.svg of the build)")
    options.add_argument("--busy-ok", action="store_true", help="measure although others use this machine")
    options.add_argument("--list", action="store_true", help="tell cases and peers, measure nothing")
    chosen = options.parse_args()
    chosen.build = os.path.abspath(chosen.build)
    chosen.json = chosen.json or f"{chosen.build}/bench.json"
    chosen.chart = chosen.chart or f"{chosen.build}/bench.svg"
    return chosen


def refuse_if_busy(busy_ok):
    share = machine.busy_share()
    if share > BUSY:
        print(f"bench: {share:.0%} of this machine is in use by others; figures would mean little", file=sys.stderr)
        if not busy_ok:
            sys.exit("hint: wait, or say --busy-ok (make bench ARGS=--busy-ok)")


def choose_cases(chosen):
    def is_in(words, *names):
        return not words or any(name in words.split(",") for name in names)

    found = [case for case in measures.all_cases()
             if is_in(chosen.only, case.measure) and is_in(chosen.cases, case.name, case.name.split(",")[0].split()[0])
             and is_in(chosen.mtu, str(case.mtu)) and is_in(chosen.kinds, case.kind)]
    return found or sys.exit("bench: no such case (bench.py --list tells all)")


def tools_of(build):
    return types.SimpleNamespace(load_client=f"{build}/bench/load_client", load_server=f"{build}/bench/load_server",
                                 impair_box=f"{build}/tests/sim/impair_box")


def all_peers(build):
    programs = build_peers.build(build_peers.BUILDERS, f"{build}/bench/peers")
    runnel = f"{build}/runnel"
    debian = build_peers.debian_version
    return [
        peers.Kernel(),
        peers.OurProgram("floor", f"{build}/bench/floor", (peers.RELAY,)),
        peers.Forwarder("floor", f"{build}/bench/forward", ["bare"]),
        peers.Pasta(), peers.Slirp4netns(),
        peers.ManyInOne("gvisor", programs["gvisor"], (peers.RELAY, peers.OWN), debian("golang-gvisor-gvisor-dev")),
        peers.OurProgram("lwip", programs["lwip"], (peers.OWN,), debian("liblwip-dev")),
        peers.OurProgram("smoltcp", programs["smoltcp"], (peers.OWN,)),
        peers.RunnelRelay(runnel), peers.RunnelRelay(runnel, "veth"), peers.RunnelRelay(runnel, workers=2),
        peers.OurProgram("runnel", f"{build}/bench/own_runnel", (peers.OWN,)),
        peers.Forwarder("runnel", f"{build}/bench/forward", ["p2p"]),
        *pairs.all_pairs(build, programs),
    ]


def choose_peers(chosen, cases):
    """The peers this machine has that have a part in these cases; (present, [{peer, kind, reason}])."""
    wanted = chosen.peers.split(",") if chosen.peers else []
    kinds = {case.kind for case in cases}
    known = all_peers(chosen.build)
    for name in wanted:
        if name not in {peer.name for peer in known}:
            sys.exit(f"bench: no peer is called {name}; known: {', '.join(sorted({peer.name for peer in known}))}")
    present, skipped = [], []
    for peer in known:
        if (wanted and peer.name not in wanted) or not kinds.intersection(peer.kinds):
            continue
        reason = peer.missing()
        if reason:
            skipped.append({"peer": peer.name, "kinds": sorted(kinds.intersection(peer.kinds)), "reason": reason})
        else:
            present.append(peer)
    return present, skipped


def leave_out_too_large(cases):
    """(cases this machine allows, [{peer, kind, reason}] of the others)."""
    allowed = machine.descriptors()
    skipped = [{"peer": "all", "kinds": [case.kind], "reason": f"{case.name}: a process may have {allowed} descriptors "
                f"here and needs {case.needs_descriptors} (the hard limit of `ulimit -n`)"}
               for case in cases if case.needs_descriptors > allowed]
    return [case for case in cases if case.needs_descriptors <= allowed], skipped


def sessions_of(cases, present):
    """(peer, kind, mtu, cases): what is started once and then measured in all its cases."""
    keys = list(dict.fromkeys(case.key for case in cases))
    sessions = []
    for peer in present:
        for key in keys:
            mine = [case for case in cases if case.key == key and peer.name not in case.skips]
            if key[0] in peer.kinds and mine:
                sessions.append((peer, key[0], key[1], mine))
    return sessions


def seconds_of(case, chosen):
    return chosen.fair_seconds if case.is_about_fairness else chosen.seconds


def tell_estimate(chosen, sessions):
    once = sum(START_SECONDS + sum(case.estimate(seconds_of(case, chosen)) for case in cases) for *_, cases in sessions)
    minutes = chosen.rounds * once / 60
    print(f"{sum(len(cases) for *_, cases in sessions)} measurements in each of {chosen.rounds} rounds: about "
          + (f"{minutes / 60:.1f} hours" if minutes > 90 else f"{minutes:.0f} minutes" if minutes >= 1.5 else "a minute"), flush=True)


def await_orphans():
    """Connections whose processes ended go on for a while if none could end them, in networks that ended too. Of a thousand
    that were busy TCP's memory is full, and then windows everywhere are small: the next peer would pay for the last."""
    deadline = time.monotonic() + ORPHANS_SECONDS
    while machine.orphans() > ORPHANS_MAX and time.monotonic() < deadline:
        time.sleep(0.05)


def measure_session(session, tools, chosen):
    """Yields (case, figures or {"failed": reason}). Whatever goes wrong with one peer is its failure, and the run goes on."""
    peer, kind, mtu, cases = session
    await_orphans()
    with rig.scratch():
        try:
            bench = peer.start(kind, mtu, tools)
            rig.wait_until(lambda: rig.run(bench.inside(["ip", "-4", "route", "get", bench.address])).status == 0,
                           "the client has a route") if bench.address else None
        except Exception as failure:
            yield from ((case, {"failed": _first_line(failure)}) for case in cases)
            return
        for case in cases:
            try:
                figures = case.run(bench, tools, seconds_of(case, chosen))
            except rig.Skip as reason:
                figures = {"skipped": str(reason)}
            except Exception as failure:
                figures = {"failed": _first_line(failure)}
            networks.end_connections()
            yield case, figures


def _first_line(failure):
    return (str(failure).strip().splitlines() or [type(failure).__name__])[0]


def run_rounds(chosen, sessions, tools, numbers):
    """Yields the row of every measurement of every round."""
    order = random.Random(ORDER_SEED)
    for number in range(1, chosen.rounds + 1):
        order.shuffle(sessions)
        for done, session in enumerate(sessions):
            peer, kind, mtu, cases = session
            print(f"\rround {number} of {chosen.rounds}, {done + 1} of {len(sessions)}: {peer.name}, {kind}, MTU {mtu}"
                  f"{' ' * 20}", end="", file=sys.stderr)
            for case, figures in measure_session(session, tools, chosen):
                yield {"measure": case.measure, "kind": kind, "case": case.name, "mtu": mtu, "peer": peer.name,
                       "round": number, "number": numbers[case], "figures": list(case.figures), **figures}
    print(file=sys.stderr)


def empty_record(chosen, present, skipped, busy_share):
    return {"schema": SCHEMA, "when": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
            "machine": {**machine.describe(), "busy_share": round(busy_share, 2)},
            "congestion": networks.congestion(), "rounds": chosen.rounds, "seconds": chosen.seconds,
            "versions": {peer.name: peer.version() for peer in present if peer.version()}, "skipped": skipped,
            "ratios": [], "verdicts": [], "results": []}


def measure_all(chosen, record, sessions, numbers):
    """Fills the record, and keeps it after every measurement. An interruption ends the measuring, not the telling."""
    try:
        for row in run_rounds(chosen, sessions, tools_of(chosen.build), numbers):
            if "skipped" in row:
                skip = {"peer": row["peer"], "kinds": [row["kind"]], "reason": f"{row['case']}: {row['skipped']}"}
                record["skipped"] += [skip] if skip not in record["skipped"] else []
                continue
            record["results"].append(row)
            report.save(record, chosen.json)
    except KeyboardInterrupt:
        print("\nbench: interrupted; this is what was measured", file=sys.stderr)


def print_choice(cases, present, skipped):
    for case in cases:
        print(f"{case.measure} {case.kind:7} {case.name:22} MTU {case.mtu:<6} {', '.join(case.figures)}")
    print("\npeers: " + ", ".join(f"{peer.name} ({'/'.join(peer.kinds)})" for peer in present))
    print_skipped(skipped)


def print_skipped(skipped):
    for one in skipped:
        print(f"skipped {one['peer']} ({'/'.join(one['kinds'])}): {one['reason']}")


def main():
    chosen = parse_arguments()
    cases = choose_cases(chosen)
    if rig.INSIDE not in os.environ and not chosen.list:
        refuse_if_busy(chosen.busy_ok)
        build_peers.build(build_peers.BUILDERS, f"{chosen.build}/bench/peers")  # outside: a build may need the network
    machine.raise_limits()
    refused = rig.enter()
    if refused:
        sys.exit(f"bench: namespaces are refused here ({refused})")
    rig.tun_for_everyone()
    cases, too_large = leave_out_too_large(cases)
    present, skipped = choose_peers(chosen, cases)
    skipped += too_large
    if chosen.list:
        print_choice(cases, present, skipped)
        tell_estimate(chosen, sessions_of(cases, present))
        return 0
    print_skipped(skipped)
    sessions = sessions_of(cases, present)
    tell_estimate(chosen, sessions)
    record = empty_record(chosen, present, skipped, machine.busy_share())
    measure_all(chosen, record, sessions, {case: number for number, case in enumerate(cases)})
    report.conclude(record)
    print_skipped(record["skipped"])
    report.save(record, chosen.json)
    pathlib.Path(chosen.chart).write_text(chart.draw(record))
    print(f"\nevery figure: {chosen.json}\nthe picture:  {chosen.chart}")
    return 1 if any("failed" in row for row in record["results"]) else 0


if __name__ == "__main__":
    sys.exit(main())
