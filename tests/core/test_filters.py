"""
Tests for L{aerostack.core.filters}.
"""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from aerostack.core.changes import DELETE, INSERT, UPDATE, Change, Row
from aerostack.core.filters import Filter, judge, parseFilter
from aerostack.errors import RealtimeError

scalars = st.one_of(
    st.none(), st.booleans(), st.integers(-2, 2), st.sampled_from([0.5, 1.0, "", "1", "a"])
)
columns = st.sampled_from(["id", "state", "owner"])
conditions = st.dictionaries(columns, scalars, max_size=2)
stored = st.one_of(st.none(), st.integers(-2, 2), st.sampled_from([0.5, "", "1", "a"]))
rows = st.fixed_dictionaries({"state": stored, "owner": stored})
# Each step is (which row, its new values, or None to delete it).
histories = st.lists(st.tuples(st.integers(0, 4), st.one_of(st.none(), rows)), max_size=25)


def changesOf(history: list[tuple[int, dict[str, Any] | None]]) -> list[Change]:
    """
    What a table would report of a history.
    """
    table: dict[int, Row] = {}
    changes = []
    for seq, (key, values) in enumerate(history, 1):
        old = table.pop(key, None)
        if values is not None:
            row = table[key] = {"id": key, **values}
            operation = INSERT if old is None else UPDATE
            changes.append(Change(seq, "orders", operation, row, old, seq))
        elif old is not None:
            changes.append(Change(seq, "orders", DELETE, old, old, seq))
    return changes


def apply(mirror: dict[int, Row], change: Change) -> None:
    """
    Do what a client does that shows a list; one that is told nonsense fails.
    """
    key = change.data["id"]
    if change.operation == INSERT:
        assert key not in mirror and change.old is None
        mirror[key] = change.data
    elif change.operation == UPDATE:
        assert mirror[key] == change.old
        mirror[key] = change.data
    else:
        assert mirror.pop(key) == change.data == change.old


class ParseTests(SynchronousTestCase):
    """
    Tests for L{parseFilter}.
    """

    def test_nothing(self) -> None:
        """
        No filter and an empty one filter nothing.
        """
        self.assertIsNone(parseFilter(None))
        self.assertIsNone(parseFilter({}))

    def test_order(self) -> None:
        """
        The order of the columns makes no difference, even where the values cannot be
        compared.
        """
        self.assertEqual(parseFilter({"a": 1, "b": None}), parseFilter({"b": None, "a": 1}))

    def test_boolean(self) -> None:
        """
        True and false are 1 and 0, as the database has them.
        """
        self.assertEqual(parseFilter({"done": True}), Filter((("done", 1),)))
        self.assertIs(type(parseFilter({"done": False}).columns[0][1]), int)

    def test_nested(self) -> None:
        """
        A list or an object is refused, and the column named.
        """
        for value in ([], {}, [1], {"gt": 1}):
            error = self.assertRaises(RealtimeError, parseFilter, {"id": 1, "total": value})
            self.assertEqual(error.code, "invalid_frame")
            self.assertIn("filter.total", error.message)


class MatchTests(SynchronousTestCase):
    """
    Tests for L{Filter.match}.
    """

    def test_all(self) -> None:
        """
        Every column must have its value.
        """
        filter = Filter((("owner", "ann"), ("state", 1)))
        self.assertTrue(filter.match({"owner": "ann", "state": 1, "id": 7}))
        self.assertFalse(filter.match({"owner": "ann", "state": 2}))
        self.assertFalse(filter.match({"owner": "bob", "state": 1}))

    def test_missing(self) -> None:
        """
        A column that the row does not have matches nothing, not even null.
        """
        self.assertFalse(Filter((("owner", None),)).match({"id": 1}))
        self.assertTrue(Filter((("owner", None),)).match({"owner": None}))

    def test_kinds(self) -> None:
        """
        A number is not its digits, and null is neither zero nor empty.
        """
        self.assertFalse(Filter((("id", 1),)).match({"id": "1"}))
        self.assertFalse(Filter((("id", None),)).match({"id": 0}))
        self.assertFalse(Filter((("id", ""),)).match({"id": None}))


class JudgeTests(SynchronousTestCase):
    """
    Tests for L{judge}.
    """

    def test_unfiltered(self) -> None:
        """
        Who has no filter is told everything as it was.
        """
        for change in changesOf([(1, {"state": 1}), (1, {"state": 2}), (1, None)]):
            judged = judge(change, None)
            self.assertIs(judged.change, change)
            self.assertFalse(judged.moved)

    def test_moved(self) -> None:
        """
        A row that is updated into the filter comes, one that is updated out of it goes,
        and both are marked.
        """
        filter = parseFilter({"state": "open"})
        changes = changesOf([(1, {"state": "new"}), (1, {"state": "open"}), (1, {"state": "done"})])
        self.assertIsNone(judge(changes[0], filter))
        came, went = judge(changes[1], filter), judge(changes[2], filter)
        self.assertTrue(came.moved and went.moved)
        self.assertEqual((came.change.operation, came.change.old), (INSERT, None))
        self.assertEqual(came.change.data, {"id": 1, "state": "open"})
        self.assertEqual(went.change.operation, DELETE)
        self.assertEqual(went.change.data, {"id": 1, "state": "open"})
        self.assertEqual(went.change.old, {"id": 1, "state": "open"})

    @given(histories, conditions)
    def test_mirror(
        self, history: list[tuple[int, dict[str, Any] | None]], condition: dict[str, Any]
    ) -> None:
        """
        A list that follows the judged changes holds at every moment what filtering the
        whole table would give.
        """
        filter = parseFilter(condition)
        whole: dict[int, Row] = {}
        filtered: dict[int, Row] = {}
        for change in changesOf(history):
            apply(whole, change)
            judged = judge(change, filter)
            if judged is not None:
                apply(filtered, judged.change)
                self.assertEqual((judged.change.seq, judged.change.table), (change.seq, "orders"))
                self.assertEqual(judged.moved, judged.change.operation != change.operation)
            expected = {
                key: row for key, row in whole.items() if filter is None or filter.match(row)
            }
            self.assertEqual(filtered, expected)
