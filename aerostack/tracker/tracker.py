"""
The timer that asks the journal what has changed, and tells.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from twisted.internet.defer import Deferred, DeferredLock, succeed
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.internet.task import LoopingCall, deferLater
from twisted.logger import Logger
from zope.interface import implementer

from aerostack.core.changes import Change
from aerostack.core.columns import Columns
from aerostack.errors import RealtimeError
from aerostack.interfaces import IChangeListener, IChangeTracker, IDatabase, IJournal
from aerostack.tracker.columns import ColumnCache
from aerostack.tracker.journal import Loss, Poll
from aerostack.tracker.schema import fold

RENEWAL = 3600.0
"""How often, in seconds, the journal hears that somebody reads it."""

PRUNING = 60.0
"""How often, in seconds, old entries are forgotten."""


@dataclass
class _Interest:
    """
    A watched table.

    @ivar count: How many watch it.
    @ivar lost: It may not be there: it was lost since this run last attached it.
    @ivar leaving: When it is to be detached, if nobody watches it any more.
    """

    name: str
    count: int = 0
    lost: bool = False
    lineage: str = ""
    leaving: float | None = None


@dataclass(eq=False)
class _Request:
    """
    A call of C{watch} that waits for its turn.
    """

    table: str
    deferred: Deferred[str]


@implementer(IChangeTracker)
class ChangeTracker:
    """
    Tells an L{IChangeListener} of every committed change of the watched tables.

    There is never more than one conversation with the database at a time: a tick that
    takes long delays the next one, and a table is attached between two reads.  While no
    table is watched, there is none at all.

    @ivar lastTick: When the database last answered, by the clock; L{None} if it never
        did.
    """

    log = Logger()

    def __init__(
        self,
        clock: IReactorTime,
        database: IDatabase,
        journal: IJournal,
        listener: IChangeListener,
        pollInterval: float = 0.2,
        *,
        batch: int = 1000,
        retention: float = 3600.0,
        grace: float = 60.0,
    ) -> None:
        """
        @param database: Where the journal is.  Nobody else may write through it.
        @param pollInterval: Seconds from one tick to the next.
        @param batch: How many changes to read, tell or forget in one step.  The reactor
            turns between two steps.
        @param retention: For how many seconds a change that was told is kept.
        @param grace: For how many seconds a table that nobody watches any more is still
            followed, because changing its triggers changes the user's schema.
        """
        self.lastTick: float | None = None
        self._clock = clock
        self._database = database
        self._journal = journal
        self._listener = listener
        self._pollInterval = pollInterval
        self._batch = batch
        self._retention = retention
        self._grace = grace

        self._requests: deque[_Request] = deque()
        # By the name that the journal gave.
        self._interests: dict[str, _Interest] = {}
        # The journal's name of a table, by the name that somebody asked for.
        self._names: dict[str, str] = {}
        self._columns = ColumnCache(database, journal)
        # Up to where the journal was read; None until it is prepared.
        self._after: int | None = None
        self._renewAt = 0.0
        self._pruneAt = 0.0

        self._turn = DeferredLock()
        # A poke waits for its turn, first for the reactor's, then for the database's.
        self._poked = False
        self._pokeCall: IDelayedCall | None = None
        self._stopping = False
        self._trouble: str | None = None
        # Since when a tick has been owed.
        self._since = clock.seconds()
        self._loop = LoopingCall(self._takeTurn)
        self._loop.clock = clock

    # IChangeTracker

    def watch(self, table: str) -> Deferred[str]:
        def forget(_: Deferred[str]) -> None:
            self._requests.remove(request)

        request = _Request(table, Deferred(forget))
        if self._stopping:
            request.deferred.errback(_shuttingDown())
            return request.deferred
        if not self._isBusy():
            self._since = self._clock.seconds()
        self._requests.append(request)
        self.poke()
        return request.deferred

    def unwatch(self, table: str) -> None:
        interest = self._interests.get(table)
        if interest is None or not interest.count:
            raise ValueError(f"nobody watches {table!r}")
        interest.count -= 1
        if not interest.count:
            interest.leaving = self._clock.seconds() + self._grace

    def health(self) -> str | None:
        if not self._isBusy() and self._trouble is None:
            return None
        since = self._since if self.lastTick is None else max(self._since, self.lastTick)
        silent = self._clock.seconds() - since
        if silent <= max(5.0, 10 * self._pollInterval):
            return None
        reason = "it does not answer" if self._trouble is None else self._trouble
        return f"Table changes have not been read for {silent:.0f} s: {reason}."

    @property
    def position(self) -> int:
        """The number of the newest change that was told, or was none's."""
        return self._after or 0

    def lineage(self, table: str) -> str:
        interest = self._interests.get(table)
        return "" if interest is None else interest.lineage

    def columns(self, table: str) -> Deferred[Columns]:
        return self._columns.of(table)

    def surveyPast(
        self, table: str, lineage: str, after: int, until: int, most: int
    ) -> Deferred[str | None]:
        return self._database.run(self._journal.surveyPast, table, lineage, after, until, most)

    def readPast(
        self, table: str, lineage: str, after: int, until: int, limit: int
    ) -> Deferred[list[Change]]:
        return self._database.run(self._journal.readPast, table, lineage, after, until, limit)

    # Running

    def start(self) -> None:
        """
        Begin to tick.
        """
        self._loop.start(self._pollInterval, now=False)
        if self._requests:
            self.poke()

    def stop(self) -> Deferred[None]:
        """
        Stop ticking.  Whoever still waits for a table is refused.

        @return: Fires when the tick in flight, if any, is done.
        """
        self._stopping = True
        if self._loop.running:
            self._loop.stop()
        if self._pokeCall is not None:
            self._pokeCall.cancel()
            self._pokeCall = None

        def refuse(_: None) -> None:
            while self._requests:
                self._requests.popleft().deferred.errback(_shuttingDown())

        done: Deferred[None] = self._turn.run(lambda: None)
        return done.addCallback(refuse)

    def poke(self) -> None:
        """
        Tick soon: somebody knows that there is something to read.
        """
        if not self._poked and self._loop.running:
            self._poked = True
            self._pokeCall = self._clock.callLater(0, self._answerPoke)

    def _answerPoke(self) -> None:
        def begin() -> Deferred[None]:
            # A poke from here on may be for what this tick does not see any more.
            self._poked = False
            return self._tick()

        self._pokeCall = None
        self._turn.run(begin)

    def _takeTurn(self) -> Deferred[None]:
        turn: Deferred[None] = self._turn.run(self._tick)
        return turn

    def _isBusy(self) -> bool:
        return bool(self._requests or self._interests)

    def _tick(self) -> Deferred[None]:
        if self._stopping or not self._isBusy():
            self._trouble = None
            return succeed(None)
        return Deferred.fromCoroutine(self._converse())

    async def _converse(self) -> None:
        """
        Hold one whole conversation with the database.
        """
        try:
            await self._attachRequested()
            while await self._readOn():
                await deferLater(self._clock, 0)
                await self._attachRequested()
            await self._keepHouse()
        except Exception as error:
            if self._trouble is None:
                self.log.failure("Table changes cannot be read; trying again.")
            self._trouble = str(error) or type(error).__name__
        else:
            if self._trouble is not None:
                self.log.info("Table changes can be read again.")
            self._trouble = None

    async def _ask(self, question: Callable[..., Any], *args: Any) -> Any:
        answer = await self._database.run(question, *args)
        self.lastTick = self._clock.seconds()
        return answer

    # Attaching

    async def _attachRequested(self) -> None:
        """
        Answer those who wait for a table, in their order.

        A database that does not answer leaves them where they are.
        """
        if self._after is None:
            await self._prepare()
        while self._requests and not self._stopping:
            request = self._requests[0]
            interest = self._interests.get(self._names.get(request.table, request.table))
            answer: str | RealtimeError
            lineage = "" if interest is None else interest.lineage
            if interest is not None and not interest.lost:
                answer = interest.name
            else:
                try:
                    name: str = await self._ask(self._journal.attach, request.table)
                    self._columns.forget([name])
                    lineage = await self._ask(self._journal.lineage, name)
                    answer = name
                except RealtimeError as error:
                    answer = error
            self._answer(request, answer, lineage)

    def _answer(self, request: _Request, answer: str | RealtimeError, lineage: str) -> None:
        asked = bool(self._requests) and self._requests[0] is request
        if asked:
            self._requests.popleft()
        if isinstance(answer, RealtimeError):
            if asked:
                request.deferred.errback(answer)
            return
        self._names[request.table] = answer
        for other in list(self._interests):
            if other != answer and fold(other) == fold(answer):
                # An earlier run knew the table by another spelling.
                del self._interests[other]
        interest = self._interests.setdefault(answer, _Interest(answer))
        interest.lost = False
        interest.lineage = lineage
        if asked:
            interest.count += 1
            interest.leaving = None
            request.deferred.callback(answer)
        elif not interest.count:
            # Who asked has gone meanwhile.
            interest.leaving = self._clock.seconds() + self._grace

    async def _prepare(self) -> None:
        after = await self._ask(self._journal.prepare)
        # What an earlier run followed and nobody asks for again must not go on costing
        # its writers.
        leaving = self._clock.seconds() + self._grace
        for name in await self._ask(self._journal.attached):
            self._interests.setdefault(name, _Interest(name, lost=True, leaving=leaving))
        self._after = after

    # Reading

    async def _readOn(self) -> bool:
        """
        Read a batch and tell it.

        @return: Whether there is more.
        """
        poll: Poll = await self._ask(self._journal.poll, self._after, self._batch)
        self._after = poll.after
        self._columns.forget(poll.altered)
        self._tell(poll.events)
        return poll.more and not self._stopping

    def _tell(self, events: Sequence[Change | Loss]) -> None:
        changes: list[Change] = []
        for event in events:
            interest = self._interests.get(event.table)
            if interest is None:
                continue
            # Also of a table that nobody watches for the moment: those who come back while
            # it is still followed ask the listener what they missed.
            if isinstance(event, Change):
                changes.append(event)
            else:
                interest.lost = True
                self._columns.forget([event.table])
                self._tellChanges(changes)
                changes = []
                self._guard(self._listener.tableLost, event.table, event.error, event.seq)
        self._tellChanges(changes)

    def _tellChanges(self, changes: list[Change]) -> None:
        if changes:
            self._guard(self._listener.changed, changes)

    def _guard(self, hear: Callable[..., object], *args: object) -> None:
        try:
            hear(*args)
        except Exception:
            # One event that somebody cannot bear must not end the feed for all.
            self.log.failure("A listener of table changes failed.")

    # Keeping house

    async def _keepHouse(self) -> None:
        """
        Do what is due now and then.
        """
        now = self._clock.seconds()
        for interest in list(self._interests.values()):
            if interest.leaving is not None and interest.leaving <= now:
                await self._detach(interest)
        if now >= self._renewAt:
            await self._ask(self._journal.renew, int(now * 1000))
            self._renewAt = now + RENEWAL
        if now >= self._pruneAt:
            before = int((now - self._retention) * 1000)
            count = await self._ask(self._journal.prune, self._after, before, self._batch)
            if count < self._batch:
                # Else there may be more; the next tick goes on with it.
                self._pruneAt = now + PRUNING

    async def _detach(self, interest: _Interest) -> None:
        # Before the first change that nobody sees.
        self._guard(self._listener.tableLeft, interest.name)
        await self._ask(self._journal.detach, interest.name)
        self._columns.forget([interest.name])
        # Those who ask for it meanwhile wait for this turn to end.
        del self._interests[interest.name]
        self._names = {k: name for k, name in self._names.items() if name != interest.name}


def _shuttingDown() -> RealtimeError:
    return RealtimeError("shutting_down", "The daemon is stopping; connect again shortly.")
