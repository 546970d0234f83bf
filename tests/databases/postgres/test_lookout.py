"""
Tests for L{aerostack.databases.postgres.locks}.
"""

from __future__ import annotations

from contextlib import closing
from threading import Thread
from typing import Any

import psycopg
from twisted.internet.task import deferLater
from twisted.trial.unittest import SynchronousTestCase, TestCase

from aerostack.databases.migrations import migrate
from aerostack.databases.postgres.connection import (
    POSTGRES,
    PostgresDatabase,
    Unsuitable,
    openConnection,
    prepareDatabase,
)
from aerostack.databases.postgres.journal import PostgresJournal
from aerostack.databases.postgres.locks import Block, LockedOut, Lookout, tell
from tests.databases.synchronous import forget, optionsOf
from tests.postgres import ADMIN, OWNER, ROLE, freshDatabase

_TABLES = """
SELECT relname FROM pg_class
WHERE relnamespace = '_aerostack'::regnamespace AND relkind = 'r' ORDER BY relname
"""


class TellTests(SynchronousTestCase):
    """
    Tests for L{tell} and L{LockedOut}.
    """

    def test_told(self) -> None:
        """
        Each is told once, with all that it locks and what ends it; its role only for the log.
        """
        blocks = [
            Block("a.b", "process 7 (psql)", "admin", "SELECT pg_terminate_backend(7)"),
            Block("a.c", "process 7 (psql)", "admin", "SELECT pg_terminate_backend(7)"),
            Block("a.b", "another program", None, None),
        ]
        self.assertEqual(
            tell(blocks, withRoles=False),
            "has its tables a.b, a.c locked by process 7 (psql), which SELECT"
            " pg_terminate_backend(7) ends and has its table a.b locked by another program",
        )
        error = LockedOut(blocks)
        self.assertIn("process 7 (psql) of the role admin, which", str(error))
        self.assertNotIn("admin", error.fault)


