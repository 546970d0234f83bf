"""
What kinds of values a table's columns hold, as far as comparing them needs to know.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum


class ColumnType(Enum):
    """
    By what values of a column can be told to be less or more.
    """

    NUMBER = "a number"
    TEXT = "text"
    BOOLEAN = "a boolean"
    TIME = "a date or time"
    JSON = "JSON"
    """Documents, of which only equality with a string, a number or a boolean can be told."""
    OTHER = "another type"
    """Values that are told as the text which the database writes of them, and of which only
    equality with such a text can be told: uuids, ranges, enums."""
    COMPOUND = "lists, objects or bytes"
    """Values of which it can only be told whether they are null."""
    ANY = "any type"
    """SQLite only: nothing is declared, so every row may hold another type."""


UNORDERED = frozenset((ColumnType.JSON, ColumnType.OTHER, ColumnType.COMPOUND))
"""The types of which no value is less than another."""

Columns = Mapping[str, ColumnType]
"""A table's columns in their order, by name."""
