"""
What a client does later on its connection.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.interfaces import IDelayedCall, IReactorTime


class Timers:
    """
    Calls functions later, as long as the connection is open.
    """

    def __init__(self, clock: IReactorTime, after: Callable[[], None]) -> None:
        """
        @param after: Called after each of the functions.
        """
        self._clock = clock
        self._after = after
        self._timers: set[IDelayedCall] = set()

    def later(self, wait: float, call: Callable[..., None], *args: Any) -> None:
        """
        Call a function after a time.

        @param wait: Seconds.
        """

        def fire() -> None:
            self._timers.discard(timer)
            call(*args)
            self._after()

        timer = self._clock.callLater(wait, fire)
        self._timers.add(timer)

    def cancel(self) -> None:
        """
        Call none of the functions: the connection is closed.
        """
        timers, self._timers = self._timers, set()
        for timer in timers:
            timer.cancel()
