"""
Tests for L{aerostack.databases.postgres.query}, and for L{aerostack.databases.postgres.values}
with it.
"""

from __future__ import annotations

from contextlib import closing

from aerostack.core.rows.selection import Bounds
from aerostack.databases.postgres.locks import Block, Lookout
from aerostack.databases.postgres.query import runQuery
from aerostack.errors import RealtimeError
from tests.databases.postgres.querycase import QueryCase
from tests.postgres import ADMIN, ROLE


class AnswerTests(QueryCase):
    """
    Tests for what L{runQuery} answers.
    """

    def test_rows(self) -> None:
        """
        Rows are objects, by column, in their order.
        """
        answer = self.query("SELECT 1 AS i, 'é' AS t, NULL AS n UNION ALL SELECT 2, '', 'x'")
        self.assertEqual(
            answer["results"], [{"i": 1, "t": "é", "n": None}, {"i": 2, "t": "", "n": "x"}]
        )
        self.assertEqual(answer["success"], True)
        self.assertEqual((answer["meta"]["changes"], answer["meta"]["last_row_id"]), (0, None))
        self.assertGreaterEqual(answer["meta"]["duration"], 0)
        self.assertEqual(self.query("SELECT 1 AS i WHERE false")["results"], [])
        self.assertEqual(self.query("SELECT")["results"], [{}])

    def test_write(self) -> None:
        """
        What a statement wrote is committed, and C{meta} says how many rows that were.
        """
        for sql, parameters, changes in (
            ("INSERT INTO orders (a, b) VALUES (?, ?), (?, ?)", (7, "x", 8, None), 2),
            ("UPDATE orders SET a = a + $1 WHERE a = $1", (7,), 1),
            ("DELETE FROM orders WHERE a = ?", (99,), 0),
            ("WITH gone AS (DELETE FROM orders RETURNING 1) SELECT count(*) FROM gone", (), 0),
            ("INSERT INTO orders (a) SELECT generate_series(1, 5)", (), 5),
            ("CREATE TEMP TABLE x AS SELECT 1", (), 0),
        ):
            answer = self.query(sql, *parameters)
            self.assertEqual(answer["meta"]["changes"], changes, sql)
        self.assertEqual(
            self.postgres.execute("SELECT a FROM orders ORDER BY a"), [(n,) for n in range(1, 6)]
        )

    def test_returning(self) -> None:
        """
        C{RETURNING} gives its rows, and the write is committed.
        """
        answer = self.query("INSERT INTO orders (a) VALUES (?) RETURNING id, a", 5)
        self.assertEqual(answer["results"], [{"id": 1, "a": 5}])
        self.assertEqual(answer["meta"]["changes"], 1)
        self.assertEqual(self.postgres.execute("SELECT count(*) FROM orders"), [(1,)])

    def test_schema(self) -> None:
        """
        A user's own tables may be made, altered and dropped, and a statement goes on
        working that was run before.
        """
        self.query("CREATE SCHEMA shop")
        self.query("CREATE TABLE shop.bills (id int PRIMARY KEY)")
        for _ in range(10):
            self.assertEqual(self.query("SELECT * FROM shop.bills WHERE id > ?", 0)["results"], [])
        self.query("ALTER TABLE shop.bills ADD COLUMN total numeric")
        self.query("CREATE INDEX ON shop.bills (total)")
        self.query("INSERT INTO shop.bills VALUES (1, '2.50')")
        self.assertEqual(
            self.query("SELECT * FROM shop.bills WHERE id > ?", 0)["results"],
            [{"id": 1, "total": 2.5}],
        )
        self.query("DROP TABLE shop.bills")

    def test_function(self) -> None:
        """
        A statement may have others inside that end in semicolons.
        """
        self.query("CREATE SCHEMA shop")
        self.query(
            "CREATE FUNCTION shop.add(n int) RETURNS int LANGUAGE sql BEGIN ATOMIC"
            " INSERT INTO orders (a) VALUES (n); SELECT n; END;"
        )
        self.assertEqual(self.value("shop.add(?)", 2), 2)
        self.query("DO $$ BEGIN PERFORM 1; INSERT INTO orders (a) VALUES (3); END $$;")
        self.assertEqual(self.postgres.execute("SELECT a FROM orders"), [(2,), (3,)])


