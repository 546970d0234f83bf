"""
The timer that asks the journal what has changed, and tells.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection

from twisted.internet.defer import Deferred, DeferredLock, fail, succeed
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.internet.task import LoopingCall, deferLater
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from aerostack.core.rows.changes import Change
from aerostack.core.rows.columns import Columns
from aerostack.core.rows.journal import Lag, Loss, Poll
from aerostack.core.rows.selection import Bounds, Selection, Snapshot
from aerostack.errors import RealtimeError
from aerostack.interfaces import IChangeListener, IChangeTracker, IDatabase, IJournal, IWaker
from aerostack.tracker.attaching import Attaching
from aerostack.tracker.columns import ColumnCache
from aerostack.tracker.dispatch import ChangeDispatcher
from aerostack.tracker.faults import SILENT
from aerostack.tracker.maintenance import Maintenance
from aerostack.tracker.monitor import READING, MonitoredDatabase
from aerostack.tracker.retry import RetryState
from aerostack.tracker.watched import WatchedTables

BATCH_BYTES = 4_194_304
"""How many bytes of values are read in one step, about."""


UNREADABLE = 1.0
"""After how many seconds the rows of a table that others hold are read again, ..."""

UNREADABLE_LONGEST = 5.0
"""... and after how many at the most."""


@implementer(IChangeTracker)
class ChangeTracker:
    """
    Tells an L{IChangeListener} of every committed change of the watched tables.

    There is never more than one conversation with the database at a time: a tick that
    takes long delays the next one, and a table is attached between two reads.  While no
    table is watched, there is none at all.

    A conversation that fails is tried again, soon at first and then less often, from the
    place up to which the journal was read: what was told is not told again, and what
    was not is still there.  That a table cannot be attached, or old entries not be
    forgotten, holds up nobody who waits for changes: on a full disk they can still be
    read.
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
        wall: Callable[[], float] = time.time,
        reads: IDatabase | None = None,
        waker: IWaker | None = None,
        batch: int = 1000,
        retention: float = 3600.0,
        grace: float = 60.0,
    ) -> None:
        """
        @param clock: For intervals; it is never set.
        @param wall: Tells the time, seconds since the epoch, by which the database dates
            changes.
        @param database: Where the journal is.  Nobody else may write through it.
        @param pollInterval: Seconds from one tick to the next.
        @param reads: The same database, through which rows and the past are read, so that
            this takes no time from the ticks; C{database} if not given.
        @param waker: Notices changes between two ticks, if anybody does.
        @param batch: How many changes to read or forget in one step.  The reactor turns
            between two steps.
        @param retention: For how many seconds a change that was told is kept.
        @param grace: For how many seconds a table that nobody watches any more is still
            followed, because changing its triggers changes the user's schema.
        """
        self._clock = clock
        self._reads = reads or database
        self._journal = journal
        self._pollInterval = pollInterval
        self._batch = batch

        self._interests = WatchedTables(grace, journal.fold)
        self._herald = ChangeDispatcher(clock, listener, self._interests)
        self._line = MonitoredDatabase(clock, database, self._herald, pollInterval)
        self._columns = ColumnCache(database, journal)
        self._upkeep = Maintenance(
            clock,
            wall,
            self._line,
            journal,
            self._herald,
            self._interests,
            self._columns,
            pollInterval,
            batch,
            retention,
        )
        self._attaching = Attaching(
            clock, self._line, journal, self._herald, self._interests, self._columns, pollInterval
        )
        # Tables that were altered, as long as that was not told.
        self._altered: set[str] = set()
        self._reshaped: set[str] = set()
        # Up to where the journal was read; None until it is prepared.
        self._after: int | None = None
        # When the journal was asked, and had no more.
        self._currentAt: float | None = None

        # Tables that others hold, so that their rows cannot be read.
        self._unreadable: dict[str, RetryState] = {}
        # Who waits for a number to be told.
        self._awaited: list[tuple[int, Deferred[None]]] = []
        # When those give up who do not wait for ever.
        self._late: set[IDelayedCall] = set()

        self._turn = DeferredLock()
        # A poke waits for its turn, first for the reactor's, then for the database's.
        self._poked = False
        self._pokeCall: IDelayedCall | None = None
        # Somebody is to poke after a while.
        self._pause: IDelayedCall | None = None
        self._stopping = False
        self._waker = waker
        self._isAwake = False
        # Fires when the waker that was stopped is gone, if that takes its time.
        self._hushed: Deferred[None] | None = None
        # Since when a tick has been owed.
        self._since = clock.seconds()
        self._loop = LoopingCall(self._takeTurn)
        self._loop.clock = clock

    # IChangeTracker

    def watch(self, table: str) -> Deferred[str]:
        if self._stopping:
            return fail(_shuttingDown())
        if not self._isBusy():
            self._since = self._clock.seconds()
        watching = self._attaching.ask(table)
        self.poke()
        return watching

    def unwatch(self, table: str) -> None:
        interest = self._interests.get(table)
        if interest is None or not interest.count:
            raise ValueError(f"nobody watches {table!r}")
        interest.count -= 1
        if not interest.count:
            self._interests.leave(interest, self._clock.seconds())

    def watchedTables(self) -> list[str]:
        return self._interests.names()

    def lag(self) -> float:
        if not self._interests:
            return 0.0
        since = self._since if self._currentAt is None else max(self._since, self._currentAt)
        return self._clock.seconds() - since

    def health(self) -> str | None:
        line, now = self._line, self._clock.seconds()
        if not self._isBusy() and line.outage.reason is None:
            return None
        patience = max(5.0, 10 * self._pollInterval)
        silent = now - (
            self._since if line.answeredAt is None else max(self._since, line.answeredAt)
        )
        if silent > patience:
            reason = line.outage.reason or SILENT
            return f"Table changes have not been read for {silent:.0f} s: the database {reason}."
        attaching = self._attaching.outage
        waiting = now - attaching.since
        if attaching.reason is not None and self._attaching and waiting > patience:
            return (
                f"No table could be followed anew for {waiting:.0f} s: the database"
                f" {attaching.reason}."
            )
        return None

    @property
    def waiting(self) -> Lag | None:
        """
        What there was still to be told when the journal was asked last, which it is every
        few seconds; L{None} if that is not known, as while no table is watched.
        """
        return self._upkeep.lag

    @property
    def position(self) -> int:
        """The number of the newest change that was told, or was none's."""
        return self._herald.position

    def lineage(self, table: str) -> str:
        interest = self._interests.get(table)
        return "" if interest is None else interest.lineage

    def reshapedAt(self, table: str) -> int:
        interest = self._interests.get(table)
        return -1 if interest is None else interest.reshaped

    def columns(self, table: str) -> Deferred[Columns]:
        return self._columns.of(table)

    def surveyPast(
        self, table: str, lineage: str, after: int, until: int, most: int | None
    ) -> Deferred[str | None]:
        return self._reads.run(self._journal.surveyPast, table, lineage, after, until, most)

    def readPast(
        self,
        table: str,
        lineage: str,
        after: int,
        until: int,
        limit: int,
        size: int | None = None,
    ) -> Deferred[list[Change]]:
        return self._reads.run(self._journal.readPast, table, lineage, after, until, limit, size)

    def snapshot(self, table: str, selection: Selection, bounds: Bounds) -> Deferred[Snapshot]:
        def read(snapshot: Snapshot) -> Deferred[Snapshot] | Snapshot:
            self._unreadable.pop(table, None)
            if snapshot.position <= self.position:
                return snapshot
            return self._await(snapshot.position).addCallback(lambda _: snapshot)

        def failed(failure: Failure) -> Failure:
            error = failure.value
            if isinstance(error, RealtimeError) and error.code == "database_unavailable":
                locked = self._unreadable.setdefault(
                    table, RetryState(UNREADABLE, UNREADABLE_LONGEST)
                )
                locked.failed(self._clock.seconds(), error.message)
            return failure

        now = self._clock.seconds()
        locked = self._unreadable.get(table)
        if locked is not None and not locked.allows(now):
            # Each attempt takes a connection from those who read other tables.
            assert locked.reason is not None
            wait = max(1, int(locked.left(now) * 1000))
            return fail(RealtimeError("database_unavailable", locked.reason, wait))
        reading = self._reads.run(self._journal.snapshot, table, selection, bounds)
        return reading.addCallbacks(read, failed)

    def reach(self, position: int, patience: float) -> Deferred[None]:
        if position <= self.position:
            return succeed(None)
        told = self._await(position)

        def giveUp() -> None:
            self._awaited.remove((position, told))
            told.callback(None)

        def end(_: None) -> None:
            self._late.discard(late)
            if late.active():
                late.cancel()

        late = self._clock.callLater(patience, giveUp)
        self._late.add(late)
        return told.addCallback(end)

    def _await(self, position: int) -> Deferred[None]:
        told: Deferred[None] = Deferred()
        self._awaited.append((position, told))
        self.poke()
        return told

    # Running

    def start(self) -> None:
        """
        Begin to tick.
        """
        self._loop.start(self._pollInterval, now=False)
        if self._attaching:
            self.poke()

    def stop(self) -> Deferred[None]:
        """
        Stop ticking.  Whoever still waits for a table is refused.

        @return: Fires when the tick in flight, if any, is done.
        """
        self._stopping = True
        self._listen(False)
        self._cancelPause()
        while self._late:
            self._late.pop().cancel()
        if self._loop.running:
            self._loop.stop()
        if self._pokeCall is not None:
            self._pokeCall.cancel()
            self._pokeCall = None

        done: Deferred[None] = self._turn.run(lambda: None)
        done.addCallback(lambda _: self._attaching.refuse(_shuttingDown()))
        return done.addCallback(lambda _: self._hushed)

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
            return self._tick(urgent=True)

        self._pokeCall = None
        self._turn.run(begin)

    def _takeTurn(self) -> Deferred[None]:
        turn: Deferred[None] = self._turn.run(self._tick)
        return turn

    def _isBusy(self) -> bool:
        return bool(self._attaching or self._interests)

    def _tick(self, urgent: bool = False) -> Deferred[None]:
        isBusy = not self._stopping and self._isBusy()
        self._listen(isBusy)
        if not isBusy:
            self._line.worked("Nobody waits for table changes any more.")
            self._upkeep.forget()
            return succeed(None)
        if not self._line.outage.allows(self._clock.seconds(), urgent):
            return succeed(None)
        return Deferred.fromCoroutine(self._converse())

    def _listen(self, wanted: bool) -> None:
        """Be woken only while there is somebody to be woken for."""
        if self._waker is not None and wanted != self._isAwake:
            self._isAwake = wanted
            if wanted:
                self._waker.start(self.poke)
            else:
                self._hushed = self._waker.stop()

    async def _converse(self) -> None:
        """
        Hold one whole conversation with the database.
        """
        try:
            if self._after is None:
                await self._prepare()
            await self._attach()
            while await self._readOn() or self._isAttaching():
                await self._upkeep.prune()
                await deferLater(self._clock, self._attaching.pause)
                await self._attach()
        except Exception as error:
            self._line.failed(error)
            self._upkeep.forget()
            return
        self._line.worked("Table changes can be read again.")
        await self._upkeep.keep()
        await self._upkeep.prune()
        self._goOn(self._upkeep.pruneAt - self._clock.seconds())

    def _goOn(self, pause: float) -> None:
        """
        Tick after a pause, if that is sooner than the next tick.
        """
        if 0 < pause < self._pollInterval and not self._stopping:
            self._cancelPause()
            self._pause = self._clock.callLater(pause, self.poke)

    def _cancelPause(self) -> None:
        if self._pause is not None and self._pause.active():
            self._pause.cancel()

    async def _attach(self) -> None:
        if not self._stopping:
            await self._attaching.answer()

    def _isAttaching(self) -> bool:
        return not self._stopping and self._attaching.isDue

    async def _prepare(self) -> None:
        after = await self._line.ask(self._journal.prepare)
        # What an earlier run followed and nobody asks for again must not go on costing
        # its writers.
        for name in await self._line.ask(self._journal.attached):
            self._interests.inherit(name, self._clock.seconds())
        self._after = self._herald.position = after

    # Reading

    async def _readOn(self) -> bool:
        """
        Read a batch and tell it.

        @return: Whether there is more.
        """
        asked = self._clock.seconds()
        poll: Poll = await self._line.ask(
            self._journal.poll, self._after, self._batch, BATCH_BYTES, patience=READING
        )
        lost = [e.table for e in poll.events if isinstance(e, Loss)]
        self._altered |= poll.altered
        if poll.altered:
            self._attaching.forget()
        # Whoever hears of a loss, or of its end, asks for the rows anyway.
        gone = [interest.name for interest in self._interests.gone()]
        self._reshaped |= poll.reshaped.difference(lost, gone)
        await self._tellAltered()
        self._after = poll.after
        self._columns.forget(lost)
        await self._herald.tell(poll.events, poll.after)
        if poll.missing is not None:
            await self._tellBack(poll.missing)
        self._release()
        if not poll.more:
            self._currentAt = asked
        return poll.more and not self._stopping

    async def _tellAltered(self) -> None:
        """
        Tell of other columns, before anything is told of rows that have them.
        """
        self._columns.forget(self._altered)
        for table in tuple(self._altered):
            if self._interests.get(table) is not None:
                try:
                    await self._herald.altered(table, await self._columns.of(table))
                except RealtimeError:
                    # It is not there any more, and that is told in its turn.
                    self.log.debug("{table} is gone", table=table)
            self._altered.discard(table)
        while self._reshaped:
            table = self._reshaped.pop()
            interest = self._interests.get(table)
            if interest is not None:
                interest.reshaped = self.position
            self._herald.reshaped(table)

    async def _tellBack(self, missing: Collection[str]) -> None:
        """
        Tell which tables that were lost are followed again.
        """
        for interest in self._interests.gone():
            if interest.name not in missing:
                interest.lineage = await self._line.ask(self._journal.lineage, interest.name)
                interest.lost = interest.gone = False
                self._herald.back(interest.name)

    def _release(self) -> None:
        """Let those go on for whom all was told."""
        ready = [each for each in self._awaited if each[0] <= self.position]
        if ready:
            self._awaited = [each for each in self._awaited if each[0] > self.position]
        for _, told in ready:
            told.callback(None)


def _shuttingDown() -> RealtimeError:
    return RealtimeError("shutting_down", "The daemon is stopping; connect again shortly.")
