"""
Tests for L{aerostack.storage.postgresquery}, and for L{aerostack.wire.postgres} with it.
"""

from __future__ import annotations

import json
from contextlib import closing
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from aerostack.errors import RealtimeError
from aerostack.storage.postgres import POSTGRES
from aerostack.storage.postgresquery import runQuery
from aerostack.storage.schema import migrate
from aerostack.wire.codec import encodeValue
from tests.postgres import ADMIN, ROLE, freshDatabase
from tests.storage.databases import SynchronousPostgres

TYPES = (
    "CREATE TYPE mood AS ENUM ('happy', 'not so \"happy\"')",
    "CREATE TYPE pair AS (a int, b text, c mood[])",
    "CREATE TYPE nothing AS ()",
    "CREATE DOMAIN price AS numeric CHECK (VALUE >= 0)",
    "CREATE TYPE span AS RANGE (subtype = numeric)",
)

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=5)


class QueryCase(SynchronousTestCase):
    """
    Has a database with a table.
    """

    def setUp(self) -> None:
        self.postgres = freshDatabase(self)
        self.postgres.execute("CREATE TABLE orders (id serial PRIMARY KEY, a int, b text)", *TYPES)
        self.database = SynchronousPostgres(self.postgres)
        self.addCleanup(self.database.close)
        self.successResultOf(self.database.run(migrate, POSTGRES))

    def query(self, sql: str, *parameters: Any, rows: int = 100, seconds: float = 60.0) -> Any:
        """
        Run a statement as C{db.query} does.
        """
        asked = self.database.run(runQuery, sql, list(parameters), rows, seconds)
        # As it is sent.
        return json.loads(encodeValue(self.successResultOf(asked)))

    def value(self, expression: str, *parameters: Any) -> Any:
        """
        The JSON form of an expression's value.
        """
        ((value,),) = [
            row.values() for row in self.query(f"SELECT {expression}", *parameters)["results"]
        ]
        return value

    def refused(self, sql: str, *parameters: Any, **limits: Any) -> RealtimeError:
        """
        Run a statement that is refused, and see that it left nothing behind.

        @return: How.
        """
        limits = {"rows": 100, "seconds": 60.0, **limits}
        asked = self.database.run(
            runQuery, sql, list(parameters), limits["rows"], limits["seconds"]
        )
        error: RealtimeError = self.failureResultOf(asked, RealtimeError).value
        if not self.database.connection.closed:
            self.assertEqual(self.database.connection.info.transaction_status.name, "IDLE")
        return error


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


