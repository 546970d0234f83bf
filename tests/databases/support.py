"""
What the tests of the journals share.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from aerostack.core.rows.changes import DELETE, INSERT, UPDATE, Change, Row
from aerostack.core.rows.journal import Loss
from aerostack.databases.sqlite.journal import SQLiteJournal
from aerostack.errors import RealtimeError
from aerostack.protocol.values import toJSON


def connect(path: str) -> sqlite3.Connection:
    """
    Open a database as the daemon does, but without waiting for locks.
    """
    connection = sqlite3.connect(path, timeout=0, isolation_level=None)
    connection.text_factory = lambda data: data.decode("utf-8", "replace")
    # A test ends long before the power could fail: a commit does not wait for the disk.
    connection.execute("PRAGMA synchronous = OFF")
    return connection


class Reader:
    """
    A journal with its own connection, which each call reads to the end.

    @ivar missing: The tables that were last reported as missing.
    @ivar reshaped: All tables that were reported as reshaped.
    """

    def __init__(self, connection: Any, journal: Any) -> None:
        self.connection = connection
        self.cursor = connection.cursor()
        self.journal = journal
        self.after = journal.prepare(self.cursor)
        self.missing: frozenset[str] | None = None
        self.reshaped: list[str] = []

    def attach(self, table: str) -> str:
        name: str = self.journal.attach(self.cursor, table)
        return name

    def events(self, limit: int = 1000) -> list[Change | Loss]:
        events: list[Change | Loss] = []
        more = True
        while more:
            poll = self.journal.poll(self.cursor, self.after, limit)
            events += poll.events
            self.reshaped += sorted(poll.reshaped)
            self.missing = self.missing if poll.missing is None else poll.missing
            self.after = poll.after
            more = poll.more
        return events


class Mirror:
    """
    A copy of a table that is kept by its changes alone.
    """

    def __init__(self, rows: Iterable[Row] = ()) -> None:
        self.rows: list[Row] = list(rows)

    def apply(self, changes: Iterable[Change | Loss]) -> None:
        for change in changes:
            assert isinstance(change, Change), change
            if change.operation != INSERT:
                assert change.old in self.rows, (change, self.rows)
                self.rows.remove(change.old)
            if change.operation != DELETE:
                self.rows.append(change.data)
            else:
                assert change.data == change.old, change

    def sorted(self) -> list[str]:
        return sorted(repr(sorted(row.items())) for row in self.rows)


def tableRows(connection: sqlite3.Connection, table: str) -> list[Row]:
    """
    Read a table in the form of its changes.
    """
    cursor = connection.execute(f"SELECT * FROM {table}")
    names = [column[0] for column in cursor.description]
    return [dict(zip(names, map(toJSON, row), strict=True)) for row in cursor]


class Steps:
    """
    The steps that tests of a journal share; to be mixed into a test case.

    @ivar writer: A connection of another program.
    @ivar reader: The daemon's journal.
    """

    rebuiltRows = 1000
    writer: Any
    reader: Reader
    assertEqual: Any

    def connect(self) -> Any:
        """
        Connect as another writer.
        """
        raise NotImplementedError

    def makeReader(self, **options: Any) -> Reader:
        """
        Start a daemon's journal.
        """
        raise NotImplementedError

    def run_(self, *statements: str) -> None:
        for statement in statements:
            self.writer.execute(statement)

    def follow(self, table: str, *statements: str) -> None:
        """
        Run statements, then follow a table.
        """
        self.run_(*statements)
        self.reader.attach(table)
        self.events()

    def events(self) -> list[Change | Loss]:
        return self.reader.events()

    def changes(self, *statements: str) -> list[Change]:
        """
        Run statements, and give the changes that are reported.
        """
        self.run_(*statements)
        changes = []
        for event in self.events():
            assert isinstance(event, Change), event
            changes.append(event)
        return changes

    def losses(self, *statements: str) -> list[tuple[str, RealtimeError]]:
        """
        Run statements, and give the losses that are reported; no change may be reported.
        """
        self.run_(*statements)
        losses = []
        for event in self.events():
            assert isinstance(event, Loss), event
            losses.append((event.table, event.error))
        return losses

    def inserted(self, *statements: str) -> list[Row]:
        changes = self.changes(*statements)
        self.assertEqual([change.operation for change in changes], [INSERT] * len(changes))
        return [change.data for change in changes]

    def updated(self, *statements: str) -> list[tuple[Row | None, Row]]:
        changes = self.changes(*statements)
        self.assertEqual([change.operation for change in changes], [UPDATE] * len(changes))
        return [(change.old, change.data) for change in changes]

    def summary(self, *statements: str) -> list[tuple[Any, ...]]:
        """
        Run statements, and give the changes in short.
        """
        return brief(self.changes(*statements))


class JournalCase(Steps, SynchronousTestCase):
    """
    An SQLite database with a journal, and a writer that is another program.
    """

    def setUp(self) -> None:
        self.path = self.mktemp()
        self.writer = self.connect()
        self.reader = self.makeReader()

    def connect(self) -> sqlite3.Connection:
        connection = connect(self.path)
        self.addCleanup(connection.close)
        return connection

    def makeReader(self, **options: Any) -> Reader:
        wanted = {"rebuiltRows": self.rebuiltRows, "hold": 0.0, "whole": 0, **options}
        journal = SQLiteJournal(**wanted)
        return Reader(self.connect(), journal)


def brief(changes: Sequence[Change | Loss]) -> list[tuple[Any, ...]]:
    """
    Give each change as its operation and the row's values.
    """
    found: list[tuple[Any, ...]] = []
    for change in changes:
        assert isinstance(change, Change), change
        found.append((change.operation, *change.data.values()))
    return found


def lossOf(event: Change | Loss) -> Loss:
    """
    Check that an event is a loss.
    """
    assert isinstance(event, Loss), event
    return event
