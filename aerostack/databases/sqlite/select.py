"""
Reads the selected rows of an SQLite table.

The database checks as many conditions as it can, so that it can use its indexes.  But the
selection itself decides about each row, because it also decides about the row's later changes.
So the SQL of a condition may let too many rows through, but never too few.
"""

from __future__ import annotations

import math
import sqlite3
import time
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any

from aerostack.core.rows.changes import Row
from aerostack.core.rows.columns import ColumnType
from aerostack.core.rows.comparison import isUnicode
from aerostack.core.rows.conditions import EQ, GT, GTE, IN, IS_NULL, LT, LTE, Condition
from aerostack.core.rows.selection import Bounds, Selection, collect
from aerostack.databases.identifiers import quoteIdentifier
from aerostack.protocol.values import toJSON

MAX_INTEGER = 2**63 - 1
_DOUBLE = 2**53
"""Up to this number a double represents every whole number."""

_STEPS = 10_000
"""How many steps of SQLite's virtual machine pass between two looks at the clock."""

_PAGE = 200

# SQLite compares with a number near the given one: where the given one is less, the near one may
# be equal.
_COMPARISONS = {EQ: "=", GT: ">=", GTE: ">=", LT: "<=", LTE: "<="}


def conditionSQL(condition: Condition, isUTF8: bool = True) -> tuple[str, tuple[Any, ...], bool]:
    """
    Translate a condition to SQL.

    @param isUTF8: Whether the database stores text as UTF-8.
    @return: The SQL; the values of its placeholders; and whether exactly the rows that meet the
        condition meet the SQL.
    """
    column, operator = quoteIdentifier(condition.column), condition.operator
    if operator == IS_NULL:
        return f"{column} IS {'NULL' if condition.value else 'NOT NULL'}", (), True
    if operator == IN and not condition.value:
        return "0", (), True
    values: Any = condition.value if operator == IN else (condition.value,)
    if operator in _COMPARISONS or operator == IN:
        if condition.type is ColumnType.TEXT and isUTF8:
            found = _textSQL(column, operator, values)
        elif condition.type is ColumnType.NUMBER:
            found = _numberSQL(column, operator, values)
        else:
            found = None
        if found is not None:
            return found
    return f"{column} IS NOT NULL", (), False


def _textSQL(
    column: str, operator: str, values: Sequence[str]
) -> tuple[str, tuple[Any, ...], bool] | None:
    """
    @return: L{None} if SQL cannot compare with the values.
    """
    isEqual = operator in (EQ, IN)
    for value in values:
        # Clients see bytes that are not UTF-8 as U+FFFD, which sorts elsewhere.  Both sort alike
        # only in comparison with ASCII.
        if "\ufffd" in value or not (value.isascii() if not isEqual else isUnicode(value)):
            return None
    # Conditions compare by code points, whatever the column's collation is.
    column += " COLLATE BINARY"
    if operator == IN:
        return f"{column} IN ({', '.join('?' * len(values))})", tuple(values), True
    return f"{column} {_COMPARISONS[operator]} ?", tuple(values), isEqual


def _numberSQL(
    column: str, operator: str, values: Sequence[Any]
) -> tuple[str, tuple[Any, ...], bool] | None:
    """
    @return: L{None} if SQL cannot compare with the values.
    """
    parameters = [_number(each, operator) for each in values]
    if None in parameters:
        return None
    isEqual = operator in (EQ, IN) and all(
        Decimal(repr(each)) == given for each, given in zip(parameters, values, strict=True)
    )
    if operator == IN:
        return f"{column} IN ({', '.join('?' * len(parameters))})", tuple(parameters), isEqual
    compared = f"{column} {_COMPARISONS[operator]} ?"
    if operator in (LT, LTE):
        # To SQLite this is a text, so greater than all numbers; clients see it as a number.
        compared = f"({compared} OR {column} = '-Infinity')"
    return compared, tuple(parameters), isEqual


def _number(value: Any, operator: str) -> int | float | None:
    """
    @return: The number to compare with instead; L{None} if there is none.
    """
    if not isinstance(value, (int, float, Decimal)) or not -MAX_INTEGER <= value <= MAX_INTEGER:
        return None
    whole = math.ceil(value) if operator in (GT, GTE) else math.floor(value)
    if whole == value or abs(whole) >= _DOUBLE:
        # Beyond that limit every double is a whole number, and the nearest one to a fraction may
        # be far away.
        return whole if -MAX_INTEGER <= whole <= MAX_INTEGER else None
    return float(value)


def selectionSQL(
    table: str, columns: Sequence[str], selection: Selection, isUTF8: bool = True
) -> tuple[str, list[Any]]:
    """
    Make the statement that reads a selection, or more rows.

    @param isUTF8: Whether the database stores text as UTF-8.
    """
    names = ", ".join(map(quoteIdentifier, columns))
    sql = f"SELECT {names} FROM main.{quoteIdentifier(table)}"
    parameters: list[Any] = []
    exact = True
    wheres = []
    for condition in selection.conditions:
        where, values, precise = conditionSQL(condition, isUTF8)
        wheres.append(where)
        parameters += values
        exact = exact and precise
    if wheres:
        sql += f" WHERE {' AND '.join(wheres)}"
    if selection.order:
        directions = (
            # Clients keep rows in order by comparing texts by code points.
            f"{quoteIdentifier(name)} COLLATE BINARY{' DESC' if down else ''} NULLS LAST"
            for name, down in selection.order
        )
        sql += f" ORDER BY {', '.join(directions)}"
    if selection.limit is not None and exact:
        sql += " LIMIT ?"
        parameters.append(selection.limit)
    return sql, parameters


def readRows(
    cursor: sqlite3.Cursor,
    table: str,
    columns: Sequence[str],
    selection: Selection,
    bounds: Bounds,
) -> tuple[list[Row], int]:
    """
    Read the selected rows.

    @return: The rows in their JSON form, and about how many bytes they have.
    @raise RealtimeError: C{too_large}: the selection has more rows or bytes than the bounds
        allow, or takes too long.
    """
    late = time.monotonic() + bounds.seconds
    connection = cursor.connection
    connection.set_progress_handler(lambda: time.monotonic() > late, _STEPS)
    try:
        (encoding,) = cursor.execute("PRAGMA encoding").fetchone()
        cursor.execute(*selectionSQL(table, columns, selection, encoding == "UTF-8"))
        named = (dict(zip(columns, map(toJSON, row), strict=True)) for row in _rows(cursor))
        return collect(named, selection, bounds)
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode == sqlite3.SQLITE_INTERRUPT:
            raise bounds.tooLong() from None
        raise
    finally:
        connection.set_progress_handler(None, 0)


def _rows(cursor: sqlite3.Cursor) -> Iterator[tuple[Any, ...]]:
    while rows := cursor.fetchmany(_PAGE):
        yield from rows
