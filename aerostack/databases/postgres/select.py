"""
Reads the selected rows of a PostgreSQL table, at one point among its changes.

The SQL may let too many rows through, but never too few; see L{aerostack.databases.sqlite.select}.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from psycopg import sql
from psycopg.errors import InsufficientPrivilege, LockNotAvailable, QueryCanceled

from aerostack.core.rows.changes import Row
from aerostack.core.rows.columns import ColumnType
from aerostack.core.rows.comparison import READERS, isUnicode
from aerostack.core.rows.conditions import EQ, GT, GTE, IN, IS_NULL, LT, LTE, Condition
from aerostack.core.rows.selection import Bounds, Selection, collect
from aerostack.databases.identifiers import quoteIdentifier
from aerostack.databases.postgres.catalog import SCHEMA, Table
from aerostack.databases.postgres.ledger import standstill
from aerostack.databases.postgres.rowsql import rowSQL
from aerostack.databases.postgres.schema import LOCK_NUMBERS
from aerostack.errors import RealtimeError

_PAGE = 200

WAITING = 1000
"""For how long, in ms, to wait for a lock: meanwhile other interactions wait for the
connection."""

_EXACT_NUMBERS = ("int2", "int4", "int8", "numeric")
_EXACT_TEXTS = ("text", "varchar")
_MOMENTS = ("timestamptz", "timestamp", "date")

_LARGEST = Decimal(sys.float_info.max)
_NUMERIC_LIMIT = 10**1000
"""The SQL compares no larger numbers, and no numbers with as many digits after the point, because
C{numeric} does not accept all that can be written."""

# Each operator names its schema, because another schema may have operators of the same name.
_OPERATORS = {
    operator: f"OPERATOR(pg_catalog.{sign})"
    for operator, sign in {EQ: "=", IN: "=", GT: ">", GTE: ">=", LT: "<", LTE: "<="}.items()
}
# If a compared value was rounded, a greater or lesser one may be equal to it.
_LAX = {**_OPERATORS, GT: _OPERATORS[GTE], LT: _OPERATORS[LTE]}

_ORIGIN = datetime(2000, 1, 1)
_ORIGIN_READ: Any = READERS[ColumnType.TIME]("2000-01-01")

# Only the server's own types are certain to have the server's operators and casts.
_KINDS = """
SELECT a.attname, b.typname, b.typtype = 'e' AND b.oid = a.atttypid,
  b.typnamespace = 'pg_catalog'::regnamespace, coalesce(c.collisdeterministic, true)
