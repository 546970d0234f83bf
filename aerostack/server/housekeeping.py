"""
What is to be done from time to time.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from itertools import chain
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import Cooperator, LoopingCall, SchedulerStopped
from twisted.logger import Logger
from twisted.python.failure import Failure

from aerostack.core.limits.deadlines import Deadlines
from aerostack.hub.hub import Hub
from aerostack.interfaces import IHistory
from aerostack.sessions.session import Session


class Housekeeping(Service):
    """
    One sweep a second over everybody's deadlines, and now and then over the
    history.  A sweep that has much to do is cut into pieces, between which everything
    else has its turn.

    @cvar sweepInterval: Seconds between two looks at the deadlines, and the
        precision of every time-out of a connection.
    @cvar expireInterval: Seconds between two looks at old messages.
    @cvar probeInterval: Seconds between two looks whether messages can be kept.
    """

    log = Logger()
    sweepInterval = 1.0
    expireInterval = 60.0
    probeInterval = 5.0

    def __init__(
        self, clock: IReactorTime, deadlines: Deadlines, hub: Hub, history: IHistory
    ) -> None:
        self._clock = clock
        self._deadlines = deadlines
        self._hub = hub
        self._history = history
        self._cooperator = Cooperator(scheduler=partial(clock.callLater, 0))
        self._swept: Deferred[Any] = succeed(None)
        self._sweeping = LoopingCall(self._sweep)
        self._expiring = LoopingCall(self._expire)
        self._probing = LoopingCall(history.probe)
        for call in (self._sweeping, self._expiring, self._probing):
            call.clock = clock

    def startService(self) -> None:
        super().startService()
        self._sweeping.start(self.sweepInterval)
        self._expiring.start(self.expireInterval)
        self._probing.start(self.probeInterval, now=False)

    def stopService(self) -> None:
        super().stopService()
        for call in (self._sweeping, self._expiring, self._probing):
            if call.running:
                call.stop()
        self._cooperator.stop()

    def _sweep(self) -> None:
        due: Iterable[Session] = self._deadlines.expire(self._clock.seconds())  # type: ignore[assignment]
        self._doInPieces(self._serve(due))
        if self._swept.called:
            # Else the one before has not come to its end.
            self._swept = self._doInPieces(
                self._guard(self._hub.presence.sweep()), self._guard(self._hub.expireLogs())
            )

    def _doInPieces(self, *works: Iterator[None]) -> Deferred[Any]:
        done: Deferred[Any] = self._cooperator.coiterate(chain(*works))
        # What is left at the end of the service is left.
        return done.addErrback(lambda failure: failure.trap(SchedulerStopped))

    def _serve(self, due: Iterable[Session]) -> Iterator[None]:
        for session in due:
            try:
                session.due()
            except Exception:
                # One session's fault must not stop the others' clock.
                self.log.failure("a session failed", Failure(), connection=session.connectionId)
            yield

    def _guard(self, work: Iterator[None]) -> Iterator[None]:
        try:
            yield from work
        except Exception:
            # What comes behind it, and the next sweep, are to be done all the same.
            self.log.failure("a part of the sweep failed", Failure())

    def _expire(self) -> Deferred[None]:
        def again(deleted: int) -> Any:
            return self._expire() if deleted and self.running else None

        def failed(failure: Failure) -> None:
            self.log.failure("old messages stay", failure)

        expired: Deferred[Any] = self._history.expire(self._hub.now())
        return expired.addCallback(again).addErrback(failed)
