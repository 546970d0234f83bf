"""
Tests for L{aerostack.core.rows.selection}.
"""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from aerostack.core.rows.columns import ColumnType
from aerostack.core.rows.conditions import EQ, GT, makeCondition
from aerostack.core.rows.selection import (
    MAX_LIMIT,
    Bounds,
    Selection,
    collect,
    parseOrder,
    parseSelection,
)
from aerostack.core.rows.views import makeView, parseView
from aerostack.errors import RealtimeError

COLUMNS = {"id": ColumnType.NUMBER, "name": ColumnType.TEXT, "tags": ColumnType.OTHER}
BOUNDS = Bounds(rows=3, size=1000, seconds=1.0)


class ParseTests(SynchronousTestCase):
    """
    Tests for C{order} and C{limit}.
    """

    def test_order(self) -> None:
        """
        The order of a column is ascending by default.
        """
        self.assertEqual(parseOrder(None, COLUMNS), ())
        order: list[Any] = [["name", "desc"], "id"]
        self.assertEqual(parseOrder(order, COLUMNS), (("name", True), ("id", False)))
        self.assertEqual(parseOrder([["id", "asc"]], COLUMNS), (("id", False),))

    def test_badOrder(self) -> None:
        """
        An invalid order is refused, and the message says what is wrong.
        """
        for order, named in (
            ("id", "list"),
            ({"id": "desc"}, "list"),
            (["id"] * 9, "at most 8"),
            ([["id", "down"]], '"desc"'),
            ([["id"]], '"desc"'),
            ([[1, "asc"]], '"desc"'),
            ([7], '"desc"'),
            (["nobody"], "'nobody'"),
            (["tags"], "'tags'"),
            (["id", ["id", "desc"]], "'id' is there twice"),
        ):
            error = self.assertRaises(RealtimeError, parseOrder, order, COLUMNS)
            self.assertEqual(error.code, "invalid_filter")
            self.assertIn(named, error.message)

    def test_limit(self) -> None:
        """
        A limit is at least one row.
        """
        self.assertEqual(parseSelection(None, 1, COLUMNS, None), Selection(limit=1))
        error = self.assertRaises(RealtimeError, parseSelection, None, 0, COLUMNS, None)
        self.assertIn("at least 1", error.message)

    def test_largeLimit(self) -> None:
        """
        A limit that is too large for the databases is replaced by the largest that they take.
        """
        for limit in (2**31, 2**63, 10**400):
            self.assertEqual(parseSelection(None, limit, COLUMNS, None), Selection(limit=MAX_LIMIT))

    def test_view(self) -> None:
        """
        The rows are those of the view, and a hidden column cannot order them.
        """
        view = parseView(COLUMNS, {"id": 1}, None, None)
        assert view is not None
        self.assertEqual(parseSelection(None, None, COLUMNS, view), Selection(view.conditions))
        hidden = makeView(hidden=frozenset(["name"]))
        error = self.assertRaises(RealtimeError, parseSelection, ["name"], None, COLUMNS, hidden)
        self.assertIn("no column 'name'", error.message)


class CollectTests(SynchronousTestCase):
    """
    Tests for L{collect}.
    """

    def test_conditions(self) -> None:
        """
        Only rows that meet every condition are taken.
        """
        selection = Selection(
            (
                makeCondition(COLUMNS, "id", GT, 1),
                makeCondition(COLUMNS, "name", EQ, "a"),
            )
        )
        rows = [{"id": 1, "name": "a"}, {"id": 2, "name": "b"}, {"id": 3, "name": "a"}]
        self.assertEqual(collect(rows, selection, BOUNDS)[0], [{"id": 3, "name": "a"}])

    def test_limit(self) -> None:
        """
        When the limit is reached, the other rows are not looked at.
        """
        rows = iter([{"id": number} for number in range(10)])
        self.assertEqual(collect(rows, Selection(limit=2), BOUNDS)[0], [{"id": 0}, {"id": 1}])
        self.assertEqual(next(rows), {"id": 2})

    def test_tooMany(self) -> None:
        """
        More rows or bytes than the bounds allow are an error.  The caller gets no part of them.
        """
        rows = [{"id": number} for number in range(4)]
        self.assertEqual(len(collect(rows[:3], Selection(), BOUNDS)[0]), 3)
        error = self.assertRaises(RealtimeError, collect, rows, Selection(), BOUNDS)
        self.assertEqual(error.code, "too_large")
        self.assertIn("3 rows", error.message)
        wide = [{"name": "x" * 990}]
        error = self.assertRaises(RealtimeError, collect, wide, Selection(), BOUNDS)
        self.assertIn("1000 bytes", error.message)
