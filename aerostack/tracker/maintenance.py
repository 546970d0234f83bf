"""
What the tracker does now and then, beside telling of changes.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from itertools import islice
from typing import Any

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from aerostack.core.rows.journal import Lag
from aerostack.errors import GivenUp
from aerostack.interfaces import IJournal
from aerostack.tracker.columns import ColumnCache
from aerostack.tracker.dispatch import ChangeDispatcher
from aerostack.tracker.faults import describe
from aerostack.tracker.monitor import MonitoredDatabase
from aerostack.tracker.retry import RetryState
from aerostack.tracker.watched import WatchedTable, WatchedTables

RENEWAL = 3600.0
"""How often, in seconds, the journal hears that somebody reads it."""

LETTING_GO = 4
"""How many tables are let go at once: meanwhile no changes are read."""

PRUNING = 60.0
"""How often, in seconds, old entries are forgotten."""

MEASURING = 1.0
"""For how long, in seconds, it is counted at the least how many changes come."""

SHORTEST = 0.02
"""The shortest pause after a step of that, in seconds: writers get their turns."""

ASKING = 5.0
"""How often, in seconds, the journal is asked what has still to be told."""


class Maintenance:
    """
    Lets tables go that nobody watches any more, keeps the journal short, and knows what it
    has still to tell.

    What fails is tried again, and holds up nothing else.

    @ivar pruneAt: When old changes are to be forgotten next.
    @ivar lag: What there was still to be told when the journal answered last; L{None} before
        the first answer, and when the journal could not answer the last question.
    """

    log = Logger()

    def __init__(
        self,
        clock: IReactorTime,
        wall: Callable[[], float],
        line: MonitoredDatabase,
        journal: IJournal,
        herald: ChangeDispatcher,
        interests: WatchedTables,
        columns: ColumnCache,
        interval: float,
        batch: int,
        retention: float,
    ) -> None:
        """
        @param clock: For intervals; it is never set.
        @param wall: Tells the time, seconds since the epoch, by which the database dates
            changes.
        @param interval: Seconds from one tick to the next.
        @param batch: How many changes to forget in one step.
        @param retention: For how many seconds a change that was told is kept.
        """
        self.pruneAt = 0.0
        self.lag: Lag | None = None
        self._clock = clock
        self._wall = wall
        self._line = line
        self._journal = journal
        self._herald = herald
        self._interests = interests
        self._columns = columns
        self._interval = interval
        self._batch = batch
        self._retention = retention
        self._renewAt = 0.0
        self._askAt = 0.0
        # How many changes come in a second; when that was seen last, and the newest then.
        self._rate = 0.0
        self._seenAt = 0.0
        self._seen = 0
        self._tidying = RetryState(PRUNING / 4)
        self._pruning = RetryState(PRUNING / 4)
        self._asking = RetryState(ASKING)

    async def keep(self) -> None:
        """
        Do what is due, but for L{prune}.
        """
        await self._attempt(
            self._tidying, "The journal could not be kept in order; trying again.", self._tidy
        )
        await self._attempt(
            self._asking, "What holds changes up is not known; trying again.", self._ask
        )

    async def prune(self) -> None:
        """
        Forget old changes, if it is time to, in one step.  As long as there are more, the next
        step is due the sooner the more changes come.
        """
        await self._attempt(
            self._pruning, "Old changes could not be forgotten; trying again.", self._prune
        )

    async def _attempt(
        self, outage: RetryState, sentence: str, work: Callable[[float], Coroutine[Any, Any, None]]
    ) -> None:
        """
        @param sentence: What to log when it fails.
        """
        now = self._clock.seconds()
        if not outage.allows(now):
            return
        try:
            await work(now)
        except GivenUp:
            # What is left to do, the next daemon does.
            return
        except Exception as error:
            if outage.failed(self._clock.seconds(), describe(error)):
                self.log.failure(sentence)
        else:
            outage.worked()

    async def _tidy(self, now: float) -> None:
        for interest in islice(self._interests.due(now), LETTING_GO):
            await self._detach(interest)
        if now >= self._renewAt:
            await self._line.ask(self._journal.renew, int(self._wall() * 1000))
            self._renewAt = now + RENEWAL

    async def _prune(self, now: float) -> None:
        told = self._herald.position
        if now - self._seenAt >= MEASURING:
            self._rate = (told - self._seen) / (now - self._seenAt)
            self._seenAt, self._seen = now, told
        if now < self.pruneAt:
            return
        before = int((self._wall() - self._retention) * 1000)
        count = await self._line.ask(self._journal.prune, told, before, self._batch)
        pause = PRUNING
        if count >= self._batch:
            pause = pauseFor(self._batch, self._rate, self._interval)
        self.pruneAt = max(now + pause, self._clock.seconds() + SHORTEST)

    async def _detach(self, interest: WatchedTable) -> None:
        # Before the first change that nobody sees.
        self._herald.left(interest.name)
        await self._line.ask(self._journal.detach, interest.name)
        self._columns.forget([interest.name])
        # Those who ask for it meanwhile wait for this turn to end.
        self._interests.remove(interest)

    async def _ask(self, now: float) -> None:
        if now >= self._askAt:
            try:
                self.lag = await self._line.ask(self._journal.lag)
            except Exception:
                self.lag = None
                raise
            self._askAt = now + ASKING

    def forget(self) -> None:
        """
        Know nothing of what has still to be told, and ask anew when there is an occasion.
        """
        self.lag = None
        self._askAt = 0.0


def pauseFor(step: int, rate: float, longest: float) -> float:
    """
    Give the time from one step of forgetting to the next, so that twice as many changes go
    as come, and what has piled up is worked off.

    @param step: How many go in a step.
    @param rate: How many come in a second.
    @param longest: The longest time.
    """
    if 2 * rate * longest <= step:
        return longest
    return max(SHORTEST, step / (2 * rate))