FROM pg_attribute a
CROSS JOIN LATERAL (
  WITH RECURSIVE base AS (
    SELECT t.* FROM pg_type t WHERE t.oid = a.atttypid
    UNION ALL
    SELECT t.* FROM base JOIN pg_type t ON t.oid = base.typbasetype WHERE base.typtype = 'd'
  )
  SELECT * FROM base WHERE typtype <> 'd'
) AS b
LEFT JOIN pg_collation c ON c.oid = a.attcollation
WHERE a.attrelid = %s AND a.attname = ANY (%s)
"""


@dataclass(frozen=True)
class Kind:
    """
    What a comparison in SQL needs to know of a column's type.

    @ivar base: The name of the type, or of the type beneath a domain; empty for a type that is
        not the server's own.
    @ivar isEnum: It is an enum, and not a domain over one.
    @ivar isExact: Only identical texts are equal.
    """

    base: str
    isEnum: bool = False
    isExact: bool = True


def kindsOf(cursor: Any, oid: int, columns: Iterable[str]) -> dict[str, Kind]:
    """
    Read the kinds of a table's columns.
    """
    found = cursor.execute(_KINDS, (oid, sorted(columns))).fetchall()
    return {
        name: Kind(base if isOwn else "", isEnum, isExact)
        for name, base, isEnum, isOwn, isExact in found
    }


def conditionSQL(condition: Condition, kind: Kind) -> tuple[str, list[Any], bool]:
    """
    Translate a condition to SQL.

    @param kind: The kind of the column.
    @return: The SQL; the values of its placeholders; and whether exactly the rows that meet the
        condition meet the SQL.
    """
    column = quoteIdentifier(condition.column).replace("%", "%%")
    operator = condition.operator
    # For a composite value, IS NULL would check its fields.
    isNull, isNotNull = f"{column} IS NOT DISTINCT FROM NULL", f"{column} IS DISTINCT FROM NULL"
    if operator == IS_NULL:
        if condition.type is ColumnType.JSON:
            # Clients get the document null as null, too.
            return ("true" if condition.value else isNotNull), [], False
        return (isNull if condition.value else isNotNull), [], True
    if operator == IN and not condition.value:
        return "false", [], True
    anything: tuple[str, list[Any], bool] = (isNotNull, [], False)
    if operator not in _OPERATORS:
        return anything
    values: Any = condition.value if operator == IN else (condition.value,)
    parameters = [_parameter(each, condition.type, kind) for each in values]
    if any(each is None for each in parameters):
        return anything
    isExact = kind.base != "float8"
    if condition.type is ColumnType.TEXT:
        if operator in (EQ, IN):
            isExact = kind.base in _EXACT_TEXTS and kind.isExact
        elif kind.base in _EXACT_TEXTS:
            # Conditions compare by code points.
            column += ' COLLATE pg_catalog."C"'
        else:
            return anything
    elif kind.isEnum:
        # This gives the text that the built-in cast gives; a role may have defined another cast.
        column = f"pg_catalog.textin(pg_catalog.enum_out({column}))"
    sign = (_OPERATORS if isExact else _LAX)[operator]
    compared = " OR ".join([f"{column} {sign} %s"] * len(parameters))
    return f"({compared})", parameters, isExact


def _parameter(value: Any, type: ColumnType, kind: Kind) -> Any:
    """
    @return: L{None} if SQL cannot compare with the value.
    """
    base = kind.base
    if type is ColumnType.NUMBER:
        return _number(value, base)
    if type is ColumnType.TEXT:
        return value if base in (*_EXACT_TEXTS, "bpchar") and _isStorable(value) else None
    if type is ColumnType.BOOLEAN:
        return value if base == "bool" else None
    if type is ColumnType.TIME:
        return _moment(value, base)
    if type is not ColumnType.OTHER or not _isStorable(value):
        return None
    if base == "uuid":
        try:
            found = UUID(value)
        except ValueError:
            return None
        # Clients get a UUID in one form only.
        return found if str(found) == value else None
    return value if kind.isEnum else None


def _isStorable(text: str) -> bool:
    return "\x00" not in text and isUnicode(text)


def _number(value: Any, base: str) -> Any:
    if not isinstance(value, (int, float, Decimal)) or not -_NUMERIC_LIMIT < value < _NUMERIC_LIMIT:
        return None
    if base == "float8":
        # Clients get the double that the row holds.
        return float(value) if -_LARGEST <= value <= _LARGEST else None
    if base not in _EXACT_NUMBERS:
        # Clients get a float4 as another number than the double that it is.
        return None
    if base != "numeric" and value == int(value):
        # An index can find an integer.
        return int(value)
    number = Decimal(value)
    _, _, exponent = number.as_tuple()
    return number if isinstance(exponent, int) and exponent > -1000 else None


def _moment(value: Any, base: str) -> datetime | None:
    if base not in _MOMENTS or value[0] != _ORIGIN_READ[0] or isinstance(value[1], float):
        return None
    try:
        found = _ORIGIN + timedelta(microseconds=value[1] - _ORIGIN_READ[1])
    except OverflowError:
        return None
    return found.replace(tzinfo=UTC) if base == "timestamptz" else found


def selectionSQL(
    table: Table, selection: Selection, kinds: Mapping[str, Kind]
) -> tuple[str, list[Any]]:
    """
    Make the statement that reads a selection, or more rows.  Each row is the JSON text that the
    triggers would write.

    @param kinds: The kinds of the columns in the conditions and in the order.
    """
    parameters: list[Any] = []
    exact = True
    wheres = []
    for condition in selection.conditions:
        where, values, precise = conditionSQL(condition, kinds[condition.column])
        wheres.append(where)
        parameters += values
        exact = exact and precise
    source = f"{table.sql.replace('%', '%%')} AS n"
    if wheres:
        source += f" WHERE {' AND '.join(wheres)}"
    if selection.order:
        source += " ORDER BY " + ", ".join(
            f"n.{quoteIdentifier(column).replace('%', '%%')}{_collation(kinds[column])}"
            f"{' DESC' if down else ''} NULLS LAST"
            for column, down in selection.order
        )
    if selection.limit is not None and exact:
        source += " LIMIT %s"
        parameters.append(selection.limit)
    return f"SELECT t.row::text FROM ({rowSQL(table.columns, source)}) AS t", parameters


def _collation(kind: Kind) -> str:
    """Clients keep rows in order by comparing texts by code points, whatever the column's
    collation."""
    return ' COLLATE pg_catalog."C"' if kind.base in ("text", "varchar", "bpchar") else ""


@contextmanager
def point(cursor: Any, lend: Callable[[], AbstractContextManager[Any]]) -> Iterator[int]:
    """
    Fix one point among the changes: reads in the block see the database as it was there, while
    other programs write on.

    Every change before that point has a number, and no other change gets a number as low.  For
    this a transaction with the same snapshot numbers all changes, while no other session numbers
    any.  It runs on another connection, because the reading transaction must not delay the
    numbers for others.

    @param cursor: A cursor in autocommit mode.
    @param lend: Lends another connection to the same database.
    @return: The number of the newest change before the point.
    @raise RealtimeError: C{database_unavailable}: another program holds a lock.
    """
    with standstill(cursor):
        try:
            with lend() as other, other.cursor() as numbering:
                # A wait for a lock takes no snapshot yet.
                numbering.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
                numbering.execute(f"SET LOCAL lock_timeout = {WAITING:d}")
                numbering.execute(LOCK_NUMBERS)
                (name,) = numbering.execute("SELECT pg_export_snapshot()").fetchone()
                (newest,) = numbering.execute(f"SELECT {SCHEMA}.sequence()").fetchone()
                cursor.execute(sql.SQL("SET TRANSACTION SNAPSHOT {}").format(name))
                numbering.execute("COMMIT")
        except LockNotAvailable:
            raise locked("The changes are being numbered") from None
        yield int(newest)


def locked(what: str) -> RealtimeError:
    """
    The error for a read that would have to wait too long for a lock.

    @param what: The beginning of the sentence, up to the words "by another program".
    """
    return RealtimeError(
        "database_unavailable", f"{what} by another program for long; ask again.", 1000
    )


def readRows(
    cursor: Any,
    table: Table,
    decode: Callable[[str], Row],
    selection: Selection,
    bounds: Bounds,
) -> tuple[list[Row], int]:
    """
    Read the selected rows, within a transaction.

    @param decode: Converts the JSON text of a row.
    @return: The rows in their JSON form, and about how many bytes they have.
    @raise RealtimeError: C{table_not_allowed}: the daemon's role may not read the table;
        C{database_unavailable}: another program has it locked; C{too_large}: the selection has
        more rows or bytes than the bounds allow, or takes too long.
    """
    named = {condition.column for condition in selection.conditions}
    named |= {column for column, _ in selection.order}
    kinds = kindsOf(cursor, table.oid, named) if named else {}
    if not named <= kinds.keys():
        raise RealtimeError(
            "invalid_filter", f"The table {table.name} has other columns now; subscribe again."
        )
    statement, parameters = selectionSQL(table, selection, kinds)
    cursor.execute(f"SET LOCAL statement_timeout = {int(bounds.seconds * 1000):d}")
    cursor.execute(f"SET LOCAL lock_timeout = {WAITING:d}")
    try:
        with cursor.connection.cursor(name="_aerostack_rows") as found:
            found.execute(statement, parameters)
            return collect(_rows(found, decode, bounds), selection, bounds)
    except QueryCanceled:
        raise bounds.tooLong() from None
    except LockNotAvailable:
        raise locked(f"The table {table.name!r} is locked") from None
    except InsufficientPrivilege:
        raise RealtimeError(
            "table_not_allowed",
            f"The daemon's role may not read the rows of {table.name!r}; GRANT it SELECT.",
        ) from None


def _rows(found: Any, decode: Callable[[str], Row], bounds: Bounds) -> Iterator[Row]:
    late = time.monotonic() + bounds.seconds
    while page := found.fetchmany(_PAGE):
        if time.monotonic() > late:
            raise bounds.tooLong()
        for (text,) in page:
            yield decode(text)
