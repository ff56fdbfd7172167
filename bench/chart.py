#!/usr/bin/env python3
"""The picture of a bench record: a panel for each case, a bar for each peer, quartiles as a whisker. SVG, no dependency."""
import html
import json
import pathlib
import sys

import results
from measures import FIGURES

PANEL_WIDTH, NAME_WIDTH, VALUE_WIDTH, BAR_HEIGHT, GAP = 460, 92, 78, 16, 5
HEAD_HEIGHT, FOOT_HEIGHT, COLUMNS, MARGIN = 40, 14, 2, 24
COLOURS = {results.US: "#0b7a75", "runnel-veth": "#6bb3af", "runnel-2-workers": "#3d9791", "kernel": "#c9c4b8", "floor": "#c9c4b8"}
PEER_COLOUR = "#8c9bb0"
STYLE = """
text { font: 12px system-ui, sans-serif; fill: #222 }
.title { font-size: 18px; font-weight: 600 } .case { font-size: 13px; font-weight: 600 } .small { font-size: 11px; fill: #666 }
.us { font-weight: 600 } .whisker { stroke: #222; stroke-opacity: .55; stroke-width: 1.2 }
""".strip()


def _text(x, y, words, kind="", anchor="start"):
    return f'<text x="{x:.0f}" y="{y:.0f}" class="{kind}" text-anchor="{anchor}">{html.escape(words)}</text>'


def _short(value):
    if value >= 1e6:
        return f"{value / 1e6:.3g} M"
    if value >= 10000:
        return f"{value / 1e3:.3g} k"
    return f"{value:.0f}" if value >= 1000 else f"{value:.3g}"


class Panel:
    """One case: its peers, best first, with (lower quartile, median, upper quartile)."""

    def __init__(self, key, rows, figure):
        self.measure, self.kind, self.case, self.mtu = key
        self.figure = figure
        self.peers = [(name, results.spread(values)) for name, values in results.peers_of(rows, figure)]
        self.height = HEAD_HEIGHT + len(self.peers) * (BAR_HEIGHT + GAP) + FOOT_HEIGHT

    def draw(self, left, top):
        unit, is_more_better = FIGURES[self.figure]
        parts = [_text(left, top + 14, f"{self.measure.upper()} {self.kind}: {self.case}", "case"),
                 _text(left, top + 29, f"{unit}, MTU {self.mtu}; {'more' if is_more_better else 'less'} is better", "small")]
        widest = max((spread[2] for _, spread in self.peers), default=0) or 1
        room = PANEL_WIDTH - NAME_WIDTH - VALUE_WIDTH
        y = top + HEAD_HEIGHT
        for name, spread in self.peers:
            parts += self._bar(left, y, name, [value / widest * room for value in spread], _short(spread[1]))
            y += BAR_HEIGHT + GAP
        return parts

    @staticmethod
    def _bar(left, y, name, lengths, value):
        low, middle, high = lengths
        start, centre = left + NAME_WIDTH, y + BAR_HEIGHT / 2
        colour, kind = COLOURS.get(name, PEER_COLOUR), "us" if name == results.US else ""
        whisker = f'<line class="whisker" x1="{start + low:.1f}" x2="{start + high:.1f}" y1="{centre}" y2="{centre}"/>'
        return [_text(start - 8, y + 12, name, kind, "end"),
                f'<rect x="{start}" y="{y}" width="{max(middle, 0.5):.1f}" height="{BAR_HEIGHT}" rx="2" fill="{colour}"/>',
                whisker, _text(start + max(middle, high) + 6, y + 12, value, kind)]


def _panels(record):
    rows = [dict(row, number=number) for number, row in enumerate(record["results"])]
    good = [row for row in rows if "failed" not in row]
    found = []
    for key, case_rows in results.cases_of(good).items():
        found += [Panel(key, case_rows, figure) for figure in results.figures_of(case_rows)]
    return [panel for panel in found if panel.peers]


def _lay_out(panels, top):
    """Panels in columns, row by row; returns (drawn parts, height)."""
    parts = []
    for at in range(0, len(panels), COLUMNS):
        row = panels[at:at + COLUMNS]
        for column, panel in enumerate(row):
            parts += panel.draw(MARGIN + column * (PANEL_WIDTH + MARGIN), top)
        top += max(panel.height for panel in row)
    return parts, top


def draw(record):
    """The SVG text of a record as bench.py writes it."""
    about = record["machine"]
    under = (f"{record['when'][:10]}, {about['cores']} cores of {about['cpu']}, Linux {about['kernel']}; medians and quartiles of "
             f"{record['rounds']} rounds of {record['seconds']:g} s")
    parts, height = _lay_out(_panels(record), MARGIN + 48)
    width = MARGIN + COLUMNS * (PANEL_WIDTH + MARGIN)
    head = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height + MARGIN}" '
            f'viewBox="0 0 {width} {height + MARGIN}">', f"<style>{STYLE}</style>",
            '<rect width="100%" height="100%" fill="#fff"/>',
            _text(MARGIN, MARGIN + 10, "runnel beside its peers", "title"), _text(MARGIN, MARGIN + 28, under, "small")]
    return "\n".join([*head, *parts, "</svg>"]) + "\n"


if __name__ == "__main__":  # chart.py RECORD.json > PICTURE.svg
    sys.stdout.write(draw(json.loads(pathlib.Path(sys.argv[1]).read_text())))
