"""
The table of small rooms, the daemon's marks for them, and whether it reaches them.
"""

from __future__ import annotations

from collections.abc import Iterator

from marks import OURS, Mark
from plan import Plan
from results import Results
from rooms import MEMBERS, TIMELY, rates
from tables import Table, delay, number

PEER = "ws"
ROOMS = "Small rooms"
USUAL = 4_000
"""The publications a second at which processor time is compared."""

QUIET = 2_000
"""The publications a second at which delays are compared."""

ENOUGH = 20_000
"""The publications a second in rooms of two that the daemon is to hold."""


def judgeRooms(results: Results) -> Iterator[Mark]:
    """
    Compare the results with the marks.  A mark without a result is left out.
    """
    what = f"publications/s in rooms of two before p99 passes {TIMELY} ms"
    ours = results.median(OURS, "rooms/2", "held")
    if ours is not None:
        yield Mark(
            what,
            f"{ours:,.0f}",
            "-",
            f"{ours / ENOUGH:.2f}",
            f">= {ENOUGH:,}",
            ours >= ENOUGH,
        )
        theirs = results.median(PEER, "rooms/2", "held")
        if theirs:
            yield Mark(
                what,
                f"{ours:,.0f}",
                f"{theirs:,.0f} {results.labels[PEER]}",
                f"{ours / theirs:.2f}",
                ">= 0.6",
                ours >= 0.6 * theirs,
            )
    for rate, field, said, unit, most in (
        (USUAL, "work", "processor time a publication", "us", 1.6),
        (QUIET, "p99", "p99", "ms", 1.2),
    ):
        name = f"rooms/2/{rate}"
        found, against = (results.median(system, name, field) for system in (OURS, PEER))
        if found is not None and against:
            yield Mark(
                f"rooms of two, {rate:,} publications/s: {said}",
                f"{found:,.1f} {unit}",
                f"{against:,.1f} {unit} {results.labels[PEER]}",
                f"{found / against:.2f}",
                f"<= {most:g}",
                found <= most * against,
            )


def roomTable(results: Results, plan: Plan) -> Table:
    """
    Return the table of all rates of all systems.
    """
    rows = []
    for members in plan.rooms:
        for system, label in results.labels.items():
            for rate in rates(members, plan):
                name = f"rooms/{members}/{rate}"
                if not results.has(system, name):
                    continue
                rows.append(
                    [
                        str(members),
                        label,
                        number(rate),
                        number(results.median(system, name, "publishes")),
                        delay(results.median(system, name, "p50")),
                        delay(results.median(system, name, "p99")),
                        delay(max(results.values(system, name, "max"))),
                        number(results.median(system, name, "work"), 1),
                        number(results.median(system, name, "cpu")),
                        delay(results.median(system, name, "lag")),
                    ]
                )
    note = (
        f"{MEMBERS:,} clients are members of rooms of one size, and publish in turn.  Each "
        "publication goes to all members of its room, its publisher too.  Offered and passed are "
        "publications a second; the rates end where the system breaks.  The time for each is the "
        "processor time in microseconds.  Lag is the load generator's own: the p99 of the time "
        "from when an event is due to when it is written; the other times begin there."
    )
    header = (
        *("members", "system", "offered/s", "passed/s", "p50 ms", "p99 ms", "max ms"),
        *("us each", "CPU %", "lag ms"),
    )
    return Table(ROOMS, note, header, rows, 2)
