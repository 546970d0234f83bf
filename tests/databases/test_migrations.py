"""
Tests for L{aerostack.databases.migrations}, on SQLite.
"""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from aerostack.databases.dialect import Dialect
from aerostack.databases.migrations import SchemaTooNew, migrate, remove
from aerostack.databases.sqlite.connection import SQLITE
from aerostack.testing import SynchronousDatabase

MIGRATIONS = SQLITE.migrations


class SchemaTests(SynchronousTestCase):
    """
    Tests for L{migrate} and L{remove}.
    """

    def setUp(self) -> None:
        self.database = SynchronousDatabase(self.mktemp())
        self.addCleanup(self.database.close)
        self.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY)")
        self.empty = self.objects()

    def execute(self, statement: str) -> list[Any]:
        """
        Run a statement.
        """
        return self.database.connection.execute(statement).fetchall()

    def objects(self) -> list[Any]:
        """
        All objects in the database.
        """
        return self.execute("SELECT type, name, sql FROM sqlite_master ORDER BY type, name")

    def migrate(self, dialect: Dialect = SQLITE) -> int:
        """
        Bring the database up to date.
        """
        found: int = self.successResultOf(self.database.run(migrate, dialect))
        return found

    def insert(self) -> None:
        """
        Keep a message, in the form of version 1 of the tables.
        """
        self.execute(
            "INSERT INTO realtime_messages (room_id, created_at, id, user_id, kind, event, data)"
            " VALUES ('chat/a/p', 1, 'm', NULL, 'event', 'e', '1')"
        )

    def test_versionsDropped(self) -> None:
        """
        If the table of the versions was dropped, the messages stay, whichever version made their
        table.
        """
        for version in (1, 2, len(MIGRATIONS)):
            self.migrate(replace(SQLITE, migrations=MIGRATIONS[:version]))
            self.insert()
            self.execute("DROP TABLE realtime_schema")
            self.assertEqual(self.migrate(), version)
            rows = self.execute("SELECT id, publish_id FROM realtime_messages")
            self.assertEqual(rows, [("m", None)])
            versions = [(n,) for n in range(1, len(MIGRATIONS) + 1)]
            self.assertEqual(self.execute("SELECT version FROM realtime_schema"), versions)
            self.successResultOf(self.database.run(remove, SQLITE))

    def test_others(self) -> None:
        """
        A table of the same name that another program made is left as it is.
        """
        self.execute("CREATE TABLE realtime_messages (id TEXT, data TEXT)")
        before = self.objects()
        error = self.failureResultOf(self.database.run(migrate, SQLITE)).value
        self.assertIn("realtime_messages already exists", str(error))
        self.database.connection.rollback()
        self.assertEqual(self.objects(), before)

    def test_dropped(self) -> None:
        """
        A dropped table of messages is made again completely.
        """
        self.migrate()
        whole = self.objects()
        self.execute("DROP TABLE realtime_messages")
        self.assertEqual(self.migrate(), 0)
        self.assertEqual(self.objects(), whole)
        self.assertEqual(self.migrate(), len(MIGRATIONS))

    def test_fromNothing(self) -> None:
        """
        An empty database gets the present version, once.
        """
        self.assertEqual(self.migrate(), 0)
        versions = [(n,) for n in range(1, len(MIGRATIONS) + 1)]
        self.assertEqual(self.execute("SELECT version FROM realtime_schema ORDER BY 1"), versions)
        before = self.objects()
        self.assertEqual(self.migrate(), len(MIGRATIONS))
        self.assertEqual(self.objects(), before)

    def test_fromEarlier(self) -> None:
        """
        A later version changes the tables, and the messages stay.
        """
        self.migrate()
        self.insert()
        more = ["ALTER TABLE realtime_messages ADD COLUMN mood TEXT DEFAULT 'good'"]
        later = replace(SQLITE, migrations=(*MIGRATIONS, more))
        self.assertEqual(self.migrate(later), len(MIGRATIONS))
        self.assertEqual(self.execute("SELECT id, mood FROM realtime_messages"), [("m", "good")])
        self.assertEqual(self.migrate(later), len(MIGRATIONS) + 1)

    def test_answers(self) -> None:
        """
        Streams that ran before the tables had the run of their daemon stay, also if the versions
        are made anew later.
        """
        self.migrate(replace(SQLITE, migrations=MIGRATIONS[:4], finish=()))
        self.execute(
            "INSERT INTO realtime_answers VALUES ('m', 'a', 't', 'n', NULL, 1, NULL, '{}')"
        )
        self.migrate()
        self.execute("DROP TABLE realtime_messages")
        self.migrate()
        self.assertEqual(self.execute("SELECT id, run FROM realtime_answers"), [("m", "")])

    def test_failing(self) -> None:
        """
        A version whose statements fail leaves the database as it was.
        """
        self.migrate()
        before = self.objects()
        more = ["CREATE TABLE realtime_more (a)", "CREATE TABLE orders (a)"]
        later = replace(SQLITE, migrations=(*MIGRATIONS, more))
        self.failureResultOf(self.database.run(migrate, later), sqlite3.OperationalError)
        self.assertEqual(self.objects(), before)
        self.assertEqual(
            self.execute("SELECT max(version) FROM realtime_schema"), [(len(MIGRATIONS),)]
        )

    def test_tooNew(self) -> None:
        """
        The database of a later version is refused with both numbers, and stays as it was.
        """
        self.migrate()
        self.execute(f"INSERT INTO realtime_schema VALUES ({len(MIGRATIONS) + 1})")
        failure = self.failureResultOf(self.database.run(migrate, SQLITE), SchemaTooNew)
        self.assertIn(f"version {len(MIGRATIONS) + 1}", str(failure.value))
        self.assertIn(f"knows {len(MIGRATIONS)}", str(failure.value))
        self.assertFalse(self.database.connection.in_transaction)

    def test_uniqueTime(self) -> None:
        """
        The table itself lets no two messages of a topic have the same time.
        """
        self.migrate()
        self.insert()
        self.assertRaises(
            sqlite3.IntegrityError,
            self.execute,
            "INSERT INTO realtime_messages SELECT room_id, created_at, 'other', user_id, kind,"
            " event, data, publish_id, stream, state, replaces, state_key FROM realtime_messages",
        )

    def test_remove(self) -> None:
        """
        Removal drops everything that the daemon created, and nothing else.
        """
        self.migrate()
        self.insert()
        names = self.successResultOf(self.database.run(remove, SQLITE))
        tables = ("answer_pieces", "answers", "messages", "revocations", "schema", "values")
        self.assertEqual(names, [f"realtime_{table}" for table in tables])
        self.assertEqual(self.objects(), self.empty)
        self.assertEqual(self.successResultOf(self.database.run(remove, SQLITE)), [])
