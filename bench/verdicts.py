"""What was asked of the figures, and whether a record shows that it holds.

Something holds when the median over the rounds reaches what was asked and the worse quartile 0.95 of that; with fewer
than ROUNDS rounds nothing is said to hold. Parity is 0.97. Ratios are taken within a round.

A client that is SATURATED measures itself: then processor time for each byte or operation decides, and must be as many
times less as the throughput should have been more. If the best peer's client was not saturated, a throughput that is
enough all the same suffices.

Only what a record can tell is here: instructions (icount.py) and what a second core brings are not.
"""
import collections
import statistics

from measures import BIG_MTU, FAIR_SECONDS, FIGURES, WIRE_MTU
from results import NOT_PEERS, US, cases_of, spread

ROUNDS, STALL_ROUNDS = 7, 50
NEAR = 0.95  # of what was asked, for the worse quartile
PARITY = 0.97
SATURATED = 0.95  # of the core that the client, a single thread, can use
NO_LOSS = 0.01  # who loses more of what the client sends is not held up by it
COSTS = {"gbit_per_s": "cpu_s_per_gib", "per_s": "cpu_us_per_op"}  # what decides in the place of a throughput
SECONDS = {"jain": FAIR_SECONDS}  # that a run must have had

HOLDS, SHORT, FEW, BRIEF, FAILED = "holds", "falls short", "too few rounds", "too brief", "failed"

# against: one of the functions below, what our row is compared with; who: as whom we take part
Asked = collections.namedtuple("Asked", "measure kind case mtu figure wanted against who", defaults=(US,))
# good: rows[case key][round][peer] of what did not fail; failed: (case key, peer) of what did
Rounds = collections.namedtuple("Rounds", "good failed")
# values: one for each round; by: the figure that decided; note: why that one, and who was best
Verdict = collections.namedtuple("Verdict", "asked values by word note")


# With what we are compared ---------------------------------------------------------------------------------------
# Each takes what was asked, Rounds.good and a round's number, and returns the row of that round, or None.

def best_peer(asked, rows, number):
    others = [row for row in rows[asked[:4]][number].values()
              if row["peer"] not in (US, *NOT_PEERS) and row.get(asked.figure)]
    if not others:
        return None
    return (max if is_more_better(asked.figure) else min)(others, key=lambda row: row[asked.figure])


def kernel(asked, rows, number):
    return rows[asked[:4]][number].get("kernel")


def own_tun(asked, rows, number):
    return rows[asked[:4]][number].get(US)


def own_big_mtu(asked, rows, number):
    return rows[(*asked[:3], BIG_MTU)][number].get(asked.who)


def own_copy(asked, rows, number):
    return rows[asked.measure, asked.kind, "copy", asked.mtu][number].get(asked.who)


def nine_tenths_or_floor(asked, rows, number):
    """The greater of 0.9 of the best peer's and 1.05 of the floor's."""
    best, floor = best_peer(asked, rows, number), rows[asked[:4]][number].get("floor", {})
    if best is None:
        return None
    return {**best, asked.figure: max(0.9 * best[asked.figure], 1.05 * (floor.get(asked.figure) or 0))}


def nothing(asked, rows, number):
    """The figure itself is judged."""
    return {}


def own_median(asked, rows, number):
    """Of all rounds; what is asked of it is asked of every round."""
    ours = [at[asked.who][asked.figure] for at in rows[asked[:4]].values() if asked.who in at]
    return {"peer": asked.who, asked.figure: statistics.median(ours)} if ours else None


LABELS = {best_peer: "x best peer", kernel: "x kernel", own_tun: "x TUN rung", own_big_mtu: f"x MTU {BIG_MTU}",
          own_copy: "x our copy", nine_tenths_or_floor: "x max(0.9 best, 1.05 floor)", nothing: "",
          own_median: "x our median, each run"}


# What was asked --------------------------------------------------------------------------------------------------

def _each(measure, kind, cases, mtu, figure, wanted, against=best_peer, who=US):
    return [Asked(measure, kind, case, mtu, figure, wanted, against, who) for case in cases]


