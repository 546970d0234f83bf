"""
What L{aerostack.databases.postgres.query} refuses.
"""

from __future__ import annotations

from contextlib import closing

from aerostack.core.rows.selection import Bounds
from aerostack.databases.postgres.locks import Block, Lookout
from aerostack.databases.postgres.query import runQuery
from aerostack.errors import RealtimeError
from tests.databases.postgres.querycase import QueryCase
from tests.postgres import ADMIN


class RefusalTests(QueryCase):
    """
    The refusals of L{runQuery}.
    """

    def test_faulty(self) -> None:
        """
        The error has the database's message and its code.
        """
        self.postgres.execute(
            "INSERT INTO orders (id) VALUES (1)", "CREATE TABLE secret ()", user=ADMIN
        )
        for sql, said in (
            ("SELEC 1", r'syntax error at or near "SELEC" \(42601\)'),
            ("SELECT * FROM none", r'"none" does not exist'),
            (
                "INSERT INTO orders (id) VALUES (1)",
                r"\(23505\)\. Key \(id\)=\(1\) already exists\.",
            ),
            ("SELECT 1 / 0", "division by zero"),
            ("SELECT * FROM secret", "permission denied"),
            ("VACUUM", "cannot run inside a transaction block"),
            ("SELECT 'a'::int", "invalid input syntax"),
            ("SELECT 'unended", "unterminated"),
            ("/* unended", "unterminated"),
            ("", "There is no statement"),
            (" -- nothing", "There is no statement"),
            ("SELECT 1; DELETE FROM orders", "takes one statement"),
            ("DO $$ BEGIN COMMIT; END $$", "invalid transaction termination"),
        ):
            error = self.refused(sql)
            self.assertEqual((error.code, error.retryAfter), ("sql_error", None), sql)
            self.assertRegex(error.message, said)
            self.assertNotIn("\n", error.message)

    def test_undoneAtCommit(self) -> None:
        """
        So does a statement that fails at its commit.
        """
        self.postgres.execute("ALTER TABLE orders ADD UNIQUE (a) DEFERRABLE INITIALLY DEFERRED")
        error = self.refused("INSERT INTO orders (a) VALUES (1), (1)")
        self.assertIn("23505", error.message)
        self.assertEqual(self.query("SELECT * FROM orders")["results"], [])

    def test_tooManyRows(self) -> None:
        """
        A result with too many rows is refused as soon as it exceeds the limit.
        """
        endless = "SELECT repeat('x', 1000), generate_series(1, 1000000000)"
        error = self.refused(endless, rows=10, seconds=3600.0)
        self.assertIn("more than 10 rows", error.message)
        self.assertEqual(self.value("1"), 1)

    def test_tooManyBytes(self) -> None:
        """
        A result of few rows with too many bytes is refused with the limit as soon as it exceeds
        it, and the writes are undone.
        """
        row = "SELECT repeat('x', 60000)"
        self.assertEqual(len(self.query(row, size=100_000)["results"]), 1)
        for sql in (
            f"{row}, generate_series(1, 1000000000)",
            f"INSERT INTO orders (b) {row} FROM generate_series(1, 3) RETURNING b",
        ):
            error = self.refused(sql, size=100_000, rows=1_000_000_000)
            self.assertEqual(error.code, "sql_error")
            self.assertIn("limits.query_bytes", error.message)
        self.assertEqual(self.postgres.execute("SELECT count(*) FROM orders"), [(0,)])
        self.assertEqual(self.value("1"), 1)

    def test_tooLong(self) -> None:
        """
        A statement that takes too long is stopped, and the next one is not.
        """
        for sql in (
            "SELECT pg_sleep(60)",
            "SELECT i FROM generate_series(1, 1000000000) AS i WHERE i < 0",
        ):
            error = self.refused(sql, seconds=0.02)
            self.assertEqual(error.code, "sql_error")
            self.assertIn("longer than 0.02 s", error.message)
        self.value("pg_sleep(0.1) IS NULL")

    def test_locked(self) -> None:
        """
        A statement that fails because of another transaction is refused for now.
        """
        self.postgres.execute("INSERT INTO orders (id) VALUES (1), (2)")
        sql = "DO $$ BEGIN SET LOCAL lock_timeout = '10ms'; UPDATE orders SET a = 1; END $$"
        with closing(self.postgres.connect()) as other, other.transaction():
            other.execute("UPDATE orders SET a = 2")
            error = self.refused(sql)
        self.assertEqual((error.code, error.retryAfter), ("database_unavailable", 1000))
        self.assertIn("lock timeout (55P03)", error.message)
        self.query(sql)

    def test_lockedOurs(self) -> None:
        """
        The error for a statement that took too long names the program that locks a table of the
        daemon.
        """
        lookout = Lookout()
        lookout.found = (Block("_aerostack.captured", "process 7 (x)", "admin", None),)
        asked = self.database.run(
            runQuery, "SELECT pg_sleep(60)", [], Bounds(1, 1000, 0.05), lookout
        )
        error = self.failureResultOf(asked, RealtimeError).value
        self.assertEqual(
            error.message,
            "The statement took longer than 0.05 s. The database has its table _aerostack.captured"
            " locked by process 7 (x) of the role admin.",
        )

    def test_lostOurs(self) -> None:
        """
        If a table of the daemon's messages was dropped, statements still run, and none may write
        to the other table.
        """
        self.postgres.execute("DROP TABLE _aerostack.versions", user=ADMIN)
        self.query("INSERT INTO orders (id) VALUES (1)")
        for statement in ("DELETE FROM", "DROP TABLE"):
            sql = f"DO $$ BEGIN EXECUTE '{statement} _aerost' || 'ack.messages'; END $$"
            self.assertIn("writes to the daemon's tables", self.refused(sql).message)

    def test_notAllowed(self) -> None:
        """
        Statements without an effect beyond themselves are refused.
        """
        for sql in (
            *("BEGIN", "start transaction", "COMMIT", "END", "ROLLBACK", "ABORT"),
            *("SAVEPOINT s", "RELEASE s", "PREPARE TRANSACTION 'x'", "COMMIT PREPARED 'x'"),
            *("SET search_path = shop", "/* a */ SET LOCAL x.y = 1", "RESET ALL", "DISCARD ALL"),
            *("PREPARE p AS SELECT 1", "EXECUTE p", "DEALLOCATE ALL", "LISTEN x", "UNLISTEN *"),
            *("DECLARE c CURSOR WITH HOLD FOR SELECT 1", "FETCH c", "MOVE c", "CLOSE ALL"),
            *("COPY orders FROM STDIN", "COPY orders TO STDOUT", "LOAD 'x'"),
        ):
            error = self.refused(sql)
            self.assertEqual(error.code, "sql_error", sql)
            self.assertIn("db.query takes no", error.message)

    def test_ours(self) -> None:
        """
        The daemon's tables may be read, but not changed, however they are spelled.
        """
        for sql in (
            "DELETE FROM _aerostack.messages",
            'DELETE FROM "_aerostack".messages',
            "WITH gone AS (DELETE FROM _AEROSTACK.messages RETURNING 1) SELECT 1",
            "DROP SCHEMA _aerostack CASCADE",
            "CREATE TABLE _aerostack.more ()",
            "EXPLAIN ANALYZE DELETE FROM _aerostack.messages",
            "ALTER TABLE _aerostack.messages ADD COLUMN more int",
        ):
            error = self.refused(sql)
            self.assertEqual(error.code, "sql_error", sql)
            self.assertIn("daemon's own tables", error.message)
        self.assertEqual(self.query("SELECT * FROM _aerostack.messages")["results"], [])
        self.query("INSERT INTO orders (b) VALUES ('_aerostack') RETURNING '_aerostack'")

    def test_oursByOthers(self) -> None:
        """
        A statement that does not name the daemon's tables cannot change them either: neither
        dynamic SQL, nor a function, nor a trigger.
        """
        for sql in (
            "CREATE SCHEMA shop",
            "CREATE FUNCTION shop.forge() RETURNS void LANGUAGE plpgsql AS $$ BEGIN EXECUTE"
            " 'INSERT INTO _aero' || 'stack.messages VALUES (''r'', 1, ''i'', NULL, ''event'',"
            " ''e'', ''1'')';"
            " END $$",
            "CREATE FUNCTION shop.forgetful() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN EXECUTE"
            " 'DELETE FROM _aero' || 'stack.messages'; RETURN NULL; END $$",
            "CREATE TRIGGER forgets AFTER UPDATE ON orders FOR EACH STATEMENT EXECUTE FUNCTION"
            " shop.forgetful()",
        ):
            self.query(sql)
        for sql in (
            "SELECT shop.forge()",
            "UPDATE orders SET a = 1",
            *(
                f"DO $$ BEGIN EXECUTE '{begins}' || 'stack.{ends}'; END $$"
                for begins, ends in (
                    ("DELETE FROM _aero", "messages"),
                    ("TRUNCATE _aero", "messages"),
                    ("DROP TABLE _aero", "messages"),
                    ("UPDATE _aero", "versions SET version = version + 99"),
                    ("DELETE FROM _aero", "revocations"),
                    ("DROP TABLE _aero", "revocations"),
                    ("DELETE FROM _aero", "answers"),
                    ("DROP TABLE _aero", "answer_pieces"),
                    ("ALTER TABLE _aero", "messages RENAME TO gone"),
                )
            ),
        ):
            error = self.refused(sql)
            self.assertEqual(error.code, "sql_error", sql)
            self.assertIn("the daemon's tables", error.message)
        self.query("INSERT INTO orders (a) VALUES (1)")
        self.assertEqual(
            self.query("SELECT count(*) AS n FROM _aerostack.messages")["results"], [{"n": 0}]
        )
