"""
Conditions on the value of a column.
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
    A condition on one column's value.  L{makeCondition} makes it.

    As in SQL, null equals no value and differs from no value: it meets no condition except
    L{IS_NULL}.

    @ivar operator: One of L{OPERATORS}.
    @ivar value: The value for the comparison, as L{aerostack.core.rows.comparison} has converted
        it. For L{IN} it is a tuple of such values, without duplicates and in a fixed order; for
        L{IS_NULL} whether the column must be null; for L{LIKE} the pattern.
    @ivar type: The type by which the column's values are converted.
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
        Whether a row meets the condition.  A row that lacks the column does not.
        """
        value = row.get(self.column, _LACKING)
        if value is None:
            return self.operator == IS_NULL and bool(self.value)
        return value is not _LACKING and self._test(value)


_LACKING = object()


def makeCondition(columns: Columns, column: str, operator: str, value: Any) -> Condition:
    """
    Make a condition of a value in its JSON form.

    @param columns: The table's columns.
    @param value: As in a subscription's C{filter}.  For L{IN} it is a list or tuple; if that is
        empty, no row meets the condition.
    @raise ValueError: The table has no such column, or the column cannot be compared with the
        value.  The message says what is allowed, but does not name the column.
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
    The message for a name that is not one of a table's columns.
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
    The regular expression of an SQL pattern: C{%} stands for any text, C{_} for any character, and
    a backslash escapes the next character.

    A match takes at most time proportional to the text's length times the pattern's: the text
    between two C{%} is searched for once, without backtracking.
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
        # It is not certain that a value differs from a text if it is not sent as text.
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