FOUR = ("up1", "down1", "up8", "down8")
SHARED = ("up8", "down8", "up1000", "down1000")
VETH = "runnel-veth"
BOTH_MTUS = (BIG_MTU, WIRE_MTU)
ASKED = [
    *_each("m1", "relay", FOUR, BIG_MTU, "gbit_per_s", 1.1),
    *_each("m1", "relay", FOUR, BIG_MTU, "cpu_s_per_gib", 1, nine_tenths_or_floor),
    *_each("m1", "relay", FOUR, WIRE_MTU, "gbit_per_s", 4),
    *_each("m1", "relay", FOUR, WIRE_MTU, "gbit_per_s", 0.75, own_big_mtu),
    *[one for mtu in BOTH_MTUS for one in _each("m1", "relay", FOUR, mtu, "gbit_per_s", 0.7, own_tun, VETH)],
    *_each("m1", "relay", ("up1",), BIG_MTU, "gbit_per_s", 0.5, own_median),
    *_each("m2", "own", FOUR, BIG_MTU, "gbit_per_s", 1.1),
    *_each("m2", "own", FOUR, WIRE_MTU, "gbit_per_s", 3),
    *[one for mtu in BOTH_MTUS for one in _each("m2", "own", SHARED, mtu, "jain", 0.9, kernel)],
    *_each("m3", "relay", ("crr",), BIG_MTU, "per_s", 1.2),
    *_each("m3", "own", ("crr",), BIG_MTU, "per_s", PARITY),
    *[one for kind in ("relay", "own") for figure in ("p50_us", "p99_us")
      for one in _each("m3", kind, ("rr",), BIG_MTU, figure, 1 / PARITY)],
    *[one for kind in ("relay", "own") for one in _each("m4", kind, ("echo",), BIG_MTU, "per_s", PARITY)],
    *_each("m4", "relay", ("bulk segments",), BIG_MTU, "gbit_per_s", 4),
    *_each("m4", "relay", ("bulk plain",), BIG_MTU, "gbit_per_s", 1.2),
    *_each("m5", "own", ("10000 idle", "100000 idle"), BIG_MTU, "bytes_per_connection", 512, nothing),
    *_each("m5", "relay", ("at rest",), BIG_MTU, "rss_mib", 8, nothing),
    *_each("m6", "pair", ("copy",), 1500, "gbit_per_core_s", 1.2),
    *_each("m6", "pair", ("copy",), 65535, "gbit_per_core_s", 1.2),
    *_each("m6", "pair", ("copy, 100 flows",), 1500, "gbit_per_core_s", 2),
    *_each("m6", "pair", ("zero-copy",), 65535, "gbit_per_core_s", 1.5, own_copy),
    *_each("m6", "pair", ("connections",), 1500, "per_core_s", 300000, nothing),
    *[one for kind in ("relay", "own")
      for one in _each("m7", kind, ("down1 loss 0.1%", "down1 loss 1%"), WIRE_MTU, "gbit_per_s", 2)],
    *_each("m7", "relay", ("up1000", "down1000"), BIG_MTU, "gbit_per_s", 1.1),
]


# Judging ---------------------------------------------------------------------------------------------------------

def is_more_better(figure):
    return FIGURES.get(figure, ("", True))[1]  # fairness, which is told beside others, is better when there is more


def rounds_of(found):
    good, failed = collections.defaultdict(lambda: collections.defaultdict(dict)), set()
    for key, rows in cases_of(found).items():
        for row in rows:
            if "failed" in row:
                failed.add((key, row["peer"]))
            else:
                good[key][row["round"]][row["peer"]] = row
    return Rounds(good, failed)


def _pairs(asked, rows):
    """(ours, what it is compared with), for each round that has both."""
    found = [(at.get(asked.who), asked.against(asked, rows, number)) for number, at in sorted(rows[asked[:4]].items())]
    return [(ours, other) for ours, other in found if ours and ours.get(asked.figure) is not None and other is not None]


def _values(asked, pairs):
    if asked.against is nothing:
        return [ours[asked.figure] for ours, _ in pairs]
    return [ours[asked.figure] / other[asked.figure] for ours, other in pairs if other.get(asked.figure)]


def _thrift(pairs, cost):
    """How many times less processor time we need; empty if a round cannot tell."""
    known = [other[cost] / ours[cost] for ours, other in pairs if ours.get(cost) and other.get(cost)]
    return known if len(known) == len(pairs) else []


