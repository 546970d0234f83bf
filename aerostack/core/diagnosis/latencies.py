"""
Durations of events, from a sample of them.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Spread:
    """
    Percentiles of durations, milliseconds.

    @ivar p50: Half of the events took no longer than this.
    @ivar p99: 99 of 100 events took no longer than this.
    """

    p50: float
    p99: float


class Latencies:
    """
    The durations that were measured since the last call of C{take}.

    The number of kept durations is bounded.  When it would grow larger, only every second event is
    measured, then every fourth, and so on.
    """

    __slots__ = ("_most", "_seen", "_stride", "_taken", "_unmeasured")

    def __init__(self, most: int = 512) -> None:
        """
        @param most: How many durations are kept.
        """
        self._most = most
        self._seen = 0
        self._stride = 1
        self._taken: list[float] = []
        # How many events are not represented by a measured one yet.
        self._unmeasured = 0

    def due(self, events: int = 1) -> int:
        """
        Count more events.

        @param events: How many came together.  At most one measurement is made for all of them.
        @return: The number of events that the measured one represents, if one is to be measured;
            else 0.
        """
        self._seen += events
        self._unmeasured += events
        if self._seen % self._stride >= events:
            # None of them is the last one of a stride.
            return 0
        times, self._unmeasured = self._unmeasured, 0
        return times

    def skip(self, times: int) -> None:
        """
        Note that an event cannot be measured.  The next measured event represents its events too.

        @param times: The number of events that it represented.
        """
        self._unmeasured += times

    def add(self, seconds: float) -> None:
        """
        Note the duration of an event.
        """
        self._taken.append(seconds)
        if len(self._taken) >= self._most:
            del self._taken[::2]
            self._stride *= 2

    def take(self) -> Spread | None:
        """
        Take the percentiles and begin a new sample.

        @return: L{None} if nothing was measured.
        """
        taken, self._taken = self._taken, []
        self._seen, self._stride = 0, 1
        if not taken:
            return None
        taken.sort()
        return Spread(_rank(taken, 50), _rank(taken, 99))


def _rank(ordered: list[float], percent: int) -> float:
    """A percentile of some seconds, in milliseconds."""
    return round(ordered[-(-len(ordered) * percent // 100) - 1] * 1000, 3)
