"""
A tracker in memory.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from operator import itemgetter

from twisted.internet.defer import Deferred, fail, succeed
from zope.interface import implementer

from aerostack.core.replay.gaps import EXPIRED, UNKNOWN
from aerostack.core.rows.changes import DELETE, Change, Row
from aerostack.core.rows.columns import Columns, ColumnType
from aerostack.core.rows.journal import Lag
from aerostack.core.rows.selection import Bounds, Selection, Snapshot, collect
from aerostack.errors import RealtimeError
from aerostack.interfaces.tracking import IChangeListener, IChangeTracker
from aerostack.testing.history import answer


@implementer(IChangeTracker)
class MemoryTracker:
    """
    A tracker of tables that exist only by name.

    @ivar listener: Receives the changes.  Set it before the first change.
    @ivar tables: The tables that can be watched.
    @ivar shape: The columns of each table.
    @ivar watched: How many subscriptions watch each table.
    @ivar asked: While this is a list, watches wait in it; the test fires them.
    @ivar waiting: See L{IChangeTracker}.
    @ivar reading: As L{MemoryHistory.reading}.
    @ivar changes: All changes that L{change} delivered.
    @ivar fault: The error with which reads of older changes fail; L{None} if they succeed.
    @ivar reached: The Deferred for clients with a later position; the test fires it.
    @ivar forgotten: The tracker has forgotten changes up to this sequence number.
    """

    listener: IChangeListener

    def __init__(self, tables: tuple[str, ...] = ("orders",)) -> None:
        self.tables = tables
        self.shape: Columns = {
            "id": ColumnType.NUMBER,
            "status": ColumnType.TEXT,
            "side": ColumnType.NUMBER,
        }
        self._described: set[str] = set()
        self.watched: dict[str, int] = {}
        self.asked: list[Callable[[], None]] | None = None
        self.waiting: Lag | None = None
        self.reading: list[Callable[[], None]] | None = None
        self.changes: list[Change] = []
        self.fault: Exception | None = None
        self.forgotten = 0
        self.position = 0
        self.reached: Deferred[None] = Deferred()
        self._reshaped = -1

    def watch(self, table: str) -> Deferred[str]:
        found = next((name for name in self.tables if name.lower() == table.lower()), None)
        if found is None:
            return fail(RealtimeError("unknown_table", f"There is no table {table}."))
        watching: Deferred[str] = Deferred()

        def fire() -> None:
            self.watched[found] = self.watched.get(found, 0) + 1
            watching.callback(found)

        if self.asked is None:
            fire()
        else:
            self.asked.append(fire)
        return watching

    def watchedTables(self) -> list[str]:
        return list(self.watched)

    def unwatch(self, table: str) -> None:
        self.watched[table] -= 1
        if not self.watched[table]:
            del self.watched[table]

    def change(self, *changes: Change, last: bool = True) -> None:
        """
        Deliver changes, and remember them.

        @param last: Whether their transaction ends with them.
        """
        changes = (*changes[:-1], replace(changes[-1], last=last))
        self.changes.extend(changes)
        self.position = changes[-1].seq
        self.listener.changed(changes)

    def alter(self, shape: Columns) -> None:
        """
        Give the tables other columns.
        """
        self.shape = shape
        for table in self.tables:
            self.listener.tableAltered(table, shape)

    def lineage(self, table: str) -> str:
        return "j1"

    def reshape(self) -> None:
        """
        Report that the tables' rows may look different.
        """
        self._reshaped = self.position
        for table in self.tables:
            self.listener.tableReshaped(table)

    def reshapedAt(self, table: str) -> int:
        return self._reshaped

    def columns(self, table: str) -> Deferred[Columns]:
        def remember(shape: Columns) -> Columns:
            # The tracker may remember the columns of a table.
            self._described.add(table)
            return shape

        known = table in self._described
        return answer(None if known else self.reading, self.shape).addCallback(remember)

    def surveyPast(
        self, table: str, lineage: str, after: int, until: int, most: int | None
    ) -> Deferred[str | None]:
        if self.fault is not None:
            return fail(self.fault)
        if lineage != "j1":
            return answer(self.reading, UNKNOWN.reason)
        return answer(self.reading, EXPIRED.reason if after < self.forgotten else None)

    def snapshot(self, table: str, selection: Selection, bounds: Bounds) -> Deferred[Snapshot]:
        rows: list[Row] = []
        for change in self.changes:
            if change.table == table:
                if change.old is not None:
                    rows.remove(change.old)
                if change.operation != DELETE:
                    rows.append(change.data)
        for column, isDescending in reversed(selection.order):
            values = [row for row in rows if row[column] is not None]
            values.sort(key=itemgetter(column), reverse=isDescending)
            rows = [*values, *(row for row in rows if row[column] is None)]
        try:
            found, size = collect(rows, selection, bounds)
        except RealtimeError as error:
            return fail(error)
        return answer(self.reading, Snapshot(found, self.position, "j1", size))

    def reach(self, position: int, patience: float) -> Deferred[None]:
        return succeed(None) if position <= self.position else self.reached

    def readPast(
        self,
        table: str,
        lineage: str,
        after: int,
        until: int,
        limit: int,
        size: int | None = None,
    ) -> Deferred[list[Change]]:
        if self.fault is not None:
            return fail(self.fault)
        found: list[Change] = []
        left = size
        for change in self.changes:
            if len(found) == limit or (left is not None and left <= 0):
                break
            if change.table == table and after < change.seq <= until:
                found.append(change)
                left = None if left is None else left - len(str(change.data))
        return answer(self.reading, found)

    def poke(self) -> None:
        pass

    def lag(self) -> float:
        return 0.0

    def health(self) -> str | None:
        return None
