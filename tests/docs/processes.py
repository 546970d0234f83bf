"""
The picture of the processes on two machines.

C{python -m tests.docs.processes} writes it to C{docs/processes.svg}.
"""

from __future__ import annotations

from dataclasses import dataclass
from xml.sax.saxutils import escape

from tests.net import ROOT

PICTURE = ROOT / "docs" / "processes.svg"

WIDTH, HEIGHT, MARGIN = 760, 436, 16
"""The size of the picture, and what stays free at its edges, pixels."""

LINE = 17
"""From one line of text to the next, pixels."""

GREY, WHITE, ORANGE, BLUE, PINK = "#e8e8e8", "#ffffff", "#fdebd0", "#dbe9f8", "#f3dcec"

Point = tuple[int, int]


@dataclass(frozen=True)
class Box:
    """
    A process, or a machine.  All lengths are pixels.

    @ivar x: Its left edge.
    @ivar y: Its upper edge.
    @ivar lines: Its text; the first line is its name.
    """

    x: int
    y: int
    width: int
    height: int
    colour: str
    lines: tuple[str, ...]

    @property
    def middle(self) -> int:
        """The x of its middle."""
        return self.x + self.width // 2

    @property
    def right(self) -> int:
        """Its right edge."""
        return self.x + self.width

    @property
    def bottom(self) -> int:
        """Its lower edge."""
        return self.y + self.height


@dataclass(frozen=True)
class Arrow:
    """
    A connection, along a straight line.

    @ivar both: Whether data takes it in both directions.
    @ivar label: What takes it.
    @ivar side: Where the label stands: C{start} is right of the arrow, C{end} is left of it.
    """

    begin: Point
    end: Point
    both: bool = True
    label: str = ""
    side: str = "start"


def machine(number: int, x: int) -> list[Box]:
    """
    One machine: the machine itself, its hub and its workers.

    @param x: Its left edge, pixels.
    """
    hub = (
        "hub",
        "server/passing.py accepts connections",
        "server/hub.py supervises the workers",
        "server/node.py orders and keeps",
    )
    worker = ("server/worker.py", "server/front.py")
    return [
        Box(x, 132, 280, 288, WHITE, (f"machine {number}",)),
        Box(x + 16, 164, 248, 88, ORANGE, hub),
        Box(x + 16, 334, 118, 70, BLUE, ("worker-1", *worker)),
        Box(x + 146, 334, 118, 70, BLUE, ("worker-2", *worker)),
    ]


CLIENTS = Box(MARGIN, 16, 728, 30, GREY, ("clients",))
BALANCER = Box(MARGIN, 78, 728, 30, GREY, ("load balancer",))
VALKEY = Box(326, 164, 108, 36, PINK, ("Valkey",))
POSTGRES = Box(326, 216, 108, 36, PINK, ("PostgreSQL",))
PROGRAMS = Box(326, 334, 108, 52, GREY, ("your programs", "write to tables"))
MACHINES = (machine(1, MARGIN), machine(2, 464))


def boxes() -> list[Box]:
    """
    Every box, the lowest first.
    """
    return [CLIENTS, BALANCER, VALKEY, POSTGRES, PROGRAMS, *MACHINES[0], *MACHINES[1]]


def arrows() -> list[Arrow]:
    """
    Every connection between processes.
    """
    found = [
        Arrow((CLIENTS.middle, CLIENTS.bottom), (CLIENTS.middle, BALANCER.y), True, "WebSockets"),
        Arrow((PROGRAMS.middle, PROGRAMS.y), (PROGRAMS.middle, POSTGRES.bottom), False),
    ]
    for _, hub, *workers in MACHINES:
        found.append(Arrow((hub.middle, BALANCER.bottom), (hub.middle, hub.y), False))
        for server in (VALKEY, POSTGRES):
            y = server.y + server.height // 2
            isLeft = hub.x < server.x
            ends = (hub.right, server.x) if isLeft else (server.right, hub.x)
            found.append(Arrow((ends[0], y), (ends[1], y)))
        for worker in workers:
            isFirst = worker is workers[0]
            middle = worker.middle + (24 if isFirst else -24)
            left, right = middle - 8, middle + 8
            passed = "connections" if isFirst else ""
            said = "" if isFirst else "messages"
            found.append(Arrow((left, hub.bottom), (left, worker.y), False, passed, "end"))
            found.append(Arrow((right, hub.bottom), (right, worker.y), True, said))
    return found


def draw() -> str:
    """
    The picture, as SVG.
    """
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
        f'width="{WIDTH}" height="{HEIGHT}" font-family="sans-serif" font-size="12">',
        '<defs><marker id="head" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="7" '
        'markerHeight="7" orient="auto-start-reverse"><path d="M0 0 L8 4 L0 8 z" fill="#667"/>'
        "</marker></defs>",
        '<rect width="100%" height="100%" fill="#fff"/>',
        *(_drawBox(box) for box in boxes()),
        *(_drawArrow(arrow) for arrow in arrows()),
    ]
    return "\n".join([*parts, "</svg>"]) + "\n"


def _drawBox(box: Box) -> str:
    # A machine has other boxes inside, so its name stands in its corner.
    isAround = box.colour == WHITE
    x, anchor = (box.x + 16, "start") if isAround else (box.middle, "middle")
    height = (len(box.lines) - 1) * LINE
    first = box.y + (20 if isAround else (box.height - height) // 2 + 4)
    texts = [
        f'<text x="{x}" y="{first + number * LINE}" text-anchor="{anchor}" '
        f'font-weight="{400 if number else 700}">{escape(line)}</text>'
        for number, line in enumerate(box.lines)
    ]
    return (
        f'<rect x="{box.x}" y="{box.y}" width="{box.width}" height="{box.height}" rx="5" '
        f'fill="{box.colour}" stroke="#334"/>{"".join(texts)}'
    )


def _drawArrow(arrow: Arrow) -> str:
    (x, y), (endX, endY) = arrow.begin, arrow.end
    start = ' marker-start="url(#head)"' if arrow.both else ""
    line = (
        f'<path d="M{x} {y} L{endX} {endY}" stroke="#667" stroke-width="1.2"{start} '
        'marker-end="url(#head)"/>'
    )
    if not arrow.label:
        return line
    away = 7 if arrow.side == "start" else -7
    return (
        f'{line}<text x="{x + away}" y="{(y + endY) // 2 + 4}" '
        f'text-anchor="{arrow.side}" fill="#445">{escape(arrow.label)}</text>'
    )


if __name__ == "__main__":
    PICTURE.write_text(draw(), "utf-8")
