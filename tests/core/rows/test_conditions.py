"""
Tests for L{aerostack.core.rows.conditions}.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st
from msgspec import Raw
from twisted.trial.unittest import SynchronousTestCase

from aerostack.core.rows.columns import ColumnType
from aerostack.core.rows.conditions import EQ, IN, IS_NULL, LIKE, OPERATORS, makeCondition
from aerostack.protocol.values import toJSON

COLUMNS = {
    "number": ColumnType.NUMBER,
    "text": ColumnType.TEXT,
    "boolean": ColumnType.BOOLEAN,
    "time": ColumnType.TIME,
    "other": ColumnType.OTHER,
    "json": ColumnType.JSON,
    "compound": ColumnType.COMPOUND,
    "any": ColumnType.ANY,
}

SQL = {"eq": "=", "neq": "<>", "gt": ">", "gte": ">=", "lt": "<", "lte": "<="}

numbers = st.one_of(
    st.integers(-2, 2),
    st.integers(-(2**63), 2**63 - 1),
    st.sampled_from([0.5, 1.0, -0.0, 2.0**53, 2.0**63, float("inf")]),
    st.floats(allow_nan=False),
)
texts = st.text(st.sampled_from("aB1éß😀 "), max_size=3)
pieces = st.sampled_from(["a", "b", "A", "%", "_", "\\%", "\\_", "\\\\", "\\a", ".", "é", "\n"])
patterns = st.lists(pieces, max_size=8).map("".join)
likely = st.text(st.sampled_from("abA%_\\.é\n"), max_size=8)


class ReferenceTests(SynchronousTestCase):
    """
    Tests that compare the verdicts with SQLite's.
    """

    def setUp(self) -> None:
        self.database = sqlite3.connect(":memory:")
        self.addCleanup(self.database.close)
        self.database.execute("PRAGMA case_sensitive_like = ON")

    def ask(self, expression: str, *values: Any) -> bool:
        with closing(self.database.execute(f"SELECT {expression}", values)) as cursor:
            # Null is not true.
            return bool(cursor.fetchone()[0])

    def check(self, column: str, operator: str, stored: Any, wanted: Any) -> None:
        condition = makeCondition(COLUMNS, column, operator, toJSON(wanted))
        self.assertEqual(
            condition.match({column: toJSON(stored)}),
            self.ask(f"? {SQL[operator]} ?", stored, wanted),
            (stored, condition),
        )

    @given(st.sampled_from(sorted(SQL)), st.none() | numbers, numbers)
    def test_numbers(self, operator: str, stored: Any, wanted: Any) -> None:
        """
        Numbers are compared as SQLite compares them.
        """
        self.check("number", operator, stored, wanted)

    @given(st.sampled_from(sorted(SQL)), st.none() | texts, texts)
    def test_texts(self, operator: str, stored: Any, wanted: Any) -> None:
        """
        Text is compared as SQLite compares it without a collation.
        """
        self.check("text", operator, stored, wanted)

    @given(
        st.sampled_from(["eq", "neq"]),
        st.none() | st.integers(-2, 2) | texts | st.binary(max_size=2),
        st.integers(-2, 2) | texts,
    )
    def test_any(self, operator: str, stored: Any, wanted: Any) -> None:
        """
        In a column that may hold any value, only values of the same kind are equal.
        """
        self.check("any", operator, stored, wanted)

    @given(st.none() | st.integers(-3, 3), st.lists(st.integers(-3, 3), max_size=3))
    def test_in(self, stored: Any, wanted: list[int]) -> None:
        """
        IN with several values has SQLite's verdict, and IN without values matches no row.
        """
        condition = makeCondition(COLUMNS, "number", IN, wanted)
        marks = ", ".join("?" * len(wanted))
        self.assertEqual(
            condition.match({"number": stored}), self.ask(f"? IN ({marks})", stored, *wanted)
        )

    @given(st.none() | st.integers(0, 1), st.booleans())
    def test_null(self, stored: Any, wanted: bool) -> None:
        """
        IS NULL has SQLite's verdict.
        """
        condition = makeCondition(COLUMNS, "number", IS_NULL, wanted)
        expression = "? IS NULL" if wanted else "? IS NOT NULL"
        self.assertEqual(condition.match({"number": stored}), self.ask(expression, stored))

    @example("a", ".")
    @example("\n", "_")
    @given(st.none() | likely, patterns)
    def test_like(self, stored: Any, pattern: str) -> None:
        """
        LIKE matches as in SQLite, but distinguishes capitals.
        """
        condition = makeCondition(COLUMNS, "text", LIKE, pattern)
        self.assertEqual(
            condition.match({"text": stored}), self.ask("? LIKE ? ESCAPE '\\'", stored, pattern)
        )


class ConditionTests(SynchronousTestCase):
    """
    Tests for L{makeCondition} and L{Condition}.
    """

    def refused(self, column: str, operator: str, value: Any) -> str:
        error = self.assertRaises(ValueError, makeCondition, COLUMNS, column, operator, value)
        return str(error)

    def test_missing(self) -> None:
        """
        A row without the column meets no condition.
        """
        wanted = [
            *((operator, 1) for operator in SQL),
            (IN, [1]),
            (IS_NULL, True),
            (IS_NULL, False),
        ]
        for operator, value in wanted:
            condition = makeCondition(COLUMNS, "number", operator, value)
            self.assertFalse(condition.match({"text": 1}), condition)

    def test_nullMeetsNothing(self) -> None:
        """
        Null meets only the condition that it is null.
        """
        for column, value in (("number", 1), ("text", "a"), ("boolean", True), ("other", "x")):
            for operator in ("eq", "neq"):
                condition = makeCondition(COLUMNS, column, operator, value)
                self.assertFalse(condition.match({column: None}))
            self.assertTrue(makeCondition(COLUMNS, column, IS_NULL, True).match({column: None}))

    def test_equal(self) -> None:
        """
        Conditions with the same meaning are equal, and have the same hash.
        """
        one = makeCondition(COLUMNS, "number", IN, [3, 1, "2", 1.0])
        other = makeCondition(COLUMNS, "number", IN, [1, 2, 3])
        self.assertEqual(one, other)
        self.assertEqual(hash(one), hash(other))
        self.assertNotEqual(one, makeCondition(COLUMNS, "any", IN, [1, 2, 3]))
        many = makeCondition(COLUMNS, "text", IN, list("hagbfced"))
        self.assertEqual(many.value, tuple("abcdefgh"))

    def test_strangers(self) -> None:
        """
        A value of a type that the column should not hold is unequal to any wanted value, and has no
        order.  SQLite keeps text in a column of numbers.
        """
        row = {"number": "high", "text": {"base64": "AA=="}, "time": "soon"}
        for column, value in (("number", 1), ("text", "a"), ("time", "2026-11-24")):
            for operator in SQL:
                condition = makeCondition(COLUMNS, column, operator, value)
                self.assertEqual(condition.match(row), operator == "neq", condition)
            self.assertFalse(makeCondition(COLUMNS, column, IN, [value]).match(row))
        self.assertFalse(makeCondition(COLUMNS, "text", LIKE, "%").match(row))

    def test_documents(self) -> None:
        """
        A JSON document is compared by its meaning, so that a rule holds however the document is
        written.
        """
        for text, value in (
            ('"secret"', "secret"),
            (' "se\\u0063ret"', "secret"),
            ("5", 5),
            ("5.0", "5"),
            ("1e400", "1" + "0" * 400),
            ("0.1", 0.1),
            ("true", True),
        ):
            if isinstance(value, str) and value.isdigit():
                value = int(value)
            row = {"json": Raw(text.encode())}
            for operator, asked in ((EQ, value), (IN, [value]), ("neq", value)):
                condition = makeCondition(COLUMNS, "json", operator, asked)
                self.assertEqual(condition.match(row), operator != "neq", (text, operator))
        for text in ('{"kind": "secret"}', '["secret"]', '"Secret"', "1", "[" * 5000, '"\\ud800"'):
            row = {"json": Raw(text.encode())}
            self.assertFalse(makeCondition(COLUMNS, "json", EQ, "secret").match(row), text)
            self.assertTrue(makeCondition(COLUMNS, "json", "neq", "secret").match(row), text)

    def test_otherThanText(self) -> None:
        """
        A value of an unknown type that is no text in JSON meets no comparison.
        """
        for operator in (EQ, "neq"):
            condition = makeCondition(COLUMNS, "other", operator, "secret")
            self.assertFalse(condition.match({"other": {"kind": "secret"}}))

    def test_times(self) -> None:
        """
        Times are compared as moments.
        """
        condition = makeCondition(COLUMNS, "time", "gte", "2026-11-24T23:49:36+01:00")
        self.assertTrue(condition.match({"time": "2026-11-24T22:49:36.000001+00:00"}))
        self.assertTrue(condition.match({"time": "2026-11-24T22:49:36+00:00"}))
        self.assertFalse(condition.match({"time": "2026-11-24T22:49:35.999999+00:00"}))

    def test_unknownColumn(self) -> None:
        """
        An unknown column is refused.  The message names the known columns, unless they are too
        many.
        """
        self.assertIn("number, text, boolean", self.refused("total", EQ, 1))
        many = {f"c{n}": ColumnType.TEXT for n in range(500)}
        error = self.assertRaises(ValueError, makeCondition, many, "x", EQ, "")
        self.assertTrue(str(error).endswith("c19, ..."))

    def test_unknownOperator(self) -> None:
        """
        An unknown operator is refused.  The message names the known ones.
        """
        message = self.refused("number", "between", 1)
        for operator in OPERATORS:
            self.assertIn(operator, message)

    def test_wrongValues(self) -> None:
        """
        A value that cannot be compared with the column is refused.  The message says which values
        can.
        """
        for column, operator, value, said in (
            ("number", "eq", "five", "a number"),
            ("number", "eq", {}, "a number"),
            ("number", "gt", [1], "a number"),
            ("text", "lt", 5, "a string"),
            ("boolean", "eq", 1, "true or false"),
            ("time", "lte", "yesterday", "ISO"),
            ("other", "eq", {"a": 1}, "a string, as rows tell"),
            ("other", "neq", 5, "a string, as rows tell"),
            ("other", "gt", "a", "has an order"),
            ("json", "eq", {"a": 1}, "a string, a number or a boolean"),
            ("json", "gt", 1, "has an order"),
            ("json", "like", "a%", "like is for text"),
            ("compound", "eq", "a", "lists, objects or bytes"),
            ("compound", "neq", "a", "single values"),
            ("compound", "in", [], "single values"),
            ("other", "like", "a%", "like is for text"),
            ("number", "like", "1%", "like is for text"),
            ("text", "like", 1, "like takes a string"),
            ("text", "like", "50\\", "backslash"),
            ("number", "in", 1, "in takes a list"),
            ("number", "in", "12", "in takes a list"),
            ("number", "in", [1, "x"], "in takes a number"),
            ("number", "in", [1, None], "is_null"),
            ("number", "neq", None, "is_null"),
            ("number", "is_null", 1, "true or false"),
            ("any", "eq", [], "a string, a number or a boolean"),
        ):
            self.assertIn(said, self.refused(column, operator, value), (column, operator, value))

    def test_malicious(self) -> None:
        """
        A match with a pattern takes no longer than the pattern's length multiplied by the text's.
        """
        text = "a" * 20_000
        for pattern in ("%a" * 49 + "%b", "%" * 100, "%_" * 49 + "b", "%" + "a%" * 40 + "b%"):
            makeCondition(COLUMNS, "text", LIKE, pattern).match({"text": text})
