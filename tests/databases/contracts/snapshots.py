"""
Tests of snapshots, for every database.
"""

from __future__ import annotations

from typing import Any

from aerostack.core.rows.conditions import LIKE, makeCondition
from aerostack.core.rows.selection import Bounds, Selection, Snapshot
from aerostack.errors import RealtimeError
from tests.databases.contracts.journal import JournalContract
from tests.databases.support import Mirror

BOUNDS = Bounds(rows=1000, size=1_000_000, seconds=30.0)


class SnapshotContract(JournalContract):
    """
    Rows at one point among their changes.

    @cvar collation: Orders texts otherwise than by code points.
    """

    collation: str

    def setUp(self) -> None:
        super().setUp()  # type: ignore[misc]
        self.follow("t", "CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER, a TEXT)")

    def snapshot(
        self, *conditions: Any, bounds: Bounds = BOUNDS, table: str = "t", **selected: Any
    ) -> Snapshot:
        journal, cursor = self.reader.journal, self.reader.cursor
        found: Snapshot = journal.snapshot(cursor, table, Selection(conditions, **selected), bounds)
        return found

    def test_position(self) -> None:
        """
        A snapshot contains all changes up to its position; with the later ones it becomes the
        table.
        """
        self.run_("INSERT INTO t (id, n) VALUES (1, 1), (2, 2), (3, 3)")
        snapshot = self.snapshot()
        mirror = Mirror(snapshot.rows)
        self.run_(
            "UPDATE t SET n = n + 1",
            "DELETE FROM t WHERE n = 2",
            "INSERT INTO t (id, n) VALUES (9, 9)",
        )
        self.assertEqual(snapshot.lineage, self.reader.journal.lineage(self.reader.cursor, "t"))
        self.reader.after = snapshot.position
        mirror.apply(self.events())
        self.assertEqual(mirror.sorted(), Mirror(self.rows("t")).sorted())

    def test_order(self) -> None:
        """
        Rows have the requested order, with nulls last, and the requested number.
        """
        self.run_("INSERT INTO t VALUES (1, 2, 'b'), (2, NULL, 'c'), (3, 1, 'a'), (4, 2, 'a')")
        order = (("n", True), ("a", False))
        rows = self.snapshot(order=order).rows
        self.assertEqual([row["id"] for row in rows], [4, 1, 3, 2])
        self.assertEqual(self.snapshot(order=order, limit=2).rows, rows[:2])
        self.assertEqual(self.snapshot(order=(("n", False),)).rows[-1]["n"], None)

    def test_texts(self) -> None:
        """
        Texts are ordered by code points, whatever the collation of their column is.
        """
        column = f"a VARCHAR(9) COLLATE {self.collation}"
        self.follow("u", f"CREATE TABLE u (id INTEGER PRIMARY KEY, {column})")
        texts = ("b", "B", "a", "A", "", "é", "z", "_")
        for number, text in enumerate(texts):
            self.run_(f"INSERT INTO u VALUES ({number}, '{text}')")
        for down in (False, True):
            rows = self.snapshot(table="u", order=(("a", down),)).rows
            self.assertEqual([row["a"] for row in rows], sorted(texts, reverse=down))

    def test_bounds(self) -> None:
        """
        Too many rows, and a read that takes too long, are refused; the connection stays usable.
        """
        self.run_("INSERT INTO t (id) VALUES (1), (2), (3)")
        few = Bounds(rows=2, size=1000, seconds=30.0)
        error = self.assertRaises(RealtimeError, self.snapshot, bounds=few)
        self.assertEqual(error.code, "too_large")
        self.assertEqual(len(self.snapshot(bounds=few, limit=2).rows), 2)
        self.run_(
            "WITH RECURSIVE c(i) AS (SELECT 4 UNION ALL SELECT i + 1 FROM c WHERE i < 20000)"
            f" INSERT INTO t (id, a) SELECT i, '{'x' * 500}' FROM c"
        )
        columns = self.reader.journal.columns(self.reader.cursor, "t")
        never = makeCondition(columns, "a", LIKE, "y%")
        brief = Bounds(rows=2, size=1000, seconds=0.001)
        error = self.assertRaises(RealtimeError, self.snapshot, never, bounds=brief)
        self.assertEqual(error.code, "too_large")
        self.assertIn("took longer", error.message)
        self.assertEqual(self.snapshot(never).rows, [])

    def test_unknown(self) -> None:
        """
        A missing table has no rows.
        """
        self.run_("DROP TABLE t")
        self.assertEqual(self.assertRaises(RealtimeError, self.snapshot).code, "unknown_table")
