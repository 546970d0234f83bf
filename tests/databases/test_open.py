"""
Tests for L{aerostack.databases.open}.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from twisted.internet.testing import MemoryReactorClock
from twisted.trial.unittest import SynchronousTestCase

from aerostack.databases.backend import Backend, Unready, Unusable
from aerostack.databases.dialect import Dialect
from aerostack.databases.health import DatabaseProbe
from aerostack.databases.open import openBackend
from aerostack.databases.postgres.connection import PostgresDatabase
from aerostack.databases.postgres.dialect import POSTGRES
from aerostack.databases.postgres.spares import SpareConnections
from aerostack.databases.sqlite import connection
from aerostack.databases.sqlite.backend import FileWatch, SQLiteBackend
from aerostack.databases.sqlite.connection import SQLITE, SQLiteDatabase
from aerostack.settings.settings import DatabaseConfig
from tests.databases.synchronous import forget
from tests.postgres import ADMIN, PASSWORD, ROLE, freshDatabase

OURS = "SELECT count(*) FROM pg_namespace WHERE nspname = '_aerostack'"


def countRevocations(cursor: Any, dialect: Dialect, more: int) -> int:
    """
    A question: how many revocations there are, and some more.
    """
    cursor.execute(f"SELECT count(*) FROM {dialect.revocations}")
    return int(cursor.fetchone()[0]) + more


class SQLiteTests(SynchronousTestCase):
    """
    Tests for SQLite's backend.
    """

    def setUp(self) -> None:
        self.path = Path(self.mktemp())
        self.backend = openBackend(DatabaseConfig(f"sqlite:///{self.path}"))

    def test_parts(self) -> None:
        """
        The URL of an SQLite file gives SQLite's parts.
        """
        self.assertIsInstance(self.backend, SQLiteBackend)
        self.assertEqual((self.backend.name, self.backend.dialect), (str(self.path), SQLITE))
        pools = list(self.backend.pools(MemoryReactorClock()))
        self.assertEqual([type(pool) for pool in pools], [SQLiteDatabase] * 4)

    def test_locked(self) -> None:
        """
        A database that another program has locked, or whose disk is full, may be used later.
        """
        self.backend.prepare(0, 10, forget)
        self.patch(connection, "BUSY_TIMEOUT", 0.0)
        with closing(sqlite3.connect(self.path, isolation_level=None)) as holder:
            holder.execute("BEGIN EXCLUSIVE")
            error = self.assertRaises(Unready, self.backend.prepare, 0, 10, forget)
        self.assertEqual(error.fault, "is locked by another program")
        full = sqlite3.OperationalError("database or disk is full")
        full.sqlite_errorname = "SQLITE_FULL"

        def fill(cursor: Any, dialect: Dialect) -> None:
            raise full

        error = self.assertRaises(Unready, self.backend.ask, fill)
        self.assertEqual(error.fault, "has no room left on its disk")

    def test_look(self) -> None:
        """
        A look at the database changes nothing, and finds tables and journals of newer versions.
        """
        self.backend.prepare(0, 10, forget)
        self.assertIsNone(self.backend.look())
        with closing(sqlite3.connect(self.path)) as writer:
            writer.execute("CREATE TABLE _aerostack_meta (key, value)")
            writer.execute("INSERT INTO _aerostack_meta VALUES ('version', 99)")
            writer.commit()
            self.assertIn("version 99", str(self.backend.look()))
            writer.execute("INSERT INTO realtime_schema VALUES (99)")
            writer.commit()
        error = self.assertRaises(Unusable, self.backend.look)
        self.assertIn("version 99 of the message tables", str(error))
        self.assertNotIsInstance(error, Unready)

    def test_prepare(self) -> None:
        """
        A file that is no database is refused; a created database is found again.
        """
        self.path.write_text("a letter" * 200)
        error = self.assertRaises(Unusable, self.backend.prepare, 0, 10, forget)
        self.assertIn("not a database", str(error))
        self.path.unlink()
        for _ in range(2):
            self.assertEqual(self.backend.prepare(0, 10, forget), 0)

    def test_ask(self) -> None:
        """
        A question gets a cursor, the dialect and its arguments; a missing file is a reason.
        """
        error = self.assertRaises(Unusable, self.backend.ask, countRevocations, 1)
        self.assertIn("unable to open", str(error))
        self.assertFalse(self.path.exists())
        self.backend.prepare(0, 10, forget)
        self.assertEqual(self.backend.ask(countRevocations, 40), 40)

    def test_watch(self) -> None:
        """
        The health service reports a replaced file until the original is back.
        """
        self.backend.prepare(0, 10, forget)
        reactor = MemoryReactorClock()
        watch = self.backend.health(reactor, self.backend.pools(reactor))
        assert isinstance(watch, FileWatch)
        watch.privilegedStartService()
        self.assertIsNone(watch.fault())
        aside = self.path.rename(f"{self.path}-aside")
        self.assertIn("restart the daemon", str(watch.fault()))
        self.path.touch()
        self.assertIn("restart the daemon", str(watch.fault()))
        aside.rename(self.path)
        self.assertIsNone(watch.fault())

    def test_remove(self) -> None:
        """
        Removal names what it removes, and creates no database where there is none.
        """
        self.assertIn("no database", str(self.assertRaises(Unusable, self.backend.remove, False)))
        self.assertFalse(self.path.exists())
        self.backend.prepare(0, 10, forget)
        self.assertEqual(self.backend.remove(True), [])
        self.assertIn("realtime_messages", self.backend.remove(False))


class PostgresTests(SynchronousTestCase):
    """
    Tests for PostgreSQL's backend.
    """

    def setUp(self) -> None:
        self.postgres = freshDatabase(self)
        self.backend = openBackend(DatabaseConfig(self.postgres.url))

    def unusable(self, backend: Backend) -> str:
        """
        Prepare a database that cannot be used.

        @return: The message.
        """
        error = str(self.assertRaises(Unusable, backend.prepare, 0, 10, forget))
        self.assertNotIn("\n", error)
        return error

    def test_parts(self) -> None:
        """
        A PostgreSQL URL gives PostgreSQL's parts, without opening a connection.
        """
        backend = openBackend(DatabaseConfig("postgresql://nowhere.test/shop", "s3cret"))
        self.assertEqual(backend.name, "postgresql://nowhere.test/shop")
        self.assertEqual(backend.dialect, POSTGRES)
        reactor = MemoryReactorClock()
        pools = backend.pools(reactor)
        self.assertEqual(
            [type(pool) for pool in pools], [*[PostgresDatabase] * 5, SpareConnections]
        )
        self.assertIsInstance(backend.health(reactor, pools), DatabaseProbe)

    def test_ask(self) -> None:
        """
        A question gets a cursor, the dialect and its arguments; a missing table is a reason.
        """
        error = self.assertRaises(Unusable, self.backend.ask, countRevocations, 1)
        self.assertIn("does not exist", str(error))
        self.backend.prepare(0, 10, forget)
        self.assertEqual(self.backend.ask(countRevocations, 40), 40)

    def test_prepare(self) -> None:
        """
        A database is prepared with the configured password, also twice.
        """
        backend = openBackend(DatabaseConfig(self.postgres.tcp(), PASSWORD))
        for _ in range(2):
            self.assertEqual(backend.prepare(0, 10, forget), 0)

    def test_unusable(self) -> None:
        """
        The error is one line, without the password.
        """
        wrong = openBackend(DatabaseConfig(self.postgres.tcp(), "wr0ng"))
        self.assertIn("password authentication failed", self.unusable(wrong))
        self.assertNotIn("wr0ng", self.unusable(wrong))
        self.postgres.execute(
            f'REVOKE CREATE ON DATABASE "{self.postgres.name}" FROM {ROLE}', user=ADMIN
        )
        self.assertIn("docs/database.rst", self.unusable(self.backend))
        gone = openBackend(DatabaseConfig("postgresql:///shop?host=/nowhere"))
        self.assertIn("No such file", self.unusable(gone))
        error = self.assertRaises(Unusable, gone.remove, False)
        self.assertIn("postgresql:///shop?host=/nowhere: ", str(error))

    def test_remove(self) -> None:
        """
        Removal drops everything, or everything except the kept messages.
        """
        self.backend.prepare(0, 10, forget)
        self.backend.remove(True)
        self.assertEqual(self.postgres.execute(OURS), [(1,)])
        self.assertEqual(self.backend.prepare(0, 10, forget), 0)
        self.assertIn("_aerostack.messages", self.backend.remove(False))
        self.assertEqual(self.postgres.execute(OURS), [(0,)])
        self.assertEqual(self.backend.remove(False), [])
