"""
The table of kept publications, the daemon's marks for them, and whether it reaches them.
"""

from __future__ import annotations

from collections.abc import Iterator

from kept import WINDOWS
from marks import OURS, Mark
from results import Results
from systems import SYSTEMS
from tables import Table, delay, number

WANTED = ((OURS, 64, 12_000), (OURS, 512, 20_000), ("aerostack-postgresql", 64, 10_000))
"""The daemon's marks: a system, how many are in flight, and acknowledgements a second."""


def judgeKept(results: Results) -> Iterator[Mark]:
    """
    Compare the results with the marks.  A mark without a result is left out.
    """
    for system, window, least in WANTED:
        found = results.median(system, f"acks/{window}", "acks")
        if found is not None:
            yield Mark(
                f"kept publications/s, {window} in flight: {results.labels[system]}",
                f"{found:,.0f}",
                "-",
                f"{found / least:.2f}",
                f">= {least:,}",
                found >= least,
            )


def keptTable(results: Results) -> Table:
    """
    Return the table of all systems that acknowledge publications.
    """
    keeps = {system.name: system.keeps for system in SYSTEMS}
    rows = []
    for window in WINDOWS:
        name = f"acks/{window}"
        for system, label in results.labels.items():
            if results.has(system, name):
                found = [
                    number(results.median(system, name, "acks")),
                    delay(results.median(system, name, "p50")),
                    delay(results.median(system, name, "p99")),
                    number(results.median(system, name, "cpu")),
                ]
                rows.append([label, keeps[system], str(window), *found])
    note = (
        "The time from a kept publication to its acknowledgement, with a number in flight.  The "
        "guarantees differ: only the daemon keeps messages after its process ends.  ws, socket.io "
        "and uWebSockets keep none.  The PostgreSQL server has its default settings, writes to the "
        "disk before each acknowledgement, and shares the processors; CPU is the daemon's alone."
    )
    header = ("system", "kept", "in flight", "acks/s", "p50 ms", "p99 ms", "CPU %")
    return Table("Kept publications", note, header, rows, 2)
