"""
Random rows, changes and filters, on each database: a snapshot has the rows that the filter for
live changes accepts, and live changes keep it so.
"""

from __future__ import annotations

import random
from typing import Any, ClassVar

from aerostack.core.rows.changes import DELETE, Change, Row
from aerostack.core.rows.conditions import IN, IS_NULL, LIKE, OPERATORS, Condition, makeCondition
from aerostack.core.rows.filters import Filter
from aerostack.core.rows.selection import Bounds, Selection
from aerostack.core.rows.views import View, classify, seenChange
from tests.databases.postgres.case import PostgresCase
from tests.databases.support import JournalCase, Steps
from tests.fuzz import seeds
from tests.postgres import ROLE

BOUNDS = Bounds(rows=10_000, size=100_000_000, seconds=60.0)

LETTERS = "aAzé\ufffd\U0001f600 %_\\"


def number(chance: random.Random) -> Any:
    """
    Return a number, often one near which databases and languages differ.
    """
    edge = chance.choice((0, 2**31, 2**53, 2**62, 2**63 - 2**10, 10**23))
    whole = chance.choice((1, -1)) * edge + chance.randint(-3, 3)
    return chance.choice(
        (
            chance.randint(-3, 3),
            whole,
            str(whole),
            f"{whole}.{chance.randint(0, 99)}",
            float(whole),
            chance.randint(-9, 9) / 4,
            chance.random() * 10.0 ** chance.randint(-300, 300),
            chance.choice(("Infinity", "-Infinity", "NaN")),
        )
    )


def text(chance: random.Random) -> str:
    """
    Return a short text.
    """
    return "".join(chance.choices(LETTERS, k=chance.randint(0, 3)))


def moment(chance: random.Random) -> str:
    """
    Return a time, mostly one of few.
    """
    year = chance.choice(("2026", "2027", "0044", "12026", "294000"))
    return f"{year}-0{chance.randint(1, 2)}-01T0{chance.randint(0, 9)}:00:00Z"


MAKERS = (number, text, moment, lambda chance: chance.random() < 0.5)


class SnapshotFuzz(Steps):
    """
    Random runs; a mixin for a test case that has a database.

    @cvar columns: By name, what generates values of the column: as SQL and as a parameter.
    """

    columns: ClassVar[dict[str, Any]]
    snapshot: Any
    mark: str

    def value(self, chance: random.Random, column: str) -> Any:
        """
        Return a value that can be written.
        """
        return None if chance.random() < 0.1 else self.columns[column](chance)

    def write(self, chance: random.Random) -> None:
        """
        Make a random change.
        """
        names = list(self.columns)
        row = [self.value(chance, name) for name in names]
        what = chance.random()
        if what < 0.6:
            marks = ", ".join([self.mark] * len(names))
            self.writer.execute(f"INSERT INTO t ({', '.join(names)}) VALUES ({marks})", row)
        elif what < 0.9:
            name = chance.choice(names)
            key = chance.randint(1, 40)
            self.writer.execute(
                f"UPDATE t SET {name} = {self.mark} WHERE id = {self.mark}",
                (self.value(chance, name), key),
            )
        else:
            self.run_(f"DELETE FROM t WHERE id = {chance.randint(1, 40)}")

    def condition(self, chance: random.Random, shape: Any) -> Condition:
        """
        Return a condition that the daemon accepts.
        """
        while True:
            column = chance.choice(list(self.columns))
            operator = chance.choice(OPERATORS)
            make = self.columns[column] if chance.random() < 0.7 else chance.choice(MAKERS)
            value = make(chance)
            if operator == IS_NULL:
                value = chance.random() < 0.5
            elif operator == IN:
                value = [value, make(chance)]
            elif operator == LIKE:
                value = text(chance)
            try:
                return makeCondition(shape, column, operator, value)
            except ValueError:
                continue

    def go(self, seed: int) -> None:
        """
        Do one run.
        """
        chance = random.Random(seed)
        shape = self.reader.journal.columns(self.reader.cursor, "t")
        views = [
            View(Filter(tuple(self.condition(chance, shape) for _ in range(chance.randint(1, 2)))))
            for _ in range(12)
        ]
        mirror: dict[int, Row] = {row["id"]: row for row in self.snapshot(Selection()).rows}
        shown = [
            {row["id"]: row for row in self.snapshot(Selection(view.conditions)).rows}
            for view in views
        ]
        for _ in range(4):
            for _ in range(10):
                self.write(chance)
            for change in self.events():
                assert isinstance(change, Change), (seed, change)
                _apply(mirror, change.operation, change.data)
                for view, rows in zip(views, shown, strict=True):
                    operation = classify(change, view)
                    if operation is not None:
                        told = seenChange(change, operation)
                        _apply(rows, told.operation, told.data)
            for view, rows in zip(views, shown, strict=True):
                expected = [mirror[key] for key in sorted(mirror) if view.match(mirror[key])]
                self.assertEqual([rows[key] for key in sorted(rows)], expected, (seed, view))
                limit = chance.choice((None, 1, 3))
                selection = Selection(view.conditions, (("id", False),), limit)
                self.assertEqual(self.snapshot(selection).rows, expected[:limit], (seed, view))

    def test_random(self) -> None:
        """
        A filter accepts the same rows in a snapshot and in live changes, whatever its conditions.
        """
        for seed in seeds(3):
            self.go(seed)


