"""
The changes of tables, as a worker gets them of the hub.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from msgspec import Struct
from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure
from zope.interface import implementer

from aerostack.core.rows.changes import Change
from aerostack.core.rows.columns import Columns
from aerostack.core.rows.journal import Lag
from aerostack.core.rows.selection import Bounds, Selection, Snapshot
from aerostack.errors import RealtimeError
from aerostack.interfaces.tracking import IChangeListener, IChangeTracker
from aerostack.tracker.columns import ColumnCache
from aerostack.workers.messages.reads import (
    ReadChanges,
    ReadRows,
    RowsRead,
    SurveyChanges,
    Surveyed,
    encodeSelection,
)
from aerostack.workers.messages.tables import (
    INTERVAL,
    Altered,
    AskColumns,
    Back,
    Changes,
    Down,
    FeedState,
    Lost,
    Mark,
    Reach,
    Reached,
    Reshaped,
    TableColumns,
    Taken,
    Unwatch,
    Up,
    Watch,
    Watched,
    decodeChanges,
)
from aerostack.workers.messages.values import decodeRows
from aerostack.workers.worker.questions import Hub, Questions, second
from aerostack.workers.worker.steps import Steps
from aerostack.workers.worker.watches import Watches


@implementer(IChangeTracker)
class RemoteTracker:
    """
    Delivers the changes that the hub sends to an L{IChangeListener}.

    All that the hub sends about tables, and the answers that depend on it, are handled in the order
    in which they came, each when the listener can take more.  So an answer never overtakes a change
    that it includes.

    @ivar position: See L{IChangeTracker}.
    @ivar handlers: See L{aerostack.workers.worker}.
    """

    listener: IChangeListener

    def __init__(self, clock: IReactorTime, hub: Hub, questions: Questions) -> None:
        self.position = 0
        self._clock = clock
        self._hub = hub
        self._questions = questions
        self._steps = Steps(clock)
        self._watches = Watches(clock, self._askFor, self._leave)
        self._columns = ColumnCache(self._readColumns)
        # How the hub's tracker did, and when it said so.
        self._state = FeedState(0, 0.0, None, None)
        self._heardAt = clock.seconds()
        handlers: dict[type[Struct], Callable[[Any], Deferred[Any] | None]] = {
            Changes: self._change,
            Lost: self._lose,
            Altered: self._alter,
            Reshaped: self._reshape,
            Back: self._back,
            Down: lambda message: self.listener.feedDown(message.reason),
            Up: lambda message: self.listener.feedUp(),
            FeedState: self._update,
            Mark: lambda message: hub.send(Taken(message.number)),
        }
        self.handlers: dict[type[Struct], Callable[[Any], object]] = {
            kind: self._inTurn(handle) for kind, handle in handlers.items()
        }

    def _inTurn(self, handle: Callable[[Any], Deferred[Any] | None]) -> Callable[[Any], object]:
        return lambda message: self._steps.add(lambda: handle(message))

    def start(self, listener: IChangeListener) -> None:
        """
        Begin to deliver changes.

        @param listener: Gets the changes from now on.
        """
        self.listener = listener
        self._steps.start()

    def stop(self) -> None:
        """
        Deliver nothing any more, and refuse the callers that still wait for a table.
        """
        self._steps.stop()
        self._watches.refuse(
            RealtimeError("shutting_down", "The daemon is stopping; connect again shortly.")
        )

    # IChangeTracker

    @property
    def waiting(self) -> Lag | None:
        """See L{IChangeTracker}."""
        return self._state.waiting

    def watchedTables(self) -> list[str]:
        return [each.name for each in self._watches.tables.values() if each.count]

    def watch(self, table: str) -> Deferred[str]:
        return self._watches.ask(table)

    def unwatch(self, table: str) -> None:
        self._watches.leave(table)

    def lineage(self, table: str) -> str:
        known = self._watches.tables.get(table)
        return "" if known is None else known.lineage

    def reshapedAt(self, table: str) -> int:
        known = self._watches.tables.get(table)
        return -1 if known is None else known.reshapedAt

    def columns(self, table: str) -> Deferred[Columns]:
        return self._columns.of(table)

    def surveyPast(
        self, table: str, lineage: str, after: int, until: int, most: int | None
    ) -> Deferred[str | None]:
        def read(answer: Surveyed) -> str | None:
            return answer.reason

        asking = self._questions.ask(lambda: SurveyChanges(table, lineage, after, until, most))
        return asking.addCallback(read)

    def readPast(
        self,
        table: str,
        lineage: str,
        after: int,
        until: int,
        limit: int,
        size: int | None = None,
    ) -> Deferred[list[Change]]:
        return self._questions.read(
            lambda number: ReadChanges(number, table, lineage, after, until, limit, size),
            decodeChanges,
        ).addCallback(second)

    def snapshot(self, table: str, selection: Selection, bounds: Bounds) -> Deferred[Snapshot]:
        def read(result: tuple[RowsRead, list[Any]]) -> Snapshot:
            answer, rows = result
            self._reach(answer.reached)
            return Snapshot(rows, answer.position, answer.lineage, answer.size)

        return (
            self._questions.read(
                lambda number: ReadRows(number, table, encodeSelection(selection), bounds),
                decodeRows,
            )
            .addCallback(self._steps.inTurn)
            .addCallback(read)
        )

    def reach(self, position: int, patience: float) -> Deferred[None]:
        def reached(answer: Reached) -> None:
            self._reach(answer.position)

        if position <= self.position:
            return succeed(None)
        asking = self._questions.ask(lambda: Reach(position, patience))
        return asking.addCallback(self._steps.inTurn).addCallback(reached)

    def lag(self) -> float:
        if not self._watches.tables:
            return 0.0
        return self._state.lag + max(0.0, self._clock.seconds() - self._heardAt - INTERVAL)

    def health(self) -> str | None:
        return self._state.health

    # What the worker asks of the hub

    def _askFor(self, table: str) -> None:
        def watched(answer: Watched) -> None:
            self._reach(answer.position)
            if answer.within:
                self.listener.tableEntered(answer.table)
            self._watches.answered(table, answer)

        def refused(failure: Failure) -> None:
            self._watches.failed(table, failure)

        asking = self._questions.ask(lambda: Watch(table))
        asking.addCallback(self._steps.inTurn).addCallbacks(watched, refused)

    def _leave(self, table: str) -> None:
        self._columns.forget([table])
        self._hub.send(Unwatch(table))
        self.listener.tableLeft(table)

    def _readColumns(self, table: str) -> Deferred[Columns]:
        def read(answer: TableColumns) -> Columns:
            return answer.columns

        asking = self._questions.ask(lambda: AskColumns(table))
        return asking.addCallback(self._steps.inTurn).addCallback(read)

    # What the hub sends

    def _reach(self, position: int) -> None:
        # The hub sends what it delivers before it says that it has.
        self.position = max(self.position, position)

    def _change(self, message: Changes) -> Deferred[Any] | None:
        changes = decodeChanges(message.changes)
        # Changes of a table that the worker has just left may still be on their way.
        known = [change for change in changes if change.table in self._watches.tables]
        room: Deferred[Any] | None = self.listener.changed(known) if known else None
        self._reach(changes[-1].seq)
        return room

    def _lose(self, message: Lost) -> None:
        known = self._watches.tables.get(message.table)
        if known is not None:
            known.isLost = True
            self._columns.forget([message.table])
            error = RealtimeError(message.code, message.message, message.retryAfter)
            self.listener.tableLost(message.table, error, message.seq)

    def _alter(self, message: Altered) -> Deferred[Any] | None:
        self._reach(message.position)
        if message.table not in self._watches.tables:
            return None
        self._columns.forget([message.table])
        judged: Deferred[Any] | None = self.listener.tableAltered(message.table, message.columns)
        return judged

    def _reshape(self, message: Reshaped) -> None:
        self._reach(message.position)
        known = self._watches.tables.get(message.table)
        if known is not None:
            known.reshapedAt = message.reshapedAt
            self.listener.tableReshaped(message.table)

    def _back(self, message: Back) -> None:
        self._reach(message.position)
        known = self._watches.tables.get(message.table)
        if known is not None:
            known.isLost = False
            known.lineage, known.reshapedAt = message.lineage, message.reshapedAt
            self.listener.tableBack(message.table)

    def _update(self, message: FeedState) -> None:
        self._reach(message.position)
        self._state, self._heardAt = message, self._clock.seconds()
