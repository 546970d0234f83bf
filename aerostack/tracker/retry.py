"""
The state of something that may fail: since when it has failed, and when to try it again.
"""

from __future__ import annotations

LONGEST = 2.0
"""The longest pause between two attempts, in seconds, unless the interval is longer."""


class RetryState:
    """
    Something that works, or has failed and is tried again: first after an interval, then after
    pauses of which each is twice as long as the one before, up to a bound.

    @ivar reason: The reason of the last failure; L{None} while it works.
    @ivar since: When it first failed.
    """

    def __init__(self, interval: float, longest: float = LONGEST) -> None:
        """
        @param interval: The shortest pause, in seconds.
        @param longest: The longest pause, in seconds.
        """
        self.reason: str | None = None
        self.since = 0.0
        self._interval = interval
        self._longest = max(longest, interval)
        self._pause = interval
        self._failedAt = 0.0

    def failed(self, now: float, reason: str) -> bool:
        """
        Note that it failed.

        @return: Whether it worked before.
        """
        first = self.reason is None
        if first:
            self.since = now
            self._pause = self._interval
        else:
            self._pause = min(2 * self._pause, self._longest)
        self.reason = reason
        self._failedAt = now
        return first

    def worked(self) -> bool:
        """
        Note that it works.

        @return: Whether it had failed before.
        """
        failed = self.reason is not None
        self.reason = None
        return failed

    def allows(self, now: float, urgent: bool = False) -> bool:
        """
        Whether to try it now.

        @param urgent: A caller asks for it now, so that the shortest pause is enough.
        """
        if self.reason is None:
            return True
        pause = self._interval if urgent else self._pause
        # Sums of floating point intervals are not exact.
        return now - self._failedAt > 0.99 * pause

    def left(self, now: float) -> float:
        """
        How many seconds remain until the next attempt.
        """
        return 0.0 if self.reason is None else max(0.0, self._failedAt + self._pause - now)