class ParameterTests(QueryCase):
    """
    Tests for parameters.
    """

    def test_types(self) -> None:
        """
        A parameter has the type that its place asks for.
        """
        for expression, value, expected in (
            ("?::int", 5, 5),
            ("?::text", 5, "5"),
            ("?::numeric", 0.1, 0.1),
            ("?::numeric", "12345678901234567890.5", "12345678901234567890.5"),
            ("?::int8", "9007199254740993", "9007199254740993"),
            ("?::boolean", True, True),
            ("?::boolean", False, False),
            ("?::text", True, "true"),
            ("?::timestamptz", "2026-01-02 03:04:05+02", "2026-01-02T01:04:05+00:00"),
            ("?::jsonb", '{"b": 1, "a": [null]}', {"a": [None], "b": 1}),
            ("?::int[]", "{1,NULL}", [1, None]),
            ("?::uuid", "A0EEBC999C0B4EF8BB6D6BB9BD380A11", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"),
            ("?::mood", "happy", "happy"),
            ("?::int", None, None),
            ("? || 'b'", "a", "ab"),
            ("3 + ?", 4, 7),
            ("length(?)", b"\0\xff", 2),
            ("?", b"\0\xff", {"base64": "AP8="}),
            ("?::float8", 1e300, 1e300),
            ("?", "😀'; --", "😀'; --"),
        ):
            self.assertEqual(self.value(expression, value), expected, expression)

    def test_styles(self) -> None:
        """
        Parameters are written as C{?} or as C{$1}; an operator's question mark is doubled
        in the first case only.
        """
        document = '{"a": 1}'
        self.assertIs(self.value("?::jsonb ?? ?", document, "a"), True)
        self.assertIs(self.value("$1::jsonb ? $2", document, "b"), False)
        self.assertIs(self.value("?::jsonb ??| ARRAY['b', ?]", document, "a"), True)
        self.assertEqual(self.value("$2::int - $1::int", 1, 3), 2)
        self.assertEqual(
            self.value("'?' || \"b\" || ? FROM (SELECT 'x' AS \"b\") AS t", "y"), "?xy"
        )

    def test_number(self) -> None:
        """
        Too few and too many values are refused with both numbers.
        """
        for sql, values in (("SELECT ?", 0), ("SELECT 1", 1), ("SELECT $2", 1), ("SELECT $1", 2)):
            error = self.refused(sql, *["x"] * values)
            self.assertEqual(error.code, "sql_error")
            self.assertRegex(error.message, rf"has \d parameters, {values} values")

    def test_nul(self) -> None:
        """
        What PostgreSQL's text cannot hold is refused by the parameter's number.
        """
        error = self.refused("SELECT ?, ?", "a", "b\0")
        self.assertEqual(error.code, "sql_error")
        self.assertIn("Parameter 2 has a NUL", error.message)
        self.postgres.execute("INSERT INTO orders (id) VALUES (1), (2)")
        error = self.refused("DELETE FROM orders\0 WHERE id = 1")
        self.assertIn("statement has a NUL", error.message)
        self.assertEqual(self.postgres.execute("SELECT count(*) FROM orders"), [(2,)])

    def test_tooMany(self) -> None:
        """
        More parameters than can be sent are refused; as many as can are not.
        """
        marks = ",".join("?" * 65535)
        answer = self.query(f"SELECT count(*) FROM unnest(ARRAY[{marks}]::int[])", *[1] * 65535)
        self.assertEqual(answer["results"], [{"count": 65535}])
        self.assertIn("at most 65535", self.refused(f"SELECT {marks},?", *[1] * 65536).message)


class RefusalTests(QueryCase):
    """
    Tests for what L{runQuery} refuses.
    """

    def test_faulty(self) -> None:
        """
        What the database says against a statement is told, with its code.
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

    def test_undone(self) -> None:
        """
        A statement that fails half-way leaves nothing.
        """
        self.refused("INSERT INTO orders (id) VALUES (1), (2), (1)")
        self.assertEqual(self.postgres.execute("SELECT count(*) FROM orders"), [(0,)])

    def test_undoneAtCommit(self) -> None:
        """
        Nor does one that fails when it is committed.
        """
        self.postgres.execute("ALTER TABLE orders ADD UNIQUE (a) DEFERRABLE INITIALLY DEFERRED")
        error = self.refused("INSERT INTO orders (a) VALUES (1), (1)")
        self.assertIn("23505", error.message)
        self.assertEqual(self.query("SELECT * FROM orders")["results"], [])

    def test_tooManyRows(self) -> None:
        """
        A result that is too long is refused with the limit as soon as it is, and what it
        wrote is undone.
        """
        values = "VALUES (1), (2), (3)"
        self.assertEqual(len(self.query(values, rows=3)["results"]), 3)
        error = self.refused(f"INSERT INTO orders (a) {values} RETURNING a", rows=2)
        self.assertEqual(error.code, "sql_error")
        self.assertIn("more than 2 rows", error.message)
        self.assertEqual(self.postgres.execute("SELECT count(*) FROM orders"), [(0,)])
        endless = "SELECT repeat('x', 1000), generate_series(1, 1000000000)"
        error = self.refused(endless, rows=10, seconds=3600.0)
        self.assertIn("more than 10 rows", error.message)
        self.assertEqual(self.value("1"), 1)

    def test_tooManyBytes(self) -> None:
        """
        A result of few rows and many bytes is refused with the limit as soon as it is too
        large, and what the statement wrote is undone.
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
        What another transaction's end would mend is refused for now.
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
        A statement that took too long while somebody locks a table of ours is told who does.
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
        Where a table of the daemon's messages was dropped, statements are run all the same, and
        none may write to the other.
        """
        self.postgres.execute("DROP TABLE _aerostack.versions", user=ADMIN)
        self.query("INSERT INTO orders (id) VALUES (1)")
        for statement in ("DELETE FROM", "DROP TABLE"):
            sql = f"DO $$ BEGIN EXECUTE '{statement} _aerost' || 'ack.messages'; END $$"
            self.assertIn("writes to the daemon's messages", self.refused(sql).message)

    def test_notAllowed(self) -> None:
        """
        What has no meaning beyond a statement is refused.
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
        The daemon's own tables may be read, and not be changed, however they are spelled.
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
        The kept messages are not changed by a statement that does not name them either: by one that
        is put together, by a function or by a trigger.
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
                    ("UPDATE _aero", "versions SET version = 99"),
                    ("ALTER TABLE _aero", "messages RENAME TO gone"),
                )
            ),
        ):
            error = self.refused(sql)
            self.assertEqual(error.code, "sql_error", sql)
            self.assertIn("daemon's messages", error.message)
        self.query("INSERT INTO orders (a) VALUES (1)")
        self.assertEqual(
            self.query("SELECT count(*) AS n FROM _aerostack.messages")["results"], [{"n": 0}]
        )


