"""
Tests for L{aerostack.core.rows.views}.
"""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from aerostack.core.rows.changes import DELETE, INSERT, UPDATE, Change, Row
from aerostack.core.rows.conditions import makeCondition
from aerostack.core.rows.views import (
    OPERATIONS,
    SeenChange,
    View,
    classify,
    makeView,
    parseEvents,
    parseView,
    seenChange,
)
from aerostack.errors import RealtimeError
from tests.core.rows.fakes import COLUMNS, History, changesOf, filters, histories


def parse(filter: dict[str, Any] | None = None, **more: Any) -> View:
    """
    Parse a view that does not have everything.
    """
    view = parseView(COLUMNS, filter, more.pop("columns", None), more.pop("event", None), **more)
    assert view is not None
    return view


def told(change: Change, view: View) -> SeenChange | None:
    """
    What a subscriber with a view gets of a change.
    """
    operation = classify(change, view)
    return None if operation is None else seenChange(change, operation, view.projection)


def apply(mirror: dict[int, Row], seen: SeenChange) -> None:
    """
    Do what a client that shows a list does.  It fails if a change does not fit the list.
    """
    key = seen.data["id"]
    if seen.operation == INSERT:
        assert key not in mirror and seen.old is None
        mirror[key] = seen.data
    elif seen.operation == UPDATE:
        assert mirror[key] == seen.old
        mirror[key] = seen.data
    else:
        assert mirror.pop(key) == seen.data == seen.old


class ParseTests(SynchronousTestCase):
    """
    Tests for L{parseView}.
    """

    def refused(self, **fields: Any) -> str:
        error = self.assertRaises(RealtimeError, parse, **fields)
        self.assertEqual(error.code, "invalid_filter")
        return error.message

    def test_everything(self) -> None:
        """
        A subscription that names no filter, columns or event has the view of everything.
        """
        self.assertIsNone(parseView(COLUMNS, None, None, None))
        self.assertIsNone(parseView(COLUMNS, {}, None, "*"))
        self.assertIsNone(parseView(COLUMNS, {}, None, list(OPERATIONS)))
        self.assertIsNone(makeView())

    def test_same(self) -> None:
        """
        Views with the same meaning are equal, and have the same hash.
        """
        rule = [makeCondition(COLUMNS, "owner", "eq", "ann")]
        one = parse({"state": 1}, columns=["id", "state"], event=["INSERT", "DELETE"], rule=rule)
        other = parse(
            {"state": 1.0}, columns=["state", "id", "id"], event=["DELETE", "INSERT"], rule=rule
        )
        self.assertEqual((one, hash(one)), (other, hash(other)))
        self.assertNotEqual(one, parse({"state": 1}, columns=["id"], rule=rule))

    def test_events(self) -> None:
        """
        The event is one operation or a list of them.  Anything else is refused.
        """
        self.assertEqual(parseEvents("INSERT"), {"INSERT"})
        self.assertEqual(parseEvents(["UPDATE", "DELETE"]), {"UPDATE", "DELETE"})
        self.assertIsNone(parseEvents(["INSERT", "*"]))
        for event in ("insert", [], ["INSERT", "TRUNCATE"], ""):
            self.assertIn("INSERT, UPDATE, DELETE", self.refused(event=event))

    def test_columns(self) -> None:
        """
        An unknown column is refused, and the error names it.  An empty list of columns is refused.
        """
        message = self.refused(columns=["id", "total"])
        self.assertIn("columns: total", message)
        self.assertIn("id, state, owner, note", message)
        self.assertIn("at least one", self.refused(columns=[]))

    def test_hidden(self) -> None:
        """
        A client can neither choose nor filter by a hidden column, and no error names such a column.
        """
        for fields in ({"columns": ["note"]}, {"filter": {"note": {"like": "a%"}}}):
            message = self.refused(hidden=frozenset({"note"}), **fields)
            self.assertTrue(message.endswith("id, state, owner."), message)

    def test_ruleOnHidden(self) -> None:
        """
        A rule may use a column that clients do not get.
        """
        rule = [makeCondition(COLUMNS, "note", "eq", "a")]
        view = parse(rule=rule, hidden=frozenset({"note"}))
        change = changesOf([(1, {"state": 1, "owner": "ann", "note": "a"})])[0]
        self.assertEqual(told(change, view).data, {"id": 1, "state": 1, "owner": "ann"})


class JudgeTests(SynchronousTestCase):
    """
    Tests for L{classify} and L{seenChange}.
    """

    def test_moved(self) -> None:
        """
        A row that an UPDATE moves into the view is inserted, and one that it moves out is deleted.
        Both are marked.
        """
        view = parse({"owner": "ann"})
        rows = [{"owner": owner, "state": 1, "note": None} for owner in ("bob", "ann", "cyd")]
        changes = changesOf([(1, row) for row in rows])
        self.assertIsNone(told(changes[0], view))
        ann = {"id": 1, **rows[1]}
        self.assertEqual(told(changes[1], view), (INSERT, ann, None, True))
        self.assertEqual(told(changes[2], view), (DELETE, ann, ann, True))

    def test_ruleAndFilter(self) -> None:
        """
        A row is within the view if both the filter and the rule allow it.
        """
        view = parse({"state": 1}, rule=[makeCondition(COLUMNS, "owner", "eq", "ann")])
        steps = [("ann", 1), ("bob", 1), ("bob", 2), ("ann", 2), ("ann", 1)]
        changes = changesOf([(1, {"owner": o, "state": s, "note": None}) for o, s in steps])
        self.assertEqual(
            [classify(change, view) for change in changes], [INSERT, DELETE, None, None, INSERT]
        )

    def test_events(self) -> None:
        """
        The event of a view is compared with the operation that the subscriber gets.
        """
        view = parse({"state": 1}, event="DELETE")
        states = [1, 2, 1, 1, None]
        history: History = [
            (1, None if s is None else {"state": s, "owner": "", "note": None}) for s in states
        ]
        self.assertEqual(
            [classify(change, view) for change in changesOf(history)],
            [None, DELETE, None, None, DELETE],
        )
        self.assertTrue(view.selects and parse(event="INSERT").selects)

    def test_columns(self) -> None:
        """
        A change has only the chosen columns, in both rows.  An UPDATE of other columns comes as
        well.
        """
        view = parse(columns=["state", "id"])
        rows = [{"state": 1, "owner": owner, "note": None} for owner in ("a", "b")]
        change = changesOf([(1, row) for row in rows])[1]
        small = {"id": 1, "state": 1}
        self.assertEqual(told(change, view), (UPDATE, small, small, False))
        self.assertEqual(list(told(change, view).data), ["id", "state"])
        self.assertFalse(view.selects)

    @given(histories, filters, st.sampled_from([(), ("a",), ("a", "b")]))
    def test_mirror(self, history: History, filter: dict[str, Any], owners: tuple[str]) -> None:
        """
        A list that applies the view's changes equals the filtered table at any time.
        """
        rule = [makeCondition(COLUMNS, "owner", "in", owners)] if owners else []
        view = parse(filter, rule=rule, event=None, columns=list(COLUMNS))
        whole: dict[int, Row] = {}
        filtered: dict[int, Row] = {}
        for change in changesOf(history):
            apply(whole, SeenChange(change.operation, change.data, change.old, False))
            seen = told(change, view)
            if seen is not None:
                apply(filtered, seen)
                self.assertEqual(seen.moved, seen.operation != change.operation)
            expected = {key: row for key, row in whole.items() if view.match(row)}
            self.assertEqual(filtered, expected)
