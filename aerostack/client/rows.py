"""
A table's rows.
"""

from __future__ import annotations

import json
from bisect import bisect_right
from collections.abc import Callable, Sequence
from typing import Any

from aerostack.client.callbacks import Callback, Callbacks
from aerostack.client.errors import ClientError
from aerostack.client.frames import Frame
from aerostack.client.ordering import Ordering, Row

_CHANGE = "change"

Key = str | Sequence[str]
"""The column, or the columns, whose values identify a row."""

SPARE = 100
"""How many rows beyond the limit the client holds.  While it holds some, it need not ask the daemon
for the row that takes the place of a deleted one."""


class _Table:
    """
    Rows by their keys, in an order.  Without an order they stay as they came, new ones last.
    """

    def __init__(self, order: Sequence[Any] | None) -> None:
        self._ordering = Ordering(order) if order else None
        self._rows: dict[Any, Row] = {}
        # Pairs of a key and a row; None if they have to be sorted anew.
        self._sorted: list[tuple[Any, Row]] | None = None

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def sorted(self) -> list[tuple[Any, Row]]:
        """All rows with their keys, in their order."""
        if self._sorted is None:
            self._sorted = list(self._rows.items())
            if self._ordering is not None:
                key = self._ordering.key
                self._sorted.sort(key=lambda each: key(each[1]))
        return self._sorted

    def compare(self, x: Row, y: Row) -> int:
        return 0 if self._ordering is None else self._ordering.compare(x, y)

    def put(self, key: Any, row: Row) -> None:
        if self._ordering is None:
            self._rows[key] = row
            self._sorted = None
            return
        if self._ordering.see(row):
            self._sorted = None
        self.delete(key)
        self._rows[key] = row
        if self._sorted is not None:
            self._sorted.insert(self._behind(row), (key, row))

    def delete(self, key: Any) -> None:
        before = self._rows.pop(key, None)
        if before is None or self._sorted is None:
            return
        if self._ordering is None:
            self._sorted = None
            return
        place = self._behind(before) - 1
        while self._sorted[place][0] != key:
            place -= 1
        del self._sorted[place]

    def _behind(self, row: Row) -> int:
        """The place behind all rows that do not come after a row."""
        assert self._ordering is not None
        order = self._ordering.key
        return bisect_right(self.sorted, order(row), key=lambda each: order(each[1]))


class Rows:
    """
    A table's rows, from a snapshot and the changes after it.

    With a limit, the daemon sends the first rows only, and the client does not know the others.
    The client ignores a row that stands behind all rows that it knows.  When it knows too few, it
    asks for the rows again.
    """

    def __init__(
        self, report: Callable[[ClientError], None], added: Callable[[], None] | None = None
    ) -> None:
        """
        @param report: Called if rows cannot be kept.
        @param added: Called when the application adds a callback.
        """
        self._report = report
        self._isReported = False
        self._callbacks = Callbacks(added)
        self._key: Key = "id"
        self._order: Sequence[Any] | None = None
        self._limit: int | None = None
        self._rows = _Table(None)
        # The rows of the snapshot whose pages are coming.
        self._coming: _Table | None = None
        # Whether a snapshot has come whole.
        self._isFilled = False
        # The last row up to which all rows of the table are known; None if all are.
        self._bound: Row | None = None

    @property
    def list(self) -> list[Row]:
        """The rows; another list each time."""
        return [row for _, row in self._rows.sorted[: self._limit]]

    @property
    def watched(self) -> bool:
        """Whether the application has a callback."""
        return bool(self._callbacks)

    @property
    def isShort(self) -> bool:
        """Whether rows are missing that the daemon has."""
        return self._bound is not None and self._limit is not None and len(self._rows) < self._limit

    def onChange(self, callback: Callback) -> Callable[[], None]:
        """
        Call a function after every change, and after a snapshot.

        @param callback: Gets the rows, a list.
        @return: Takes the callback back.
        """
        return self._callbacks.add(_CHANGE, callback)

    def clear(self) -> None:
        """
        Take all callbacks back, and forget the rows.
        """
        self._callbacks.clear()
        self.begin("id", None, None)

    # From the topic

    def begin(self, key: Key, order: Sequence[Any] | None, limit: int | None) -> None:
        """
        The application subscribes with these options.

        @param order: As for L{aerostack.client.channel.Channel.subscribe}.
        @param limit: As for L{aerostack.client.channel.Channel.subscribe}.
        """
        self._isReported = False
        self._key, self._order, self._limit = key, order, limit
        self._rows = _Table(order)
        self._coming, self._isFilled, self._bound = None, False, None

    def page(self, rows: Sequence[Row], isFirst: bool, more: bool) -> None:
        """
        A page of a snapshot came.
        """
        if isFirst or self._coming is None:
            self._coming = _Table(self._order)
        for row in rows:
            self._put(self._coming, row)
        if not more:
            self._rows, self._coming, self._isFilled = self._coming, None, True
            isWhole = self._limit is None or len(self._rows) < self._limit
            self._bound = None if isWhole else self._rows.sorted[-1][1]
            self._changed()

    def change(self, frame: Frame) -> None:
        """
        A change of a row came.
        """
        if not self._isFilled:
            return
        data, old = frame.get("data"), frame.get("old")
        if not isinstance(data, dict):
            return
        rows, key = self._rows, self._keyOf(data)
        if frame.get("operation") == "DELETE":
            rows.delete(key)
        else:
            if isinstance(old, dict) and self._keyOf(old) != key:
                rows.delete(self._keyOf(old))
            if self._bound is not None and rows.compare(data, self._bound) > 0:
                # It stands behind rows that are not known.
                rows.delete(key)
            else:
                self._put(rows, data)
                self._trim()
        self._changed()

    def _trim(self) -> None:
        """Forget rows that are far beyond the limit."""
        if self._limit is not None and len(self._rows) > 2 * self._limit + SPARE:
            for key, _ in self._rows.sorted[self._limit + SPARE :]:
                self._rows.delete(key)
            self._bound = self._rows.sorted[-1][1]

    def _put(self, rows: _Table, row: Row) -> None:
        key = self._keyOf(row)
        if key is not None:
            rows.put(key, row)
        elif not self._isReported:
            # Reported once: every row without a key is left out.
            self._isReported = True
            message = f"Rows cannot be kept: one has no {self._key}; pass key to subscribe()."
            self._report(ClientError("no_key", message))

    def _keyOf(self, row: Row) -> Any:
        """What a row is known by; L{None} if it has no key."""
        if not isinstance(self._key, str):
            return json.dumps([row.get(column) for column in self._key])
        key = row.get(self._key)
        return key if key is None or isinstance(key, (str, int, float)) else json.dumps(key)

    def _changed(self) -> None:
        if self._callbacks:
            self._callbacks.call(_CHANGE, self.list)
