"""
A fake database, a fake journal and a fake listener, which the tests control.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from aerostack.core.rows.changes import INSERT, Change
from aerostack.core.rows.columns import Columns, ColumnType
from aerostack.core.rows.journal import Lag, Loss, Poll
from aerostack.core.rows.selection import Snapshot
from aerostack.errors import RealtimeError
from aerostack.interfaces.tracking import IChangeListener, IDatabase, IJournal
from aerostack.tracker.tracker import ChangeTracker


def sqliteError(name: str, message: str) -> sqlite3.OperationalError:
    """
    Make an error as SQLite raises it.
    """
    error = sqlite3.OperationalError(message)
    error.sqlite_errorname = name
    return error


LOCKED = sqliteError("SQLITE_BUSY", "database is locked")
FULL = sqliteError("SQLITE_FULL", "database or disk is full")


@implementer(IDatabase)
class FakeDatabase:
    """
    Runs interactions at once, or when the test releases them.

    @ivar calls: The names of the interactions that ran.
    @ivar holding: Keep interactions until L{release}.
    @ivar fault: The exception that every interaction raises; L{None} for no exception.
    @ivar faults: The exceptions that interactions raise, by the name of the interaction.
    """

    def __init__(self, cursor: Any = None) -> None:
        self.calls: list[str] = []
        self.holding = False
        self.fault: Exception | None = None
        self.faults: dict[str, Exception] = {}
        self._cursor = cursor
        self._held: list[tuple[Deferred[Any], Callable[..., Any], tuple[Any, ...]]] = []

    def run(self, interaction: Callable[..., Any], *args: Any) -> Deferred[Any]:
        self.calls.append(interaction.__name__)
        if self.holding:
            assert not self._held, "two conversations at a time"
            deferred: Deferred[Any] = Deferred()
            self._held.append((deferred, interaction, args))
            return deferred
        return succeed(None).addCallback(lambda _: self._run(interaction, args))

    def _run(self, interaction: Callable[..., Any], args: tuple[Any, ...]) -> Any:
        fault = self.faults.get(interaction.__name__, self.fault)
        if fault is not None:
            # The traceback of an exception grows each time that it is raised.
            raise fault.with_traceback(None)
        return interaction(self._cursor, *args)

    def release(self) -> None:
        """
        Run the one interaction that is held.
        """
        deferred, interaction, args = self._held.pop()
        try:
            result = self._run(interaction, args)
        except Exception:
            deferred.errback(Failure())
        else:
            deferred.callback(result)


@implementer(IJournal)
class FakeJournal:
    """
    A journal in memory.  The tables C{a}, C{b} and C{c} exist; a request may spell them in
    capitals.

    @ivar altered: The altered tables that each read reports.
    @ivar reshaped: The reshaped tables that each read reports.
    @ivar missing: The missing tables that each read reports.
    @ivar waiting: The backlog.
    """

    def __init__(self) -> None:
        self.entries: list[Change | Loss] = []
        self.followed: list[str] = []
        self.altered: frozenset[str] = frozenset()
        self.reshaped: frozenset[str] = frozenset()
        self.missing: frozenset[str] | None = None
        self.leases: list[int] = []
        self.prunings: list[tuple[int, int, int]] = []
        self.pruned: list[int] = []
        self.waiting = Lag(0.0, None)

    def write(self, *tables: str) -> None:
        for table in tables:
            seq = len(self.entries) + 1
            self.entries.append(Change(seq, table, INSERT, {"n": seq}, None, 0))

    def lose(self, table: str) -> None:
        seq = len(self.entries) + 1
        self.entries.append(Loss(table, RealtimeError("table_lost", "gone"), seq))

    def prepare(self, cursor: Any) -> int:
        return len(self.entries)

    def check(self, cursor: Any) -> None:
        pass

    def attached(self, cursor: Any) -> list[str]:
        return list(self.followed)

    def attach(self, cursor: Any, table: str) -> str:
        name = table.lower()
        if name not in ("a", "b", "c"):
            raise RealtimeError("unknown_table", f"no {table}")
        if name not in self.followed:
            self.followed.append(name)
        return name

    def detach(self, cursor: Any, table: str) -> None:
        self.followed.remove(table)

    def columns(self, cursor: Any, table: str) -> Columns:
        if table not in self.followed:
            raise RealtimeError("unknown_table", f"no {table}")
        return {"n": ColumnType.NUMBER}

    def lineage(self, cursor: Any, table: str) -> str:
        return f"of{table}"

    def reshapedAt(self, cursor: Any, table: str) -> int:
        return -1

    def snapshot(self, cursor: Any, table: str, selection: Any, bounds: Any) -> Snapshot:
        rows = [each.data for each in self.entries if isinstance(each, Change)]
        return Snapshot(rows, len(self.entries), self.lineage(cursor, table), 0)

    def surveyPast(
        self, cursor: Any, table: str, lineage: str, after: int, until: int, most: int | None
    ) -> str | None:
        return None if lineage == f"of{table}" else "unknown"

    def readPast(
        self,
        cursor: Any,
        table: str,
        lineage: str,
        after: int,
        until: int,
        limit: int,
        size: int | None = None,
    ) -> list[Change]:
        found = [e for e in self.entries[after:until] if isinstance(e, Change)]
        return [change for change in found if change.table == table][:limit]

    def poll(self, cursor: Any, after: int, limit: int, size: int | None = None) -> Poll:
        events = tuple(self.entries[after : after + limit])
        return Poll(
            events,
            after + len(events),
            len(events) == limit,
            self.altered,
            self.reshaped,
            self.missing,
        )

    def renew(self, cursor: Any, timestamp: int) -> None:
        self.leases.append(timestamp)

    def prune(self, cursor: Any, before: int, timestamp: int, limit: int) -> int:
        self.prunings.append((before, timestamp, limit))
        return self.pruned.pop(0) if self.pruned else 0

    def lag(self, cursor: Any) -> Lag:
        return self.waiting

    def fold(self, name: str) -> str:
        return name.lower()

    def remove(self, cursor: Any) -> list[str]:
        return []


@implementer(IChangeListener)
class FakeListener:
    """
    Remembers the calls.

    @ivar heard: The changes and the events, in their order.
    @ivar altered: For each altered table its name, its columns, and the length of C{heard} then.
    @ivar down: The reason of each outage, and L{None} for each end of one.
    @ivar room: What L{changed} returns.
    """

    def __init__(self) -> None:
        self.heard: list[Any] = []
        self.left: list[str] = []
        self.altered: list[tuple[str, Columns, int]] = []
        self.down: list[str | None] = []
        self.fault: Exception | None = None
        self.room: Deferred[None] | None = None

    def changed(self, changes: Sequence[Change]) -> Deferred[None] | None:
        self.heard.append([(change.table, change.data["n"]) for change in changes])
        if self.fault is not None:
            raise self.fault.with_traceback(None)
        return self.room

    def tableEntered(self, table: str) -> None:
        self.heard.append((table, "entered"))

    def tableLost(self, table: str, error: RealtimeError, seq: int) -> None:
        self.heard.append((table, error.code))
        if self.fault is not None:
            raise self.fault.with_traceback(None)

    def tableAltered(self, table: str, columns: Columns) -> None:
        self.altered.append((table, columns, len(self.heard)))

    def tableReshaped(self, table: str) -> None:
        self.heard.append((table, "reshaped"))

    def tableBack(self, table: str) -> None:
        self.heard.append((table, "back"))

    def tableLeft(self, table: str) -> None:
        self.left.append(table)

    def feedDown(self, reason: str) -> None:
        self.down.append(reason)

    def feedUp(self) -> None:
        self.down.append(None)


WALL = 1.8e9
"""How far the wall clock is ahead of the monotonic clock, in seconds."""


class TrackerCase(SynchronousTestCase):
    """
    A tracker on a fake database.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.clock.advance(1_000_000)
        self.database = FakeDatabase()
        self.journal = FakeJournal()
        self.listener = FakeListener()
        self.tracker = self.makeTracker()
        self.tracker.start(self.listener)

    def makeTracker(self, **more: Any) -> ChangeTracker:
        return ChangeTracker(
            self.clock,
            self.database,
            self.journal,
            0.2,
            wall=lambda: WALL + self.clock.seconds(),
            batch=3,
            **more,
        )

    def watch(self, *tables: str) -> list[str]:
        watching = [self.tracker.watch(table) for table in tables]
        self.clock.advance(0)
        return [self.successResultOf(deferred) for deferred in watching]

    def tick(self, count: int = 1) -> None:
        self.clock.pump([0.2] * count)

    def turn(self, count: int = 20) -> None:
        """
        Let the reactor turn, without any time passing.
        """
        self.clock.pump([0] * count)

    def logged(self) -> int:
        """
        Take the database faults that were logged.

        @return: How many there were.
        """
        return len(self.flushLoggedErrors(sqlite3.OperationalError))
