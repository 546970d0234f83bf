"""
Tests of C{db.query}, for every database.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from aerostack.core.rows.selection import Bounds
from aerostack.errors import RealtimeError
from aerostack.protocol.codec import encodeValue


class QuerySteps:
    """
    The steps that tests of C{db.query} share; to be mixed into a test case that has a database
    with a table C{orders} of the columns C{id}, C{a} and C{b}.

    @cvar runQuery: Runs a statement on a cursor of the database.
    @ivar database: The database.
    @ivar execute: Runs a statement without the restrictions of C{db.query}, and gives its rows.
    @ivar assertIdle: Checks that the connection is in no transaction.
    """

    runQuery: Callable[..., Any]
    database: Any
    execute: Callable[[str], list[Any]]
    assertIdle: Callable[[], None]
    successResultOf: Any
    failureResultOf: Any

    def ask(
        self,
        sql: str,
        *parameters: Any,
        rows: int = 100,
        size: int = 1_000_000,
        seconds: float = 60.0,
    ) -> Any:
        """
        Run a statement as C{db.query} does.

        @return: A deferred with the answer or the error.
        """
        bounds = Bounds(rows, size, seconds)
        return self.database.run(type(self).runQuery, sql, list(parameters), bounds)

    def query(self, sql: str, *parameters: Any, **limits: Any) -> Any:
        """
        Run a statement that is answered.

        @return: The answer in the form in which it is sent.
        """
        return json.loads(encodeValue(self.successResultOf(self.ask(sql, *parameters, **limits))))

    def refused(self, sql: str, *parameters: Any, **limits: Any) -> RealtimeError:
        """
        Run a statement that is refused, and check that it left no transaction behind.

        @return: The error.
        """
        asked = self.ask(sql, *parameters, **limits)
        error: RealtimeError = self.failureResultOf(asked, RealtimeError).value
        self.assertIdle()
        return error


class QueryContract(QuerySteps):
    """
    What C{db.query} does on every database.
    """

    assertEqual: Any
    assertGreaterEqual: Any
    assertIn: Any

    def test_rows(self) -> None:
        """
        Rows are objects, by column, in their order.
        """
        answer = self.query("SELECT 1 AS i, 'é' AS t, NULL AS n UNION ALL SELECT 2, '', 'x'")
        self.assertEqual(
            answer["results"], [{"i": 1, "t": "é", "n": None}, {"i": 2, "t": "", "n": "x"}]
        )
        self.assertEqual((answer["success"], answer["meta"]["changes"]), (True, 0))
        self.assertGreaterEqual(answer["meta"]["duration"], 0)
        self.assertEqual(self.query("SELECT 1 AS i WHERE 1 = 2")["results"], [])

    def test_changes(self) -> None:
        """
        The writes of a statement are committed, and C{meta} counts the rows.
        """
        for sql, parameters, changes in (
            ("INSERT INTO orders (a, b) VALUES (?, ?), (?, ?)", (7, "x", 8, None), 2),
            ("UPDATE orders SET a = a + 1 WHERE a = ?", (8,), 1),
            ("DELETE FROM orders WHERE a = ?", (99,), 0),
            ("DELETE FROM orders WHERE a = ?", (7,), 1),
        ):
            self.assertEqual(self.query(sql, *parameters)["meta"]["changes"], changes, sql)
        self.assertEqual(self.execute("SELECT a, b FROM orders"), [(9, None)])

    def test_returning(self) -> None:
        """
        C{RETURNING} gives its rows, and the write is committed.
        """
        answer = self.query("INSERT INTO orders (a) VALUES (?) RETURNING id, a", 5)
        self.assertEqual(answer["results"], [{"id": 1, "a": 5}])
        self.assertEqual(answer["meta"]["changes"], 1)
        self.assertEqual(self.execute("SELECT count(*) FROM orders"), [(1,)])

    def test_undone(self) -> None:
        """
        A statement that fails half-way leaves nothing behind.
        """
        error = self.refused("INSERT INTO orders (id) VALUES (1), (2), (1)")
        self.assertEqual((error.code, error.retryAfter), ("sql_error", None))
        self.assertEqual(self.execute("SELECT count(*) FROM orders"), [(0,)])

    def test_oneStatement(self) -> None:
        """
        Two statements are refused, and neither runs.
        """
        self.execute("INSERT INTO orders (a) VALUES (1)")
        for sql in ("SELECT 1; DELETE FROM orders", "DELETE FROM orders; SELECT 1"):
            error = self.refused(sql)
            self.assertEqual(error.code, "sql_error")
            self.assertIn("one statement", error.message)
        self.assertEqual(self.execute("SELECT count(*) FROM orders"), [(1,)])

    def test_numberOfParameters(self) -> None:
        """
        Too few and too many values are refused.
        """
        for sql, values in (("SELECT ?", 0), ("SELECT 1", 1), ("SELECT ?", 2)):
            self.assertEqual(self.refused(sql, *["x"] * values).code, "sql_error", sql)

    def test_kinds(self) -> None:
        """
        What the database refuses has the same kind on every database.
        """
        self.execute(
            "CREATE TABLE kinds (id INTEGER PRIMARY KEY, a INTEGER NOT NULL UNIQUE CHECK (a > 0))"
        )
        self.query("INSERT INTO kinds (id, a) VALUES (1, 1)")
        for sql, parameters, kind in (
            ("INSERT INTO kinds (id, a) VALUES (1, 2)", (), "unique_violation"),
            ("INSERT INTO kinds (id, a) VALUES (2, 1)", (), "unique_violation"),
            ("INSERT INTO kinds (id) VALUES (2)", (), "not_null_violation"),
            ("INSERT INTO kinds (id, a) VALUES (2, 0)", (), "check_violation"),
            ("SELEC 1", (), "syntax_error"),
            ("SELECT 1 FROM", (), "syntax_error"),
            ("SELECT 1; SELECT 2", (), "syntax_error"),
            ("SELECT * FROM nowhere", (), "undefined"),
            ("SELECT nocolumn FROM kinds", (), "undefined"),
            ("SELECT nofunction(1)", (), "undefined"),
            ("SELECT ?", (), "invalid_parameters"),
            ("INSERT INTO kinds (id, a) VALUES (?, 2)", ("x",), "invalid_value"),
            ("COMMIT", (), "not_allowed"),
        ):
            self.assertEqual(self.refused(sql, *parameters).details["kind"], kind, sql)
        error = self.refused("VALUES (1), (2), (3)", rows=2)
        self.assertEqual(error.details["kind"], "too_large")

    def test_mostRows(self) -> None:
        """
        A result with too many rows is refused with the limit, and its writes are undone.
        """
        values = "VALUES (1), (2), (3)"
        self.assertEqual(len(self.query(values, rows=3)["results"]), 3)
        error = self.refused(f"INSERT INTO orders (a) {values} RETURNING a", rows=2)
        self.assertEqual(error.code, "sql_error")
        self.assertIn("more than 2 rows", error.message)
        self.assertEqual(self.execute("SELECT count(*) FROM orders"), [(0,)])
