"""
Tests for L{aerostack.databases.sqlite.query}.
"""

from __future__ import annotations

from contextlib import closing
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from aerostack.core.topics.emitted import EmitRules
from aerostack.databases.migrations import migrate
from aerostack.databases.sqlite.connection import SQLITE
from aerostack.databases.sqlite.emitting import SQLiteEmittedEvents
from aerostack.databases.sqlite.journal import SQLiteJournal
from aerostack.databases.sqlite.query import runQuery
from aerostack.testing import SynchronousDatabase
from tests.databases.contracts.query import QueryContract, QuerySteps

FOREVER = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n"


class QueryCase(QuerySteps, SynchronousTestCase):
    """
    Has a database with a table.
    """

    runQuery = staticmethod(runQuery)

    def setUp(self) -> None:
        self.path = self.mktemp()
        self.database = SynchronousDatabase(self.path)
        self.addCleanup(self.database.close)
        self.successResultOf(self.database.run(migrate, SQLITE))
        self.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY, a, b)")

    def execute(self, statement: str) -> list[Any]:
        """
        Run a statement without the restrictions of C{db.query}.
        """
        return self.database.connection.execute(statement).fetchall()

    def assertIdle(self) -> None:
        """
        Check that the connection is in no transaction.
        """
        self.assertFalse(self.database.connection.in_transaction)


class ContractTests(QueryContract, QueryCase):
    """
    See L{QueryContract}.
    """


