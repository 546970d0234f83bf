"""
Time, as the parts of the client on Twisted need it, of an event loop.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any, TypeVar

from twisted.internet.base import DelayedCall
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from zope.interface import implementer

T = TypeVar("T")


@implementer(IReactorTime)
class LoopClock:
    """
    Calls functions later, on the event loop that runs.
    """

    def seconds(self) -> float:
        return time.monotonic()

    def callLater(
        self, delay: float, callable: Callable[..., Any], *args: object, **kwargs: object
    ) -> IDelayedCall:
        loop = asyncio.get_running_loop()

        def run() -> None:
            delayed.called = 1
            callable(*args, **kwargs)

        handle = loop.call_later(delay, run)

        def cancel(_: DelayedCall) -> None:
            handle.cancel()

        def move(moved: DelayedCall) -> None:
            nonlocal handle
            handle.cancel()
            handle = loop.call_later(max(0.0, moved.getTime() - self.seconds()), run)

        delayed = DelayedCall(self.seconds() + delay, run, (), {}, cancel, move, self.seconds)
        return delayed

    def getDelayedCalls(self) -> list[IDelayedCall]:
        """
        The event loop knows them, and does not tell.
        """
        return []


async def settle(deferred: Deferred[T]) -> T:
    """
    Wait for a Deferred in a task.  Where the task is cancelled, the Deferred is.
    """
    return await deferred.asFuture(asyncio.get_running_loop())
