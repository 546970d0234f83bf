"""
Whether a new connection is let in now, or told to come back later.

A daemon that takes more on than it can do serves nobody; one that says C{not now},
and when, serves everybody in turn.
"""

from __future__ import annotations

from collections.abc import Callable
from math import ceil

from aerostack.core.limits.rates import TokenBucket
from aerostack.errors import RealtimeError
from aerostack.settings.limits import LimitsConfig

# The least and the most that anybody is told to wait, in seconds.
SOON = 1.0
LATE = 30.0


class Admission:
    """
    The rate at which connections are let in, and the daemon's own pace.
    """

    def __init__(self, limits: LimitsConfig, random: Callable[[], float]) -> None:
        """
        @param random: Gives numbers from 0 up to, but not, 1.
        """
        self._random = random
        self._bucket: TokenBucket | None = None
        self._lag = 0.0
        # When the one who was refused last was told to come back.
        self._promised = 0.0
        self.reload(limits)

    def reload(self, limits: LimitsConfig) -> None:
        """
        Go by these limits from now on.
        """
        self._rate = limits.connectionsPerSecond
        self._burst = limits.connectionsBurst
        self._longest = limits.lag
        self._bucket = None

    @property
    def behind(self) -> bool:
        """Whether the daemon is too far behind with its work to take on more."""
        return self._longest is not None and self._lag >= self._longest

    def measured(self, lag: float) -> None:
        """
        Note how late the daemon is, in seconds.  What it was late before is forgotten
        by halves, because one timely beat between two late ones means little.
        """
        self._lag = max(lag, self._lag / 2)

    def check(self, now: float) -> None:
        """
        Let one connection in.

        @param now: The time in seconds.
        @raise RealtimeError: C{overloaded}: not now.
        """
        if self.behind:
            raise RealtimeError(
                "overloaded",
                "The daemon is behind with its work; come back later.",
                _milliseconds(SOON + (self._lag + SOON) * self._random()),
            )
        if self._rate is None:
            return
        if self._bucket is None:
            self._bucket = TokenBucket(self._rate, self._burst, now)
        if self._bucket.take(now):
            raise RealtimeError(
                "overloaded",
                "New connections come faster than they are let in; come back later.",
                _milliseconds(self._promise(now, self._rate)),
            )

    def _promise(self, now: float, rate: float) -> float:
        """
        Find a time to come back at: each the next that the rate leaves, so that the
        refused come back no faster than they can be let in.

        @return: The seconds until then.
        """
        due = max(now + SOON, self._promised + 1 / rate)
        if due - now <= LATE:
            self._promised = due
            return due - now
        # Nobody waits for ever; and a clock that was set back must not make them.
        self._promised = min(self._promised, now + LATE)
        return LATE * (1 + self._random()) / 2


def _milliseconds(seconds: float) -> int:
    return ceil(seconds * 1000)
