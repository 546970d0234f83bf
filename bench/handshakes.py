"""
Openings of WebSockets over TLS, by one process and by two workers.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from statistics import median

from marks import Mark
from pairs import Daemon, running
from tools import Tools
from twisted.internet.threads import deferToThread


def _rate(tools: Tools, workers: int) -> float:
    """Return how many clients a second connect and subscribe."""
    clients = 200 if tools.quick else 3_000
    system = Daemon(tools.cache, workers)
    with (
        tempfile.TemporaryDirectory(prefix="aerostack-bench-") as place,
        # Two workers get both processors.
        running([system], Path(place), workers == 1, tools.certificate) as (server,),
    ):
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
    rate: float = found["ready"] / found["seconds"]
    return rate


async def openings(tools: Tools) -> list[Mark]:
    """
    How many clients a second come in over TLS.
    """
    found: dict[int, list[float]] = {1: [], 2: []}
    for _ in range(1 if tools.quick else 3):
        for workers, rates in found.items():
            rates.append(await deferToThread(_rate, tools, workers))
    one, two = median(found[1]), median(found[2])
    ratio = two / one
    return [
        Mark(
            "openings: TLS, 500 at once, 2 workers",
            f"{two:,.0f}/s",
            f"{one:,.0f}/s 1 process",
            f"{ratio:.2f}",
            ">= 1.5",
            ratio >= 1.5,
        )
    ]
