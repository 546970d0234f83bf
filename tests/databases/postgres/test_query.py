"""
Tests for L{aerostack.databases.postgres.query}, and for L{aerostack.databases.postgres.values}
with it.
"""

from __future__ import annotations

from tests.databases.contracts.query import QueryContract
from tests.databases.postgres.querycase import QueryCase
from tests.postgres import ADMIN, ROLE


class ContractTests(QueryContract, QueryCase):
    """
    See L{QueryContract}.
    """


class AnswerTests(QueryCase):
    """
    The answers of L{runQuery}.
    """

    def test_noColumns(self) -> None:
        """
        A row without columns is an empty object, and no row has an id.
        """
        answer = self.query("SELECT")
        self.assertEqual((answer["results"], answer["meta"]["last_row_id"]), ([{}], None))

    def test_write(self) -> None:
        """
        The writes of a statement are committed, and C{meta} counts the rows.
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

    def test_schema(self) -> None:
        """
        A user's own tables may be created, altered and dropped, and a statement that ran before
        still works.
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
        A statement may contain others that end in semicolons.
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
        A parameter has the type that its place requires.
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
        Parameters are written as C{?} or as C{$1}; only with C{?} is an operator's question mark
        doubled.
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
        A text with a NUL is refused with the parameter's number.
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
        More parameters than possible are refused; the highest possible number works.
        """
        marks = ",".join("?" * 65535)
        answer = self.query(f"SELECT count(*) FROM unnest(ARRAY[{marks}]::int[])", *[1] * 65535)
        self.assertEqual(answer["results"], [{"count": 65535}])
        self.assertIn("at most 65535", self.refused(f"SELECT {marks},?", *[1] * 65536).message)


class SessionTests(QueryCase):
    """
    What L{runQuery} leaves on its connection.
    """

    def test_clean(self) -> None:
        """
        The effects of a statement on its session are undone before the next.
        """
        for sql in (
            "SELECT set_config('TimeZone', 'Asia/Tokyo', false)",
            "SELECT set_config('search_path', 'nowhere', false)",
            "SELECT set_config('statement_timeout', '1h', false)",
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
            timeout = self.database.run(
                lambda c: c.execute("SHOW statement_timeout", prepare=False).fetchone()
            )
            self.assertEqual(self.successResultOf(timeout), ("0",))
            for left in ("pg_prepared_statements", "pg_listening_channels() AS c"):
                self.assertEqual(self.value(f"count(*) FROM {left}"), 0, sql)
            locks = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"
            self.assertEqual(self.postgres.execute(locks), [(0,)])

    def test_cleanAfterFailure(self) -> None:
        """
        The effects of a failed statement on its session are undone too.
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
        A connection that breaks under a statement is reported as a fault of the database.
        """
        self.postgres.execute(f"GRANT pg_signal_backend TO {ROLE}", user=ADMIN)
        error = self.refused("SELECT pg_terminate_backend(pg_backend_pid())")
        self.assertEqual((error.code, error.retryAfter), ("database_unavailable", 1000))
        self.assertTrue(self.database.connection.closed)

    def test_brokenAtCommit(self) -> None:
        """
        If it breaks during the commit, the error says that the effect is unknown.
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
        A server that takes no writes any more is reported, and its connection closed.
        """
        self.database.connection.execute("SET default_transaction_read_only = on")
        error = self.refused("INSERT INTO orders (a) VALUES (1)")
        self.assertEqual((error.code, error.retryAfter), ("database_unavailable", 1000))
        self.assertIn("read-only", error.message)
        self.assertTrue(self.database.connection.closed)
