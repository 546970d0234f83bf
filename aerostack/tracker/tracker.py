"""
Reads the journal of a database again and again, and delivers its changes.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection

from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater
from twisted.logger import Logger
from zope.interface import implementer

from aerostack.core.rows.changes import Change
from aerostack.core.rows.columns import Columns
from aerostack.core.rows.journal import Lag, Loss, Poll
from aerostack.core.rows.selection import Bounds, Selection, Snapshot
from aerostack.errors import RealtimeError
from aerostack.interfaces.tracking import (
    IChangeListener,
    IChangeTracker,
    IDatabase,
    IJournal,
    IWaker,
)
from aerostack.tracker.alterations import Alterations
from aerostack.tracker.attaching import Attaching
from aerostack.tracker.awaited import AwaitedPositions
from aerostack.tracker.columns import ColumnCache
from aerostack.tracker.dispatch import ChangeDispatcher
from aerostack.tracker.faults import SILENT, NewerJournal, describe, isLasting
from aerostack.tracker.maintenance import Maintenance
from aerostack.tracker.monitor import READING, MonitoredDatabase
from aerostack.tracker.newer import NewerNotice
from aerostack.tracker.rowreader import RowReader
from aerostack.tracker.ticker import Ticker
from aerostack.tracker.watched import WatchedTables

BATCH_BYTES = 4_194_304
"""About how many bytes of values are read in one step."""


@implementer(IChangeTracker)
class ChangeTracker:
    """
    Delivers every committed change of the watched tables to an L{IChangeListener}.

    There is never more than one conversation with the database at a time: a tick that takes long
    delays the next one, and a table is attached between two reads.  While no table is watched,
    there is no conversation.

    The tracker repeats a conversation that fails, soon at first and then less often, from the
    place up to which it has read the journal.  So it delivers each change once and misses no
    change.  A table that cannot be attached, or old entries that cannot be pruned, do not delay
    the delivery of changes: on a full disk changes can still be read.
    """

    log = Logger()

    def __init__(
        self,
        clock: IReactorTime,
        database: IDatabase,
        journal: IJournal,
        pollInterval: float = 0.2,
        *,
        wall: Callable[[], float] = time.time,
        reads: IDatabase | None = None,
        waker: IWaker | None = None,
        batch: int = 1000,
        retention: float = 3600.0,
        grace: float = 60.0,
        config: str = "",
    ) -> None:
        """
        @param clock: For intervals; it is never set.
        @param wall: Gives the wall clock in seconds since the epoch, by which the database dates
            changes.
        @param database: Where the journal is.  No other object may write through it.
        @param pollInterval: Seconds from one tick to the next.
        @param reads: The same database, for reads of rows and of past changes, so that they take
            no time from the ticks; C{database} if not given.
        @param waker: Notices changes between two ticks; L{None} for no such help.
        @param batch: How many changes to read or prune in one step.  The reactor turns between
            two steps.
        @param retention: For how many seconds a delivered change is kept.
        @param grace: For how many seconds a table without subscribers is still followed, because
            each change of its triggers changes the user's schema.
        @param config: The path of the configuration, for commands in the log.
        """
        self._clock = clock
        self._reads = reads or database
        self._journal = journal
        self._pollInterval = pollInterval
        self._batch = batch

        self._watched = WatchedTables(grace, journal.fold)
        self._dispatcher = ChangeDispatcher(clock, self._watched)
        self._monitored = MonitoredDatabase(clock, database, self._dispatcher, pollInterval)
        self._columns = ColumnCache(lambda table: database.run(journal.columns, table))
        self._rowReader = RowReader(clock, self._reads, journal)
        self._maintenance = Maintenance(
            clock,
            wall,
            self._monitored,
            journal,
            self._dispatcher,
            self._watched,
            self._columns,
            pollInterval,
            batch,
            retention,
        )
        self._attaching = Attaching(
            clock,
            self._monitored,
            journal,
            self._dispatcher,
            self._watched,
            self._columns,
            pollInterval,
        )
        self._alterations = Alterations(self._dispatcher, self._watched, self._columns)
        # The sequence number up to which the journal was read; None until it is prepared.
        self._after: int | None = None
        # When the journal was last asked without having more than it returned.
        self._currentAt: float | None = None

        self._newer = NewerNotice(config)
        self._awaited = AwaitedPositions(clock, self.poke)

        self._ticker = Ticker(clock, pollInterval, self._tick)
        self._stopping = False
        self._waker = waker
        self._isAwake = False
        # Fires when the stopped waker has ended, if that takes time.
        self._wakerStopped: Deferred[None] | None = None
        # Since when there has been a reason to tick.
        self._since = clock.seconds()

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
        watchedTable = self._watched.get(table)
        if watchedTable is None or not watchedTable.count:
            raise ValueError(f"the table {table!r} is not watched")
        watchedTable.count -= 1
        if not watchedTable.count:
            self._watched.leave(watchedTable, self._clock.seconds())

    def watchedTables(self) -> list[str]:
        return self._watched.names()

    def lag(self) -> float:
        if not self._watched:
            return 0.0
        since = self._since if self._currentAt is None else max(self._since, self._currentAt)
        return self._clock.seconds() - since

    def health(self) -> str | None:
        if self._newer.sentence is not None:
            return self._newer.sentence
        monitored, now = self._monitored, self._clock.seconds()
        if not self._isBusy() and monitored.retry.reason is None:
            return None
        patience = max(5.0, 10 * self._pollInterval)
        silent = now - (
            self._since if monitored.answeredAt is None else max(self._since, monitored.answeredAt)
        )
        if silent > patience:
            reason = monitored.retry.reason or SILENT
            return f"Table changes have not been read for {silent:.0f} s: the database {reason}."
        attaching = self._attaching.retry
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
        The journal's backlog when it was measured last, which happens every few seconds; L{None}
        if it is not known, as while no table is watched.
        """
        return self._maintenance.lag

    @property
    def position(self) -> int:
        """The highest journal sequence number delivered so far."""
        return self._dispatcher.position

    def lineage(self, table: str) -> str:
        watchedTable = self._watched.get(table)
        return "" if watchedTable is None else watchedTable.lineage

    def reshapedAt(self, table: str) -> int:
        watchedTable = self._watched.get(table)
        return -1 if watchedTable is None else watchedTable.reshaped

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
        def wait(snapshot: Snapshot) -> Deferred[Snapshot] | Snapshot:
            if snapshot.position <= self.position:
                return snapshot
            return self._awaited.wait(snapshot.position).addCallback(lambda _: snapshot)

        return self._rowReader.read(table, selection, bounds).addCallback(wait)

    def reach(self, position: int, patience: float) -> Deferred[None]:
        if position <= self.position:
            return succeed(None)
        return self._awaited.reach(position, patience)

    # Running

    def refuse(self, error: NewerJournal) -> None:
        """
        Follow no table until the journal is another one.  Call this before L{start}.
        """
        self._newer.found(error)

    def start(self, listener: IChangeListener) -> None:
        """
        Begin to tick.

        @param listener: Gets the changes from now on.
        """
        self._dispatcher.listener = listener
        self._ticker.start()
        if self._attaching:
            self.poke()

    def stop(self) -> Deferred[None]:
        """
        Stop ticking, and refuse the callers that still wait for a table.

        @return: Fires when the tick in flight, if any, is done.
        """
        self._stopping = True
        self._listen(False)
        self._awaited.stop()
        done = self._ticker.stop()
        done.addCallback(lambda _: self._attaching.refuse(_shuttingDown()))
        return done.addCallback(lambda _: self._wakerStopped)

    def poke(self) -> None:
        """
        Tick soon, because a caller knows that there is something to read.
        """
        self._ticker.poke()

    def _isBusy(self) -> bool:
        return bool(self._attaching or self._watched)

    def _tick(self, urgent: bool) -> Deferred[None]:
        isBusy = not self._stopping and self._isBusy()
        self._listen(isBusy)
        # The operator should see at once that the journal is another one.
        if not isBusy and (self._stopping or self._newer.sentence is None):
            self._monitored.worked("No table is watched any more.")
            self._maintenance.forget()
            return succeed(None)
        if not self._monitored.retry.allows(self._clock.seconds(), urgent):
            return succeed(None)
        return Deferred.fromCoroutine(self._converse())

    def _listen(self, wanted: bool) -> None:
        """Start the waker only while a table is watched."""
        if self._waker is not None and wanted != self._isAwake:
            self._isAwake = wanted
            if wanted:
                self._waker.start(self.poke)
            else:
                self._wakerStopped = self._waker.stop()

    async def _converse(self) -> None:
        """
        Have one whole conversation with the database.
        """
        try:
            if self._newer.sentence is not None:
                await self._monitored.ask(self._journal.check)
                self._newer.over()
                if not self._isBusy():
                    self._monitored.worked("The journal can be used.")
                    return
            if self._after is None:
                await self._prepare()
            await self._attach()
            while await self._readOn() or self._isAttaching():
                await self._maintenance.prune()
                await deferLater(self._clock, self._attaching.pause)
                await self._attach()
        except Exception as error:
            # A later tick repeats the conversation.
            self._failed(error)
            return
        self._monitored.worked("Table changes can be read again.")
        await self._maintenance.keep()
        await self._maintenance.prune()
        self._ticker.pokeAfter(self._maintenance.pruneAt - self._clock.seconds())

    def _failed(self, error: Exception) -> None:
        if isinstance(error, NewerJournal):
            self._newer.found(error)
        self._monitored.failed(error)
        self._maintenance.forget()
        if isLasting(error):
            # Its end may be far, and clients must not wait so long for an answer.
            self._attaching.refuse(
                RealtimeError(
                    "untrackable_table",
                    f"The daemon can follow no table: the database {describe(error)}.",
                )
            )

    async def _attach(self) -> None:
        if not self._stopping:
            await self._attaching.answer()

    def _isAttaching(self) -> bool:
        return not self._stopping and self._attaching.isDue

    async def _prepare(self) -> None:
        after = await self._monitored.ask(self._journal.prepare)
        # Tables of an earlier run that no client asks for again must not keep costing their
        # writers.
        for name in await self._monitored.ask(self._journal.attached):
            self._watched.inherit(name, self._clock.seconds())
        self._after = self._dispatcher.position = after

    # Reading

    async def _readOn(self) -> bool:
        """
        Read a batch from the journal and deliver it.

        @return: Whether there is more to read.
        """
        asked = self._clock.seconds()
        poll: Poll = await self._monitored.ask(
            self._journal.poll, self._after, self._batch, BATCH_BYTES, patience=READING
        )
        lost = [e.table for e in poll.events if isinstance(e, Loss)]
        if poll.altered:
            self._attaching.forget()
        # A subscriber that hears of a loss, or of its end, reads the rows anew in any case.
        gone = [watchedTable.name for watchedTable in self._watched.gone()]
        self._alterations.add(poll.altered, poll.reshaped.difference(lost, gone))
        await self._alterations.dispatch()
        self._after = poll.after
        self._columns.forget(lost)
        await self._dispatcher.dispatch(poll.events, poll.after)
        if poll.missing is not None:
            await self._reportBack(poll.missing)
        self._awaited.release(self.position)
        if not poll.more:
            self._currentAt = asked
        return poll.more and not self._stopping

    async def _reportBack(self, missing: Collection[str]) -> None:
        """
        Report which lost tables are followed again.
        """
        for watchedTable in self._watched.gone():
            if watchedTable.name not in missing:
                watchedTable.lineage = await self._monitored.ask(
                    self._journal.lineage, watchedTable.name
                )
                watchedTable.lost = watchedTable.gone = False
                self._dispatcher.back(watchedTable.name)


def _shuttingDown() -> RealtimeError:
    return RealtimeError("shutting_down", "The daemon is stopping; connect again shortly.")
