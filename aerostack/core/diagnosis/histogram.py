"""
The durations, or the sizes, of one kind of event since the daemon began.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Callable, Iterable
from itertools import accumulate

BOUNDS = (
    *(0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05),
    *(0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0),
)
"""The upper bounds of a histogram's buckets, seconds.  The last bucket has no bound."""


SIZES = (64, 256, 1_024, 4_096, 16_384, 65_536, 262_144, 1_048_576, 16_777_216)
"""The upper bounds of the buckets for sizes, bytes."""


class Histogram:
    """
    Counts events by their durations or sizes.

    One observation may stand for several events.  So the daemon need not measure each of thousands
    of events a second, and their number is still right.

    @ivar total: The sum of all durations, seconds, or of all sizes, bytes.
    """

    __slots__ = ("_bounds", "_counts", "total")

    def __init__(self, bounds: tuple[float, ...] = BOUNDS) -> None:
        """
        @param bounds: The upper bounds of the buckets, in order.  The last bucket has no bound.
        """
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    @classmethod
    def joined(
        cls, parts: Iterable[tuple[list[int], float]], bounds: tuple[float, ...] = BOUNDS
    ) -> Histogram:
        """
        Put histograms of several processes together.

        @param parts: Each as L{part} gives it.
        @param bounds: Those of each of them.
        """
        whole = cls(bounds)
        for counts, total in parts:
            whole._counts = [a + b for a, b in zip(whole._counts, counts, strict=True)]
            whole.total += total
        return whole

    @property
    def part(self) -> tuple[list[int], float]:
        """The number of events in each bucket, and the sum of their durations or sizes."""
        return list(self._counts), self.total

    def observe(self, amount: float, times: int = 1) -> None:
        """
        Count events of one duration or size.

        @param amount: Seconds or bytes.
        @param times: The number of events.
        """
        self._counts[bisect_left(self._bounds, amount)] += times
        self.total += amount * times

    @property
    def count(self) -> int:
        """How many events were counted."""
        return sum(self._counts)

    def buckets(self) -> list[tuple[float, int]]:
        """
        Each upper bound, with the number of events that were no longer or larger.  The last bound
        is infinite.
        """
        return list(zip((*self._bounds, math.inf), accumulate(self._counts), strict=True))


REMEMBERED = 10_000
"""Of how many topics the histograms are remembered."""


class TopicHistograms:
    """
    A histogram for each kind of topic.

    @ivar found: The histograms by kind, as far as there are any.
    """

    __slots__ = ("_bounds", "_kindOf", "_known", "found")

    def __init__(self, kindOf: Callable[[str], str], bounds: tuple[float, ...] = BOUNDS) -> None:
        """
        @param kindOf: Gives the kind of a canonical topic.  The number of kinds is bounded.
        @param bounds: See L{Histogram}.
        """
        self._kindOf = kindOf
        self._bounds = bounds
        self.found: dict[str, Histogram] = {}
        self._known: dict[str, Histogram] = {}

    def observe(self, topic: str, amount: float, times: int = 1) -> None:
        """
        Count events of a topic; see L{Histogram.observe}.  This is for what happens to every
        publication, so it makes no other call.
        """
        histogram = self._known.get(topic)
        if histogram is None:
            histogram = self.of(topic)
        histogram._counts[bisect_left(self._bounds, amount)] += times
        histogram.total += amount * times

    def of(self, topic: str) -> Histogram:
        """
        The histogram for a topic.
        """
        histogram = self._known.get(topic)
        if histogram is None:
            kind = self._kindOf(topic)
            histogram = self.found.setdefault(kind, Histogram(self._bounds))
            if len(self._known) >= REMEMBERED:
                self._known.clear()
            self._known[topic] = histogram
        return histogram
