"""
Tests for L{aerostack.core.rows.filters}.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from hypothesis import given
from twisted.trial.unittest import SynchronousTestCase

from aerostack.core.rows.changes import Row
from aerostack.core.rows.filters import (
    MAX_CONDITIONS,
    MAX_PATTERN,
    MAX_VALUES,
    Filter,
    parseFilter,
)
from aerostack.errors import RealtimeError
from tests.core.rows.fakes import COLUMNS, filters, rows


def parse(filter: dict[str, Any]) -> Filter:
    """
    Read a filter that is there.
    """
    parsed = parseFilter(filter, COLUMNS)
    assert parsed is not None
    return parsed


def order(value: Any) -> tuple[int, Any]:
    """
    A value's kind, and itself as it compares with others of the kind.
    """
    if isinstance(value, str) and not value.isdigit():
        return 1, value
    return (0, Decimal(str(value)) if not isinstance(value, bool) else Decimal(int(value)))


def plainly(column: str, found: Any, operator: str, wanted: Any) -> bool:
    """
    Whether a value meets a condition, without the shortcuts of the code under test.
    """
    if operator == "is_null":
        return (found is None) == wanted
    if found is None:
        return False
    if operator == "in":
        return any(plainly(column, found, "eq", each) for each in wanted)
    if operator == "like":
        if not isinstance(found, str):
            return False
        beginning, _, end = wanted.partition("%")
        if "_" in wanted:
            return len(found) == 1
        return found.startswith(beginning) and found.endswith(end)
    one, other = order(found), order(wanted)
    if column == "owner" or (column == "note" and isinstance(found, str)):
        one = (1, found)
    if column == "owner" or (column == "note" and isinstance(wanted, str)):
        other = (1, wanted)
    if operator == "neq":
        return one != other
    if one[0] != other[0]:
        return False
    return {
        "eq": one == other,
        "gt": one > other,
        "gte": one >= other,
        "lt": one < other,
        "lte": one <= other,
    }[operator]


def reference(filter: dict[str, Any], row: Row) -> bool:
    """
    Whether a row is within a filter, without the shortcuts of the code under test.
    """
    for column, wanted in filter.items():
        operators = wanted if isinstance(wanted, dict) else {"eq": wanted}
        if wanted is None:
            operators = {"is_null": True}
        for operator, value in operators.items():
            if not plainly(column, row[column], operator, value):
                return False
    return True


class ParseTests(SynchronousTestCase):
    """
    Tests for L{parseFilter}.
    """

    def refused(self, filter: dict[str, Any]) -> str:
        error = self.assertRaises(RealtimeError, parseFilter, filter, COLUMNS)
        self.assertEqual(error.code, "invalid_filter")
        return error.message

    def test_nothing(self) -> None:
        """
        No filter and an empty one filter nothing.
        """
        self.assertIsNone(parseFilter(None, COLUMNS))
        self.assertIsNone(parseFilter({}, COLUMNS))

    def test_same(self) -> None:
        """
        Filters that say the same are equal, however they are written.
        """
        one = parse({"state": 1, "owner": None, "note": {"gt": 1, "eq": "1"}})
        other = parse(
            {"note": {"eq": "1", "gt": 1.0}, "owner": {"is_null": True}, "state": {"eq": "1.0"}}
        )
        self.assertEqual((one, hash(one)), (other, hash(other)))
        self.assertEqual(len(one.conditions), 4)

    def test_named(self) -> None:
        """
        An error names the column, and says what is allowed.
        """
        for filter, said in (
            ({"id": 1, "total": 5}, ("filter.total", "id, state, owner, note")),
            ({"id": 1, "state": "open"}, ("filter.state", "a number")),
            ({"owner": {"eq": "a", "gt": 5}}, ("filter.owner", "gt", "a string")),
            ({"owner": {"starts": "a"}}, ("filter.owner", "'starts'", "like")),
            ({"owner": ["a"]}, ("filter.owner", "a string")),
            ({"owner": {}}, ("filter.owner", "at least one operator")),
            ({"state": {"in": [1, {}]}}, ("filter.state", "in takes a number")),
        ):
            message = self.refused(filter)
            for words in said:
                self.assertIn(words, message)

    def test_limits(self) -> None:
        """
        A filter has so many conditions, values and characters at the most.
        """
        columns = {f"c{n}": COLUMNS["state"] for n in range(MAX_CONDITIONS + 1)}
        wanted = dict.fromkeys(columns, 1)
        error = self.assertRaises(RealtimeError, parseFilter, wanted, columns)
        self.assertIn(str(MAX_CONDITIONS), error.message)
        del wanted["c0"]
        parsed = parseFilter(wanted, columns)
        assert parsed is not None
        self.assertEqual(len(parsed.conditions), MAX_CONDITIONS)
        for operator, most, value in (("in", MAX_VALUES, ["a"]), ("like", MAX_PATTERN, "a")):
            parse({"owner": {operator: value * most}})
            message = self.refused({"owner": {operator: value * (most + 1)}})
            self.assertIn("filter.owner", message)
            self.assertIn(str(most), message)


class MatchTests(SynchronousTestCase):
    """
    Tests for L{Filter.match}.
    """

    def test_all(self) -> None:
        """
        Every condition must be met.
        """
        filter = parse({"owner": {"gte": "a", "lt": "b"}, "state": 1})
        self.assertTrue(filter.match({"owner": "ann", "state": 1, "id": 7}))
        self.assertFalse(filter.match({"owner": "ann", "state": 2}))
        self.assertFalse(filter.match({"owner": "bob", "state": 1}))

    @given(filters, rows)
    def test_reference(self, filter: dict[str, Any], row: Row) -> None:
        """
        Whatever is asked for, the row is within it that plainly is.
        """
        parsed = parseFilter(filter, COLUMNS)
        self.assertEqual(parsed is None, not filter)
        if parsed is not None:
            self.assertEqual(parsed.match(row), reference(filter, row), (filter, row))
