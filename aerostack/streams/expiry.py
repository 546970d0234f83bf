"""
Ends token streams whose time is over.
"""

from __future__ import annotations

from collections.abc import Iterator

from twisted.internet.interfaces import IReactorTime

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


class Expiry:
    """
    Ends streams that go on for too long, or without a producer, a text or a watcher.

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
