"""
The durations of one kind of event since the daemon began.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterable
from itertools import accumulate

BOUNDS = (
    *(0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05),
    *(0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0),
)
"""The upper bounds of a histogram's buckets, seconds.  The last bucket has no bound."""


class Histogram:
    """
    Counts events by their durations.

    One observation may stand for several events.  So the daemon need not measure each of thousands
    of events a second, and their number is still right.

    @ivar total: The sum of all durations, seconds.
    """

    __slots__ = ("_counts", "total")

    def __init__(self) -> None:
        self._counts = [0] * (len(BOUNDS) + 1)
        self.total = 0.0

    @classmethod
    def joined(cls, parts: Iterable[tuple[list[int], float]]) -> Histogram:
        """
        Put histograms of several processes together.

        @param parts: Each as L{part} gives it.
        """
        whole = cls()
        for counts, total in parts:
            whole._counts = [a + b for a, b in zip(whole._counts, counts, strict=True)]
            whole.total += total
        return whole

    @property
    def part(self) -> tuple[list[int], float]:
        """The number of events in each bucket, and the sum of their durations, seconds."""
        return list(self._counts), self.total

    def observe(self, seconds: float, times: int = 1) -> None:
        """
        Count events of one duration.

        @param times: The number of events.
        """
        self._counts[bisect_left(BOUNDS, seconds)] += times
        self.total += seconds * times

    @property
    def count(self) -> int:
        """How many events were counted."""
        return sum(self._counts)

    def buckets(self) -> list[tuple[float, int]]:
        """
        Each upper bound, seconds, with the number of events that took no longer.  The last bound is
        infinite.
        """
        return list(zip((*BOUNDS, math.inf), accumulate(self._counts), strict=True))
