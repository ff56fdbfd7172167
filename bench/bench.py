#!/usr/bin/env python3
"""Measures runnel beside pasta, slirp4netns and the kernel itself, in networks made for the purpose.

usage: bench.py [--runnel FILE] [--rounds N] [--seconds S] [--peers A,B] [--mtu N,N] [--tests up1,down1,up8,down8]
                [--json FILE] [--busy-ok]

Peers take turns in every round, in random order, so that a noisy minute of the machine hits all of them. Figures are
medians over the rounds, with the least and the greatest; nothing is thrown away.
"""
import argparse
import collections
import json
import os
import pathlib
import random
import statistics
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests" / "netns"))

import measure  # noqa: E402
import peers  # noqa: E402
import rig  # noqa: E402

BUSY = 0.15  # share of all cores in use by others, above which figures mean little
ORDER_SEED = 1


def parse_arguments():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--runnel", default=str(ROOT / "build" / "runnel"), help="the program under test")
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--seconds", type=int, default=2, help="of one measurement")
    options.add_argument("--peers", default="kernel,pasta,slirp4netns,runnel")
    options.add_argument("--mtu", default="1500,65520", help="inside, at the client")
    options.add_argument("--tests", default=",".join(measure.TESTS))
    options.add_argument("--json", default=str(ROOT / "build" / "bench.json"), help="where every single figure goes")
    options.add_argument("--busy-ok", action="store_true", help="measure although others use this machine")
    chosen = options.parse_args()
    chosen.runnel = os.path.abspath(chosen.runnel)
    return chosen


def refuse_if_busy(busy_ok):
    share = measure.busy_share()
    if share > BUSY:
        print(f"bench: {share:.0%} of this machine is in use by others; figures would mean little", file=sys.stderr)
        if not busy_ok:
            sys.exit("hint: wait, or say --busy-ok (make bench ARGS=--busy-ok)")


def choose_peers(chosen):
    """The peers asked for that this machine has; says why others are missing."""
    known = {peer.name: peer for peer in (peers.Kernel(), peers.Pasta("pasta"), peers.Slirp4netns("slirp4netns"),
                                          peers.Runnel(chosen.runnel))}
    present = []
    for name in chosen.peers.split(","):
        if name not in known:
            sys.exit(f"bench: no peer is called {name}; known: {', '.join(known)}")
        reason = known[name].missing()
        if reason:
            print(f"skipped {name}: {reason}")
        else:
            present.append(known[name])
    return present


def run_rounds(chosen, present):
    """Every figure of every round, as a flat list."""
    order = random.Random(ORDER_SEED)
    pairs = [(peer, int(mtu)) for peer in present for mtu in chosen.mtu.split(",")]
    results = []
    for number in range(1, chosen.rounds + 1):
        order.shuffle(pairs)
        for peer, mtu in pairs:
            print(f"\rround {number} of {chosen.rounds}: {peer.name} at MTU {mtu}        ", end="", file=sys.stderr)
            try:
                for test, figures in measure.measure_peer(peer, mtu, chosen.tests.split(","), chosen.seconds):
                    results.append({"peer": peer.name, "mtu": mtu, "test": test, "round": number, **figures})
            except (AssertionError, ValueError, OSError) as failure:
                print(f"\n{peer.name} at MTU {mtu} failed: {failure}", file=sys.stderr)
                results += [{"peer": peer.name, "mtu": mtu, "test": test, "round": number, "failed": str(failure)}
                            for test in chosen.tests.split(",")]
    print(file=sys.stderr)
    return results


def median_of(rows, key):
    values = [row[key] for row in rows if row.get(key) is not None]
    return statistics.median(values) if values else None


def shown(value, form):
    return format(value, form) if value is not None else "-"


def print_table(results, mtu, test):
    groups = collections.defaultdict(list)
    for row in results:
        if (row["mtu"], row["test"]) == (mtu, test):
            groups[row["peer"]].append(row)
    print(f"\n{test}, MTU {mtu} inside")
    print(f"  {'':12} {'Gbit/s':>8} {'least..most':>16} {'CPU s/GiB':>10} {'user':>5} {'MiB':>6} {'stalls':>6} {'n':>3}")
    ranked = sorted(groups.items(), key=lambda item: -(median_of(item[1], "gbit_per_s") or 0))
    for name, all_rows in ranked:
        rows = [row for row in all_rows if "failed" not in row]
        if not rows:
            print(f"  {name:12} failed in every round")
            continue
        rates = [row["gbit_per_s"] for row in rows]
        spent = sum(row["cpu_user_s"] + row["cpu_system_s"] for row in rows)
        user = sum(row["cpu_user_s"] for row in rows) / spent if spent else 0
        print(f"  {name:12} {statistics.median(rates):8.2f} {f'{min(rates):.2f}..{max(rates):.2f}':>16} "
              f"{shown(median_of(rows, 'cpu_s_per_gib'), '.3f'):>10} {user:5.0%} "
              f"{median_of(rows, 'rss_kib') / 1024:6.1f} {sum(row['stalled'] for row in rows):6} {len(rows):3}")


def paired_ratios(results, mtu, test):
    """runnel's throughput over the best peer's of the same round, sorted."""
    ratios = []
    for number in {row["round"] for row in results}:
        rate = {row["peer"]: row.get("gbit_per_s", 0) for row in results
                if (row["mtu"], row["test"], row["round"]) == (mtu, test, number)}
        others = [value for name, value in rate.items() if name not in ("runnel", "kernel")]
        if "runnel" in rate and others and max(others) > 0:
            ratios.append(rate["runnel"] / max(others))
    return sorted(ratios)


def print_ratios(results):
    rows = []
    for mtu, test in dict.fromkeys((row["mtu"], row["test"]) for row in results):
        ratios = paired_ratios(results, mtu, test)
        if ratios:
            rows.append(f"  {test:6} MTU {mtu:<6} {statistics.median(ratios):6.2f} times the best peer "
                        f"(lower quartile {ratios[(len(ratios) - 1) // 4]:.2f})")
    if rows:
        print("\nrunnel, paired by round")
        print("\n".join(rows))


def save(chosen, present, results):
    model = [line.split(":")[1].strip() for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines()
             if line.startswith("model name")]
    record = {"when": time.strftime("%Y-%m-%dT%H:%M:%S%z"), "kernel": os.uname().release, "cores": os.cpu_count(),
              "cpu": model[0] if model else os.uname().machine, "seconds": chosen.seconds, "congestion": measure.congestion(),
              "versions": {peer.name: peer.version() for peer in present}, "results": results}
    pathlib.Path(chosen.json).write_text(json.dumps(record, indent=1) + "\n")
    print(f"\nevery figure: {chosen.json}")


def main():
    chosen = parse_arguments()
    if rig.INSIDE not in os.environ:
        refuse_if_busy(chosen.busy_ok)
    refused = rig.enter()
    if refused:
        sys.exit(f"bench: namespaces are refused here ({refused})")
    rig.tun_for_everyone()
    present = choose_peers(chosen)
    if not any(peer.name != "kernel" for peer in present):
        sys.exit("bench: nobody to measure")
    results = run_rounds(chosen, present)
    for mtu in sorted({row["mtu"] for row in results}):
        for test in chosen.tests.split(","):
            print_table(results, mtu, test)
    print_ratios(results)
    save(chosen, present, results)
    return 1 if any("failed" in row for row in results) else 0


if __name__ == "__main__":
    sys.exit(main())
