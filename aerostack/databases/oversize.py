"""
Changes that are too large to be delivered whole.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any

from msgspec import Raw

from aerostack.core.rows.changes import Row
from aerostack.protocol.codec import encodeValue

CHANGE_BYTES = 1_048_576
"""The default limit of the values of one change, in bytes of JSON."""

_NULL = 4
_OTHER = 32


def omissions(
    rows: Sequence[Row], limit: int, keyColumns: Callable[[], Collection[str]]
) -> frozenset[str]:
    """
    Choose the columns that a change omits so that the rest is within a limit: the largest columns
    first, those of the primary key last.

    @param rows: The row or rows of the change; a row that is sent twice counts twice.  Values are
        as a driver returns them, or in their JSON form.
    @param limit: How many bytes the values may take in JSON.
    @param keyColumns: Gives the names of the primary key's columns.
    @return: The names of the columns to omit; usually empty.
    """
    if sum(_atMost(value) for row in rows for value in row.values()) <= limit:
        return frozenset()
    sizes: dict[str, int] = {}
    for row in rows:
        for name, value in row.items():
            sizes[name] = sizes.get(name, 0) + _size(value, limit)
    total = sum(sizes.values())
    gone: set[str] = set()
    if total > limit:
        keys = keyColumns()
        for name in sorted(sizes, key=lambda name: (name in keys, -sizes[name])):
            total -= sizes[name] - _NULL * len(rows)
            gone.add(name)
            if total <= limit:
                break
    return frozenset(gone)


def _atMost(value: Any) -> int:
    """
    An upper bound of a value's size that is cheap to find.
    """
    if isinstance(value, str):
        # A control character takes six bytes in JSON.
        return 6 * len(value) + 2
    if isinstance(value, (bytes, memoryview)):
        return _base64(value)
    if isinstance(value, (dict, list, Raw)):
        return len(encodeValue(value))
    return _OTHER


def _size(value: Any, enough: int) -> int:
    """
    A value's size; for a value that alone exceeds the limit, a lower bound.
    """
    if isinstance(value, str):
        # Each character takes at least one byte.
        return len(value) if len(value) > enough else len(encodeValue(value))
    if isinstance(value, (bytes, memoryview)):
        return _base64(value)
    return len(encodeValue(value))


def _base64(value: bytes | memoryview) -> int:
    return len('{"base64":""}') + 4 * ((len(value) + 2) // 3)
