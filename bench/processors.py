"""
The processor time of a fan-out, by one process and by two workers.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

from marks import Mark
from pairs import Daemon, running
from processes import Failed, spentBy
from tools import Tools
from twisted.internet.threads import deferToThread

SUBSCRIBERS = 1_000
RATE = 40
"""Publications a second: each goes to all subscribers."""

SHORT, LONG = 1, 11
"""Seconds of publishing.  The difference of two runs has no starting, connecting or stopping."""


@dataclass(frozen=True)
class Used:
    """
    Processor seconds for each second of publishing.

    @ivar busiest: Of the process that uses most.
    @ivar total: Of all processes.
    """

    busiest: float
    total: float


def measure(tools: Tools, workers: int) -> Used:
    """
    Run the daemon with a number of workers under a rate that is below saturation.

    @raise Failed: It did not serve.
    """
    long = 3 if tools.quick else LONG
    first = _run(tools, workers, SHORT)
    second = _run(tools, workers, long)
    # The hub comes first, and then the workers from the least to the most busy.  Which worker got
    # more connections differs between runs.
    spent = [(b - a) / (long - SHORT) for a, b in zip(first, second, strict=True)]
    return Used(max(spent), sum(spent))


def _run(tools: Tools, workers: int, seconds: int) -> list[float]:
    """Return the processor seconds of each process."""
    system = Daemon(tools.cache, workers)
    with (
        tempfile.TemporaryDirectory(prefix="aerostack-bench-") as place,
        running([system], Path(place)) as (server,),
    ):
        tools.generator.drive(
            server,
            system.dialect,
            system.credentials,
            ["fanout", f"r{RATE}:{seconds}"],
            subscribers=SUBSCRIBERS,
        )
        first, *others = server.pids()
        if len(others) != (workers if workers > 1 else 0):
            raise Failed(f"{len(others)} workers instead of {workers}")
        return [spentBy(first), *sorted(map(spentBy, others))]


async def processors(tools: Tools) -> list[Mark]:
    """
    The processor time of two workers, compared with that of one process.
    """
    one = await deferToThread(measure, tools, 1)
    two = await deferToThread(measure, tools, 2)
    parts = (
        ("busiest process", one.busiest, two.busiest, 0.625),
        ("all processes", one.total, two.total, 1.15),
    )
    return [
        Mark(
            f"processors: time of 2 workers for 40,000 deliveries, {what}",
            f"{1000 * ours:,.0f} ms",
            f"{1000 * against:,.0f} ms 1 process",
            f"{ours / against:.2f}",
            f"<= {most:g}",
            ours / against <= most,
        )
        for what, against, ours, most in parts
    ]