class LookoutTests(SynchronousTestCase):
    """
    Tests for L{Lookout}, on a database that has all of the daemon's tables.
    """

    def setUp(self) -> None:
        self.postgres = freshDatabase(self)
        self.postgres.execute("CREATE TABLE orders (id int)")
        options = optionsOf(self.postgres)
        self.ours = openConnection(options, "tracker")
        self.addCleanup(self.ours.close)
        migrate(self.ours.cursor(), POSTGRES)
        journal = PostgresJournal()
        journal.prepare(self.ours.cursor())
        journal.attach(self.ours.cursor(), "orders")
        pulse = openConnection(options, "pulse")
        self.addCleanup(pulse.close)
        self.cursor = pulse.cursor()
        self.lookout = Lookout()

    def connect(self, user: str, **options: Any) -> Any:
        """
        Open another connection.
        """
        connection = self.postgres.connect(user, **options)
        self.addCleanup(connection.close)
        return connection

    def fault(self) -> str:
        """
        What is found when it is looked for the second time.
        """
        self.lookout.look(self.cursor)
        found = self.lookout.look(self.cursor)
        return "" if found is None else found.fault

    def test_everyTable(self) -> None:
        """
        Who holds a lock on any table of ours that excludes us is found, though nothing waits for
        it: another role, or somebody who has ours.
        """
        tables = [name for (name,) in self.ours.execute(_TABLES).fetchall()]
        self.assertLess({"messages", "versions", "captured", "numbering"}, set(tables))
        for user in (ADMIN, ROLE):
            holder = self.connect(user, application_name="the tool")
            pid = holder.info.backend_pid
            for table in tables:
                self.assertEqual(self.fault(), "")
                holder.execute(f"BEGIN; LOCK TABLE _aerostack.{table} IN ACCESS EXCLUSIVE MODE")
                self.assertEqual(
                    self.fault(),
                    f"has its table _aerostack.{table} locked by process {pid} (the tool), which"
                    f" SELECT pg_terminate_backend({pid}) ends",
                )
                self.assertEqual(self.lookout.found[0].role, user)
                holder.execute("ROLLBACK")

    def test_moments(self) -> None:
        """
        A lock for which nothing waits is no fault when it is seen for the first time.
        """
        holder = self.connect(ADMIN)
        holder.execute("BEGIN; LOCK TABLE _aerostack.messages IN SHARE MODE")
        self.assertIsNone(self.lookout.look(self.cursor))
        self.assertIsNotNone(self.lookout.look(self.cursor))

    def test_harmless(self) -> None:
        """
        Who reads our tables, or writes to those that are followed, is in nobody's way, and
        neither is a daemon that writes to its own, or a lock on another's table.
        """
        reader, writer = self.connect(OWNER), self.connect(OWNER)
        reader.execute("BEGIN")
        reader.execute("SELECT * FROM _aerostack.messages")
        reader.execute("LOCK TABLE orders IN ACCESS SHARE MODE")
        writer.execute("BEGIN")
        writer.execute("INSERT INTO orders VALUES (1)")
        self.ours.execute(f"BEGIN; {POSTGRES.exclude}")
        self.assertEqual(self.fault(), "")

    def test_prepared(self) -> None:
        """
        A transaction that was prepared is found by its name.
        """
        holder = self.connect(ADMIN)
        holder.execute("BEGIN; LOCK TABLE _aerostack.versions IN SHARE UPDATE EXCLUSIVE MODE")
        holder.execute("PREPARE TRANSACTION 'left''s'")
        try:
            fault = self.fault()
        finally:
            holder.execute("ROLLBACK PREPARED 'left''s'")
        self.assertEqual(
            fault,
            "has its table _aerostack.versions locked by prepared transaction 'left''s', which"
            " ROLLBACK PREPARED 'left''s' ends",
        )
        self.assertEqual(self.fault(), "")

    def test_waited(self) -> None:
        """
        Where a session of ours waits, whoever is in its way is found at once: one that waits in
        front of it, or holds a row.
        """
        reader = self.connect(ADMIN, application_name="reader")
        reader.execute("BEGIN; LOCK TABLE _aerostack.messages IN ACCESS SHARE MODE")
        alterer = self.connect(ADMIN, application_name="alterer")
        alter = "BEGIN; LOCK TABLE _aerostack.messages IN ACCESS EXCLUSIVE MODE; ROLLBACK"
        altering = self.start(alterer, alter)
        insert = "INSERT INTO _aerostack.messages VALUES ('r', 1, 'i', null, 'k', 'e', 'd')"
        inserting = self.start(self.ours, insert)
        (found,) = self.find()
        self.assertEqual(found.table, "_aerostack.messages")
        self.assertIn("(alterer)", found.who)
        reader.execute("ROLLBACK")
        altering.join()
        inserting.join()
        reader.execute("BEGIN; SELECT * FROM _aerostack.journal FOR UPDATE")
        updating = self.start(self.ours, "UPDATE _aerostack.journal SET until = until")
        (found,) = self.find()
        self.assertEqual(found.table, "_aerostack.journal")
        self.assertIn("(reader)", found.who)
        reader.execute("ROLLBACK")
        updating.join()

    def start(self, connection: Any, statement: str) -> Thread:
        """
        Run a statement in a thread, until it waits for a lock.
        """
        connection.execute("SET lock_timeout = 0")
        pid = connection.info.backend_pid
        waiting = Thread(target=connection.execute, args=(statement,))
        waiting.start()
        asked = f"SELECT wait_event_type = 'Lock' FROM pg_stat_activity WHERE pid = {pid}"
        while self.postgres.execute(asked, user=ADMIN) != [(True,)]:
            self.assertTrue(waiting.is_alive())
        return waiting

    def find(self) -> tuple[Block, ...]:
        """
        Look until somebody is found who is waited for.
        """
        while not self.lookout.look(self.cursor):
            # Nothing but a wait is told when it is seen for the first time.
            self.lookout = Lookout()
        return self.lookout.found

    def test_start(self) -> None:
        """
        A start that waits for a lock in vain says who holds it.
        """
        holder = self.connect(ADMIN, application_name="the tool")
        holder.execute("BEGIN; LOCK TABLE _aerostack.versions IN ACCESS EXCLUSIVE MODE")
        error = self.assertRaises(
            Unsuitable, prepareDatabase, optionsOf(self.postgres), 0, 1, forget
        )
        self.assertIn("(the tool) of the role admin", str(error))


class PoolTests(TestCase):
    """
    Tests for what the interactions of a pool fail with.
    """

    async def test_named(self) -> None:
        """
        A lock on a table of ours is waited for a few seconds, then who holds it is told; any
        other error is told as it is.
        """
        from twisted.internet import reactor

        postgres = freshDatabase(self)
        options = optionsOf(postgres)
        prepareDatabase(options, 0, 1, forget)
        lookout = Lookout()
        database = PostgresDatabase(reactor, options, 2, "history", 30.0, lookout=lookout)  # type: ignore[arg-type]
        database.start()
        self.addCleanup(database.close)
        with closing(postgres.connect(ADMIN, application_name="the tool")) as holder:
            holder.execute("BEGIN; LOCK TABLE _aerostack.messages IN ACCESS EXCLUSIVE MODE")
            reading = database.run(lambda cursor: cursor.execute("TABLE _aerostack.messages"))
            while not reading.called and not lookout.found:
                await database.run(lookout.look)
                await deferLater(reactor, 0.05)  # type: ignore[arg-type]
            error = await self.assertFailure(reading, LockedOut)
            self.assertIn("(the tool)", error.fault)
        failing = database.run(lambda cursor: cursor.execute("TABLE nowhere"))
        await self.assertFailure(failing, psycopg.errors.UndefinedTable)
