"""
The picture of small rooms: the p99 of each system against the rate that it is offered.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

from plan import Plan
from results import Results
from rooms import TIMELY, rates

Point = tuple[float, float]
"""Publications a second, and the p99 in milliseconds."""

Curves = Mapping[str, Sequence[Point]]
"""By the label of a system, its points from the lowest rate to the highest."""

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#555555")
"""One for each system.  Readers who do not see all colours can tell them apart."""

WIDTH, HEIGHT = 300, 260
"""The size of a panel's field, pixels."""

LEFT, TOP, GAP, LINE = 56, 64, 48, 18
"""The edges at the left and above the fields, the space between two of them, and a line of text."""

SMALLEST = 0.01
"""Milliseconds; the axis begins there at the lowest."""


@dataclass(frozen=True)
class Axis:
    """
    A logarithmic axis.

    @ivar least: The value at its beginning.
    @ivar most: The value at its end.
    @ivar length: Pixels.
    """

    least: float
    most: float
    length: float

    def at(self, value: float) -> float:
        """
        Return how many pixels from its beginning a value is.
        """
        whole = math.log(self.most / self.least)
        return self.length * math.log(max(value, self.least) / self.least) / whole

    def decades(self) -> list[float]:
        """
        Return the powers of ten on it.
        """
        first, last = math.ceil(math.log10(self.least)), math.floor(math.log10(self.most))
        return [10.0**power for power in range(first, last + 1)]


def around(values: Sequence[float], length: float, whole: bool) -> Axis:
    """
    Return an axis with room for all values.

    @param whole: Whether it begins and ends with a power of ten.
    """
    least, most = min(values), max(values)
    if whole:
        least = 10.0 ** math.floor(math.log10(least))
        most = 10.0 ** math.ceil(math.log10(most))
    # Values that are all the same have some room as well.
    return Axis(least, most if most > least else 10 * least, length)


def curves(results: Results, plan: Plan) -> dict[int, Curves]:
    """
    Return the curves for each size of rooms that was measured, by the members of a room.
    """
    found: dict[int, Curves] = {}
    for members in plan.rooms:
        lines: dict[str, list[Point]] = {}
        for system, label in results.labels.items():
            for rate in rates(members, plan):
                p99 = results.median(system, f"rooms/{members}/{rate}", "p99")
                # Without a delivery in the measured time there is none.
                if p99 is not None and p99 >= 0:
                    lines.setdefault(label, []).append((rate, max(p99, SMALLEST)))
        if lines:
            found[members] = lines
    return found


def draw(panels: Mapping[int, Curves]) -> str:
    """
    Return the picture, as SVG.

    @param panels: As L{curves} returns them; at least one.
    """
    labels = list(dict.fromkeys(label for panel in panels.values() for label in panel))
    colours = {label: COLOURS[n % len(COLOURS)] for n, label in enumerate(labels)}
    delays = [p99 for panel in panels.values() for line in panel.values() for _, p99 in line]
    upwards = around([*delays, TIMELY], HEIGHT, True)
    width = LEFT + len(panels) * (WIDTH + GAP)
    keys = TOP + HEIGHT + 3 * LINE
    height = keys + len(labels) * LINE
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        f'width="{width}" height="{height}" font-family="sans-serif" font-size="12">',
        '<rect width="100%" height="100%" fill="#fff"/>',
        f'<text x="{LEFT}" y="{LINE}" font-size="14">p99 in milliseconds, by the publications '
        "a second that are offered</text>",
    ]
    for number, (members, panel) in enumerate(panels.items()):
        x = LEFT + number * (WIDTH + GAP)
        parts.append(f'<g transform="translate({x} {TOP})">')
        parts.append(f'<text x="0" y="{-LINE // 2}">rooms of {members}</text>')
        parts += _panel(panel, upwards, colours)
        parts.append("</g>")
    for number, label in enumerate(labels):
        y = keys + number * LINE
        parts.append(f'<path d="M{LEFT} {y - 4} h24" stroke="{colours[label]}" stroke-width="2"/>')
        parts.append(f'<text x="{LEFT + 32}" y="{y}">{escape(label)}</text>')
    return "\n".join([*parts, "</svg>"]) + "\n"


def _panel(panel: Curves, upwards: Axis, colours: Mapping[str, str]) -> list[str]:
    offered = sorted({rate for line in panel.values() for rate, _ in line})
    along = around(offered, WIDTH, False)
    parts = [f'<path d="M0 0 V{HEIGHT} H{WIDTH}" fill="none" stroke="#667"/>']
    for decade in upwards.decades():
        y = HEIGHT - upwards.at(decade)
        parts.append(f'<path d="M0 {y:.1f} H{WIDTH}" stroke="#dde"/>')
        parts.append(f'<text x="-6" y="{y + 4:.1f}" text-anchor="end">{decade:g}</text>')
    y = HEIGHT - upwards.at(TIMELY)
    parts.append(f'<path d="M0 {y:.1f} H{WIDTH}" stroke="#667" stroke-dasharray="4 4"/>')
    parts.append(f'<text x="{WIDTH}" y="{y - 4:.1f}" text-anchor="end">{TIMELY} ms</text>')
    for rate in _apart(offered, along):
        x, y = along.at(rate), HEIGHT + LINE
        parts.append(f'<path d="M{x:.1f} {HEIGHT} v4" stroke="#667"/>')
        parts.append(f'<text x="{x:.1f}" y="{y}" text-anchor="middle">{rate:,.0f}</text>')
    for label, line in panel.items():
        places = [(along.at(rate), HEIGHT - upwards.at(p99)) for rate, p99 in line]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
        colour = colours[label]
        parts.append(f"<g><title>{escape(label)}</title>")
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in places]
        parts.append("</g>")
    return parts


def _apart(rates: Sequence[float], along: Axis) -> list[float]:
    """Leave out those rates whose numbers would overlap."""
    shown: list[float] = []
    for rate in rates:
        if not shown or along.at(rate) - along.at(shown[-1]) >= 44:
            shown.append(rate)
    return shown
