"""
The work that the daemon repeats at intervals.
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
from aerostack.interfaces.messaging import IHistory
from aerostack.sessions.session import Session


class Housekeeping(Service):
    """
    Sweeps over the deadlines of all sessions each second, and over the history each minute.  A
    sweep that has much to do is cut into pieces, and the reactor turns between two pieces.

    @cvar sweepInterval: Seconds between two sweeps over the deadlines, and the precision of every
        time-out of a connection.
    @cvar expireInterval: Seconds between two sweeps over old messages.
    @cvar probeInterval: Seconds between two checks whether messages can be kept.
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
            # Otherwise the sweep before still goes on.
            self._swept = self._doInPieces(
                self._guard(self._hub.presence.sweep()), self._guard(self._hub.expireLogs())
            )

    def _doInPieces(self, *works: Iterator[None]) -> Deferred[Any]:
        done: Deferred[Any] = self._cooperator.coiterate(chain(*works))
        # The service may stop in the middle of a sweep.
        return done.addErrback(lambda failure: failure.trap(SchedulerStopped))

    def _serve(self, due: Iterable[Session]) -> Iterator[None]:
        for session in due:
            try:
                session.due()
            except Exception:
                # The deadlines of the other sessions must still be kept.
                self.log.failure("a session failed", Failure(), connection=session.connectionId)
            yield

    def _guard(self, work: Iterator[None]) -> Iterator[None]:
        try:
            yield from work
        except Exception:
            # The parts after this one, and the next sweep, must still be done.
            self.log.failure("a part of the sweep failed", Failure())

    def _expire(self) -> Deferred[None]:
        def again(deleted: int) -> Any:
            return self._expire() if deleted and self.running else None

        def failed(failure: Failure) -> None:
            self.log.failure("old messages stay", failure)

        expired: Deferred[Any] = self._history.expire(self._hub.now())
        return expired.addCallback(again).addErrback(failed)
