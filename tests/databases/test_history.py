"""
Tests for L{aerostack.databases.history}, in every database.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing

from hypothesis import given, settings
from psycopg.errors import AdminShutdown
from twisted.internet.defer import fail
from twisted.trial.unittest import SynchronousTestCase

from aerostack.core.replay.publications import EmittedMark
from aerostack.databases.postgres.dialect import POSTGRES
from aerostack.databases.postgres.emitting import PostgresEmittedEvents
from aerostack.databases.sqlite.connection import SQLITE
from aerostack.databases.sqlite.emitting import SQLiteEmittedEvents
from aerostack.errors import GivenUp, RealtimeError
from aerostack.testing import SynchronousDatabase
from tests.databases.contracts.append import AppendContract
from tests.databases.contracts.expiry import ExpireContract
from tests.databases.contracts.faults import FaultContract
from tests.databases.contracts.forged import FORGED, ForgedContract
from tests.databases.contracts.history import ROOM, HistoryContract
from tests.databases.contracts.keptevents import KeptEventContract
from tests.databases.contracts.pages import PAGING, PageContract
from tests.databases.contracts.past import PastContract
from tests.databases.contracts.refusals import TRANSACTIONS, RefusedContract, Transaction
from tests.databases.contracts.repeated import RepeatedContract
from tests.databases.contracts.replacing import STEPS, ReplaceContract
from tests.databases.contracts.values import ValueContract
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


class SQLiteKeptEventTests(KeptEventContract, SQLiteCase):
    """
    Events of transactions are kept in SQLite.
    """

    emit = "INSERT INTO aerostack_emit (topic, event, persist) VALUES ('chat/a', 'e', true)"

    def setUp(self) -> None:
        self.events = SQLiteEmittedEvents()
        super().setUp()

    def marks(self) -> list[EmittedMark]:
        # The events are read by the connection that writes, whose commits are not news to it.
        self.events = SQLiteEmittedEvents()
        return super().marks()


class SQLiteRefusedTests(RefusedContract, SQLiteCase):
    """
    SQLite refuses messages.
    """

    refuse = (
        "CREATE TRIGGER refuse BEFORE INSERT ON realtime_messages WHEN new.event = 'bad'"
        " BEGIN SELECT raise(ABORT, 'this is bad'); END",
    )

    @settings(max_examples=30)
    @given(TRANSACTIONS)
    def test_transactions(self, transactions: list[Transaction]) -> None:
        """
        Whatever messages are refused, and whatever answers are lost, the others are kept.
        """
        self.checkTransactions(transactions)


class SQLiteRepeatedTests(RepeatedContract, SQLiteCase):
    """
    Messages that come again are found in SQLite.
    """

    explain = "EXPLAIN QUERY PLAN"
    plain = "SELECT 1"


class SQLiteFaultTests(FaultContract, SQLiteCase):
    """
    SQLite fails.
    """

    def test_full(self) -> None:
        """
        If the disk is full, each message fails and says so, and none is kept.
        """
        run = self.database.connection.execute
        pages, most = (
            run(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "max_page_count")
        )
        self.database.connection.execute(f"PRAGMA max_page_count = {pages}")
        self.fill()
        said = self.failWith(lambda: None, lambda: run(f"PRAGMA max_page_count = {most}"))
        self.assertEqual(
            said,
            {
                "The message could not be kept; send it again. The database has no room left on its"
                " disk."
            },
        )
        self.assertEqual(len(self.flushLoggedErrors(sqlite3.OperationalError)), 1)

    def fill(self) -> None:
        """
        Use the room that is left in the pages.
        """
        history = self.makeHistory()
        while history.failure is None:
            history.append(self.message(1, "chat/full/p")).addErrback(lambda _: None)
        self.flushLoggedErrors(sqlite3.OperationalError)


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


class SQLiteReplaceTests(ReplaceContract, SQLiteCase):
    """
    Messages replace others in SQLite.
    """

    @settings(max_examples=40)
    @given(STEPS)
    def test_steps(self, steps: list[tuple[str, int]]) -> None:
        """
        Whatever is kept and replaced, the topic has what was not replaced, and only a client that
        has missed a replaced message gets a gap.
        """
        self.checkSteps(steps)


class SQLiteForgedTests(ForgedContract, SQLiteCase):
    """
    Rows that another program wrote into SQLite, which lets every column hold any value.
    """

    forged = [  # noqa: RUF012
        *FORGED,
        *({name: b"x"} for name in ("id", "event", "data", "user_id", "publish_id", "kind")),
        *({"created_at": time} for time in (b"x", "soon", 1.5)),
    ]


class SQLiteValueTests(ValueContract, SQLiteCase):
    """
    Tests for L{aerostack.databases.values} in SQLite.
    """


class SQLiteExpireTests(ExpireContract, SQLiteCase):
    """
    Messages are deleted in SQLite.
    """

    def test_held(self) -> None:
        """
        While another program locks the database, no message is deleted; later no topic is
        forgotten.
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
        The reason why messages are not kept is known until one is kept, or a probe succeeds.
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
        After a failure to write, the next success is found by a probe that writes.
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
        When the daemon stops during an expiry, the messages stay, and that is no fault.
        """
        stopped = GivenUp("database_unavailable", "The daemon stopped meanwhile.")
        self.patch(self.history._database, "run", lambda *args: fail(stopped))
        self.assertEqual(self.successResultOf(self.history.expire(0)), 0)


class PostgresKeptEventTests(KeptEventContract, PostgresCase):
    """
    Events of transactions are kept in PostgreSQL.
    """

    emit = "SELECT aerostack.emit('chat/a', 'e', persist => true)"

    def setUp(self) -> None:
        self.events = PostgresEmittedEvents()
        super().setUp()


class PostgresAppendTests(AppendContract, PostgresCase):
    """
    Messages are kept in PostgreSQL.
    """


class PostgresRefusedTests(RefusedContract, PostgresCase):
    """
    PostgreSQL refuses messages.
    """

    refuse = (
        "CREATE FUNCTION _aerostack.refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        " IF new.event = 'bad' THEN RAISE EXCEPTION 'this is bad'; END IF; RETURN new; END $$",
        "CREATE TRIGGER refuse BEFORE INSERT ON _aerostack.messages FOR EACH ROW"
        " EXECUTE FUNCTION _aerostack.refuse()",
    )

    def test_longTopic(self) -> None:
        """
        A topic that does not fit into the index is refused alone.
        """
        self.history = self.makeHistory(database=self.slow)
        topic = "".join(chr(0x4E00 + place * 7919 % 20000) for place in range(4000))
        bad = self.history.append(self.message(1, topic))
        good = self.history.append(self.message(2))
        self.slow.step()
        error = self.failureResultOf(bad, RealtimeError).value
        self.assertEqual(error.code, "invalid_arguments")
        self.successResultOf(good)

    @settings(max_examples=30)
    @given(TRANSACTIONS)
    def test_transactions(self, transactions: list[Transaction]) -> None:
        """
        Whatever messages are refused, and whatever answers are lost, the others are kept.
        """
        self.checkTransactions(transactions)


class PostgresRepeatedTests(RepeatedContract, PostgresCase):
    """
    Messages that come again are found in PostgreSQL.
    """

    explain = "EXPLAIN"
    plain = "SET enable_seqscan = off"


class PostgresFaultTests(FaultContract, PostgresCase):
    """
    PostgreSQL fails.
    """

    def test_terminated(self) -> None:
        """
        If the server ends the connection while it writes, each message fails, and none is kept.
        """
        for statement in (
            "CREATE FUNCTION _aerostack.stop() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
            " PERFORM pg_terminate_backend(pg_backend_pid()); RETURN new; END $$",
            "CREATE TRIGGER stop BEFORE INSERT ON _aerostack.messages FOR EACH ROW"
            " EXECUTE FUNCTION _aerostack.stop()",
        ):
            self.database.connection.execute(statement)
        other = self.open()
        self.addCleanup(other.close)

        def mend() -> None:
            other.connection.execute("DROP TRIGGER stop ON _aerostack.messages")
            self.database.connection = other.connection

        self.failWith(lambda: None, mend)
        self.assertEqual(len(self.flushLoggedErrors(AdminShutdown)), 1)


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


class PostgresReplaceTests(ReplaceContract, PostgresCase):
    """
    Messages replace others in PostgreSQL.
    """

    @settings(max_examples=15)
    @given(STEPS)
    def test_steps(self, steps: list[tuple[str, int]]) -> None:
        """
        As for SQLite.
        """
        self.checkSteps(steps)


class PostgresForgedTests(ForgedContract, PostgresCase):
    """
    Rows that another program wrote into PostgreSQL.
    """


class PostgresValueTests(ValueContract, PostgresCase):
    """
    Tests for L{aerostack.databases.values} in PostgreSQL.
    """


class PostgresExpireTests(ExpireContract, PostgresCase):
    """
    Messages are deleted in PostgreSQL.
    """