class QueryTests(QueryCase):
    """
    Tests for L{runQuery}, beyond the contract.
    """

    def test_rows(self) -> None:
        """
        Rows are objects, by column, with their values in JSON form.
        """
        answer = self.query("SELECT 1 AS i, 2.5 AS f, 'é' AS t, NULL AS n, x'00ff' AS b")
        self.assertEqual(
            answer["results"], [{"i": 1, "f": 2.5, "t": "é", "n": None, "b": {"base64": "AP8="}}]
        )
        self.assertEqual(answer["success"], True)
        self.assertEqual(answer["meta"]["changes"], 0)
        self.assertGreaterEqual(answer["meta"]["duration"], 0)

    def test_write(self) -> None:
        """
        The writes of a statement are committed, and C{meta} counts them.
        """
        answer = self.query("INSERT INTO orders (id, a) VALUES (?, ?), (?, ?)", 7, "x", 8, None)
        self.assertEqual((answer["results"], answer["meta"]["changes"]), ([], 2))
        self.assertEqual(answer["meta"]["last_row_id"], 8)
        with closing(SynchronousDatabase(self.path)) as other:
            rows = other.connection.execute("SELECT id, a FROM orders").fetchall()
        self.assertEqual(rows, [(7, "x"), (8, None)])

    def test_bytes(self) -> None:
        """
        Bytes may be a parameter, and come back in base64.
        """
        answer = self.query("INSERT INTO orders (a) VALUES (?) RETURNING a", b"\0")
        self.assertEqual(answer["results"], [{"a": {"base64": "AA=="}}])
        self.assertEqual(self.execute("SELECT a FROM orders"), [(b"\0",)])

    def test_staleSchema(self) -> None:
        """
        The table that a trigger names is found, although another program made it again after the
        connection read the schema.
        """
        write = "INSERT INTO orders (a) VALUES (1)"
        with closing(SynchronousDatabase(self.path)) as other:

            def follow(table: str) -> None:
                other.connection.execute(f"CREATE TABLE {table} (id)")
                other.connection.execute(
                    f"CREATE TRIGGER t AFTER INSERT ON orders BEGIN INSERT INTO {table} VALUES (1);"
                    " END"
                )

            follow("one")
            self.query(write)
            other.connection.execute("DROP TABLE one")
            self.assertIn("no such table", self.refused(write).message)
            other.connection.execute("DROP TRIGGER t")
            follow("two")
            self.query(write)

    def test_lists(self) -> None:
        """
        A list that is a parameter is its JSON.
        """
        sql = "SELECT value AS v FROM json_each(?)"
        self.assertEqual(self.query(sql, ["é", 2])["results"], [{"v": "é"}, {"v": 2}])
        error = self.refused(sql, [b"x"])
        self.assertEqual(error.details["kind"], "invalid_value")
        self.assertIn("Parameter 1", error.message)

    def test_kinds(self) -> None:
        """
        What a trigger refuses, and what SQLite cannot hold, has a kind as well.
        """
        self.execute(
            "CREATE TRIGGER no BEFORE INSERT ON orders BEGIN SELECT RAISE(ABORT, 'no'); END"
        )
        for sql, parameters, kind in (
            ("INSERT INTO orders (a) VALUES (1)", (), "raised"),
            ("SELECT abs(-9223372036854775808)", (), "invalid_value"),
            ("SELECT ?", (2**70,), "invalid_value"),
        ):
            self.assertEqual(self.refused(sql, *parameters).details["kind"], kind, sql)

    def test_faulty(self) -> None:
        """
        The error has the database's message, with one full stop.
        """
        for sql, parameters, said in (
            ("SELEC 1", (), "SELEC"),
            ("SELECT * FROM nothing", (), "nothing"),
            ("SELECT ?", (), "parameter|binding"),
            ("SELECT 1; DELETE FROM orders", (), "one statement"),
            ("SELECT abs(-9223372036854775808)", (), "overflow"),
        ):
            error = self.refused(sql, *parameters)
            self.assertEqual(error.code, "sql_error")
            self.assertRegex(error.message, said)
            self.assertRegex(error.message, r"[^.]\.$")

    def test_tooManyBytes(self) -> None:
        """
        A result of few rows with too many bytes is refused with the limit, and so is a single
        value beyond the limit; the writes are undone.
        """
        row = "SELECT hex(zeroblob(30000))"
        self.assertEqual(len(self.query(row, size=100_000)["results"]), 1)
        three = " UNION ALL ".join([row] * 3)
        for sql in (
            three,
            f"INSERT INTO orders (a) {three} RETURNING a",
            "SELECT zeroblob(1000000000)",
            "SELECT group_concat(hex(zeroblob(30000))) FROM (VALUES (1), (2), (3))",
        ):
            error = self.refused(sql, size=100_000)
            self.assertEqual(error.code, "sql_error")
            self.assertIn("limits.query_bytes", error.message)
        self.assertEqual(self.execute("SELECT count(*) FROM orders"), [(0,)])
        self.assertEqual(len(self.execute("SELECT hex(zeroblob(100000))")[0][0]), 200_000)

    def test_tooLong(self) -> None:
        """
        A statement that takes too long is stopped, and the next one is not.
        """
        error = self.refused(FOREVER, seconds=0.02)
        self.assertEqual(error.code, "sql_error")
        self.assertIn("longer than 0.02 s", error.message)
        # Other work on the connection is not stopped either.
        self.execute(FOREVER.replace("FROM n)", "FROM n WHERE i < 100000)"))

    def test_held(self) -> None:
        """
        While another program locks the database, a write is refused for now.
        """
        with closing(SynchronousDatabase(self.path)) as other:
            other.connection.execute("BEGIN IMMEDIATE")
            error = self.refused("INSERT INTO orders DEFAULT VALUES")
        self.assertEqual(error.code, "database_unavailable")
        self.assertIsNotNone(error.retryAfter)

    def test_notAllowed(self) -> None:
        """
        Statements that would outlive themselves on the connection are refused.
        """
        for sql in (
            "BEGIN",
            "COMMIT",
            "ROLLBACK",
            "SAVEPOINT s",
            "ATTACH ':memory:' AS other",
            "DETACH main",
            "PRAGMA journal_mode = DELETE",
            "PRAGMA writable_schema = 1",
            "PRAGMA foreign_keys",
        ):
            error = self.refused(sql)
            self.assertEqual(error.code, "sql_error", sql)
        self.assertIn("db.query takes no", error.message)

    def test_pragmas(self) -> None:
        """
        Pragmas that describe a table are allowed.
        """
        names = [row["name"] for row in self.query("PRAGMA table_info(orders)")["results"]]
        self.assertEqual(names, ["id", "a", "b"])

    def test_ours(self) -> None:
        """
        The daemon's tables and triggers may be read, but not changed.
        """
        journal = SQLiteJournal()
        for step in (journal.prepare, lambda cursor: journal.attach(cursor, "orders")):
            self.successResultOf(self.database.run(step))
        before = self.execute("SELECT * FROM sqlite_master")
        for sql in (
            "DELETE FROM _aerostack_changes",
            "DELETE FROM _AEROSTACK_CHANGES",
            "UPDATE realtime_messages SET data = ''",
            "INSERT INTO realtime_schema VALUES (99)",
            "DROP TABLE _aerostack_meta",
            "ALTER TABLE _aerostack_meta RENAME TO gone",
            "ALTER TABLE realtime_messages ADD COLUMN more",
            "DROP INDEX realtime_messages_age",
            'DROP TRIGGER "_aerostack_1_ai"',
        ):
            self.assertEqual(self.refused(sql).code, "sql_error", sql)
        self.assertEqual(self.execute("SELECT * FROM sqlite_master"), before)
        self.query("SELECT * FROM realtime_messages")

    def test_emitted(self) -> None:
        """
        A statement may emit an event, itself or by a trigger, and change nothing else of the events
        that wait.
        """
        rules = EmitRules(("p",), 100, 100, 1000)
        self.successResultOf(self.database.run(SQLiteEmittedEvents().prepare, rules))
        emit = "INSERT INTO aerostack_emit (topic, event) VALUES ('chat/a', 'e')"
        self.query(emit)
        self.query(f"CREATE TRIGGER t AFTER INSERT ON orders BEGIN {emit}; END")
        self.query("INSERT INTO orders (a) VALUES (1)")
        for sql in (
            "DELETE FROM aerostack_emit",
            "UPDATE AEROSTACK_EMIT SET event = 'f'",
            "DROP TABLE aerostack_emit",
            "ALTER TABLE aerostack_emit ADD COLUMN more",
            "CREATE INDEX i ON aerostack_emit (topic)",
            "CREATE TRIGGER u AFTER INSERT ON aerostack_emit BEGIN SELECT 1; END",
            "DROP TRIGGER _aerostack_emit",
        ):
            self.assertEqual(self.refused(sql).code, "sql_error", sql)
        rows = self.query("SELECT event FROM aerostack_emit")["results"]
        self.assertEqual(rows, [{"event": "e"}] * 2)

    def test_oursByTriggers(self) -> None:
        """
        A user's trigger cannot change them either.  No statement can create a trigger that names
        one of them, which another program's statement could run, or that has a daemon's name.
        """
        journal = SQLiteJournal()
        for step in (journal.prepare, lambda cursor: journal.attach(cursor, "orders")):
            self.successResultOf(self.database.run(step))
        forged = "VALUES ('r', 1, 'i', NULL, 'event', 'e', '1', NULL)"
        for n, body in enumerate(
            (
                "DELETE FROM realtime_messages",
                f"INSERT INTO realtime_messages {forged}",
                "DELETE FROM _aerostack_changes",
            )
        ):
            trigger = f"CREATE TRIGGER t{n} AFTER UPDATE ON orders BEGIN {body}; END"
            for sql in (trigger, trigger.upper()):
                self.assertEqual(self.refused(sql).code, "sql_error", sql)
            self.execute(trigger)
            self.assertEqual(self.refused("UPDATE orders SET a = 1").code, "sql_error", body)
            self.query(f"DROP TRIGGER t{n}")
            for name in ("_aerostack_9_x", "_AEROSTACK_9_x", "realtime_x"):
                sql = f"CREATE TRIGGER {name} AFTER UPDATE ON orders BEGIN {body}; END"
                self.assertEqual(self.refused(sql).code, "sql_error", name)
        self.query("UPDATE orders SET a = 1")

    def test_recorded(self) -> None:
        """
        The triggers record what a statement changes.
        """
        journal = SQLiteJournal()
        for step in (journal.prepare, lambda cursor: journal.attach(cursor, "orders")):
            self.successResultOf(self.database.run(step))
        self.query("INSERT INTO orders (a) VALUES (5)")
        poll = self.successResultOf(self.database.run(journal.poll, 0, 10))
        self.assertEqual([change.data["a"] for change in poll.events], [5])

    def test_schema(self) -> None:
        """
        A user's own tables may be created, altered and dropped.
        """
        for sql in (
            "CREATE TABLE bills (id INTEGER PRIMARY KEY)",
            "ALTER TABLE bills ADD COLUMN total",
            "CREATE INDEX bills_total ON bills (total)",
            "DROP INDEX bills_total",
            "DROP TABLE bills",
        ):
            self.query(sql)
        self.assertEqual(self.execute("SELECT 1 FROM sqlite_master WHERE name = 'bills'"), [])
