"""
Reading rows of a PostgreSQL table, as somebody selected them, at one point among its changes.

What is asked of the database may let too many rows through, and never too few; see
L{aerostack.tracker.rows}.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from psycopg import sql
from psycopg.errors import InsufficientPrivilege, QueryCanceled

from aerostack.core.changes import Row
from aerostack.core.columns import ColumnType
from aerostack.core.comparing import READERS
from aerostack.core.conditions import EQ, GT, GTE, IN, IS_NULL, LT, LTE, Condition
from aerostack.core.identifiers import quoteIdentifier
from aerostack.core.selection import Bounds, Selection, collect
from aerostack.errors import RealtimeError
from aerostack.tracker.postgrescatalog import SCHEMA, Table
from aerostack.tracker.postgresledger import standstill
from aerostack.tracker.postgresschema import LOCKS, SEQUENCER

_PAGE = 200

_INTEGERS = ("int2", "int4", "int8")
_EXACT_NUMBERS = (*_INTEGERS, "numeric")
_EXACT_TEXTS = ("text", "varchar")
_MOMENTS = ("timestamptz", "timestamp", "date")

_OPERATORS = {EQ: "=", GT: ">", GTE: ">=", LT: "<", LTE: "<="}
# Where a value that is compared was rounded, what was more or less may be equal.
_LAX = {**_OPERATORS, GT: ">=", LT: "<="}

_ORIGIN = datetime(2000, 1, 1)
_ORIGIN_READ: Any = READERS[ColumnType.TIME]("2000-01-01")


def conditionSQL(condition: Condition, base: str, category: str) -> tuple[str, list[Any], bool]:
    """
    A condition as SQL.

    @param base: The name of the column's type.
    @param category: What kind of type that is.
    @return: The SQL; the values of its placeholders; and whether exactly the rows that meet
        the condition meet it.
    """
    column = quoteIdentifier(condition.column).replace("%", "%%")
    operator = condition.operator
    if operator == IS_NULL:
        return f"{column} IS {'NULL' if condition.value else 'NOT NULL'}", [], True
    anything: tuple[str, list[Any], bool] = (f"{column} IS NOT NULL", [], False)
    if operator not in _OPERATORS and operator != IN:
        return anything
    values: Any = condition.value if operator == IN else (condition.value,)
    parameters = [_parameter(each, condition.type, base, category) for each in values]
    if any(each is None for each in parameters):
        return anything
    exact = base != "float8"
    if condition.type is ColumnType.TEXT:
        if base not in _EXACT_TEXTS and operator in (GT, GTE, LT, LTE):
            return anything
        exact = base in _EXACT_TEXTS
        if operator != IN and operator != EQ:
            # By code points, as conditions compare.
            column += ' COLLATE "C"'
    elif category == "E":
        column += "::text"
    if operator == IN:
        if not parameters:
            return "false", [], True
        return f"{column} IN ({', '.join(['%s'] * len(parameters))})", parameters, exact
    sign = _OPERATORS[operator] if exact else _LAX[operator]
    return f"{column} {sign} %s", parameters, exact


def _parameter(value: Any, type: ColumnType, base: str, category: str) -> Any:
    """
    @return: L{None} if the database cannot be asked for the value.
    """
    if type is ColumnType.NUMBER:
        if base not in (*_EXACT_NUMBERS, "float8"):
            # What a float4 is told as is not the double that it is.
            return None
        if isinstance(value, float):
            value = Decimal(value)
        if isinstance(value, Decimal):
            return value if value.is_finite() else None
        return value if isinstance(value, int) else None
    if type is ColumnType.TEXT:
        return None if "\x00" in value else value
    if type is ColumnType.BOOLEAN:
        return value
    if type is ColumnType.TIME:
        return _moment(value, base)
    inner = value[1]
    if base == "uuid" and isinstance(inner, str):
        try:
            found = UUID(inner)
        except ValueError:
            return None
        # It is told in one form only.
        return found if str(found) == inner else None
    if category == "E" and isinstance(inner, str) and "\x00" not in inner:
        return inner
    return None


def _moment(value: Any, base: str) -> datetime | None:
    if base not in _MOMENTS or value[0] != _ORIGIN_READ[0] or isinstance(value[1], float):
        return None
    try:
        found = _ORIGIN + timedelta(microseconds=value[1] - _ORIGIN_READ[1])
    except OverflowError:
        return None
    return found.replace(tzinfo=UTC) if base == "timestamptz" else found


def selectionSQL(table: Table, selection: Selection) -> tuple[str, list[Any]]:
    """
    The statement that reads a selection, or more.  Each row is the JSON text as which the
    triggers would copy it.
    """
    types = {column.name: column for column in table.columns}
    parameters: list[Any] = []
    exact = True
    wheres = []
    for condition in selection.conditions:
        column = types[condition.column]
        where, values, precise = conditionSQL(condition, column.base, column.category)
        wheres.append(where)
        parameters += values
        exact = exact and precise
    name = table.members[0].sql.replace("%", "%%")
    text = f"SELECT to_json(t.*)::text FROM {name} AS t"
    if wheres:
        text += f" WHERE {' AND '.join(wheres)}"
    if selection.order:
        text += " ORDER BY " + ", ".join(
            f"{quoteIdentifier(column).replace('%', '%%')}{' DESC' if down else ''} NULLS LAST"
            for column, down in selection.order
        )
    if selection.limit is not None and exact:
        text += " LIMIT %s"
        parameters.append(selection.limit)
    return text, parameters


@contextmanager
def point(cursor: Any, other: Any) -> Iterator[int]:
    """
    Hold still at one point among the changes: what is read of the database in the block is
    as it was there, while others write on.

    Every change that it has seen has a number, and no other change has one that is as low.
    For that all changes are numbered in a transaction that sees the same as ours, while
    nobody else numbers any; it is on another connection, because ours must not keep the
    numbers from those who wait for them.

    @param cursor: A cursor in autocommit mode.
    @param other: Another connection to the same database.
    @return: The number of the newest change that is seen.
    """
    with other.cursor() as numbering:
        numbering.execute("SELECT pg_advisory_lock(%s, %s)", (LOCKS, SEQUENCER))
        numbering.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        (name,) = numbering.execute("SELECT pg_export_snapshot()").fetchone()
        (newest,) = numbering.execute(f"SELECT {SCHEMA}.sequence()").fetchone()
        with standstill(cursor):
            cursor.execute(sql.SQL("SET TRANSACTION SNAPSHOT {}").format(name))
            numbering.execute("COMMIT")
            numbering.execute("SELECT pg_advisory_unlock(%s, %s)", (LOCKS, SEQUENCER))
            yield int(newest)


def readRows(
    cursor: Any,
    table: Table,
    tell: Callable[[str], Row],
    selection: Selection,
    bounds: Bounds,
) -> tuple[list[Row], int]:
    """
    Read what was selected, within a transaction.

    @param tell: Makes a row of its JSON text.
    @return: The rows in their JSON form, and about how many bytes they have.
    @raise RealtimeError: C{table_not_allowed}: the daemon's role may not read the table;
        C{too_large}: there is more than is read at once, or it takes too long.
    """
    statement, parameters = selectionSQL(table, selection)
    cursor.execute(f"SET LOCAL statement_timeout = {int(bounds.seconds * 1000):d}")
    try:
        with cursor.connection.cursor(name="_aerostack_rows") as found:
            found.execute(statement, parameters)
            return collect(_rows(found, tell, bounds), selection, bounds)
    except QueryCanceled:
        raise bounds.tooLong() from None
    except InsufficientPrivilege:
        raise RealtimeError(
            "table_not_allowed",
            f"The daemon's role may not read the rows of {table.name!r}; GRANT it SELECT.",
        ) from None


def _rows(found: Any, tell: Callable[[str], Row], bounds: Bounds) -> Iterator[Row]:
    late = time.monotonic() + bounds.seconds
    while page := found.fetchmany(_PAGE):
        if time.monotonic() > late:
            raise bounds.tooLong()
        for (text,) in page:
            yield tell(text)
