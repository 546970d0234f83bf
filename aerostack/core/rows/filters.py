"""
Filters: the rows of a table that a subscriber asks for.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from aerostack.core.rows.changes import Row
from aerostack.core.rows.columns import Columns
from aerostack.core.rows.conditions import EQ, IN, IS_NULL, LIKE, Condition, makeCondition
from aerostack.errors import RealtimeError

MAX_CONDITIONS = 20
"""How many conditions a filter has at the most."""

MAX_VALUES = 100
"""How many values C{in} takes at the most."""

MAX_PATTERN = 100
"""How many characters a pattern of C{like} has at the most."""


@dataclass(frozen=True)
class Filter:
    """
    Rows that meet all of some conditions.

    @ivar conditions: In a fixed order, so that filters with the same meaning are equal.
    """

    conditions: tuple[Condition, ...]

    def match(self, row: Row) -> bool:
        """
        Whether a row is within the filter.
        """
        return all(condition.match(row) for condition in self.conditions)


def parseFilter(filter: Mapping[str, Any] | None, columns: Columns) -> Filter | None:
    """
    Read a subscription's C{filter}.

    @param columns: The columns of the table by which the client may filter.
    @return: L{None} if there is no filter.
    @raise RealtimeError: C{invalid_filter}; the message names the column and says what is
        allowed.
    """
    if not filter:
        return None
    conditions: list[Condition] = []
    for column, operator, value in _wanted(filter):
        if len(conditions) == MAX_CONDITIONS:
            raise RealtimeError(
                "invalid_filter", f"A filter has at most {MAX_CONDITIONS} conditions."
            )
        try:
            _checkLength(operator, value)
            conditions.append(makeCondition(columns, column, operator, value))
        except ValueError as error:
            raise RealtimeError("invalid_filter", f"filter.{column}: {error}.") from None
    return Filter(tuple(sorted(conditions, key=lambda c: (c.column, c.operator))))


def _wanted(filter: Mapping[str, Any]) -> Iterator[tuple[str, str, Any]]:
    """The columns, operators and values of a filter."""
    for column, wanted in filter.items():
        if wanted is None:
            yield column, IS_NULL, True
        elif not isinstance(wanted, dict):
            yield column, EQ, wanted
        elif wanted:
            yield from ((column, operator, value) for operator, value in wanted.items())
        else:
            raise RealtimeError(
                "invalid_filter", f"filter.{column}: an object names at least one operator."
            )


def _checkLength(operator: str, value: Any) -> None:
    if operator == IN and isinstance(value, list) and len(value) > MAX_VALUES:
        raise ValueError(f"in takes at most {MAX_VALUES} values")
    if operator == LIKE and isinstance(value, str) and len(value) > MAX_PATTERN:
        raise ValueError(f"a pattern has at most {MAX_PATTERN} characters")
