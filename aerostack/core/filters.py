"""
Filters: which of a table's changes a subscriber wants.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from aerostack.core.changes import DELETE, INSERT, UPDATE, Change, Row
from aerostack.errors import RealtimeError


@dataclass(frozen=True)
class Filter:
    """
    Rows in which every named column equals a value.

    @ivar columns: Pairs of a column and its value in JSON form, sorted.
    """

    columns: tuple[tuple[str, Any], ...]

    def match(self, row: Row) -> bool:
        """
        Whether a row is within the filter.  A column that the row lacks matches
        nothing.
        """
        return all(name in row and row[name] == value for name, value in self.columns)


def parseFilter(columns: Mapping[str, Any] | None) -> Filter | None:
    """
    Read a subscription's C{filter}.

    @return: L{None} where nothing is filtered.
    @raise RealtimeError: C{invalid_frame}; the message names the column.
    """
    if not columns:
        return None
    for name, value in columns.items():
        if value is not None and not isinstance(value, (str, int, float)):
            raise RealtimeError(
                "invalid_frame", f"filter.{name} must be null, a string, a number or a boolean."
            )
    # A database has no booleans of its own here: true is stored as 1.
    plain = {
        name: int(value) if isinstance(value, bool) else value for name, value in columns.items()
    }
    return Filter(tuple(sorted(plain.items())))


@dataclass(frozen=True)
class Judged:
    """
    A change as somebody with a filter sees it.

    @ivar change: The change to tell.
    @ivar moved: Whether it is told as an INSERT or DELETE because an UPDATE moved
        the row into the filter or out of it.
    """

    change: Change
    moved: bool


def judge(change: Change, filter: Filter | None) -> Judged | None:
    """
    Decide what a subscriber with a filter is told of a change.

    An UPDATE is judged on both rows, so that a client that shows a filtered list
    stays right: a row that moves into the filter comes as an INSERT, one that
    moves out of it goes as a DELETE.

    @return: L{None} if the subscriber is told nothing.
    """
    if filter is None:
        return Judged(change, False)
    if change.operation != UPDATE or change.old is None:
        return Judged(change, False) if filter.match(change.data) else None
    before, after = filter.match(change.old), filter.match(change.data)
    if before and after:
        return Judged(change, False)
    if after:
        return Judged(replace(change, operation=INSERT, old=None), True)
    if before:
        return Judged(replace(change, operation=DELETE, data=change.old), True)
    return None
