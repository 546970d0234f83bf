"""
What the values of a table's columns look like in JSON.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum


class Kind(Enum):
    """
    What values look like.
    """

    NUMBER = "a number"
    WIDE = "a number, or a string of its digits where a double does not keep them"
    FLOAT = "a number, or its name where JSON has none for it, such as NaN"
    TEXT = "a string"
    BOOLEAN = "true or false"
    JSON = "any JSON"
    BYTES = "an object with the bytes in base64"
    MIXED = "a number or a string"
    ANY = "whatever the row holds: a number, a string, or bytes"
    LIST = "a list"
    OBJECT = "an object"


@dataclass(frozen=True)
class Shape:
    """
    What the values of a type look like.

    @ivar labels: The only strings that there are, for an enum; else empty.
    @ivar element: What the elements of a list look like.
    @ivar fields: What the fields of an object look like; each may also be null.
    """

    kind: Kind
    labels: tuple[str, ...] = ()
    element: Shape | None = None
    fields: tuple[tuple[str, Shape], ...] = ()


@dataclass(frozen=True)
class ColumnShape:
    """
    What the values of a column look like.

    @ivar isNullable: Whether they may also be null.
    """

    name: str
    shape: Shape
    isNullable: bool


TableShapes = Mapping[str, tuple[ColumnShape, ...]]
"""The columns of tables, by the names by which clients subscribe to them."""
