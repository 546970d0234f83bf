"""
Each kind of value against each kind of column: a condition has the same verdict about a row live
and in a snapshot, and a value that does not fit is refused when it is parsed.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import pairwise
from typing import Any

from aerostack.core.rows.changes import Row
from aerostack.core.rows.columns import Columns
from aerostack.core.rows.conditions import (
    EQ,
    GT,
    GTE,
    IN,
    IS_NULL,
    LIKE,
    LT,
    LTE,
    NEQ,
    Condition,
    makeCondition,
)
from aerostack.core.rows.selection import MAX_LIMIT, Bounds, Selection
from aerostack.databases.postgres.catalog import describe
from aerostack.databases.postgres.ledger import standstill
from aerostack.databases.postgres.rows import RowDecoder, Shape, fieldsOf
from aerostack.databases.postgres.select import readRows
from aerostack.databases.postgres.settings import settingsSQL
from aerostack.databases.sqlite import select
from tests.databases.postgres.case import PostgresCase
from tests.databases.support import JournalCase, Steps
from tests.postgres import ROLE

BOUNDS = Bounds(rows=10_000, size=100_000_000, seconds=60.0)

VALUES: tuple[Any, ...] = (
    *(True, False, None),
    *(0, 1, -1, 5, 2**53, 2**53 + 1, 2**63 - 1, 2**63, -(2**63), 10**400),
    *(0.1, 2.5, -2.5, 1e23, 1e300, -1e300, float("inf"), float("nan"), 5e-324),
    *("5", "0.1", "9007199254740993", "9007199254740992.5", "9223372036854774000.5"),
    *("-9223372036854774000.5", "9" * 140_000, "-" + "9" * 400 + ".5", "0." + "0" * 2000 + "1"),
    *("Infinity", "-Infinity", "NaN", "1e5"),
    *("", "a", "A", "z", "é", "\ufffd", "\U0001f600", "\ud800", "a\x00b", "x" * 70, "x   "),
    *("2026-01-02", "5874897-12-31", "0044-03-15 BC", "infinity", "2026-01-02T03:04:05.5Z"),
    *("10:00:00", "10:00:00+01:00", "00000000-0000-0000-0000-00000000000a"),
    *("00000000-0000-0000-0000-00000000000A", "ok", "sad", "1 day", "10.0.0.1", '{"a": 1}'),
    *([1], {"a": 1}, {"base64": ""}),
)
"""What a client may write into a filter, and more."""

COMPARED = (EQ, GT, GTE, LT, LTE)


def conditions(columns: Columns, column: str) -> Iterator[Condition]:
    """
    The conditions for a column that the parser accepts.
    """
    wanted: list[tuple[str, Any]] = [(IS_NULL, True), (IS_NULL, False), (LIKE, "a%"), (IN, [])]
    wanted += [(operator, value) for value in VALUES for operator in COMPARED]
    # Conditions that are never translated to SQL.
    wanted += [(NEQ, value) for value in VALUES[::5]]
    wanted += [(IN, [value, other]) for value, other in pairwise(VALUES)]
    for operator, value in wanted:
        try:
            yield makeCondition(columns, column, operator, value)
        except ValueError:
            continue


class KindContract(Steps):
    """
    Tests for each database; to be mixed into a test case that has one.
    """

    def read(self, selection: Selection) -> list[Row]:
        """
        Read the selected rows of the table C{t}.
        """
        raise NotImplementedError

    def check(self) -> None:
        """
        Check that each condition has the same verdict live and in a snapshot.
        """
        told = {change.data["id"]: change.data for change in self.changes()}
        columns = self.reader.journal.columns(self.reader.cursor, "t")
        order = (("id", False),)
        for limit in (None, MAX_LIMIT):
            found = self.read(Selection((), order, limit))
            self.assertEqual(found, [told[key] for key in sorted(told)])
        for column in columns:
            for condition in dict.fromkeys(conditions(columns, column)):
                expected = [told[key] for key in sorted(told) if condition.match(told[key])]
                for limit in (None,) if condition.operator == NEQ else (None, 2):
                    selected = self.read(Selection((condition,), order, limit))
                    shown = repr(condition)[:200]
                    self.assertEqual(selected, expected[:limit], shown)


SQLITE_CELLS = (
    *("NULL", "0", "1", "-1", "5", "9007199254740993", "9223372036854775807"),
    *("-9223372036854775808", "9223372036854774000", "0.1", "2.5", "1e23", "1e300", "9e999"),
    *("-9e999", "'5'", "'0.1'", "'a'", "'A'", "'z'", "'é'", "'x   '", "''", "'Infinity'"),
    *("'-Infinity'", "'NaN'", "'1e5'", "'9007199254740992.5'", "char(128512)", "char(65533)"),
    *("X'61'", "CAST(X'80' AS TEXT)", "CAST(X'61C3' AS TEXT)", "CAST(X'EDA080' AS TEXT)"),
    *("CAST(X'610062' AS TEXT)", "'2026-01-02'", f"'{'9' * 500}'", "true"),
)


class SQLiteTests(KindContract, JournalCase):
    """
    On SQLite.
    """

    encoding = "UTF-8"

    def setUp(self) -> None:
        super().setUp()
        kinds = ("INTEGER", "REAL", "NUMERIC", "BOOLEAN", "TEXT", "TEXT COLLATE NOCASE", "BLOB", "")
        cells = ", ".join(f"c{i} {kind}" for i, kind in enumerate(kinds))
        self.follow("t", f"CREATE TABLE t (id INTEGER PRIMARY KEY, {cells})")
        for cell in SQLITE_CELLS:
            self.run_(f"INSERT INTO t VALUES (NULL, {', '.join([cell] * len(kinds))})")

    def read(self, selection: Selection) -> list[Row]:
        names = list(self.reader.journal.columns(self.reader.cursor, "t"))
        return select.readRows(self.reader.cursor, "t", names, selection, BOUNDS)[0]

    def test_same(self) -> None:
        """
        Each condition that is accepted has the same verdict live and in a snapshot, limited
        or not.
        """
        self.assertEqual(self.writer.execute("PRAGMA encoding").fetchone(), (self.encoding,))
        self.check()


class SQLiteUTF16Tests(SQLiteTests):
    """
    On SQLite, with text stored as UTF-16.
    """

    encoding = "UTF-16le"

    def connect(self) -> Any:
        connection = super().connect()
        connection.execute("PRAGMA encoding = 'UTF-16le'")
        return connection


class PostgresTests(KindContract, PostgresCase):
    """
    On PostgreSQL.
    """

    COLUMNS: tuple[tuple[str, str, tuple[str, ...]], ...] = (
        ("i", "integer", ("0", "1", "-1", "5", "2147483647")),
        ("l", "bigint", ("9007199254740993", "9223372036854775807", "9223372036854774000")),
        ("n", "numeric", ("0.1", "5", "1e300", "9007199254740992.5", "NaN", "Infinity")),
        ("f", "float8", ("0.1", "2.5", "1e300", "-Infinity", "NaN", "9007199254740992", "1e23")),
        ("r", "float4", ("0.1", "2.5", "Infinity")),
        ("b", "boolean", ("true", "false")),
        ("t", "text", ("", "a", "A", "z", "é", "\ufffd", "\U0001f600", "x   ", "x" * 70)),
        ("v", "varchar(80)", ("a", "A", "x" * 70)),
        ("c", "char(4)", ("x", "a", "")),
        ("name", "name", ("x" * 63, "a")),
        ("d", "date", ("2026-01-02", "5874897-12-31", "0044-03-15 BC", "infinity")),
        ("at", "timestamptz", ("2026-01-02 03:04:05.5Z", "-infinity", "294276-12-31")),
        ("ts", "timestamp", ("2026-01-02 03:04:05.5", "2026-01-02")),
        ("tm", "time", ("10:00:00", "24:00")),
        ("tz", "timetz", ("10:00:00+01", "09:00:00Z")),
        ("u", "uuid", ("00000000-0000-0000-0000-00000000000a",)),
        ("m", "mood", ("ok", "sad")),
        ("md", "moody", ("ok", "sad")),
        ("pd", "positive", ("1", "5")),
        ("iv", "interval", ("1 day", "2 mons")),
        ("ip", "inet", ("10.0.0.1",)),
        ("o", "oid", ("5", "1")),
        ("y", "bytea", ("\\x61",)),
        ("j", "json", ('"a"', " 5", "null", '{"a": 1}', "true", "0.1", '["a"]', '"\\ud800"')),
        ("jb", "jsonb", ('"a"', "5", "null", '{"a": 1}', "true", "0.1", '"ok"')),
        ("a", "text[]", ("{a}", "{}", "{NULL}")),
        ("p", "pair", ("(1,a)", "(,)", "(1,)")),
        ("ja", "jsonb[]", ('{"5"}',)),
    )

    def setUp(self) -> None:
        super().setUp()
        cells = ", ".join(f"{name} {kind}" for name, kind, _ in self.COLUMNS)
        self.run_(
            "CREATE TYPE mood AS ENUM ('sad', 'ok')",
            "CREATE DOMAIN moody AS mood",
            "CREATE DOMAIN positive AS integer CHECK (value > 0)",
            "CREATE TYPE pair AS (one integer, two text)",
            f"CREATE TABLE t (id serial PRIMARY KEY, {cells})",
        )
        self.follow("t")
        most = max(len(values) for *_, values in self.COLUMNS)
        names = ", ".join(name for name, *_ in self.COLUMNS)
        marks = ", ".join(f"%s::{kind}" for _, kind, _ in self.COLUMNS)
        for i in range(most):
            row = [values[i] if i < len(values) else None for *_, values in self.COLUMNS]
            self.writer.execute(f"INSERT INTO t ({names}) VALUES ({marks})", row)
        self.run_("INSERT INTO t DEFAULT VALUES")
        self.cursor = self.connect(ROLE).cursor()

        self.cursor.execute(settingsSQL({}))
        self.table = describe(self.cursor, "t")
        self.decode = partial(RowDecoder([Shape(0, fieldsOf(self.table.columns))]).decode, seq=1)

    def read(self, selection: Selection) -> list[Row]:
        with standstill(self.cursor):
            found = readRows(self.cursor, self.table, self.decode, selection, BOUNDS)
        return found[0]

    def test_same(self) -> None:
        """
        Each condition that is accepted has the same verdict live and in a snapshot, limited
        or not.
        """
        self.check()