class SessionTests(QueryCase):
    """
    Tests for what L{runQuery} leaves on its connection.
    """

    def test_clean(self) -> None:
        """
        What a statement did to its session is undone before the next.
        """
        for sql in (
            "SELECT set_config('TimeZone', 'Asia/Tokyo', false)",
            "SELECT set_config('search_path', 'nowhere', false)",
            "SELECT set_config('statement_timeout', '1', false)",
            "SELECT set_config('role', 'pg_monitor', false)",
            "CREATE TEMP TABLE orders (a int)",
            "SELECT pg_advisory_lock(1)",
            "DO $$ BEGIN EXECUTE 'LISTEN x'; EXECUTE 'PREPARE p AS SELECT 1'; END $$",
        ):
            self.postgres.execute(f"GRANT pg_monitor TO {ROLE}", user=ADMIN)
            self.query(sql)
            self.assertEqual(self.value("'2026-01-01Z'::timestamptz"), "2026-01-01T00:00:00+00:00")
            self.assertEqual(self.value("current_user"), ROLE)
            self.assertEqual(self.query("SELECT id, b FROM orders")["results"], [])
            self.value("pg_sleep(0.01) IS NULL")
            for left in ("pg_prepared_statements", "pg_listening_channels() AS c"):
                self.assertEqual(self.value(f"count(*) FROM {left}"), 0, sql)
            locks = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"
            self.assertEqual(self.postgres.execute(locks), [(0,)])

    def test_cleanAfterFailure(self) -> None:
        """
        So is what a statement did that failed.
        """
        self.refused("SELECT pg_advisory_lock(1), 1 / (SELECT 0)")
        self.refused("SELECT pg_advisory_lock(2) FROM generate_series(1, 9)", rows=2)
        locks = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"
        self.assertEqual(self.postgres.execute(locks), [(0,)])


class BrokenTests(QueryCase):
    """
    Tests for connections that break.
    """

    def test_broken(self) -> None:
        """
        A connection that breaks under a statement is told as the database's failing.
        """
        self.postgres.execute(f"GRANT pg_signal_backend TO {ROLE}", user=ADMIN)
        error = self.refused("SELECT pg_terminate_backend(pg_backend_pid())")
        self.assertEqual((error.code, error.retryAfter), ("database_unavailable", 1000))
        self.assertTrue(self.database.connection.closed)

    def test_brokenAtCommit(self) -> None:
        """
        Where it breaks while the statement is committed, it is said that nobody knows.
        """
        self.postgres.execute(
            "CREATE FUNCTION die() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS"
            " $$ BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NULL; END $$",
            "ALTER TABLE orders OWNER TO admin",
            "CREATE CONSTRAINT TRIGGER die AFTER INSERT ON orders DEFERRABLE INITIALLY DEFERRED"
            " FOR EACH ROW EXECUTE FUNCTION die()",
            user=ADMIN,
        )
        error = self.refused("INSERT INTO orders (a) VALUES (1)")
        self.assertEqual((error.code, error.retryAfter), ("database_unavailable", None))
        self.assertIn("may have taken effect or not", error.message)

    def test_standby(self) -> None:
        """
        A server that takes no writes any more is told as such, and left.
        """
        self.database.connection.execute("SET default_transaction_read_only = on")
        error = self.refused("INSERT INTO orders (a) VALUES (1)")
        self.assertEqual((error.code, error.retryAfter), ("database_unavailable", 1000))
        self.assertIn("read-only", error.message)
        self.assertTrue(self.database.connection.closed)
