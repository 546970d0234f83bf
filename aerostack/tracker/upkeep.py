"""
What the tracker does now and then, beside telling of changes.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from aerostack.interfaces import IJournal
from aerostack.tracker.columns import ColumnCache
from aerostack.tracker.faults import describe
from aerostack.tracker.herald import Herald
from aerostack.tracker.interests import Interest, Interests
from aerostack.tracker.journal import Lag
from aerostack.tracker.line import Line
from aerostack.tracker.outage import Outage

RENEWAL = 3600.0
"""How often, in seconds, the journal hears that somebody reads it."""

PRUNING = 60.0
"""How often, in seconds, old entries are forgotten."""

ASKING = 5.0
"""How often, in seconds, the journal is asked what has still to be told."""


class Upkeep:
    """
    Lets tables go that nobody watches any more, keeps the journal short, and knows what it
    has still to tell.

    What fails is tried again, and holds up nothing else.

    @ivar lag: What there was still to be told when the journal was asked last; L{None} if that
        is not known.
    """

    log = Logger()

    def __init__(
        self,
        clock: IReactorTime,
        line: Line,
        journal: IJournal,
        herald: Herald,
        interests: Interests,
        columns: ColumnCache,
        batch: int,
        retention: float,
    ) -> None:
        """
        @param batch: How many changes to forget in one step.
        @param retention: For how many seconds a change that was told is kept.
        """
        self.lag: Lag | None = None
        self._clock = clock
        self._line = line
        self._journal = journal
        self._herald = herald
        self._interests = interests
        self._columns = columns
        self._batch = batch
        self._retention = retention
        self._renewAt = 0.0
        self._pruneAt = 0.0
        self._askAt = 0.0
        self._tidying = Outage(PRUNING / 4)
        self._asking = Outage(ASKING)

    async def keep(self) -> None:
        """
        Do what is due.
        """
        await self._attempt(
            self._tidying, "The journal could not be kept in order; trying again.", self._tidy
        )
        await self._attempt(
            self._asking, "What holds changes up is not known; trying again.", self._ask
        )

    async def _attempt(
        self, outage: Outage, sentence: str, work: Callable[[float], Coroutine[Any, Any, None]]
    ) -> None:
        """
        @param sentence: What to log when it fails.
        """
        now = self._clock.seconds()
        if not outage.allows(now):
            return
        try:
            await work(now)
        except Exception as error:
            if outage.failed(self._clock.seconds(), describe(error)):
                self.log.failure(sentence)
        else:
            outage.worked()

    async def _tidy(self, now: float) -> None:
        for interest in self._interests.due(now):
            await self._detach(interest)
        if now >= self._renewAt:
            await self._line.ask(self._journal.renew, int(now * 1000))
            self._renewAt = now + RENEWAL
        if now >= self._pruneAt:
            before = int((now - self._retention) * 1000)
            told = self._herald.position
            count = await self._line.ask(self._journal.prune, told, before, self._batch)
            if count < self._batch:
                # Else there may be more; the next tick goes on with it.
                self._pruneAt = now + PRUNING

    async def _detach(self, interest: Interest) -> None:
        # Before the first change that nobody sees.
        self._herald.left(interest.name)
        await self._line.ask(self._journal.detach, interest.name)
        self._columns.forget([interest.name])
        # Those who ask for it meanwhile wait for this turn to end.
        self._interests.remove(interest)

    async def _ask(self, now: float) -> None:
        if now >= self._askAt:
            self.lag = None
            self.lag = await self._line.ask(self._journal.lag)
            self._askAt = now + ASKING

    def forget(self) -> None:
        """
        Know nothing of what has still to be told, and ask anew when there is an occasion.
        """
        self.lag = None
        self._askAt = 0.0
