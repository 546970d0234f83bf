"""
Views: the changes of a table that a subscriber gets, and their columns.

Subscribers with equal views get the same frames.  The view of everything is L{None}: most
subscribers have it, and it needs no checks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from aerostack.core.rows.changes import DELETE, INSERT, UPDATE, Change, Row
from aerostack.core.rows.columns import Columns
from aerostack.core.rows.conditions import Condition, noColumn
from aerostack.core.rows.filters import Filter, parseFilter
from aerostack.errors import RealtimeError

OPERATIONS = (INSERT, UPDATE, DELETE)

EVERY = "*"
"""All operations."""


@dataclass(frozen=True)
class Projection:
    """
    The columns of a row that are sent.

    @ivar chosen: The columns that the client asked for; L{None} for all.
    @ivar hidden: The columns that are never sent.
    """

    chosen: frozenset[str] | None = None
    hidden: frozenset[str] = frozenset()

    def apply(self, row: Row) -> Row:
        """
        Remove the other columns from a row.
        """
        chosen, hidden = self.chosen, self.hidden
        return {
            name: value
            for name, value in row.items()
            if (chosen is None or name in chosen) and name not in hidden
        }


@dataclass(frozen=True)
class View:
    """
    A part of a table's changes.

    @ivar filter: The subscriber's filter; L{None} for all rows.
    @ivar rule: The conditions on the rows that the subscriber may read.
    @ivar projection: The columns that are sent; L{None} for all.
    @ivar events: The operations that are sent; L{None} for all.
    @ivar name: The name that clients give it, which stands in its frames; empty without one.
    """

    filter: Filter | None = None
    rule: tuple[Condition, ...] = ()
    projection: Projection | None = None
    events: frozenset[str] | None = None
    name: str = ""
    conditions: tuple[Condition, ...] = field(init=False, repr=False, compare=False)
    _hash: int = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        wanted = () if self.filter is None else self.filter.conditions
        object.__setattr__(self, "conditions", (*self.rule, *wanted))
        parts = (self.filter, self.rule, self.projection, self.events, self.name)
        object.__setattr__(self, "_hash", hash(parts))

    def __hash__(self) -> int:
        # Cached, because every delivered change asks for it.
        return self._hash

    @property
    def selects(self) -> bool:
        """Whether the view may leave changes out."""
        return bool(self.conditions) or self.events is not None

    def match(self, row: Row) -> bool:
        """
        Whether a row is within the view.
        """
        return all(condition.match(row) for condition in self.conditions)


def makeView(
    filter: Filter | None = None,
    rule: Sequence[Condition] = (),
    hidden: frozenset[str] = frozenset(),
    chosen: frozenset[str] | None = None,
    events: frozenset[str] | None = None,
) -> View | None:
    """
    Make a view.

    @param hidden: Columns that are never sent.
    @param chosen: Columns that the client asked for; L{None} for all.
    @return: L{None} for the view of everything.
    """
    projection = Projection(chosen, hidden) if chosen is not None or hidden else None
    view = View(filter, tuple(rule), projection, events)
    return None if projection is None and not view.selects else view


def parseView(
    columns: Columns,
    filter: Mapping[str, Any] | None,
    chosen: Sequence[str] | None,
    event: Any,
    rule: Sequence[Condition] = (),
    hidden: frozenset[str] = frozenset(),
) -> View | None:
    """
    Parse the view of a subscription.

    @param columns: The table's columns.
    @param filter: See L{parseFilter}.
    @param chosen: The names of the columns that are wanted.
    @param event: See L{parseEvents}.
    @param rule: The conditions of the rows that the subscriber may read.
    @param hidden: The columns that it may not read.  The subscriber cannot learn that they exist.
    @return: L{None} for the view of everything.
    @raise RealtimeError: C{invalid_filter}; the message names the column and says what is
        allowed.
    """
    visible = {name: type for name, type in columns.items() if name not in hidden}
    return makeView(
        parseFilter(filter, visible),
        rule,
        hidden,
        _parseColumns(chosen, visible),
        parseEvents(event),
    )


def _parseColumns(chosen: Sequence[str] | None, visible: Columns) -> frozenset[str] | None:
    if chosen is None:
        return None
    if not chosen:
        raise RealtimeError("invalid_filter", "columns names at least one column.")
    for name in chosen:
        if name not in visible:
            raise RealtimeError("invalid_filter", f"columns: {name}: {noColumn(visible)}.")
    return frozenset(chosen)


def parseEvents(event: str | Sequence[str] | None) -> frozenset[str] | None:
    """
    Parse a subscription's C{event}.

    @param event: One operation, several, or L{EVERY}.
    @return: L{None} for all operations.
    @raise RealtimeError: C{invalid_filter}.
    """
    if event is None:
        return None
    events = {event} if isinstance(event, str) else set(event)
    if not events or not events <= {EVERY, *OPERATIONS}:
        raise RealtimeError(
            "invalid_filter", f"event is {', '.join(OPERATIONS)}, a list of these, or {EVERY}."
        )
    return None if EVERY in events or events.issuperset(OPERATIONS) else frozenset(events)


def classify(change: Change, view: View) -> str | None:
    """
    Decide how a subscriber gets a change.

    Both rows of an UPDATE are checked, so that a client with a filtered list stays right.  A row
    that moves into the view is sent as an INSERT, and a row that moves out of it as a DELETE.

    @return: The operation as which the change is sent; L{None} if it is not sent.
    """
    operation = change.operation
    if view.conditions:
        after = view.match(change.data)
        before = after
        if operation == UPDATE and change.old is not None:
            before = view.match(change.old)
        if not before and not after:
            return None
        if before != after:
            operation = INSERT if after else DELETE
    if view.events is not None and operation not in view.events:
        return None
    return operation


class SeenChange(NamedTuple):
    """
    A change as it is sent.

    @ivar moved: Whether it is sent as an INSERT or DELETE because an UPDATE moved the row into the
        view or out of it.
    """

    operation: str
    data: Row
    old: Row | None
    moved: bool


def seenChange(change: Change, operation: str, projection: Projection | None = None) -> SeenChange:
    """
    Make the change that is sent to subscribers with a view.

    @param operation: The result of L{classify}.
    @param projection: The columns that are sent; L{None} for all.
    """
    moved = operation != change.operation
    data, old = change.data, change.old
    if moved and operation == INSERT:
        old = None
    elif moved and old is not None:
        data = old
    if projection is not None:
        data = projection.apply(data)
        old = None if old is None else projection.apply(old)
    return SeenChange(operation, data, old, moved)
