"""
Decides whether a new connection comes too fast after others, and must come back later.

An overloaded daemon that admits every client serves all of them badly.  It is better to tell some
clients when to come back, and to serve all in turn.
"""

from __future__ import annotations

from collections.abc import Callable
from math import ceil

from aerostack.core.limits.rates import TokenBucket
from aerostack.errors import RealtimeError
from aerostack.settings.limits import LimitsConfig

# The shortest and the longest wait of a refused client, in seconds.
SOON = 1.0
LATE = 30.0


class Admission:
    """
    Bounds the rate of new connections.
    """

    def __init__(self, limits: LimitsConfig, random: Callable[[], float]) -> None:
        """
        @param random: Gives numbers from 0 up to, but not, 1.
        """
        self._random = random
        self._bucket: TokenBucket | None = None
        # The time at which the last refused client may come back.
        self._promised = 0.0
        self.reload(limits)

    def reload(self, limits: LimitsConfig) -> None:
        """
        Go by these limits from now on.
        """
        self._rate = limits.connectionsPerSecond
        self._burst = limits.connectionsBurst
        self._bucket = None

    def check(self, now: float) -> None:
        """
        Admit one connection.

        @param now: The time in seconds.
        @raise RealtimeError: C{overloaded}: the connection is not admitted now.
        """
        if self._rate is None:
            return
        if self._bucket is None:
            self._bucket = TokenBucket(self._rate, self._burst, now)
        if self._bucket.take(now):
            raise RealtimeError(
                "overloaded",
                "New connections come faster than they are let in; come back later.",
                milliseconds(self._promise(now, self._rate)),
            )

    def _promise(self, now: float, rate: float) -> float:
        """
        Find a time at which the client can come back.  Each client gets the next free time at the
        allowed rate, so that refused clients come back no faster than they can be admitted.

        @return: The seconds until then.
        """
        due = max(now + SOON, self._promised + 1 / rate)
        if due - now <= LATE:
            self._promised = due
            return due - now
        # The wait is bounded, also if the clock was set back.
        self._promised = min(self._promised, now + LATE)
        return LATE * (1 + self._random()) / 2


def milliseconds(seconds: float) -> int:
    """
    A wait in the unit of frames: whole milliseconds.
    """
    return ceil(seconds * 1000)
