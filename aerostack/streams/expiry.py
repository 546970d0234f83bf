"""
Ends token streams whose time is over.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

from twisted.internet.interfaces import IDelayedCall, IReactorTime

from aerostack.core.answers.answer import (
    ABORTED,
    CANCELLED,
    LEASE,
    LIMIT,
    RESTART,
    STALLED,
    UNWATCHED,
    End,
)
from aerostack.streams.audience import Audience
from aerostack.streams.ending import Ending
from aerostack.streams.handover import Handover
from aerostack.streams.run import Run
from aerostack.streams.runs import Runs

AHEAD = 2.0
"""For how many seconds a sweep plans.  The next one comes after a second, or later under load."""


class Expiry:
    """
    Ends streams that go on for too long, or without a producer, a text or a watcher.

    A stream whose lease ends between two sweeps ends at that moment.

    @ivar idle: After how many seconds without a text a stream ends although its producer is there.
    @ivar maxAge: After how many seconds any stream ends.
    """

    idle = 600.0
    maxAge = 3600.0

    def __init__(
        self,
        clock: IReactorTime,
        runs: Runs,
        ending: Ending,
        handover: Handover,
        audience: Audience,
    ) -> None:
        self._clock = clock
        self._runs = runs
        self._ending = ending
        self._handover = handover
        self._audience = audience
        # The streams whose leases end before the next sweep, each with the moment, seconds of the
        # clock; the first that is due first.
        self._soon: deque[tuple[float, Run]] = deque()
        self._call: IDelayedCall | None = None
        self._isStopped = False

    def stop(self) -> None:
        """
        End no more streams, because the daemon stops.
        """
        self._isStopped = True
        self._cancel()

    def sweep(self) -> Iterator[None]:
        """
        End the streams whose producers are gone, and those that are too old; one in each step.
        """
        now, isSure = self._clock.seconds(), self._runs.isSure()
        runs = tuple(self._runs)
        self._audience.wanted = {run.answer.topic for run in runs if run.endsUnwatched}
        for run in runs:
            answer = run.answer
            if answer.isReleased:
                self._runs.remove(answer)
            elif answer.isOver and not run.isFinished:
                # Another node has ended it, which has taken this one for dead.
                self._handover.letGo(answer)
            elif not isSure:
                # The stream may go on at another node, with its producer.
                continue
            elif answer.end is None and (reason := self._overdue(run, now)) is not None:
                self._ending.finish(run, End(ABORTED, reason))
                yield
            elif answer.end is None and self._isUnwatched(run, now):
                self._ending.finish(run, End(CANCELLED, UNWATCHED))
                yield
        self._plan()

    def _plan(self) -> None:
        """Wait for the leases that end before the next sweep."""
        until = self._clock.seconds() + AHEAD
        soon = [(run.due, run) for run in self._runs if run.answer.end is None and run.due < until]
        self._soon = deque(sorted(soon, key=lambda each: each[0]))
        self._wait()

    def _wait(self) -> None:
        self._cancel()
        if self._soon and not self._isStopped:
            left = self._soon[0][0] - self._clock.seconds()
            self._call = self._clock.callLater(max(0.0, left), self._endFirst)

    def _cancel(self) -> None:
        call, self._call = self._call, None
        if call is not None:
            call.cancel()

    def _endFirst(self) -> None:
        """End the stream whose lease ends now, unless its producer has given a sign."""
        self._call = None
        due, run = self._soon.popleft()
        isHere = self._runs.of(run.answer) is run and self._runs.isSure()
        if isHere and run.answer.end is None and run.due <= due:
            self._ending.finish(run, End(ABORTED, LEASE))
        self._wait()

    def _overdue(self, run: Run, now: float) -> str | None:
        if run.isOrphan:
            return RESTART
        if now >= run.due:
            return LEASE
        if now >= run.grown + self.idle:
            return STALLED
        return LIMIT if now >= run.began + self.maxAge else None

    def _isUnwatched(self, run: Run, now: float) -> bool:
        """Whether a stream has had no watcher for so long that it is cancelled."""
        limit = run.answer.terms.unwatched
        if limit is None:
            return False
        if self._audience.count(run.answer.topic):
            run.watched = now
        return now >= run.watched + limit