class ValueTests(QueryCase):
    """
    Tests for the JSON form of values.
    """

    def test_scalars(self) -> None:
        """
        Each type has its documented form.
        """
        for expression, expected in (
            ("true", True),
            ("2::int2", 2),
            ("9007199254740991", 2**53 - 1),
            ("9007199254740992", "9007199254740992"),
            ("1.5::float4", 1.5),
            ("0.1::float4", 0.1),
            ("0.1::float8", 0.1),
            ("1e-5::float8 / 3", 1e-5 / 3),
            ("'NaN'::float8", "NaN"),
            ("'-Infinity'::float8", "-Infinity"),
            ("12.50", 12.5),
            ("12345678901234567.5", "12345678901234567.5"),
            ("'NaN'::numeric", "NaN"),
            ("10::numeric", 10),
            ("1.10::price", 1.1),
            ("'é'::text", "é"),
            ("'ab'::char(4)", "ab  "),
            ("'x'::name", "x"),
            ("'\\x00ff'::bytea", {"base64": "AP8="}),
            ("''::bytea", {"base64": ""}),
            ("'2026-01-02'::date", "2026-01-02"),
            ("'03:04:05.5'::time", "03:04:05.5"),
            ("'2026-01-02 03:04:05.678'::timestamp", "2026-01-02T03:04:05.678"),
            ("'2026-01-02 03:04:05.678+05:45'::timestamptz", "2026-01-01T21:19:05.678+00:00"),
            ("'0044-03-15 12:00:00+00 BC'::timestamptz", "0044-03-15T12:00:00+00:00 BC"),
            ("'infinity'::timestamptz", "infinity"),
            ("'1 day 02:00'::interval", "1 day 02:00:00"),
            (
                "'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'::uuid",
                "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11",
            ),
            ("'10.0.0.1'::inet", "10.0.0.1"),
            ("int4range(1, 5)", "[1,5)"),
            ("span(1.5, 2)", "[1.5,2)"),
            ("'happy'::mood", "happy"),
            ("'{\"a\":  [1, 2.50, null]}'::json", {"a": [1, 2.5, None]}),
            ("'\"x\"'::jsonb", "x"),
            ("'null'::jsonb", None),
            ("NULL::int", None),
        ):
            self.assertEqual(repr(self.value(expression)), repr(expected), expression)

    def test_composed(self) -> None:
        """
        Arrays are lists and rows are objects, of the forms of what they hold.
        """
        for expression, expected in (
            ("ARRAY[1, NULL, 3]", [1, None, 3]),
            ("ARRAY[]::int[]", []),
            ("ARRAY[[1, 2], [3, 4]]", [[1, 2], [3, 4]]),
            ("'[0:1]={1,2}'::int[]", [1, 2]),
            ("'[-1:-1][2:3]={{1,2}}'::int[]", [[1, 2]]),
            ("ARRAY[9007199254740992, 1]", ["9007199254740992", 1]),
            ("ARRAY[1.5, 'NaN']::numeric[]", [1.5, "NaN"]),
            ("ARRAY['\\x00'::bytea]", [{"base64": "AA=="}]),
            ("ARRAY['2026-01-02 03:04:05Z'::timestamptz]", ["2026-01-02T03:04:05+00:00"]),
            ("ARRAY['{\"a\": [1]}', 'null']::jsonb[]", [{"a": [1]}, None]),
            ("ARRAY[box '(1,1),(0,0)', box '(2,2),(1,1)']", ["(1,1),(0,0)", "(2,2),(1,1)"]),
            ("ARRAY['happy', NULL]::mood[]", ["happy", None]),
            ("ARRAY[1.10]::price[]", [1.1]),
            (
                "ROW(1, 'x', ARRAY['not so \"happy\"'])::pair",
                {"a": 1, "b": "x", "c": ['not so "happy"']},
            ),
            ("ROW(NULL, '', NULL)::pair", {"a": None, "b": "", "c": None}),
            ("ARRAY[ROW(1, 'a,\"b\" (\\', NULL)]::pair[]", [{"a": 1, "b": 'a,"b" (\\', "c": None}]),
            ("ROW()::nothing", {}),
            ("o FROM (VALUES (1, 'x')) AS o", "(1,x)"),
        ):
            self.assertEqual(self.value(expression), expected, expression)

    def test_row(self) -> None:
        """
        A table's row as a value is an object with its present columns.
        """
        self.postgres.execute(
            "INSERT INTO orders VALUES (1, 2, 'x')", "ALTER TABLE orders DROP COLUMN a"
        )
        self.assertEqual(self.value("orders FROM orders"), {"id": 1, "b": "x"})

    def test_asTold(self) -> None:
        """
        But for bytes and large numbers, values look as PostgreSQL's own JSON does, which
        is how changes of tables are told.
        """
        for expression in (
            *("1.5::float4", "'2026-01-02 03:04:05.6+05'::timestamptz", "'03:04'::timetz"),
            *(
                "'2026-01-02 03:04:05'::timestamp",
                "'infinity'::date",
                "'0044-03-15 BC'::date",
                "'-1 day'::interval",
            ),
            *("'0044-03-15 BC'::timestamp", "'(1,2)'::point", "'a'::tsvector"),
            *("B'101'", "'08:00:2b:01:02:03'::macaddr", "ARRAY['a b', 'NULL', NULL, '', '\"']"),
            *("ROW(1, 'a \"b\", c', ARRAY['happy'])::pair", "'{[1,3), [5,7)}'::int4multirange"),
            "'2026-01-02'::date",
        ):
            told = self.postgres.connect(ROLE)
            with closing(told):
                told.execute("SET TimeZone = 'UTC'; SET IntervalStyle = 'postgres'")
                ((text,),) = told.execute(f"SELECT to_jsonb({expression})::text").fetchall()
            self.assertEqual(self.value(expression), json.loads(text), expression)

    @given(st.lists(st.one_of(st.none(), TEXT), max_size=4), TEXT)
    def test_anyText(self, texts: list[str | None], text: str) -> None:
        """
        Any text comes back as it was, in an array and in a row of a row too.
        """
        array = "ARRAY[" + ", ".join("?" for _ in texts) + "]::text[]"
        self.assertEqual(self.value(array, *texts), texts)
        found = self.value("ARRAY[ROW(1, ?, NULL)::pair]", text)
        self.assertEqual(found, [{"a": 1, "b": text, "c": None}])


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
