"""
Going away: who is sent away when, and told to come back when.

The daemon is gone for a while after the last one has left.  So everybody is given a
moment on one line: it begins when the daemon should be back, and everybody has an
equal stretch of it, in the order in which they leave.  Who leaves first comes back
first, and all are away for about as long.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from math import ceil

BATCH = 100
"""How many are sent away at once, unless that took longer than L{LONGEST}."""

PAUSE = 0.05
"""Seconds between two batches."""

LONGEST = 5.0
"""Seconds from the first batch to the last, at the most."""

# What a client's return may cost: few clients need no spreading.
_EACH = 0.01


class DrainPlan:
    """
    How the clients of a daemon that stops are spread.

    @ivar away: How many seconds the daemon will be gone.
    @ivar spread: Over how many seconds clients come back, at the most.
    """

    def __init__(self, away: float, spread: float, random: Callable[[], float]) -> None:
        """
        @param random: Gives numbers from 0 up to, but not, 1.
        """
        self.away = away
        self.spread = spread
        self._random = random

    def reload(self, away: float, spread: float) -> None:
        """
        Plan with these times from now on; see the attributes.
        """
        self.away = away
        self.spread = spread

    def batches(self, count: int) -> Iterator[list[int]]:
        """
        Plan for so many clients.

        @return: For each batch, which are L{PAUSE} apart, every client's delay in
            milliseconds.
        """
        size = max(BATCH, ceil(count * PAUSE / LONGEST))
        starts = range(0, count, size)
        spread = self._spread(count)
        for place, first in enumerate(starts):
            left = (len(starts) - 1 - place) * PAUSE
            yield [
                int(1000 * (left + self.away + spread * (each + self._random()) / count))
                for each in range(first, min(first + size, count))
            ]

    def latecomer(self, count: int) -> int:
        """
        The delay of somebody who comes while the daemon stops.

        @param count: How many have not left yet.
        @return: Milliseconds.
        """
        left = min(LONGEST, count / BATCH * PAUSE)
        return int(1000 * (left + self.away + self._spread(count + 1) * self._random()))

    def _spread(self, count: int) -> float:
        return min(self.spread, count * _EACH)
