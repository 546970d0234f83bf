"""
Plans when a stopping daemon closes each connection, and when each client comes back.

The daemon is away for a while after the last client has left.  The plan divides the time after its
return into equal parts, one for each client, in the order in which the clients leave.  So the
client that leaves first comes back first, and all clients are away for about as long.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from math import ceil

BATCH = 100
"""How many connections are closed at once, unless all batches would take longer than
L{LONGEST}."""

PAUSE = 0.05
"""Seconds between two batches."""

LONGEST = 5.0
"""Seconds from the first batch to the last, at the most."""

# Seconds for each returning client.  A few clients need only a short spread.
_EACH = 0.01


class DrainPlan:
    """
    Spreads the return of the clients of a daemon that stops.

    @ivar away: How many seconds the daemon will be away.
    @ivar spread: Over how many seconds clients come back, at the most.
    @ivar elsewhere: How many clients other processes of the daemon send away at the same time.
        The processes share the batches and the time of the return.
    """

    def __init__(self, away: float, spread: float, random: Callable[[], float]) -> None:
        """
        @param random: Gives numbers from 0 up to, but not, 1.
        """
        self.away = away
        self.spread = spread
        self.elsewhere = 0
        self._random = random

    def reload(self, away: float, spread: float) -> None:
        """
        Plan with these times from now on; see the attributes.
        """
        self.away = away
        self.spread = spread

    def batches(self, count: int) -> Iterator[list[int]]:
        """
        Plan the batches for a number of clients.

        @return: For each batch, the delays of its clients in milliseconds.  The batches are
            L{PAUSE} apart.
        """
        total = count + self.elsewhere
        size = max(ceil(BATCH * count / max(total, 1)), ceil(count * PAUSE / LONGEST), 1)
        starts = range(0, count, size)
        spread = self._spread(total)
        for place, first in enumerate(starts):
            left = (len(starts) - 1 - place) * PAUSE
            yield [
                int(1000 * (left + self.away + spread * (each + self._random()) / count))
                for each in range(first, min(first + size, count))
            ]

    def latecomer(self, count: int) -> int:
        """
        The delay of a client that connects while the daemon stops.

        @param count: How many clients have not left yet.
        @return: Milliseconds.
        """
        total = count + self.elsewhere
        left = min(LONGEST, total / BATCH * PAUSE)
        return int(1000 * (left + self.away + self._spread(total + 1) * self._random()))

    def _spread(self, count: int) -> float:
        return min(self.spread, count * _EACH)
