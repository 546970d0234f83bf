"""
Selections: the rows of a table with which a subscription begins.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from aerostack.core.rows.changes import Row
from aerostack.core.rows.columns import UNORDERED, Columns
from aerostack.core.rows.conditions import Condition
from aerostack.core.rows.views import View
from aerostack.errors import RealtimeError

ASCENDING = "asc"
DESCENDING = "desc"

MAX_ORDER = 8
"""By how many columns rows can be ordered."""

MAX_LIMIT = 2**31 - 1
"""The largest limit, which every database accepts.  It is more rows than any client gets."""


@dataclass(frozen=True, slots=True)
class Selection:
    """
    The condition, the order and the number of rows.

    Equal selections of one table at one time have the same rows, so that one read serves all
    clients that ask for it.

    @ivar conditions: The conditions, all of which a row must meet.
    @ivar order: Columns, and whether each is in descending order.  Nulls come last either way.
    @ivar limit: How many rows are read at the most; L{None} for all.
    """

    conditions: tuple[Condition, ...] = ()
    order: tuple[tuple[str, bool], ...] = ()
    limit: int | None = None

    def match(self, row: Row) -> bool:
        """
        Whether a row meets the conditions.
        """
        return all(condition.match(row) for condition in self.conditions)


@dataclass(frozen=True, slots=True)
class Bounds:
    """
    Bounds of one read.

    @ivar rows: How many rows.
    @ivar size: How many bytes, about.
    @ivar seconds: How long it may take.
    """

    rows: int
    size: int
    seconds: float

    def tooLong(self) -> RealtimeError:
        """The error for a read that took longer than C{seconds}."""
        return _tooLarge(f"Reading the rows took longer than {self.seconds:g} s")


@dataclass(frozen=True, slots=True)
class Snapshot:
    """
    Rows of a table as they were at one point among its changes.

    @ivar position: The C{seq} of the newest change, of any table, that the rows include.
    @ivar lineage: The lineage of that number (see
        L{aerostack.interfaces.tracking.IJournal.lineage}).
    @ivar size: About how many bytes the rows have.
    """

    rows: Sequence[Row]
    position: int
    lineage: str
    size: int


def collect(found: Iterable[Row], selection: Selection, bounds: Bounds) -> tuple[list[Row], int]:
    """
    Collect the rows of a selection within the bounds.

    @return: The rows, and about how many bytes they have.
    @raise RealtimeError: C{too_large}: there are more than is read at once.
    """
    rows: list[Row] = []
    size = 0
    for row in found:
        if not selection.match(row):
            continue
        if len(rows) >= bounds.rows:
            raise _tooLarge(f"More than {bounds.rows} rows match")
        size += sum(map(_sizeOf, row.values()))
        if size > bounds.size:
            raise _tooLarge(f"The rows that match have more than {bounds.size} bytes")
        rows.append(row)
        if len(rows) == selection.limit:
            break
    return rows, size


def _sizeOf(value: Any) -> int:
    return 16 + len(value if isinstance(value, str) else repr(value))


def _tooLarge(what: str) -> RealtimeError:
    return RealtimeError("too_large", f"{what}; ask for fewer, with a filter or a limit.")


def parseSelection(order: Any, limit: int | None, columns: Columns, view: View | None) -> Selection:
    """
    Parse the selection of a subscription.

    @param order: See L{parseOrder}.
    @param limit: How many rows are wanted at the most.
    @param columns: The table's columns.
    @param view: The subscription's view, within which the rows are.
    @raise RealtimeError: C{invalid_filter}.
    """
    hidden = view.projection.hidden if view is not None and view.projection else ()
    visible = {name: type for name, type in columns.items() if name not in hidden}
    if limit is not None and limit < 1:
        raise _invalid("limit is a whole number of rows, at least 1.")
    conditions = () if view is None else view.conditions
    most = None if limit is None else min(limit, MAX_LIMIT)
    return Selection(conditions, parseOrder(order, visible), most)


def parseOrder(order: Any, columns: Columns) -> tuple[tuple[str, bool], ...]:
    """
    Parse a subscription's C{order}: a list of pairs of a column and C{"asc"} or C{"desc"}, or of
    names of columns.

    @param columns: The columns that the client may see.
    @raise RealtimeError: C{invalid_filter}; the message names the column.
    """
    if order is None:
        return ()
    if not isinstance(order, list) or len(order) > MAX_ORDER:
        raise _invalid(f'order is a list of at most {MAX_ORDER} pairs such as ["id", "desc"].')
    found: dict[str, bool] = {}
    for each in order:
        name, direction = _pair(each)
        if name not in columns:
            raise _invalid(f"order: the table has no column {name!r}.")
        if columns[name] in UNORDERED:
            raise _invalid(f"order: the column {name!r} holds {columns[name].value}.")
        if name in found:
            raise _invalid(f"order: the column {name!r} is there twice.")
        found[name] = direction == DESCENDING
    return tuple(found.items())


def _pair(each: Any) -> tuple[str, str]:
    pair: Sequence[Any] = (each, ASCENDING) if isinstance(each, str) else each
    if (
        not isinstance(pair, (list, tuple))
        or len(pair) != 2
        or not isinstance(pair[0], str)
        or pair[1] not in (ASCENDING, DESCENDING)
    ):
        raise _invalid('order: each is a column\'s name, or a pair such as ["id", "desc"].')
    return pair[0], pair[1]


def _invalid(message: str) -> RealtimeError:
    return RealtimeError("invalid_filter", message)
