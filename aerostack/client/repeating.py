"""
When a request to the daemon is repeated.
"""

from __future__ import annotations

from aerostack.client.errors import ClientError, Unsent
from aerostack.client.requests import Request

LONGEST_REPEATING = 10.0
"""Seconds for which a call is repeated at most, if its stream is not being taken over by another
daemon; and for which one attempt to connect lasts."""

# The daemon answers with these before it does anything.
_UNTOUCHED = ("rate_limited", "overloaded", "shutting_down", "too_many_connections")

# The daemon that has a stream is gone, and another one takes the stream over.
_TAKEN_OVER = "engine_unavailable"

# These pass by themselves; a request that is repeatable is repeated after them, too.
_PASSING = (*_UNTOUCHED, "unreachable", "database_unavailable", _TAKEN_OVER)


class Attempts:
    """
    The attempts to make one request.  Every C{now} is in seconds, by one monotonic clock.

    @ivar seconds: Seconds that the request may take in all.
    @ivar until: When they are over, by that clock.
    """

    def __init__(self, request: Request, given: float | None, now: float) -> None:
        """
        @param given: Seconds that the application has given for all calls, or L{None}.
        """
        self.seconds = request.seconds(given)
        self.until = now + self.seconds
        self._request = request
        self._repeated = now + min(self.seconds, LONGEST_REPEATING)
        self._failed = 0

    def pause(self, error: ClientError, now: float) -> float | None:
        """
        Decide whether the client repeats the request after an attempt that has failed.

        @return: The seconds to wait before; L{None} if the client does not repeat it.
        """
        self._failed += 1
        if error.code == _TAKEN_OVER:
            # A takeover takes longer than a restart.
            self._repeated = self.until
        wait = retryDelay(self._request, error, self._failed)
        return None if wait is None or self.isOver(now + wait) else wait

    def isOver(self, now: float) -> bool:
        """
        Whether it is too late to repeat the request.
        """
        return now >= self._repeated


def retryDelay(request: Request, error: ClientError, attempts: int) -> float | None:
    """
    Decide whether a request that failed may be made again.

    @param attempts: How often the client has made it.
    @return: The seconds to wait before; L{None} if the client does not repeat it, because the
        daemon may have acted on it, or never will.
    """
    safe = isinstance(error, Unsent) or error.code in _UNTOUCHED
    if not safe and not (request.repeatable and error.code in _PASSING):
        return None
    return max((error.retryAfter or 0) / 1000, min(0.1 * 2**attempts, 2.0))
