"""
Finds the views that a changed row may concern, by the row's values.

A view with a condition that a column equals a value, or one of several, is stored under these
values.  A change then finds the views by the values of its rows, and other views cost nothing.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, field

from aerostack.core.rows.changes import Row
from aerostack.core.rows.columns import ColumnType
from aerostack.core.rows.comparison import READERS
from aerostack.core.rows.conditions import EQ, IN, IS_NULL, Condition
from aerostack.core.rows.views import View

_NULL = object()
_LACKING = object()


@dataclass(slots=True)
class _Drawer:
    """
    The views that are stored under one column.

    @ivar type: The type by which they convert its values.
    @ivar views: The views by value.
    """

    column: str
    type: ColumnType
    views: dict[Hashable, dict[View, None]] = field(default_factory=dict)

    def find(self, row: Row) -> dict[View, None] | None:
        """
        The views that are stored under a row's value.
        """
        value = row.get(self.column, _LACKING)
        if value is _LACKING:
            return None
        return self.views.get(_NULL if value is None else READERS[self.type](value))


class ViewIndex:
    """
    An index of views.
    """

    __slots__ = ("_drawers", "_others", "_places")

    def __init__(self) -> None:
        self._drawers: dict[tuple[str, ColumnType], _Drawer] = {}
        # The condition by which each view is stored, and the views without one.
        self._places: dict[View, Condition] = {}
        self._others: dict[View, None] = {}

    def add(self, view: View) -> None:
        """
        Add a view.
        """
        candidates = [c for c in view.conditions if _values(c) is not None]
        if not candidates:
            self._others[view] = None
            return
        # The condition whose values have the fewest views: all views may share the tenant, for
        # instance.
        condition = min(candidates, key=self._crowd)
        self._places[view] = condition
        key = (condition.column, condition.type)
        for value in _values(condition) or ():
            drawer = self._drawers.get(key)
            if drawer is None:
                drawer = self._drawers[key] = _Drawer(*key)
            drawer.views.setdefault(value, {})[view] = None

    def _crowd(self, condition: Condition) -> tuple[int, int]:
        """How many views are stored under a condition's values, and how many values there are."""
        drawer = self._drawers.get((condition.column, condition.type))
        values = _values(condition) or ()
        if drawer is None:
            return 0, len(values)
        return sum(len(drawer.views.get(value, ())) for value in values), len(values)

    def remove(self, view: View) -> None:
        """
        Remove a view.
        """
        condition = self._places.pop(view, None)
        if condition is None:
            del self._others[view]
            return
        key = (condition.column, condition.type)
        for value in _values(condition) or ():
            drawer = self._drawers[key]
            views = drawer.views[value]
            del views[view]
            if not views:
                del drawer.views[value]
            if not drawer.views:
                del self._drawers[key]

    def find(self, data: Row, old: Row | None) -> Iterator[View]:
        """
        Give the views that a change may concern, each once: all views that match one of its rows,
        and maybe others.

        @param data: The row after the change.
        @param old: The row before the change; L{None} if there was none.
        """
        yield from self._others
        for drawer in self._drawers.values():
            after = drawer.find(data)
            before = None if old is None else drawer.find(old)
            if after is not None:
                yield from after
            if before is not None and before is not after:
                if after is None:
                    yield from before
                else:
                    yield from (view for view in before if view not in after)

    def __len__(self) -> int:
        return len(self._places) + len(self._others)


def _values(condition: Condition) -> Sequence[Hashable] | None:
    """
    The values of which a condition requires one; L{None} if it does not require certain values.
    """
    if condition.operator == EQ:
        return (condition.value,)
    if condition.operator == IN:
        assert isinstance(condition.value, tuple)
        return condition.value
    if condition.operator == IS_NULL and condition.value:
        return (_NULL,)
    return None
