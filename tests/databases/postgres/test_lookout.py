"""
Tests for L{aerostack.databases.postgres.locks}.
"""

from __future__ import annotations

from contextlib import closing
from threading import Thread
from typing import Any

import psycopg
from twisted.trial.unittest import SynchronousTestCase, TestCase

from aerostack.databases.migrations import migrate
from aerostack.databases.postgres.connection import (
    PostgresDatabase,
    Unsuitable,
    openConnection,
    prepareDatabase,
)
from aerostack.databases.postgres.dialect import POSTGRES
from aerostack.databases.postgres.journal import PostgresJournal
from aerostack.databases.postgres.locks import Block, LockedOut, Lookout, describeBlocks
from tests.databases.synchronous import forget, optionsOf
from tests.postgres import ADMIN, OWNER, ROLE, freshDatabase

_TABLES = """
SELECT relname FROM pg_class
WHERE relnamespace = '_aerostack'::regnamespace AND relkind = 'r' ORDER BY relname
"""


class DescribeTests(SynchronousTestCase):
    """
    Tests for L{describeBlocks} and L{LockedOut}.
    """

    def test_told(self) -> None:
        """
        Each holder is named once, with all that it locks and the statement that ends it; its role
        is only in the log.
        """
        blocks = [
            Block("a.b", "process 7 (psql)", "admin", "SELECT pg_terminate_backend(7)"),
            Block("a.c", "process 7 (psql)", "admin", "SELECT pg_terminate_backend(7)"),
            Block("a.b", "another program", None, None),
        ]
        self.assertEqual(
            describeBlocks(blocks, withRoles=False),
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
        The blocks of the second look.
        """
        self.lookout.look(self.cursor)
        found = self.lookout.look(self.cursor)
        return "" if found is None else found.fault

    def test_everyTable(self) -> None:
        """
        A lock on any table of the daemon that excludes the daemon is found without a waiting
        session: of another role, or of another program with the daemon's role.
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
        A lock that no session waits for is no fault when it is first seen.
        """
        holder = self.connect(ADMIN)
        holder.execute("BEGIN; LOCK TABLE _aerostack.messages IN SHARE MODE")
        self.assertIsNone(self.lookout.look(self.cursor))
        self.assertIsNotNone(self.lookout.look(self.cursor))

    def test_harmless(self) -> None:
        """
        Readers of the daemon's tables, writers of followed tables, other daemons, and locks on
        other tables are no fault.
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
        A prepared transaction is found by its name.
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
        While a session of the daemon waits, its blocker is found at once: one that waits in front
        of it, or holds a row.
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
        Look until a blocker of a waiting session is found.
        """
        while not self.lookout.look(self.cursor):
            # Only a block of a waiting session counts when it is first seen.
            self.lookout = Lookout()
        return self.lookout.found

    def test_start(self) -> None:
        """
        A start that waits for a lock in vain names the holder.
        """
        holder = self.connect(ADMIN, application_name="the tool")
        holder.execute("BEGIN; LOCK TABLE _aerostack.versions IN ACCESS EXCLUSIVE MODE")
        error = self.assertRaises(
            Unsuitable, prepareDatabase, optionsOf(self.postgres), 0, 1, forget
        )
        self.assertIn("(the tool) of the role admin", str(error))


class PoolTests(TestCase):
    """
    The errors of a pool's interactions.
    """

    async def test_named(self) -> None:
        """
        An interaction waits a few seconds for a lock on a table of the daemon; then the error
        names the holder.  Other errors are unchanged.
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
            while not lookout.found:
                await database.run(lookout.look)
            reading = database.run(lambda cursor: cursor.execute("TABLE _aerostack.messages"))
            error = await self.assertFailure(reading, LockedOut)
            self.assertIn("(the tool)", error.fault)
        failing = database.run(lambda cursor: cursor.execute("TABLE nowhere"))
        await self.assertFailure(failing, psycopg.errors.UndefinedTable)
