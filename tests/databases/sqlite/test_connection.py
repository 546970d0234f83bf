"""
Tests for L{aerostack.databases.sqlite.connection}, and for L{aerostack.databases.pool} with it.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from contextlib import closing
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater
from twisted.trial.unittest import SynchronousTestCase, TestCase

from aerostack.databases.backend import Backend, Pools
from aerostack.databases.open import openBackend
from aerostack.databases.query import Bounds
from aerostack.databases.sqlite.connection import (
    FileGone,
    SQLiteDatabase,
    createDatabase,
    prepareDatabase,
)
from aerostack.errors import GivenUp, RealtimeError
from aerostack.settings.settings import DatabaseConfig
from aerostack.tracker.faults import describe
from tests.databases.contracts.pool import PoolContract
from tests.databases.synchronous import forget


class SQLiteDatabaseTests(PoolContract, TestCase):
    """
    Tests for L{SQLiteDatabase}, on its threads.
    """

    def setUp(self) -> None:
        from twisted.internet import reactor

        self.reactor: Any = reactor
        self.path = Path(self.mktemp())
        with closing(sqlite3.connect(self.path)) as connection:
            connection.execute("CREATE TABLE t (a)")
        self.database = self.open(2)
        self.addCleanup(self.database.close)

    def open(self, threads: int) -> SQLiteDatabase:
        """
        Open the file.
        """
        database = SQLiteDatabase(self.reactor, self.path, threads)
        database.start()
        return database

    def rows(self) -> list[Any]:
        """
        The rows that another connection sees.
        """
        with closing(sqlite3.connect(self.path)) as connection:
            return [a for (a,) in connection.execute("SELECT a FROM t ORDER BY rowid")]

    async def test_rolledBack(self) -> None:
        """
        An interaction that raises leaves nothing behind, and the connection stays usable.
        """

        def interaction(cursor: Any) -> None:
            cursor.execute("BEGIN IMMEDIATE")
            cursor.execute("INSERT INTO t VALUES (1)")
            raise RuntimeError("no")

        for _ in range(3):
            await self.assertFailure(self.database.run(interaction), RuntimeError)
        await self.database.run(lambda cursor: cursor.execute("INSERT INTO t VALUES (2)"))
        self.assertEqual(self.rows(), [2])

    async def test_oneThread(self) -> None:
        """
        With one thread, interactions run one after another on one connection.
        """
        database = self.open(1)
        self.addCleanup(database.close)
        running: list[int] = []
        seen: list[tuple[int, Any]] = []

        def interaction(cursor: Any, number: int) -> None:
            running.append(number)
            assert len(running) == 1
            seen.append((number, cursor.connection))
            running.remove(number)

        for each in [database.run(interaction, number) for number in range(20)]:
            await each
        self.assertEqual([number for number, _ in seen], list(range(20)))
        self.assertEqual(len({connection for _, connection in seen}), 1)

    async def test_waitsForLock(self) -> None:
        """
        An interaction waits for another program's lock.
        """
        with closing(sqlite3.connect(self.path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            writing = self.database.run(lambda c: c.execute("INSERT INTO t VALUES (1)") and None)
            await deferLater(self.reactor, 0.1, lambda: None)
            self.assertFalse(writing.called)
            other.execute("COMMIT")
        await writing
        self.assertEqual(self.rows(), [1])

    async def test_malformedText(self) -> None:
        """
        Text that is not UTF-8 is read all the same.
        """
        row = await self.database.run(
            lambda cursor: cursor.execute("SELECT CAST(x'41ff42' AS TEXT)").fetchone()
        )
        self.assertEqual(row, ("A�B",))

    async def test_removed(self) -> None:
        """
        Every interaction on a removed or replaced file fails, also one that has just run, and the
        error says why.
        """

        def insert(cursor: Any) -> None:
            cursor.execute("INSERT INTO t VALUES (1)")

        def insertAndRemove(cursor: Any) -> None:
            insert(cursor)
            self.path.rename(f"{self.path}.old")

        await self.database.run(insert)
        self.assertIsNone(self.database.fault())
        await self.assertFailure(self.database.run(insertAndRemove), FileGone)
        await self.assertFailure(self.database.run(insert), sqlite3.OperationalError)
        self.assertFalse(self.path.exists())
        self.assertIn("restart the daemon", self.database.fault() or "")
        with closing(sqlite3.connect(self.path)) as connection:
            connection.execute("CREATE TABLE t (a)")
        error = await self.assertFailure(self.database.run(insert), FileGone)
        assert error is not None
        self.assertEqual(self.rows(), [])
        self.assertIn("restart the daemon", describe(error))

    async def test_walRemoved(self) -> None:
        """
        The same holds if the file's C{-wal} was removed, also after a new one appears.
        """

        def insert(cursor: Any) -> None:
            cursor.execute("INSERT INTO t VALUES (1)")

        with closing(sqlite3.connect(self.path)) as connection:
            connection.execute("PRAGMA journal_mode = WAL")
        await self.database.run(insert)
        wal = Path(f"{self.path}-wal")
        wal.unlink()
        self.assertIn(wal.name, self.database.fault() or "")
        await self.assertFailure(self.database.run(insert), FileGone)
        wal.touch()
        await self.assertFailure(self.database.run(insert), FileGone)

    async def test_close(self) -> None:
        """
        Running interactions end before the file is closed.
        """
        begun, end = threading.Event(), threading.Event()

        def interaction(cursor: Any) -> str:
            begun.set()
            end.wait()
            cursor.execute("INSERT INTO t VALUES (1)")
            return "done"

        database = self.open(1)
        running = database.run(interaction)
        begun.wait()
        threading.Timer(0.05, end.set).start()
        database.close()
        self.assertEqual(self.rows(), [1])
        self.assertEqual(await running, "done")

    async def test_severed(self) -> None:
        """
        A running statement can be interrupted, and the connection stays usable.
        """
        endless = "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n FROM c) SELECT max(n) FROM c"
        running = self.database.run(lambda cursor: cursor.execute(endless).fetchall())
        failing = self.assertFailure(running, sqlite3.OperationalError)
        while not failing.called:
            self.database.sever()
            await deferLater(self.reactor, 0.01)
        self.assertIn("interrupted", str(await failing))
        await self.database.run(lambda cursor: cursor.execute("INSERT INTO t VALUES (1)") and None)
        self.assertEqual(self.rows(), [1])

    async def test_givenUp(self) -> None:
        """
        When the daemon gives the database up, an interaction that waits for a lock fails, and no
        other begins.
        """
        database = self.open(1)
        self.addCleanup(database.close)
        now = 0.0
        self.patch(database, "_seconds", lambda: now)

        def insert(cursor: Any) -> None:
            nonlocal now
            try:
                cursor.execute("INSERT INTO t VALUES (1)")
            finally:
                now = 1.0

        with closing(sqlite3.connect(self.path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            database.giveUp(0.1)
            # The statement is never delayed.
            database.giveUp(1000.0)
            running = [database.run(insert) for _ in range(3)]
            codes = [(await self.assertFailure(each, GivenUp)).code for each in running]
        self.assertEqual(codes, ["database_unavailable", "shutting_down", "shutting_down"])
        self.assertEqual(self.rows(), [])


class CreateTests(SynchronousTestCase):
    """
    Tests for L{createDatabase} and L{prepareDatabase}.
    """

    def setUp(self) -> None:
        self.path = Path(self.mktemp()) / "var" / "rt.db"

    def ask(self, statement: str) -> list[Any]:
        """
        Ask another connection.
        """
        with closing(sqlite3.connect(self.path)) as connection:
            return connection.execute(statement).fetchall()

    def test_new(self) -> None:
        """
        A new database lets readers and a writer work at the same time; its folder is created.
        """
        self.assertTrue(createDatabase(self.path))
        self.assertEqual(self.ask("PRAGMA journal_mode"), [("wal",)])

    def test_private(self) -> None:
        """
        Other users have no access to a new file, nor to the files beside it.
        """
        self.addCleanup(os.umask, os.umask(0o022))
        createDatabase(self.path)
        with closing(sqlite3.connect(self.path)) as connection:
            connection.execute("CREATE TABLE t (a)")
            files = list(self.path.parent.glob(self.path.name + "*"))
            self.assertEqual(len(files), 3)
            self.assertEqual({file.stat().st_mode & 0o777 for file in files}, {0o640})

    def test_existing(self) -> None:
        """
        An existing database keeps the journal mode that its owner chose.
        """
        self.path.parent.mkdir(parents=True)
        self.ask("CREATE TABLE t (a)")
        self.assertFalse(createDatabase(self.path))
        self.assertEqual(self.ask("PRAGMA journal_mode"), [("delete",)])

    def test_prepared(self) -> None:
        """
        A prepared database has the tables; preparing it again changes nothing.
        """
        prepareDatabase(self.path, 0, 10, forget)
        before = self.ask("SELECT name, sql FROM sqlite_master ORDER BY name")
        self.assertIn("realtime_messages", [name for name, _ in before])
        prepareDatabase(self.path, 0, 10, forget)
        self.assertEqual(self.ask("SELECT name, sql FROM sqlite_master ORDER BY name"), before)

    def test_noDatabase(self) -> None:
        """
        A file that is no database is refused.
        """
        self.path.parent.mkdir(parents=True)
        self.path.write_bytes(b"no database" * 100)
        self.assertRaises(sqlite3.DatabaseError, prepareDatabase, self.path, 0, 10, forget)

    def test_noFolder(self) -> None:
        """
        If the folder cannot be created, the error says so.
        """
        self.path.parent.parent.write_text("a file")
        self.assertRaises(OSError, prepareDatabase, self.path, 0, 10, forget)


class ForeignKeyTests(TestCase):
    """
    Tests for foreign keys in C{db.query}.
    """

    async def test_foreignKeys(self) -> None:
        """
        Statements of C{db.query} go by foreign keys, also when they cascade, unless the setting
        switches that off.
        """
        from twisted.internet import reactor

        for foreignKeys in (True, False):
            path = Path(self.mktemp())
            with closing(sqlite3.connect(path)) as connection:
                connection.executescript(
                    "CREATE TABLE users (id INTEGER PRIMARY KEY);"
                    "CREATE TABLE orders (id INTEGER PRIMARY KEY,"
                    " user REFERENCES users ON DELETE CASCADE);"
                    "INSERT INTO users VALUES (1); INSERT INTO orders VALUES (1, 1);"
                )
            backend = openBackend(DatabaseConfig(f"sqlite:///{path}", foreignKeys=foreignKeys))
            pools = backend.pools(reactor)
            pools.start()
            self.addCleanup(pools.close)

            def ask(sql: str, backend: Backend = backend, pools: Pools = pools) -> Deferred[Any]:
                return pools.query.run(backend.runQuery, sql, [], Bounds(10, 1000, 30.0))

            strange = ask("INSERT INTO orders VALUES (2, 7)")
            if foreignKeys:
                error = await self.assertFailure(strange, RealtimeError)
                self.assertEqual(error.details, {"kind": "foreign_key_violation"})
            else:
                await strange
            await ask("DELETE FROM users")
            left = (await ask("SELECT count(*) AS n FROM orders"))["results"]
            self.assertEqual(left, [{"n": 0 if foreignKeys else 2}])
