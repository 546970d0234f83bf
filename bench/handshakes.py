"""
Openings of WebSockets over TLS, by one process and by two workers.
"""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from marks import Mark
from pairs import Daemon, running
from processes import spentBy
from tools import Tools
from twisted.internet.threads import deferToThread

ENOUGH = 4
"""How many processors two workers, their hub and the load generator need, so that the number of
openings a second tells of the workers."""


@dataclass(frozen=True)
class Opened:
    """
    How clients came in.

    @ivar rate: Clients a second.
    @ivar busiest: Milliseconds of processor time for each client, of the process that used most.
    """

    rate: float
    busiest: float


def _open(tools: Tools, workers: int) -> Opened:
    """Let clients connect and subscribe."""
    clients = 200 if tools.quick else 3_000
    system = Daemon(tools.cache, workers)
    with (
        tempfile.TemporaryDirectory(prefix="aerostack-bench-") as place,
        # Two workers get all processors.
        running([system], Path(place), workers == 1, tools.certificate) as (server,),
    ):
        before = {pid: spentBy(pid) for pid in server.pids()}
        found = tools.generator.drive(
            server,
            system.dialect,
            system.credentials,
            ["crowd"],
            tls=True,
            subscribers=clients,
            settle=0,
            limit=90,
        )
        spent = max(spentBy(pid) - used for pid, used in before.items())
    return Opened(found["ready"] / found["seconds"], 1000 * spent / found["ready"])


async def openings(tools: Tools) -> list[Mark]:
    """
    How many clients a second come in over TLS.
    """
    found: dict[int, list[Opened]] = {1: [], 2: []}
    for _ in range(1 if tools.quick else 3):
        for workers, opened in found.items():
            opened.append(await deferToThread(_open, tools, workers))
    one, two = (median(each.rate for each in found[workers]) for workers in (1, 2))
    alone, busiest = (median(each.busiest for each in found[workers]) for workers in (1, 2))
    isMark = len(os.sched_getaffinity(0)) >= ENOUGH
    return [
        Mark(
            "openings: TLS, 500 at once, 2 workers",
            f"{two:,.0f}/s",
            f"{one:,.0f}/s 1 process",
            f"{two / one:.2f}",
            ">= 1.5" if isMark else "-",
            two / one >= 1.5 if isMark else None,
        ),
        Mark(
            "openings: processor time of the busiest process",
            f"{busiest:.2f} ms",
            f"{alone:.2f} ms 1 process",
            f"1 / {alone / busiest:.2f}",
            "<= 1 / 1.5",
            alone / busiest >= 1.5,
        ),
    ]
