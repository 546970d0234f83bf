"""
When the tracker has a conversation with the database: regularly, sooner when it is poked, and
never two at a time.
"""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.defer import Deferred, DeferredLock
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.internet.task import LoopingCall


class Ticker:
    """
    Calls a function every few seconds, and sooner on demand.  A call that takes long delays the
    next one.
    """

    def __init__(
        self, clock: IReactorTime, interval: float, tick: Callable[[bool], Deferred[None]]
    ) -> None:
        """
        @param interval: Seconds from one regular tick to the next.
        @param tick: Is called with C{True} if a poke asked for this tick.
        """
        self._clock = clock
        self._interval = interval
        self._tick = tick
        self._turn = DeferredLock()
        # A poke waits first for the reactor's next turn, then for the tick in flight.
        self._poked = False
        self._pokeCall: IDelayedCall | None = None
        # A poke that comes sooner than the next regular tick.
        self._pause: IDelayedCall | None = None
        self._loop = LoopingCall(self._takeTurn)
        self._loop.clock = clock

    def start(self) -> None:
        """
        Begin to tick, for the first time after the interval.
        """
        self._loop.start(self._interval, now=False)

    def stop(self) -> Deferred[None]:
        """
        Stop ticking.

        @return: Fires when the tick in flight, if any, is done.
        """
        self._cancelPause()
        if self._loop.running:
            self._loop.stop()
        if self._pokeCall is not None:
            self._pokeCall.cancel()
            self._pokeCall = None
        done: Deferred[None] = self._turn.run(lambda: None)
        return done

    def poke(self) -> None:
        """
        Tick in the reactor's next turn, or right after the tick in flight.
        """
        if not self._poked and self._loop.running:
            self._poked = True
            self._pokeCall = self._clock.callLater(0, self._answerPoke)

    def pokeAfter(self, pause: float) -> None:
        """
        Tick after a pause, if that is sooner than the next regular tick.

        @param pause: Seconds.
        """
        if 0 < pause < self._interval and self._loop.running:
            self._cancelPause()
            self._pause = self._clock.callLater(pause, self.poke)

    def _answerPoke(self) -> None:
        def begin() -> Deferred[None]:
            # A later poke may be for a change that this tick does not see.
            self._poked = False
            return self._tick(True)

        self._pokeCall = None
        self._turn.run(begin)

    def _takeTurn(self) -> Deferred[None]:
        turn: Deferred[None] = self._turn.run(self._tick, False)
        return turn

    def _cancelPause(self) -> None:
        if self._pause is not None and self._pause.active():
            self._pause.cancel()
