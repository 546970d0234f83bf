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
    OTHER = "another type"
    """Values of which only equality can be told: JSON, arrays, ranges, bytes."""
    ANY = "any type"
    """SQLite only: nothing is declared, so every row may hold another type."""


Columns = Mapping[str, ColumnType]
"""A table's columns in their order, by name."""
