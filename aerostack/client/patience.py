"""
How long a call waits for the daemon.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime

from aerostack.client.errors import ClientError

T = TypeVar("T")


class Patience:
    """
    Lets calls fail that are not answered in time.  The time during which the daemon asks the
    client to wait does not count.
    """

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        self._heldUp = 0.0

    def heldUp(self, wait: float) -> None:
        """
        The daemon asks the client to wait.

        @param wait: Seconds.
        """
        self._heldUp = max(self._heldUp, self._clock.seconds() + wait)

    def bound(
        self, answered: Deferred[T], seconds: float, late: Callable[[], ClientError]
    ) -> Deferred[T]:
        """
        Let a call fail that is not answered in time.

        @param seconds: The time, counted from now or from the end of the latest wait.
        @param late: Gives the error.
        @return: The same call.
        """
        if answered.called:
            return answered
        timer: IDelayedCall

        def look(since: float) -> None:
            nonlocal timer
            left = max(since, self._heldUp) + seconds - self._clock.seconds()
            if left > 0:
                timer = self._clock.callLater(left, look, since)
            else:
                answered.errback(late())

        def over(result: Any) -> Any:
            if timer.active():
                timer.cancel()
            return result

        timer = self._clock.callLater(seconds, look, self._clock.seconds())
        return answered.addBoth(over)
