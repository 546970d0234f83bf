"""
The types of a table's columns, as far as comparisons need them.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum


class ColumnType(Enum):
    """
    How the values of a column are compared.
    """

    NUMBER = "a number"
    TEXT = "text"
    BOOLEAN = "a boolean"
    TIME = "a date or time"
    JSON = "JSON"
    """Documents, which can only be compared for equality with a string, a number or a boolean."""
    OTHER = "another type"
    """Values that are sent as the database's text for them, such as uuids, ranges and enums.  They
    can only be compared for equality with such a text."""
    COMPOUND = "lists, objects or bytes"
    """Values that can only be tested for null."""
    ANY = "any type"
    """SQLite only: the column has no declared type, so each row may hold another one."""


UNORDERED = frozenset((ColumnType.JSON, ColumnType.OTHER, ColumnType.COMPOUND))
"""The types whose values have no order."""

Columns = Mapping[str, ColumnType]
"""A table's columns in their order, by name."""
