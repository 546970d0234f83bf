"""
The tracker's periodic work beside the delivery of changes.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from itertools import islice
from typing import Any

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from aerostack.core.rows.journal import Lag
from aerostack.errors import GivenUp
from aerostack.interfaces.tracking import IJournal
from aerostack.tracker.columns import ColumnCache
from aerostack.tracker.dispatch import ChangeDispatcher
from aerostack.tracker.faults import describe
from aerostack.tracker.monitor import MonitoredDatabase
from aerostack.tracker.retry import RetryState
from aerostack.tracker.watched import WatchedTable, WatchedTables

RENEWAL = 3600.0
"""How often, in seconds, the daemon renews its lease at the journal."""

DETACHED_AT_ONCE = 4
"""How many tables are detached in a row: meanwhile the daemon reads no changes."""

PRUNING = 60.0
"""How often, in seconds, old entries are pruned."""

MEASURING = 1.0
"""The shortest time, in seconds, over which the rate of changes is measured."""

SHORTEST = 0.02
"""The shortest pause between two steps of pruning, in seconds: writers get their turns."""

ASKING = 5.0
"""How often, in seconds, the daemon measures the journal's backlog."""


class Maintenance:
    """
    Detaches tables that have no subscribers any more, prunes the journal, and measures its
    backlog.

    A step that fails is tried again, and does not delay anything else.

    @ivar pruneAt: When old changes are pruned next.
    @ivar lag: The journal's backlog at its last answer; L{None} before the first answer, and when
        the journal could not answer the last question.
    """

    log = Logger()

    def __init__(
        self,
        clock: IReactorTime,
        wall: Callable[[], float],
        monitored: MonitoredDatabase,
        journal: IJournal,
        dispatcher: ChangeDispatcher,
        watched: WatchedTables,
        columns: ColumnCache,
        interval: float,
        batch: int,
        retention: float,
    ) -> None:
        """
        @param clock: For intervals; it is never set.
        @param wall: Gives the wall clock in seconds since the epoch, by which the database dates
            changes.
        @param interval: Seconds from one tick to the next.
        @param batch: How many changes to prune in one step.
        @param retention: For how many seconds a delivered change is kept.
        """
        self.pruneAt = 0.0
        self.lag: Lag | None = None
        self._clock = clock
        self._wall = wall
        self._monitored = monitored
        self._journal = journal
        self._dispatcher = dispatcher
        self._watched = watched
        self._columns = columns
        self._interval = interval
        self._batch = batch
        self._retention = retention
        self._renewAt = 0.0
        self._askAt = 0.0
        # How many changes come per second; when that was measured last, and the newest position
        # then.
        self._rate = 0.0
        self._seenAt = 0.0
        self._seen = 0
        self._tidying = RetryState(PRUNING / 4)
        self._pruning = RetryState(PRUNING / 4)
        self._asking = RetryState(ASKING)

    async def keep(self) -> None:
        """
        Do all work that is due except L{prune}.
        """
        await self._attempt(
            self._tidying, "The journal could not be kept in order; trying again.", self._tidy
        )
        await self._attempt(
            self._asking,
            "The backlog of the journal could not be measured; trying again.",
            self._ask,
        )

    async def prune(self) -> None:
        """
        Prune old changes in one step, if that is due.  While there are more, the pause before the
        next step becomes shorter the more changes come.
        """
        await self._attempt(
            self._pruning, "Old changes could not be forgotten; trying again.", self._prune
        )

    async def _attempt(
        self, retry: RetryState, sentence: str, work: Callable[[float], Coroutine[Any, Any, None]]
    ) -> None:
        """
        @param sentence: What to log when it fails.
        """
        now = self._clock.seconds()
        if not retry.allows(now):
            return
        try:
            await work(now)
        except GivenUp:
            # The next daemon does what is left.
            return
        except Exception as error:
            # The delivery of changes goes on.  The same work is tried again after a pause.
            if retry.failed(self._clock.seconds(), describe(error)):
                self.log.failure(sentence)
        else:
            retry.worked()

    async def _tidy(self, now: float) -> None:
        for watchedTable in islice(self._watched.due(now), DETACHED_AT_ONCE):
            await self._detach(watchedTable)
        if now >= self._renewAt:
            await self._monitored.ask(self._journal.renew, int(self._wall() * 1000))
            self._renewAt = now + RENEWAL

    async def _prune(self, now: float) -> None:
        delivered = self._dispatcher.position
        if now - self._seenAt >= MEASURING:
            self._rate = (delivered - self._seen) / (now - self._seenAt)
            self._seenAt, self._seen = now, delivered
        if now < self.pruneAt:
            return
        before = int((self._wall() - self._retention) * 1000)
        count = await self._monitored.ask(self._journal.prune, delivered, before, self._batch)
        pause = PRUNING
        if count >= self._batch:
            pause = pauseFor(self._batch, self._rate, self._interval)
        self.pruneAt = max(now + pause, self._clock.seconds() + SHORTEST)

    async def _detach(self, watchedTable: WatchedTable) -> None:
        # The listener must know before the first change that the triggers miss.
        self._dispatcher.left(watchedTable.name)
        await self._monitored.ask(self._journal.detach, watchedTable.name)
        self._columns.forget([watchedTable.name])
        # Callers that ask for the table meanwhile wait for this turn to end.
        self._watched.remove(watchedTable)

    async def _ask(self, now: float) -> None:
        if now >= self._askAt:
            try:
                self.lag = await self._monitored.ask(self._journal.lag)
            except Exception:
                # The last answer does not hold any more.
                self.lag = None
                raise
            self._askAt = now + ASKING

    def forget(self) -> None:
        """
        Forget the backlog, and measure it anew at the next occasion.
        """
        self.lag = None
        self._askAt = 0.0


def pauseFor(step: int, rate: float, longest: float) -> float:
    """
    Compute the pause between two steps of pruning.  Twice as many changes must go as come, so
    that a backlog shrinks.

    @param step: How many changes are pruned in a step.
    @param rate: How many changes come per second.
    @param longest: The longest pause, in seconds.
    """
    if 2 * rate * longest <= step:
        return longest
    return max(SHORTEST, step / (2 * rate))
