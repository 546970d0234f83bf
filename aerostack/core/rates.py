"""
Rate limits: how often a client may do something.
"""

from __future__ import annotations


class TokenBucket:
    """
    Allows a steady rate with bursts.

    @ivar rate: How many are allowed a second in the long run.
    @ivar burst: How many at once after a quiet time.
    """

    __slots__ = ("_filledAt", "_tokens", "burst", "rate")

    def __init__(self, rate: float, burst: float, now: float) -> None:
        self.rate = rate
        self.burst = burst
        self._tokens = float(burst)
        self._filledAt = now

    def take(self, now: float) -> float:
        """
        Take one.

        @param now: The time in seconds.
        @return: 0 if it was there, else the seconds until one will be; none is
            taken then.
        """
        # A clock that was set back must not take tokens away.
        elapsed = max(0.0, now - self._filledAt)
        self._tokens = min(self.burst, self._tokens + elapsed * self.rate)
        self._filledAt = now
        if self._tokens >= 1:
            self._tokens -= 1
            return 0.0
        return (1 - self._tokens) / self.rate
