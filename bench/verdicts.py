"""What was asked of the figures, and whether a run shows that it holds.

A ratio holds when its median over the rounds reaches what was asked and its worse quartile 0.95 of that; with fewer than
ROUNDS rounds nothing is said to hold. Parity is 0.97. Only what a record can tell is here: that no run of many stalls, or
what a second core brings, is not; and of M1's processor time only the peer's bound, not that of the floor.
"""
import collections

from measures import BIG_MTU, FIGURES, WIRE_MTU
from results import US, cases_of, ratios_of, spread

ROUNDS = 7
NEAR = 0.95  # of what was asked, for the worse quartile
PARITY = 0.97

# against: "best" the best peer of the round, "kernel", or "" for the figure itself
Asked = collections.namedtuple("Asked", "measure kind case mtu figure wanted against")


def _each(measure, kind, cases, mtu, figure, wanted, against="best"):
    return [Asked(measure, kind, case, mtu, figure, wanted, against) for case in cases]


FOUR = ("up1", "down1", "up8", "down8")
ASKED = [
    *_each("m1", "relay", FOUR, BIG_MTU, "gbit_per_s", 1.1),
    *_each("m1", "relay", FOUR, BIG_MTU, "cpu_s_per_gib", 0.9),
    *_each("m1", "relay", FOUR, WIRE_MTU, "gbit_per_s", 4),
    *_each("m2", "own", ("up1", "down1"), BIG_MTU, "gbit_per_s", 1.1),
    *_each("m2", "own", ("up1", "down1"), WIRE_MTU, "gbit_per_s", 3),
    *_each("m2", "own", ("up8", "down8", "up1000", "down1000"), BIG_MTU, "jain", 0.9, "kernel"),
    *_each("m2", "own", ("up8", "down8", "up1000", "down1000"), WIRE_MTU, "jain", 0.9, "kernel"),
    *_each("m3", "relay", ("crr",), BIG_MTU, "per_s", 1.2),
    *_each("m3", "own", ("crr",), BIG_MTU, "per_s", PARITY),
    *[one for kind in ("relay", "own") for figure in ("p50_us", "p99_us")
      for one in _each("m3", kind, ("rr",), BIG_MTU, figure, 1 / PARITY)],
    *[one for kind in ("relay", "own") for one in _each("m4", kind, ("echo",), BIG_MTU, "per_s", PARITY)],
    *_each("m4", "relay", ("bulk segments",), BIG_MTU, "gbit_per_s", 4),
    *_each("m4", "relay", ("bulk plain",), BIG_MTU, "gbit_per_s", 1.2),
    *_each("m5", "own", ("10000 idle", "100000 idle"), BIG_MTU, "bytes_per_connection", 512, ""),
    *_each("m5", "relay", ("at rest",), BIG_MTU, "rss_mib", 8, ""),
    *_each("m6", "pair", ("copy",), 1500, "gbit_per_core_s", 1.2),
    *_each("m6", "pair", ("copy",), 65535, "gbit_per_core_s", 1.2),
    *_each("m6", "pair", ("copy, 100 flows",), 1500, "gbit_per_core_s", 2),
    *_each("m6", "pair", ("connections",), 1500, "per_core_s", 300000, ""),
    *[one for kind in ("relay", "own")
      for one in _each("m7", kind, ("down1 loss 0.1%", "down1 loss 1%"), WIRE_MTU, "gbit_per_s", 2)],
    *_each("m7", "relay", ("up1000", "down1000"), BIG_MTU, "gbit_per_s", 1.1),
]


def _over_kernel(rows, figure):
    values = {(row["peer"], row["round"]): row.get(figure) for row in rows}
    return [value / values["kernel", number] for (peer, number), value in values.items()
            if peer == US and value is not None and values.get(("kernel", number))]


def _values(asked, rows):
    if asked.against == "best":
        return ratios_of(rows, asked.figure)[0]
    if asked.against == "kernel":
        return _over_kernel(rows, asked.figure)
    return [row[asked.figure] for row in rows if row["peer"] == US and row.get(asked.figure) is not None]


def _is_reached(asked, values):
    low, middle, high = spread(values)
    is_more_better = FIGURES.get(asked.figure, ("", True))[1]
    if is_more_better:
        return middle >= asked.wanted and low >= NEAR * asked.wanted
    return middle <= asked.wanted and high <= asked.wanted / NEAR


def verdict(asked, rows):
    """(the figures, "holds", "falls short" or "too few rounds") of one thing that was asked; rows of its case."""
    good = [row for row in rows if "failed" not in row]
    values = _values(asked, good)
    if any("failed" in row for row in rows if row["peer"] == US):
        return values, "failed"
    if len(values) < ROUNDS:
        return values, "too few rounds"
    return values, "holds" if _is_reached(asked, values) else "falls short"


def print_verdicts(found):
    cases = cases_of(found)
    lines = [(asked, *verdict(asked, cases[asked[:4]])) for asked in ASKED if asked[:4] in cases]
    lines = [line for line in lines if line[1] or line[2] == "failed"]
    if not lines:
        return
    print(f"\nWhat was asked, over {ROUNDS} rounds or more (bench/verdicts.py)")
    for asked, values, word in lines:
        is_more_better = FIGURES.get(asked.figure, ("", True))[1]
        over = {"best": "x best peer", "kernel": "x kernel", "": ""}[asked.against]
        middle = f"{spread(values)[1]:.4g}" if values else "-"
        print(f"  {asked.measure.upper()} {asked.kind:7} {asked.case:16} MTU {asked.mtu:<6} {asked.figure:20} {middle:>9} "
              f"{'at least' if is_more_better else 'at most ':8} {asked.wanted:<7.4g}{over:11} n {len(values):<3} {word}")
