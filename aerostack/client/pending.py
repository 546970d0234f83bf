"""
Deferreds that the client's calls return.
"""

from __future__ import annotations

import asyncio
from collections.abc import Generator
from typing import Any, TypeVar

from twisted.internet.defer import Deferred

T = TypeVar("T")

_BAD_YIELD = "Task got bad yield"
"""How asyncio begins the error for a task that awaits something of another library."""

_USE = "Use RealtimeClient or AsyncSDK of aerostack.client.aio."
_ADVICE = f"A task of asyncio cannot await this: it is a Deferred of the client for Twisted. {_USE}"


class Pending(Deferred[T]):
    """
    A Deferred that says what to use instead, if a task of asyncio awaits it.
    """

    def __await__(self) -> Generator[Any, None, T]:
        try:
            result: T = yield from super().__await__()
        except RuntimeError as error:
            if str(error).startswith(_BAD_YIELD):
                raise RuntimeError(_ADVICE) from None
            raise
        return result


def checkReactor(reactor: Any) -> None:
    """
    Make sure that a reactor can run.

    @raise RuntimeError: An event loop of asyncio runs in this thread, and not for the reactor.
    """
    if getattr(reactor, "running", True):
        return
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return
    raise RuntimeError(f"The reactor does not run, and cannot beside this event loop. {_USE}")


def pending(source: Deferred[T]) -> Pending[T]:
    """
    Make a L{Pending} that fires with what another Deferred fires with, and cancels it when it is
    cancelled.
    """
    made: Pending[T] = Pending(lambda _: source.cancel())
    source.chainDeferred(made)
    return made


class Waiting(list[Pending[T]]):
    """
    The deferreds that wait for one result.  The list is true while one of them waits.
    """

    def __bool__(self) -> bool:
        return any(not each.called for each in self)

    def join(self) -> Pending[T]:
        """
        Add a deferred.

        @return: Fires with the result.
        """
        joined: Pending[T] = Pending()
        # A deferred that was cancelled does not wait any more.
        self[:] = [*(each for each in self if not each.called), joined]
        return joined

    def answer(self, result: T) -> None:
        """
        Fire all deferreds with the result.
        """
        for each in self._take():
            each.callback(result)

    def fail(self, error: Exception) -> None:
        """
        The result will not come: fail all deferreds.
        """
        for each in self._take():
            each.errback(error)

    def _take(self) -> list[Pending[T]]:
        # A callback may add another deferred.
        taken = [each for each in self if not each.called]
        self.clear()
        return taken
