"""
Callers that wait until the tracker has delivered the journal up to a position.
"""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime


class AwaitedPositions:
    """
    Holds callers back until the journal is delivered up to the position that they need.
    """

    def __init__(self, clock: IReactorTime, poke: Callable[[], None]) -> None:
        """
        @param clock: Ends waits that have a time limit.
        @param poke: Has the journal read soon.
        """
        self._clock = clock
        self._poke = poke
        self._awaited: list[tuple[int, Deferred[None]]] = []
        self._timeouts: set[IDelayedCall] = set()

    def wait(self, position: int) -> Deferred[None]:
        """
        Wait for a position, without a time limit.
        """
        reached: Deferred[None] = Deferred()
        self._awaited.append((position, reached))
        self._poke()
        return reached

    def reach(self, position: int, patience: float) -> Deferred[None]:
        """
        Wait for a position.

        @param patience: After how many seconds the result fires in any case.
        """
        reached = self.wait(position)

        def giveUp() -> None:
            self._awaited.remove((position, reached))
            reached.callback(None)

        def end(_: None) -> None:
            self._timeouts.discard(timeout)
            if timeout.active():
                timeout.cancel()

        timeout = self._clock.callLater(patience, giveUp)
        self._timeouts.add(timeout)
        return reached.addCallback(end)

    def release(self, position: int) -> None:
        """
        Let the callers continue that waited for a position up to this one.
        """
        ready = [each for each in self._awaited if each[0] <= position]
        if ready:
            self._awaited = [each for each in self._awaited if each[0] > position]
        for _, reached in ready:
            reached.callback(None)

    def stop(self) -> None:
        """
        End all time limits.
        """
        while self._timeouts:
            self._timeouts.pop().cancel()
