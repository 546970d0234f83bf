"""
Reading rows of an SQLite table, as somebody selected them.

What the database can be asked is asked, so that it can use its indexes; but whether a
row is really wanted is decided by the selection itself, by which its later changes will be
judged as well.  So a condition's SQL may let too many rows through, and never too few.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any

from aerostack.core.changes import Row
from aerostack.core.columns import ColumnType
from aerostack.core.conditions import EQ, GT, GTE, IN, IS_NULL, LT, LTE, Condition
from aerostack.core.identifiers import quoteIdentifier
from aerostack.core.selection import Bounds, Selection, collect
from aerostack.wire.values import toJSON

MAX_INTEGER = 2**63 - 1

_STEPS = 10_000
"""How many of SQLite's virtual machine steps go by between two looks at the clock."""

_PAGE = 200

# A number is compared as the double that is nearest to it: that one is not less where the
# number was greater, but it may be equal.
_COMPARISONS = {EQ: "=", GT: ">=", GTE: ">=", LT: "<=", LTE: "<="}


def conditionSQL(condition: Condition) -> tuple[str, tuple[Any, ...], bool]:
    """
    A condition as SQL.

    @return: The SQL; the values of its placeholders; and whether exactly the rows that meet
        the condition meet it.
    """
    column, value = quoteIdentifier(condition.column), condition.value
    if condition.operator == IS_NULL:
        return f"{column} IS {'NULL' if value else 'NOT NULL'}", (), True
    values: Sequence[Any] = value if condition.operator == IN else (value,)  # type: ignore[assignment]
    parameters = [_parameter(condition.type, each) for each in values]
    if None in parameters or (condition.operator not in _COMPARISONS and condition.operator != IN):
        return f"{column} IS NOT NULL", (), False
    exact = condition.operator in (EQ, IN) and all(
        isinstance(each, str) or Decimal(repr(each)) == Decimal(given)
        for each, given in zip(parameters, values, strict=True)
    )
    if condition.type is ColumnType.TEXT:
        # By code points, as conditions compare, whatever the column's collation is.
        column += " COLLATE BINARY"
    if condition.operator == IN:
        return f"{column} IN ({', '.join('?' * len(parameters))})", tuple(parameters), exact
    return f"{column} {_COMPARISONS[condition.operator]} ?", tuple(parameters), exact


def _parameter(type: ColumnType, value: Any) -> str | int | float | None:
    """
    @return: L{None} if the database cannot be asked for the value.
    """
    if type is ColumnType.TEXT:
        # What is told as U+FFFD may be stored as other bytes.
        return None if "\ufffd" in value else str(value)
    if type is not ColumnType.NUMBER or not isinstance(value, (int, float, Decimal)):
        return None
    if value != value:
        return None
    if isinstance(value, Decimal) and value.is_finite() and value == value.to_integral_value():
        value = int(value)
    if isinstance(value, int):
        return value if -MAX_INTEGER <= value <= MAX_INTEGER else None
    return float(value)


def selectionSQL(table: str, columns: Sequence[str], selection: Selection) -> tuple[str, list[Any]]:
    """
    The statement that reads a selection, or more.
    """
    names = ", ".join(map(quoteIdentifier, columns))
    sql = f"SELECT {names} FROM main.{quoteIdentifier(table)}"
    parameters: list[Any] = []
    exact = True
    wheres = []
    for condition in selection.conditions:
        where, values, precise = conditionSQL(condition)
        wheres.append(where)
        parameters += values
        exact = exact and precise
    if wheres:
        sql += f" WHERE {' AND '.join(wheres)}"
    if selection.order:
        directions = (
            f"{quoteIdentifier(name)}{' DESC' if down else ''} NULLS LAST"
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
    Read what was selected.

    @return: The rows in their JSON form, and about how many bytes they have.
    @raise RealtimeError: C{too_large}: there is more than is read at once, or it takes too
        long.
    """
    late = time.monotonic() + bounds.seconds
    connection = cursor.connection
    connection.set_progress_handler(lambda: time.monotonic() > late, _STEPS)
    try:
        cursor.execute(*selectionSQL(table, columns, selection))
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
