"""
Tests for L{aerostack.databases.history}, in every database.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing

from hypothesis import given
from twisted.internet.defer import fail
from twisted.trial.unittest import SynchronousTestCase

from aerostack.databases.postgres.connection import POSTGRES
from aerostack.databases.sqlite.connection import SQLITE
from aerostack.errors import GivenUp, RealtimeError
from aerostack.testing import SynchronousDatabase
from tests.databases.contract import (
    FORGED,
    PAGING,
    ROOM,
    AppendContract,
    ExpireContract,
    ForgedContract,
    HistoryContract,
    PageContract,
    PastContract,
)
from tests.databases.synchronous import SynchronousPostgres
from tests.postgres import freshDatabase


class SQLiteCase(HistoryContract, SynchronousTestCase):
    """
    A history in a SQLite file.
    """

    dialect = SQLITE

    def setUp(self) -> None:
        self.path = self.mktemp()
        super().setUp()

    def open(self) -> SynchronousDatabase:
        return SynchronousDatabase(self.path)


class PostgresCase(HistoryContract, SynchronousTestCase):
    """
    A history in a PostgreSQL database.
    """

    dialect = POSTGRES

    def setUp(self) -> None:
        self.postgres = freshDatabase(self)
        super().setUp()

    def open(self) -> SynchronousPostgres:
        return SynchronousPostgres(self.postgres)


class SQLiteAppendTests(AppendContract, SQLiteCase):
    """
    Messages are kept in SQLite.
    """


class SQLitePageTests(PageContract, SQLiteCase):
    """
    Pages are read from SQLite.
    """

    @given(**PAGING)
    def test_neitherSkippedNorRepeated(self, steps: list[int | None], limit: int) -> None:
        """
        However pages and messages follow each other, a reader sees each message once.
        """
        self.checkPages(steps, limit)


class SQLitePastTests(PastContract, SQLiteCase):
    """
    The past is read from SQLite.
    """


class SQLiteForgedTests(ForgedContract, SQLiteCase):
    """
    What somebody else has written into SQLite, which lets every column hold anything.
    """

    forged = [  # noqa: RUF012
        *FORGED,
        *({name: b"x"} for name in ("id", "event", "data", "user_id", "publish_id", "kind")),
        *({"created_at": time} for time in (b"x", "soon", 1.5)),
    ]


class SQLiteExpireTests(ExpireContract, SQLiteCase):
    """
    Messages are forgotten in SQLite.
    """

    def test_held(self) -> None:
        """
        While somebody else holds the database nothing is forgotten, and afterwards no
        topic either.
        """
        self.history = self.makeHistory(None, 1)
        self.expire()
        for time in (1, 2):
            self.keep(time)
        with closing(self.open()) as other:
            other.connection.execute("BEGIN IMMEDIATE")
            self.assertEqual(self.successResultOf(self.history.expire(0)), 0)
            other.connection.execute("ROLLBACK")
        self.assertEqual(self.expire(), [1])
        self.assertEqual(self.times(), [2])

    def test_failure(self) -> None:
        """
        Why messages are not kept is known until one is, or until it is found that they could
        be: a table that is gone is not there for a message that nobody sends.
        """
        self.keep(1)
        self.assertIsNone(self.history.failure)
        with closing(self.open()) as other:
            other.connection.execute("ALTER TABLE realtime_messages RENAME TO away")
            failed = self.history.append(self.message(2, ROOM))
            self.failureResultOf(failed, RealtimeError)
            self.assertIn("no such table", str(self.history.failure))
            self.successResultOf(self.history.probe())
            self.assertIn("no such table", str(self.history.failure))
            other.connection.execute("ALTER TABLE away RENAME TO realtime_messages")
        self.successResultOf(self.history.probe())
        self.assertIsNone(self.history.failure)
        self.assertEqual(len(self.flushLoggedErrors(sqlite3.OperationalError)), 1)

    def test_unwritable(self) -> None:
        """
        After messages could not be kept, it is found that they can be once one could be written.
        """
        connection = self.database.connection
        connection.execute("PRAGMA query_only = ON")
        self.failureResultOf(self.history.append(self.message(1)), RealtimeError)
        self.successResultOf(self.history.probe())
        self.assertIsNotNone(self.history.failure)
        connection.execute("PRAGMA query_only = OFF")
        self.successResultOf(self.history.probe())
        self.assertIsNone(self.history.failure)
        self.assertEqual(len(self.flushLoggedErrors(sqlite3.OperationalError)), 1)

    def test_givenUp(self) -> None:
        """
        Messages stay where the daemon stops before they are forgotten, which is no fault.
        """
        stopped = GivenUp("database_unavailable", "The daemon stopped meanwhile.")
        self.patch(self.history._database, "run", lambda *args: fail(stopped))
        self.assertEqual(self.successResultOf(self.history.expire(0)), 0)


class PostgresAppendTests(AppendContract, PostgresCase):
    """
    Messages are kept in PostgreSQL.
    """


class PostgresPageTests(PageContract, PostgresCase):
    """
    Pages are read from PostgreSQL.
    """

    @given(**PAGING)
    def test_neitherSkippedNorRepeated(self, steps: list[int | None], limit: int) -> None:
        """
        However pages and messages follow each other, a reader sees each message once.
        """
        self.checkPages(steps, limit)


class PostgresPastTests(PastContract, PostgresCase):
    """
    The past is read from PostgreSQL.
    """


class PostgresForgedTests(ForgedContract, PostgresCase):
    """
    What somebody else has written into PostgreSQL.
    """


class PostgresExpireTests(ExpireContract, PostgresCase):
    """
    Messages are forgotten in PostgreSQL.
    """
