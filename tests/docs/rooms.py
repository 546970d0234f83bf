"""
The picture of the rooms, drawn from what the modules import.

C{python -m tests.docs.rooms} writes it to C{docs/rooms.svg}.
"""

from __future__ import annotations

from collections.abc import Mapping, Set
from functools import cache
from itertools import pairwise
from xml.sax.saxutils import escape

from tests.layers import FLOORS, graph, modules, room
from tests.net import ROOT

PICTURE = ROOT / "docs" / "rooms.svg"

FLOOR_NAMES = ("vocabulary", "pure", "live", "adapters", "composition", "beside the floors")
COLOURS = ("#e8e8e8", "#dcefdc", "#dbe9f8", "#fdebd0", "#f3dcec", "#ffffff")

WIDTH, HEIGHT = 104, 30
"""The size of a room's box, pixels."""

GAP, THIN, RISE, MARGIN = 20, 14, 66, 16
"""Between boxes, between lines that pass them, from one level to the next, and at the edge."""

SWEEPS = 40
"""How often each level is sorted by its neighbours.  More change nothing."""

Rooms = dict[str, set[str]]
"""By each room, the rooms that it imports from."""

Point = tuple[str, int]
"""A room on its level, or a line that passes a level: what is drawn there, and the level."""


def readRooms() -> Rooms:
    """
    By each room, the other rooms that its modules import from.
    """
    found: Rooms = {room(name): set() for name, _ in modules() if name}
    for importer, names in graph().items():
        here = room(importer)
        if here:
            found[here] |= {room(name) for name in names} - {here, ""}
    return found


def reached(rooms: Mapping[str, Set[str]], start: str) -> set[str]:
    """
    Every room that a room reaches over others.
    """
    found: set[str] = set()
    waiting = list(rooms[start])
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting.extend(rooms[name])
    return found


def shorten(rooms: Rooms) -> Rooms:
    """
    Leave out each import of a room that is reached over another import as well.
    """
    return {
        name: {
            other
            for other in below
            if not any(other in reached(rooms, between) for between in below)
        }
        for name, below in rooms.items()
    }


def levels(rooms: Rooms) -> dict[str, int]:
    """
    The level of each room: one above the highest room that it imports from.
    """

    @cache
    def level(name: str) -> int:
        return 1 + max((level(other) for other in rooms[name]), default=-1)

    return {name: level(name) for name in sorted(rooms)}


class Layout:
    """
    Where the boxes and the lines stand.

    @ivar places: Of each point, the x of its middle, pixels.
    @ivar lines: Each arrow as the points that it passes, from the importing room downwards.
    """

    def __init__(self, rooms: Rooms) -> None:
        self.levels = levels(rooms)
        self.lines: list[list[Point]] = []
        self._rows: list[list[Point]] = [[] for _ in range(max(self.levels.values()) + 1)]
        self._above: dict[Point, list[Point]] = {}
        self._below: dict[Point, list[Point]] = {}
        for name, level in self.levels.items():
            self._rows[level].append((name, level))
        for name, below in sorted(shorten(rooms).items()):
            for other in sorted(below):
                self._draw(name, other)
        for sweep in range(SWEEPS):
            self._sort(sweep)
        self.places = self._place()

    def _draw(self, name: str, other: str) -> None:
        """Draw a line, with a point on each level that it passes."""
        top, bottom = self.levels[name], self.levels[other]
        passed = [(f"{name} {other}", level) for level in range(top - 1, bottom, -1)]
        line = [(name, top), *passed, (other, bottom)]
        self.lines.append(line)
        for point in passed:
            self._rows[point[1]].append(point)
        for upper, lower in pairwise(line):
            self._below.setdefault(upper, []).append(lower)
            self._above.setdefault(lower, []).append(upper)

    def _sort(self, sweep: int) -> None:
        """Sort each level by where its neighbours above, or below, stand."""
        upwards = sweep % 2 == 0
        neighbours = self._below if upwards else self._above
        for row in self._rows if upwards else reversed(self._rows):
            order = {point: i / max(1, len(r) - 1) for r in self._rows for i, point in enumerate(r)}

            def middle(point: Point, order: dict[Point, float] = order) -> tuple[float, str]:
                found = [order[other] for other in neighbours.get(point, ())]
                return (sum(found) / len(found) if found else order[point], point[0])

            row.sort(key=middle)

    def _place(self) -> dict[Point, float]:
        """Put every point near its neighbours, as far as the others on its level let it."""
        places: dict[Point, float] = {}
        for row in self._rows:
            x = 0.0
            for point in row:
                places[point] = x = x + self._width(point) / 2
                x += self._width(point) / 2
        for sweep in range(SWEEPS):
            for row in self._rows if sweep % 2 else reversed(self._rows):
                wanted = {p: self._wish(p, places) for p in row}
                self._fit(row, wanted, places)
        least = min(places[p] - self._width(p) / 2 for row in self._rows for p in row)
        return {point: x - least + MARGIN for point, x in places.items()}

    def _wish(self, point: Point, places: dict[Point, float]) -> float:
        near = [places[p] for p in (*self._above.get(point, ()), *self._below.get(point, ()))]
        return sum(near) / len(near) if near else places[point]

    def _fit(
        self, row: list[Point], wanted: dict[Point, float], places: dict[Point, float]
    ) -> None:
        """Give each what it wants, from the left and from the right, and take the middle."""
        left, right = [], []
        edge = float("-inf")
        for point in row:
            x = max(wanted[point], edge + self._width(point) / 2)
            left.append(x)
            edge = x + self._width(point) / 2
        edge = float("inf")
        for point in reversed(row):
            x = min(wanted[point], edge - self._width(point) / 2)
            right.append(x)
            edge = x - self._width(point) / 2
        for point, a, b in zip(row, left, reversed(right), strict=True):
            places[point] = (a + b) / 2

    def _width(self, point: Point) -> float:
        return WIDTH + GAP if point[0] in self.levels else THIN

    def y(self, level: int) -> int:
        """
        The y of the middle of a level, pixels.
        """
        return MARGIN + HEIGHT // 2 + (len(self._rows) - 1 - level) * RISE


