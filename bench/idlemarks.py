"""
The table of a trickle beside silent clients, the daemon's mark for it, and whether it reaches it.
"""

from __future__ import annotations

from collections.abc import Iterator

from idle import TRICKLE
from marks import OURS, Mark
from results import Results
from tables import Table, delay, mebibytes, number

LATE = 5
"""Milliseconds that the daemon's event loop may be late."""


def judgeIdle(results: Results) -> Iterator[Mark]:
    """
    Compare the results with the mark.  It is left out without a result.
    """
    turns = results.values(OURS, "idle", "turn")
    if turns:
        silent = results.median(OURS, "idle", "silent") or 0
        found = max(turns)
        yield Mark(
            f"delay of the event loop beside {silent:,.0f} silent clients, at worst",
            f"{found:.1f} ms",
            "-",
            f"{found / LATE:.2f}",
            f"<= {LATE} ms",
            found <= LATE,
        )


def idleTable(results: Results) -> Table:
    """
    Return the table of all systems.
    """
    rows = []
    for system, label in results.labels.items():
        if results.has(system, "idle"):
            turns = results.values(system, "idle", "turn")
            rows.append(
                [
                    label,
                    number(results.median(system, "idle", "silent")),
                    number(results.median(system, "idle", "publishes")),
                    delay(results.median(system, "idle", "p50")),
                    delay(results.median(system, "idle", "p99")),
                    delay(max(results.values(system, "idle", "max"))),
                    delay(max(turns, default=None)),
                    number(results.median(system, "idle", "cpu")),
                    mebibytes(results.median(system, "idle", "rss")),
                ]
            )
    note = (
        f"A hundred clients in rooms of two publish {TRICKLE:,} events a second, while others are "
        "connected and subscribed but silent.  The delay is that of the event loop, at worst of "
        "all seconds, as the daemon's console shows it; the other systems show none."
    )
    header = (
        *("system", "silent", "passed/s", "p50 ms", "p99 ms", "max ms", "delay ms"),
        *("CPU %", "MiB"),
    )
    return Table("Silent clients", note, header, rows, 1)
