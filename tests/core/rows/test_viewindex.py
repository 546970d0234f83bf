"""
Tests for L{aerostack.core.rows.viewindex}.
"""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from aerostack.core.rows.viewindex import ViewIndex
from aerostack.core.rows.views import View, classify, parseView
from tests.core.rows.fakes import COLUMNS, History, changesOf, filters, histories


def view(filter: dict[str, Any]) -> View:
    """
    Make a view from a filter.
    """
    found = parseView(COLUMNS, filter, ["id"], None)
    assert found is not None
    return found


class ViewIndexTests(SynchronousTestCase):
    """
    Tests for L{ViewIndex}.
    """

    def found(self, index: ViewIndex, row: dict[str, Any], old: Any = None) -> list[View]:
        return list(index.find(row, old))

    @given(st.sets(filters.map(view), max_size=8), st.data(), histories)
    def test_complete(self, views: set[View], data: Any, history: History) -> None:
        """
        A change finds, once each, all views that match it, whatever views were added and removed.
        """
        index = ViewIndex()
        for each in views:
            index.add(each)
        gone = data.draw(st.sets(st.sampled_from(sorted(views, key=repr)))) if views else set()
        for each in gone:
            index.remove(each)
        self.assertEqual(len(index), len(views - gone))
        for change in changesOf(history):
            found = self.found(index, dict(change.data), change.old)
            self.assertEqual(len(found), len(set(found)))
            told = {each for each in views - gone if classify(change, each) is not None}
            self.assertTrue(told <= set(found) <= views - gone, change)
        for each in views - gone:
            index.remove(each)
        self.assertEqual(self.state(index), self.state(ViewIndex()))

    def state(self, index: ViewIndex) -> list[Any]:
        return [getattr(index, name) for name in ViewIndex.__slots__]

    def test_narrow(self) -> None:
        """
        A change finds the views that want its rows' values, and those that want no value.
        """
        index = ViewIndex()
        rooms = [view({"state": n}) for n in range(100)]
        several = view({"state": {"in": [3, 5]}})
        nobody = view({"state": {"in": []}})
        null = view({"state": None})
        range_ = view({"state": {"gt": 50}})
        some = view({"state": {"is_null": False}})
        for each in (*rooms, several, nobody, null, range_, some):
            index.add(each)
        for rows, wanted in (
            ([{"state": 7}], [rooms[7]]),
            ([{"state": 3}], [rooms[3], several]),
            ([{"state": 3}, {"state": 5}], [rooms[3], rooms[5], several]),
            ([{"state": 3}, {"state": 3}], [rooms[3], several]),
            ([{"state": None}], [null]),
            ([{"state": None}, {"state": 7}], [null, rooms[7]]),
            ([{"id": 1}], []),
            ([{"state": "high"}], []),
        ):
            found = self.found(index, *rows)
            self.assertEqual(len(found), len(wanted) + 2, rows)
            self.assertEqual(set(found), {range_, some, *wanted}, rows)

    def test_crowded(self) -> None:
        """
        A view that wants several values is found by a value that few other views want.
        """
        index = ViewIndex()
        # By name, or by what comes first, all would be filed under the owner or the note.
        views = [view({"owner": "acme", "state": n, "note": "open"}) for n in range(100)]
        for each in views:
            index.add(each)
        found = self.found(index, {"owner": "acme", "state": 42, "note": "open"})
        self.assertIn(views[42], found)
        self.assertLess(len(found), 4)

    def test_types(self) -> None:
        """
        After a column's type changed, the views from before and after it are found by the values
        that they read.
        """
        index = ViewIndex()
        before = view({"state": 1})
        after = parseView({"state": COLUMNS["owner"]}, {"state": "1"}, None, None)
        assert after is not None
        index.add(before)
        index.add(after)
        self.assertEqual(self.found(index, {"state": 1}), [before])
        # A long number travels as text, so to the other it may be one.
        self.assertEqual(set(self.found(index, {"state": "1"})), {before, after})