def draw(rooms: Rooms) -> str:
    """
    The picture, as SVG.
    """
    layout = Layout(rooms)
    floors = {name: number for number, floor in enumerate(FLOORS) for name in floor}
    width = round(max(layout.places.values())) + WIDTH // 2 + MARGIN
    legend = layout.y(0) + HEIGHT + MARGIN
    height = legend + HEIGHT + MARGIN
    width = max(width, len(FLOOR_NAMES) * (WIDTH + GAP + 20) + MARGIN)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        f'width="{width}" height="{height}" font-family="sans-serif" font-size="13">',
        '<rect width="100%" height="100%" fill="#fff"/>',
        '<g fill="none" stroke="#667" stroke-width="1.2">',
    ]
    for line in layout.lines:
        points = [(round(layout.places[p]), layout.y(p[1])) for p in line]
        x, y = points[0][0], points[0][1] + HEIGHT // 2
        path = f"M{x} {y}"
        for n, (nextX, middle) in enumerate(points[1:], 2):
            last = n == len(points)
            nextY = middle - HEIGHT // 2
            turn = (nextY - y) // 2
            path += f" C{x} {y + turn} {nextX} {nextY - turn} {nextX} {nextY}"
            x, y = nextX, nextY
            if not last:
                y = middle + HEIGHT // 2
                path += f" L{x} {y}"
        parts.append(f'<path d="{path}"/>')
        parts.append(f'<path d="M{x - 3} {y - 7} L{x} {y} L{x + 3} {y - 7}" fill="#667"/>')
    parts.append('</g><g text-anchor="middle">')
    for name, level in layout.levels.items():
        x, y = round(layout.places[name, level]), layout.y(level)
        imported = ", ".join(sorted(rooms[name])) or "nothing of ours"
        colour = COLOURS[floors.get(name, len(FLOORS))]
        parts.append(f"<g><title>{escape(f'{name} imports {imported}')}</title>")
        parts.append(_box(name, x, y, colour) + "</g>")
    step = WIDTH + GAP + 20
    for number, name in enumerate(FLOOR_NAMES):
        label = name if number == len(FLOORS) else f"{number} {name}"
        x = MARGIN + (WIDTH + 20) // 2 + number * step
        parts.append(_box(label, x, legend + HEIGHT // 2, COLOURS[number], WIDTH + 20, 0))
    parts.append("</g></svg>")
    return "\n".join(parts) + "\n"


def _box(text: str, x: int, y: int, colour: str, width: int = WIDTH, line: int = 1) -> str:
    return (
        f'<rect x="{x - width // 2}" y="{y - HEIGHT // 2}" width="{width}" height="{HEIGHT}" '
        f'rx="5" fill="{colour}" stroke="#334" stroke-width="{line}"/>'
        f'<text x="{x}" y="{y + 5}">{text}</text>'
    )


if __name__ == "__main__":
    PICTURE.write_text(draw(readRooms()), "utf-8")
