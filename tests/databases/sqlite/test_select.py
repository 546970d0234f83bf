"""
Tests for L{aerostack.databases.sqlite.select}, and for snapshots of an SQLite database.
"""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from aerostack.core.rows.columns import ColumnType
from aerostack.core.rows.conditions import EQ, IN, IS_NULL, LIKE, OPERATORS, makeCondition
from aerostack.core.rows.selection import Bounds, Selection, Snapshot
from aerostack.errors import RealtimeError
from tests.databases.support import JournalCase, tableRows

BOUNDS = Bounds(rows=1000, size=1_000_000, seconds=30.0)
COLUMNS = {"n": ColumnType.NUMBER, "t": ColumnType.TEXT, "a": ColumnType.ANY}

NUMBERS = st.one_of(
    st.sampled_from([0, 1, -1, 2**53, 2**53 + 1, -(2**63), 2**63 - 1, 0.1, 1e300, float("inf")]),
    st.integers(-3, 3),
    st.sampled_from([0.5, 0.1 + 0.2, 0.3]),
)
TEXTS = st.text(alphabet="aAb%_\\é\ufffd ", max_size=3)
VALUES = {
    "n": st.one_of(NUMBERS, TEXTS),
    "t": TEXTS,
    "a": st.one_of(NUMBERS, TEXTS, st.just(b"\x00")),
}


class SnapshotCase(JournalCase):
    """
    A table, and snapshots of it.
    """

    def setUp(self) -> None:
        super().setUp()
        self.follow(
            "t", "CREATE TABLE t (id INTEGER PRIMARY KEY, n NUMERIC, t TEXT COLLATE NOCASE, a)"
        )

    def snapshot(self, *conditions: Any, bounds: Bounds = BOUNDS, **selected: Any) -> Snapshot:
        reader = self.reader
        return reader.journal.snapshot(
            reader.cursor, "t", Selection(conditions, **selected), bounds
        )


class SnapshotTests(SnapshotCase):
    """
    Tests for L{SQLiteJournal.snapshot<aerostack.databases.sqlite.journal.SQLiteJournal.snapshot>}.
    """

    def test_limitCountsWhatMatches(self) -> None:
        """
        A limit counts matching rows, also where the SQL lets more rows through.
        """
        self.run_("INSERT INTO t (t) VALUES ('A'), ('a'), ('b'), ('a')")
        like = makeCondition(COLUMNS, "t", LIKE, "a%")
        self.assertEqual([r["id"] for r in self.snapshot(like, limit=2).rows], [2, 4])
        equal = makeCondition(COLUMNS, "t", EQ, "a")
        self.assertEqual([r["id"] for r in self.snapshot(equal, limit=2).rows], [2, 4])

    def test_index(self) -> None:
        """
        An equality uses an index.
        """
        self.run_("CREATE INDEX t_n ON t (n)")
        seen: list[str] = []
        self.reader.connection.set_trace_callback(seen.append)
        self.snapshot(
            makeCondition(COLUMNS, "n", IN, [1, 2]), makeCondition(COLUMNS, "t", IS_NULL, True)
        )
        self.reader.connection.set_trace_callback(None)
        [select] = [sql for sql in seen if 'FROM main."t"' in sql]
        plan = self.writer.execute(f"EXPLAIN QUERY PLAN {select}").fetchall()
        self.assertIn("USING INDEX t_n", plan[0][-1])

    def test_locked(self) -> None:
        """
        When a writer keeps readers out, the error asks the client to try again.
        """
        self.run_("BEGIN EXCLUSIVE")
        error = self.assertRaises(RealtimeError, self.snapshot)
        self.assertEqual((error.code, error.retryAfter), ("database_unavailable", 1000))
        self.run_("COMMIT")
        self.assertEqual(self.snapshot().rows, [])

    def test_keepsNothing(self) -> None:
        """
        Neither a snapshot nor a refusal leaves a transaction open.
        """
        self.run_("INSERT INTO t (n) VALUES (1), (2), (3)")
        self.snapshot()
        self.assertRaises(RealtimeError, self.snapshot, bounds=Bounds(1, 1, 1.0))
        self.assertFalse(self.reader.connection.in_transaction)


class MatchingTests(SnapshotCase):
    """
    The rows that SQL finds and the verdicts of the conditions.
    """

    @settings(max_examples=300, deadline=None)
    @given(
        st.lists(st.fixed_dictionaries(VALUES), max_size=8),
        st.sampled_from(sorted(COLUMNS)),
        st.sampled_from(OPERATORS),
        st.data(),
    )
    def test_same(self, rows: list[dict[str, Any]], column: str, operator: str, data: Any) -> None:
        """
        Exactly the rows that meet the condition are read, whatever the table holds.
        """
        value: Any = data.draw(NUMBERS if column == "n" else TEXTS)
        if operator == IS_NULL:
            value = data.draw(st.booleans())
        elif operator == IN:
            value = [value, data.draw(NUMBERS if column == "n" else TEXTS)]
        try:
            condition = makeCondition(COLUMNS, column, operator, value)
        except ValueError:
            # Not every type has every operator, and not every text is a pattern.
            return
        self.run_("DELETE FROM t")
        for row in rows:
            self.writer.execute("INSERT INTO t (n, t, a) VALUES (:n, :t, :a)", row)
        self.run_("INSERT INTO t DEFAULT VALUES")
        expected = [row for row in tableRows(self.writer, "t") if condition.match(row)]
        self.assertEqual(self.snapshot(condition).rows, expected)
        limited = self.snapshot(condition, limit=2, order=(("id", False),)).rows
        self.assertEqual(limited, expected[:2])