def _is_reached(asked, values):
    low, middle, high = spread(values)
    if asked.against is own_median:
        return min(values) >= asked.wanted
    if is_more_better(asked.figure):
        return middle >= asked.wanted and low >= NEAR * asked.wanted
    return middle <= asked.wanted and high <= asked.wanted / NEAR


def _busy(rows):
    """Median of how busy the client was; 0 in a run that lost what it sent, and where nobody looked."""
    return statistics.median([0 if (row.get("lost_share") or 0) > NO_LOSS else row.get("client_busy") or 0 for row in rows])


def _decide(asked, pairs):
    """(values, the figure that decides, why): by throughput, or by processor time where the client was the limit."""
    values, cost = _values(asked, pairs), COSTS.get(asked.figure)
    thrift = _thrift(pairs, cost) if cost and asked.against not in (nothing, own_median) else []
    if not thrift:
        return values, asked.figure, ""
    ours, theirs = (_busy(side) for side in zip(*pairs))
    is_open = theirs < SATURATED and _is_reached(asked, values)
    if ours < SATURATED or is_open:
        return values, asked.figure, ""
    return thrift, cost, f"the client was busy {ours:.2f} (theirs {theirs:.2f}); throughput {spread(values)[1]:.3g}"


def _best_of(asked, pairs):
    """Who was best, most often, with its figures."""
    if asked.against not in (best_peer, nine_tenths_or_floor) or not pairs:
        return ""
    name, _ = collections.Counter(other["peer"] for _, other in pairs).most_common(1)[0]
    rates = [other["gbit_per_s"] for _, other in pairs if other["peer"] == name and other.get("gbit_per_s")]
    return f"best {name}" + (f" at {statistics.median(rates):.3g} Gbit/s" if rates else "")


def _word(asked, values, pairs):
    if len(values) < (STALL_ROUNDS if asked.against is own_median else ROUNDS):
        return FEW
    if any((ours.get("seconds") or 0) < SECONDS.get(asked.figure, 0) for ours, _ in pairs):
        return BRIEF
    return HOLDS if _is_reached(asked, values) else SHORT


def verdict(asked, rounds):
    """Of one thing that was asked."""
    pairs = _pairs(asked, rounds.good)
    values, by, why = _decide(asked, pairs) if pairs else ([], asked.figure, "")
    word = FAILED if (asked[:4], asked.who) in rounds.failed else _word(asked, values, pairs)
    return Verdict(asked, values, by, word, ", ".join(filter(None, (why, _best_of(asked, pairs)))))


def verdict_rows(found):
    """Of all that the rows of a record can judge, as the record has it."""
    rounds = rounds_of(found)
    judged = [verdict(asked, rounds) for asked in ASKED]
    return [_told(one) for one in judged if one.values or one.word == FAILED]


def _told(one):
    low, middle, high = spread(one.values) if one.values else (None, None, None)
    asked = one.asked
    return {"measure": asked.measure, "kind": asked.kind, "case": asked.case, "mtu": asked.mtu, "peer": asked.who,
            "figure": asked.figure, "wanted": asked.wanted, "against": LABELS[asked.against], "decided_by": one.by,
            "lower_quartile": low, "median": middle, "upper_quartile": high, "rounds": len(one.values), "verdict": one.word,
            "note": one.note}


def print_verdicts(told):
    if told:
        print(f"\nWhat was asked, over {ROUNDS} rounds or more (bench/verdicts.py)")
    for one in told:
        wanted = f"{'at least' if is_more_better(one['figure']) else 'at most'} {one['wanted']:.4g} {one['against']}"
        middle = "-" if one["median"] is None else f"{one['median']:.4g}"
        figure = one["figure"] if one["figure"] == one["decided_by"] else f"by {one['decided_by']}"
        print(f"  {one['measure'].upper()} {one['kind']:7} {one['case']:16} MTU {one['mtu']:<6} {figure:20} {middle:>9} "
              f"{wanted:38} n {one['rounds']:<3} {one['verdict']}"
              + (f" ({one['peer']})" if one["peer"] != US else "") + (f": {one['note']}" if one["note"] else ""))
