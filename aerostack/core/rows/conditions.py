"""
Conditions: what a column's value must be for a row to be told.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Any

from aerostack.core.rows.changes import Row
from aerostack.core.rows.columns import UNORDERED, Columns, ColumnType
from aerostack.core.rows.comparison import READERS, isLess

EQ = "eq"
NEQ = "neq"
GT = "gt"
GTE = "gte"
LT = "lt"
LTE = "lte"
IN = "in"
IS_NULL = "is_null"
LIKE = "like"

OPERATORS = (EQ, NEQ, GT, GTE, LT, LTE, IN, IS_NULL, LIKE)

_ORDERED = (GT, GTE, LT, LTE)

_SHOWN = 20
"""How many of a table's columns an error names."""

_EXPECTED = {
    ColumnType.NUMBER: 'a number, a string of its digits, "Infinity", "-Infinity" or "NaN"',
    ColumnType.TEXT: "a string",
    ColumnType.BOOLEAN: "true or false",
    ColumnType.TIME: 'a date or time in ISO form, such as "2026-11-24T22:49:36Z"',
    ColumnType.JSON: "a string, a number or a boolean, which the whole document is",
    ColumnType.OTHER: "a string, as rows tell the value",
    ColumnType.ANY: "a string, a number or a boolean",
}


@dataclass(frozen=True, slots=True)
class Condition:
    """
    What one column's value must be.  It is made by L{makeCondition}.

    As in SQL, null equals nothing and differs from nothing: it meets no condition but
    L{IS_NULL}.

    @ivar operator: One of L{OPERATORS}.
    @ivar value: What the column's value is compared with, as it was read (see
        L{aerostack.core.rows.comparison}): for L{IN} a tuple of such, without repeats and in an
        order of its own; for L{IS_NULL} whether it must be null; for L{LIKE} the pattern.
    @ivar type: As what the column's values are read.
    """

    column: str
    operator: str
    value: Hashable
    type: ColumnType
    _test: Callable[[Any], bool] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_test", _TESTS[self.operator](self.type, self.value))

    def match(self, row: Row) -> bool:
        """
        Whether a row meets the condition.  One that lacks the column does not.
        """
        value = row.get(self.column, _LACKING)
        if value is None:
            return self.operator == IS_NULL and bool(self.value)
        return value is not _LACKING and self._test(value)


_LACKING = object()


def makeCondition(columns: Columns, column: str, operator: str, value: Any) -> Condition:
    """
    Make a condition of a value in its JSON form.

    @param columns: The table's.
    @param value: As in a subscription's C{filter}; for L{IN} a list or tuple, which may be
        empty: then no row meets the condition.
    @raise ValueError: The column is none of the table's, or cannot be compared with the
        value; the message says what is allowed, but does not name the column.
    """
    type = columns.get(column)
    if type is None:
        raise ValueError(noColumn(columns))
    if operator == IS_NULL:
        if not isinstance(value, bool):
            raise ValueError("is_null takes true or false")
        return Condition(column, operator, value, type)
    if operator == LIKE:
        if type not in (ColumnType.TEXT, ColumnType.ANY):
            raise ValueError(f"like is for text, and the column holds {type.value}")
        if not isinstance(value, str):
            raise ValueError("like takes a string")
        if re.fullmatch(r"(?:[^\\]|\\.)*", value, re.S) is None:
            raise ValueError("a backslash stands before a character, not at a pattern's end")
        return Condition(column, operator, value, type)
    if operator in OPERATORS and type is ColumnType.COMPOUND:
        raise ValueError(f"{operator} is for single values; the column holds {type.value}")
    if operator == IN:
        if not isinstance(value, (list, tuple)):
            raise ValueError("in takes a list")
        found: set[Any] = {_read(type, operator, each) for each in value}
        return Condition(column, operator, tuple(sorted(found)), type)
    if operator not in OPERATORS:
        raise ValueError(f"{operator!r} is no operator; there are {', '.join(OPERATORS)}")
    if type in UNORDERED and operator in _ORDERED:
        raise ValueError(f"{operator} is for what has an order; the column holds {type.value}")
    return Condition(column, operator, _read(type, operator, value), type)


def noColumn(columns: Columns) -> str:
    """
    What is wrong with a name that is none of a table's columns.
    """
    names = list(columns)
    shown = ", ".join(names[:_SHOWN]) + (", ..." if len(names) > _SHOWN else "")
    return f"there is no such column; the columns are {shown}"


def _read(type: ColumnType, operator: str, value: Any) -> Hashable:
    if value is None:
        raise ValueError(f"{operator} takes no null; use is_null")
    read = READERS[type](value)
    if read is None:
        raise ValueError(f"{operator} takes {_EXPECTED[type]}; the column holds {type.value}")
    return read


def likeExpression(pattern: str) -> re.Pattern[str]:
    """
    The expression of an SQL pattern: C{%} stands for any text, C{_} for any character, and a
    backslash takes the meaning of what follows it.

    It takes at most as long as the text and the pattern multiplied: what stands between two
    C{%} is looked for once, and never again further on.
    """
    pieces = [""]
    for token in re.findall(r"\\.|.", pattern, re.S):
        if token == "%":
            pieces.append("")
        else:
            pieces[-1] += "." if token == "_" else re.escape(token[-1])
    first, *others = pieces
    if not others:
        return re.compile(first, re.S)
    *middle, last = others
    found = "".join(f"(?>.*?{piece})" for piece in middle if piece)
    return re.compile(f"{first}{found}.*{last}", re.S)


def _equal(type: ColumnType, value: Hashable) -> Callable[[Any], bool]:
    read = READERS[type]
    return lambda other: read(other) == value


def _unequal(type: ColumnType, value: Hashable) -> Callable[[Any], bool]:
    read = READERS[type]
    if type is ColumnType.OTHER:
        # A type that tells itself as anything but text differs from no text for sure.
        return lambda other: isinstance(other, str) and other != value
    return lambda other: read(other) != value


def _greater(type: ColumnType, value: Hashable) -> Callable[[Any], bool]:
    read = READERS[type]

    def test(other: Any) -> bool:
        found = read(other)
        return found is not None and isLess(type, value, found)

    return test


def _less(type: ColumnType, value: Hashable) -> Callable[[Any], bool]:
    read = READERS[type]

    def test(other: Any) -> bool:
        found = read(other)
        return found is not None and isLess(type, found, value)

    return test


def _either(
    one: Callable[[ColumnType, Hashable], Callable[[Any], bool]],
) -> Callable[[ColumnType, Hashable], Callable[[Any], bool]]:
    """Let equal values pass as well."""

    def make(type: ColumnType, value: Hashable) -> Callable[[Any], bool]:
        equal, other = _equal(type, value), one(type, value)
        return lambda found: equal(found) or other(found)

    return make


def _among(type: ColumnType, value: Any) -> Callable[[Any], bool]:
    read, values = READERS[type], frozenset(value)
    return lambda other: read(other) in values


def _null(type: ColumnType, value: Hashable) -> Callable[[Any], bool]:
    return lambda other: not value


def _like(type: ColumnType, value: Any) -> Callable[[Any], bool]:
    expression = likeExpression(value)
    return lambda other: isinstance(other, str) and expression.fullmatch(other) is not None


_TESTS: dict[str, Callable[[ColumnType, Any], Callable[[Any], bool]]] = {
    EQ: _equal,
    NEQ: _unequal,
    GT: _greater,
    GTE: _either(_greater),
    LT: _less,
    LTE: _either(_less),
    IN: _among,
    IS_NULL: _null,
    LIKE: _like,
}
"""How a value that is not null is tested, by the operator."""
