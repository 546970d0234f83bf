"""
Changes that are too large to be told whole.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any

from msgspec import Raw

from aerostack.core.rows.changes import Row
from aerostack.protocol.codec import encodeValue

CHANGE_BYTES = 1_048_576
"""How many bytes of JSON the values of one change have at the most, unless configured."""

_NULL = 4
_OTHER = 32


def omissions(
    rows: Sequence[Row], limit: int, keyColumns: Callable[[], Collection[str]]
) -> frozenset[str]:
    """
    Choose what of a change is not told, so that the rest is within a limit: its largest
    columns, those of the key last.

    @param rows: The row or rows as they are told, so where one is told twice, twice.
        Values are as a driver returns them, or in their JSON form.
    @param limit: How many bytes the values may take in JSON.
    @param keyColumns: Tells which columns are the primary key's.
    @return: The names of the columns to leave out; none, as a rule.
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
    A bound of a value's size that costs nothing to find.
    """
    if isinstance(value, str):
        # A control character takes six.
        return 6 * len(value) + 2
    if isinstance(value, (bytes, memoryview)):
        return _base64(value)
    if isinstance(value, (dict, list, Raw)):
        return len(encodeValue(value))
    return _OTHER


def _size(value: Any, enough: int) -> int:
    """
    A value's size; of one that alone is too large, a part of it.
    """
    if isinstance(value, str):
        # Each character takes one byte at least.
        return len(value) if len(value) > enough else len(encodeValue(value))
    if isinstance(value, (bytes, memoryview)):
        return _base64(value)
    return len(encodeValue(value))


def _base64(value: bytes | memoryview) -> int:
    return len('{"base64":""}') + 4 * ((len(value) + 2) // 3)