def _apply(rows: dict[int, Row], operation: str, row: Row) -> None:
    if operation == DELETE:
        del rows[row["id"]]
    else:
        rows[row["id"]] = row


def _raw(chance: random.Random) -> Any:
    """Return a value of any type that SQLite stores in a column."""
    found = chance.choice((number, text))(chance)
    if isinstance(found, int) and not -(2**63) <= found < 2**63:
        return float(found)
    return chance.choice((found, found, bytes([chance.randint(0, 255)])))


class SQLiteFuzz(SnapshotFuzz, JournalCase):
    """
    Runs on SQLite.
    """

    columns: ClassVar[dict[str, Any]] = {
        "i": _raw,
        "r": _raw,
        "n": _raw,
        "b": _raw,
        "t": _raw,
        "c": _raw,
        "a": _raw,
    }
    mark = "?"
    encoding = "UTF-8"

    def setUp(self) -> None:
        super().setUp()
        self.follow(
            "t",
            "CREATE TABLE t (id INTEGER PRIMARY KEY, i INTEGER, r REAL, n DECIMAL, b BOOLEAN,"
            " t TEXT, c TEXT COLLATE NOCASE, a)",
        )

    def connect(self) -> Any:
        connection = super().connect()
        connection.execute(f"PRAGMA encoding = '{self.encoding}'")
        return connection

    def snapshot(self, selection: Selection) -> Any:
        journal = self.reader.journal
        return journal.snapshot(self.reader.cursor, "t", selection, BOUNDS)

    def write(self, chance: random.Random) -> None:
        super().write(chance)
        if chance.random() < 0.1:
            # Bytes that are not UTF-8, stored as text.
            self.run_(
                f"UPDATE t SET t = CAST(X'61{chance.randint(128, 255):02X}' AS TEXT)"
                f" WHERE id = {chance.randint(1, 40)}"
            )


class SQLiteUTF16Fuzz(SQLiteFuzz):
    """
    Runs on SQLite with text in UTF-16.
    """

    encoding = "UTF-16be"


class PostgresFuzz(SnapshotFuzz, PostgresCase):
    """
    Runs on PostgreSQL.
    """

    columns: ClassVar[dict[str, Any]] = {
        "i": lambda chance: chance.choice((chance.randint(-3, 3), 2**53 + chance.randint(-1, 1))),
        "n": number,
        "f": lambda chance: float(number(chance)),
        "t": text,
        "c": text,
        "b": MAKERS[-1],
        "at": moment,
        "d": moment,
        "j": lambda chance: chance.choice(('"a"', '"A"', "1", "2.5", "null", "true", '{"a": 1}')),
        "m": lambda chance: chance.choice(("sad", "ok")),
    }
    mark = "%s"

    def setUp(self) -> None:
        super().setUp()
        self.run_(
            "CREATE TYPE mood AS ENUM ('sad', 'ok')",
            "CREATE TABLE t (id serial PRIMARY KEY, i bigint, n numeric, f float8, t text,"
            " c char(4), b boolean, at timestamptz, d date, j jsonb, m mood)",
        )
        self.follow("t")
        self.other = self.connect(ROLE).cursor()

    def snapshot(self, selection: Selection) -> Any:
        return self.reader.journal.snapshot(self.other, "t", selection, BOUNDS)
