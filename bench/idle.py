"""
The scene C{idle}: a trickle of publications beside many clients that are silent.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

from plan import Bench, Measurement
from system import System

TALKERS = 100
"""How many clients publish, in rooms of two."""

TRICKLE = 1_000
"""Publications a second of all of them together."""

SETTLE = 3
"""Seconds between the last opening and the trickle."""


def idle(bench: Bench, system: System) -> Iterator[Measurement]:
    """
    Rooms of two in which little is said, beside as many subscribed clients as are wanted.
    """
    silent, seconds = bench.plan.idle
    with bench.started(system) as (server, drive):
        (found,) = drive(
            ["rooms", 2, TALKERS, 1, f"r{TRICKLE}:{seconds}"],
            subscribers=TALKERS + silent,
            settle=SETTLE,
            limit=int(100 + 2 * seconds),
        )
        # The load generator's clock is the monotonic one.
        ahead = time.time() - time.monotonic()
        found["turn"] = system.longestTurn(server.port, found["from"] + ahead, found["to"] + ahead)
    found["silent"] = silent
    yield "idle", found
