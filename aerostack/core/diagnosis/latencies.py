"""
How long things take, by a few of them.
"""

from __future__ import annotations

from dataclasses import dataclass

from aerostack.core.diagnosis.histogram import Histogram


@dataclass(frozen=True)
class Spread:
    """
    How long things took, milliseconds.

    @ivar p50: Half of them took no longer.
    @ivar p99: Nor 99 of 100 than this.
    """

    p50: float
    p99: float


class Latencies:
    """
    What was measured since somebody last looked.

    However much there is to measure, at most so much is kept: where it would be more, every
    second one is measured, then every fourth, and so on, so that those that are kept stand
    for all.

    @ivar histogram: The same since the daemon began.
    """

    __slots__ = ("_most", "_seen", "_stride", "_taken", "_unmeasured", "histogram")

    def __init__(self, most: int = 512) -> None:
        """
        @param most: How many are kept.
        """
        self.histogram = Histogram()
        self._most = most
        self._seen = 0
        self._stride = 1
        self._taken: list[float] = []
        # How many things no measured one stands for yet.
        self._unmeasured = 0

    def due(self) -> int:
        """
        Count one thing more.

        @return: For how many things this one stands, if it is to be measured; 0 if it is not.
        """
        self._seen += 1
        self._unmeasured += 1
        if self._seen % self._stride:
            return 0
        times, self._unmeasured = self._unmeasured, 0
        return times

    def skip(self, times: int) -> None:
        """
        Note that a thing cannot be measured although it was to be: the next one that is
        measured stands for these, too.

        @param times: For how many things it stood.
        """
        self._unmeasured += times

    def add(self, seconds: float, times: int = 1) -> None:
        """
        Note how long a thing took that was to be measured.

        @param times: For how many things it stands; see L{due}.
        """
        self.histogram.observe(seconds, times)
        self._taken.append(seconds)
        if len(self._taken) >= self._most:
            del self._taken[::2]
            self._stride *= 2

    def take(self) -> Spread | None:
        """
        Begin anew.

        @return: What was measured; L{None} if nothing was.
        """
        taken, self._taken = self._taken, []
        self._seen, self._stride = 0, 1
        if not taken:
            return None
        taken.sort()
        return Spread(_rank(taken, 50), _rank(taken, 99))


def _rank(ordered: list[float], percent: int) -> float:
    """The smallest of some seconds that so many percent of them do not exceed, in ms."""
    return round(ordered[-(-len(ordered) * percent // 100) - 1] * 1000, 3)
