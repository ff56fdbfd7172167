"""From single figures to what is told: medians, quartiles, ratios paired by round, the table."""
import collections
import statistics

from measures import FIGURES

US = "runnel"
# limits, and ourselves by other ways: nobody is compared with them
NOT_PEERS = ("kernel", "floor", "runnel-veth", "runnel-2-workers")


def spread(values):
    """(lower quartile, median, upper quartile)"""
    ordered = sorted(values)
    last = len(ordered) - 1
    return ordered[last // 4], statistics.median(ordered), ordered[last - last // 4]


def cases_of(results):
    """The cases in the order in which they were first measured: (measure, kind, case, mtu) -> rows that did not fail."""
    found = collections.OrderedDict()
    for row in sorted(results, key=lambda row: (row["measure"], row["kind"], row["number"])):
        found.setdefault((row["measure"], row["kind"], row["case"], row["mtu"]), []).append(row)
    return found


def figures_of(rows):
    return rows[0]["figures"]


def peers_of(rows, figure):
    """Peers, the best first, with the values of one figure."""
    values = collections.defaultdict(list)
    for row in rows:
        if row.get(figure) is not None:
            values[row["peer"]].append(row[figure])
    _, is_more_better = FIGURES[figure]
    return sorted(values.items(), key=lambda item: statistics.median(item[1]), reverse=is_more_better)


def ratios_of(rows, figure):
    """Ours over the best peer's of the same round: (list of ratios, the peers that were best)."""
    _, is_more_better = FIGURES[figure]
    ratios, best_peers = [], collections.Counter()
    for number in sorted({row["round"] for row in rows}):
        values = {row["peer"]: row.get(figure) for row in rows if row["round"] == number}
        others = {name: value for name, value in values.items() if name not in (US, *NOT_PEERS) and value}
        if values.get(US) is None or not others:
            continue
        best = (max if is_more_better else min)(others, key=others.get)
        best_peers[best] += 1
        ratios.append(values[US] / others[best])
    return ratios, [name for name, _ in best_peers.most_common()]


def _number(value):
    if value is None:
        return "-"
    if abs(value) >= 1000:
        return f"{value:,.0f}".replace(",", " ")
    return f"{value:.3g}" if abs(value) < 0.1 else f"{value:.2f}" if abs(value) < 100 else f"{value:.0f}"


def _told(rows, figures):
    """What else is worth a column: name -> how it is written."""
    columns = {"cpu_user_s": None, "jain": "Jain", "p50_us": "p50 us", "p99_us": "p99 us", "lost_share": "lost",
               "cpu_us_per_op": "CPU us each", "client_busy": "client busy", "server_busy": "server busy",
               "opened": "opened", "open_seconds": "s to open", "errors": "errors"}
    return {name: text for name, text in columns.items()
            if text and name not in figures and any(row.get(name) for row in rows)}


def _median(rows, name):
    values = [row[name] for row in rows if row.get(name) is not None]
    return statistics.median(values) if values else None


def print_case(key, rows):
    measure, kind, case, mtu = key
    good = [row for row in rows if "failed" not in row]
    figures = figures_of(rows)
    told = _told(good, figures)
    print(f"\n{measure.upper()} {kind}: {case}, MTU {mtu}")
    heads = [f"{FIGURES[figure][0]:>14} {'quartiles':>17}" for figure in figures]
    print(f"  {'':17}{' '.join(heads)} {' '.join(f'{text:>11}' for text in told.values())} {'MiB':>7} {'n':>3}")
    ranked = [name for name, _ in peers_of(good, figures[0])] if good else []
    for name in [*ranked, *dict.fromkeys(row["peer"] for row in rows if row["peer"] not in ranked)]:
        _print_peer(name, [row for row in rows if row["peer"] == name], figures, told)


def _print_peer(name, rows, figures, told):
    good = [row for row in rows if "failed" not in row]
    if not good:
        print(f"  {name:17}failed in every round: {rows[0]['failed']}")
        return
    cells = []
    for figure in figures:
        values = [row[figure] for row in good if row.get(figure) is not None]
        low, middle, high = spread(values) if values else (None, None, None)
        cells.append(f"{_number(middle):>14} {f'{_number(low)}..{_number(high)}':>17}")
    others = " ".join(f"{_number(_median(good, column)):>11}" for column in told)
    memory = _median(good, "rss_kib")
    stalls = len(rows) - len(good)
    print(f"  {name:17}{' '.join(cells)} {others} {_number(memory / 1024) if memory else '-':>7} {len(good):>3}"
          + (f"  {stalls} failed" if stalls else ""))


def ratio_rows(results):
    """One line for each case and figure in which we and a peer took part."""
    lines = []
    for key, rows in cases_of(results).items():
        for figure in figures_of(rows):
            ratios, best = ratios_of([row for row in rows if "failed" not in row], figure)
            if ratios:
                low, middle, high = spread(ratios)
                lines.append({"measure": key[0], "kind": key[1], "case": key[2], "mtu": key[3], "figure": figure,
                              "lower_quartile": low, "median": middle, "upper_quartile": high, "rounds": len(ratios),
                              "best_peers": best})
    return lines


def print_ratios(lines):
    if not lines:
        return
    print(f"\n{US} over the best peer of the same round (below 1 is better for CPU, time and memory)")
    for line in lines:
        quartiles = f"{line['lower_quartile']:.2f}..{line['upper_quartile']:.2f}"
        print(f"  {line['measure'].upper()} {line['kind']:7} {line['case'][:20]:20} MTU {line['mtu']:<6}"
              f"{FIGURES[line['figure']][0]:>14} {line['median']:7.2f}  quartiles {quartiles:14} "
              f"n {line['rounds']:<3} {', '.join(line['best_peers'])}")
