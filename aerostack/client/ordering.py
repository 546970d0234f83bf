"""
The order of a table's rows, as the daemon orders those of a snapshot: by columns, nulls last.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from decimal import Decimal
from functools import cmp_to_key
from typing import Any

Row = dict[str, Any]

_NUMBER = re.compile(r"-?\d+(?:\.\d+)?", re.ASCII)


class _Column:
    """
    Compares the values of one column.
    """

    def __init__(self, name: str, direction: str = "asc") -> None:
        self._name = name
        self._sign = -1 if direction == "desc" else 1
        # Whether the column holds numbers, so that texts in it stand for numbers.
        self._isNumeric = False

    def see(self, row: Row) -> bool:
        """
        Take note of the type of a value.

        @return: Whether texts count as numbers from now on.
        """
        value = row.get(self._name)
        if self._isNumeric or isinstance(value, bool) or not isinstance(value, (int, float)):
            return False
        self._isNumeric = True
        return True

    def compare(self, x: Row, y: Row) -> int:
        a, b = x.get(self._name), y.get(self._name)
        if a is None or b is None:
            return (a is None) - (b is None)
        first, second = self._rank(a), self._rank(b)
        return self._sign * ((first > second) - (first < second))

    def _rank(self, value: Any) -> tuple[int, Any]:
        # SQLite can keep texts in a column of numbers, behind these.
        if not isinstance(value, str):
            # 0.1 means the decimal number, not the double that is nearest to it.
            return 0, Decimal(repr(value)) if isinstance(value, float) else value
        if self._isNumeric and _NUMBER.fullmatch(value):
            return 0, Decimal(value)
        # Python compares texts by code points.
        return 1, value


class Ordering:
    """
    Compares rows by the C{order} of a snapshot.
    """

    def __init__(self, order: Sequence[Any]) -> None:
        """
        @param order: Columns, each alone or with C{asc} or C{desc}.
        """
        self._columns = [
            _Column(each) if isinstance(each, str) else _Column(*each) for each in order
        ]
        self.key: Callable[[Row], Any] = cmp_to_key(self.compare)

    def see(self, row: Row) -> bool:
        """
        Take note of a row's types.

        @return: Whether rows before may compare otherwise now.
        """
        return any([column.see(row) for column in self._columns])

    def compare(self, x: Row, y: Row) -> int:
        """
        Compare two rows.

        @return: Below 0 if the first stands before the second, 0 if their order is any.
        """
        for column in self._columns:
            result = column.compare(x, y)
            if result:
                return result
        return 0
