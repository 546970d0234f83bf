"""
Tests for L{aerostack.tracker.faults}.
"""

from __future__ import annotations

import sqlite3

import psycopg
from twisted.trial.unittest import SynchronousTestCase

from aerostack.tracker.faults import describe, known
from tests.databases.support import connect
from tests.tracker.fakes import sqliteError


class ServerError(Exception):
    """
    An error as a driver of a server raises it.
    """

    def __init__(self, sqlstate: str | None) -> None:
        super().__init__('connection to server at "db.internal", user "rt": SELECT secret')
        self.sqlstate = sqlstate


class FaultsTests(SynchronousTestCase):
    """
    Tests for L{describe}.
    """

    def test_sqlite(self) -> None:
        """
        SQLite's faults are described by their kind.
        """
        for name, said in (
            ("SQLITE_BUSY", "is locked by another program"),
            ("SQLITE_BUSY_SNAPSHOT", "is locked by another program"),
            ("SQLITE_IOERR_SHORT_READ", "cannot be read from its disk"),
            ("SQLITE_CANTOPEN_ISDIR", "cannot be opened"),
            ("SQLITE_NOTADB", "is damaged"),
        ):
            self.assertEqual(describe(sqliteError(name, "whatever")), said)

    def test_realOne(self) -> None:
        """
        An error that SQLite itself raises is recognized.
        """
        path = self.mktemp()
        first, second = connect(path), connect(path)
        self.addCleanup(first.close)
        self.addCleanup(second.close)
        first.execute("BEGIN EXCLUSIVE")
        error = self.assertRaises(sqlite3.Error, second.execute, "SELECT * FROM sqlite_master")
        self.assertEqual(describe(error), "is locked by another program")

    def test_dropped(self) -> None:
        """
        The description names a missing table of the daemon, but no other missing table.
        """
        connection = connect(self.mktemp())
        self.addCleanup(connection.close)
        for name, said in (
            ("realtime_messages", "lost the table realtime_messages"),
            ("main._aerostack_meta", "lost the table _aerostack_meta"),
            ("secrets", "the log says why"),
        ):
            error = self.assertRaises(sqlite3.Error, connection.execute, f"SELECT * FROM {name}")
            self.assertIn(said, describe(error))

    def test_states(self) -> None:
        """
        A server's fault is described by its SQLSTATE alone.
        """
        for state, said in (
            ("28P01", "does not let the daemon in"),
            ("57P03", "is stopping or starting"),
            ("57P01", "is stopping or starting"),
            ("57014", "took too long for a statement"),
            ("53300", "has no connection left"),
            ("53100", "has no room left on its disk"),
            ("55P03", "is locked by another program"),
            ("40P01", "broke off a deadlock with another program"),
            ("25006", "takes no writes: it is a standby or read only"),
            ("42P01", "cannot be used; the log says why"),
            (None, "cannot be used; the log says why"),
        ):
            self.assertEqual(describe(ServerError(state)), said)

    def test_unreachable(self) -> None:
        """
        An error of the driver without a message of the server means that there is no connection.
        The cause of an error is considered too.
        """
        said = "cannot be reached, or does not let the daemon in"
        refused = psycopg.OperationalError("connection refused")
        self.assertEqual(describe(refused), said)
        self.assertEqual(describe(psycopg.InterfaceError("the connection is closed")), said)
        doubt = Exception("unknown")
        doubt.__cause__ = refused
        self.assertEqual(describe(doubt), said)
        self.assertIsNone(known(psycopg.ProgrammingError("a mistake")))
        self.assertIsNone(known(None))

    def test_droppedTable(self) -> None:
        """
        The description names a table of the daemon that PostgreSQL does not have any more, in
        whatever language the server says that.
        """
        for table, said in (
            ("_aerostack.messages", "has lost the table _aerostack.messages;"),
            ("secrets", "cannot be used"),
        ):
            for words in ('relation "%s" does not exist', "Relation »%s« existiert nicht"):
                error = psycopg.errors.UndefinedTable(words % table + "\nLINE 1: S")
                self.assertIn(said, describe(error))

    def test_others(self) -> None:
        """
        For every other fault the description refers to the log.
        """
        for error in (ValueError("x"), sqlite3.ProgrammingError("closed"), Exception()):
            self.assertEqual(describe(error), "cannot be used; the log says why")
