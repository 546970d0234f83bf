"""
What a PostgreSQL table looks like, as far as following it needs to know.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from aerostack.core.columns import Columns, ColumnType
from aerostack.core.identifiers import quoteIdentifier
from aerostack.errors import RealtimeError

SCHEMA = "_aerostack"
"""Everything that is ours in the user's database is in this schema."""

_KINDS = {
    "v": "a view",
    "m": "a materialized view",
    "f": "a foreign table",
}

_NUMBERS = ("int2", "int4", "int8", "float4", "float8", "numeric")
_TIMES = ("date", "timestamp", "timestamptz", "time", "timetz")

# A name is looked for as it stands on the search path, then with a schema before one of its
# dots, and then in small letters, to say how it is spelled.
_FIND = """
SELECT c.oid, n.nspname, c.relname, c.relkind::text, c.relpersistence::text,
  pg_table_is_visible(c.oid), has_schema_privilege(n.oid, 'USAGE'),
  (SELECT i.inhparent::regclass::text FROM pg_inherits i
   WHERE i.inhrelid = c.oid AND NOT i.inhdetachpending LIMIT 1), c.relispartition
FROM unnest(%s::text[], %s::text[]) WITH ORDINALITY AS asked (schema, name, rank)
JOIN pg_class c ON c.relname = asked.name
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f')
  AND CASE WHEN asked.schema IS NULL THEN pg_table_is_visible(c.oid)
           ELSE n.nspname = asked.schema END
ORDER BY asked.rank LIMIT 1
"""

# What a column has in rows that were there before it, the tables know that hold rows.
_COLUMNS = """
SELECT coalesce(e.typrelid, b.typrelid), a.attnum, a.attname,
  format_type(a.atttypid, a.atttypmod), b.typname, b.typcategory::text,
  coalesce(e.typname, ''), a.attgenerated = 'v',
  (SELECT (array_to_json(m.attmissingval) -> 0)::text FROM pg_attribute m
   WHERE m.attrelid = ANY (%s) AND m.attname = a.attname AND m.atthasmissing LIMIT 1)
FROM pg_attribute a
CROSS JOIN LATERAL (
  WITH RECURSIVE base AS (
    SELECT t.* FROM pg_type t WHERE t.oid = a.atttypid
    UNION ALL
    SELECT t.* FROM base JOIN pg_type t ON t.oid = base.typbasetype WHERE base.typtype = 'd'
  )
  SELECT * FROM base WHERE typtype <> 'd'
) AS b
LEFT JOIN pg_type e ON e.oid = b.typelem AND b.typcategory = 'A'
WHERE a.attrelid = %s AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY a.attnum
"""

# The tables that hold its rows, itself the first.  A temporary child is one session's own.
# "Busy" are those that have a trigger of the user's that may change rows once more.
_MEMBERS = f"""
WITH RECURSIVE tree AS (
  SELECT %s::oid AS oid
  UNION
  SELECT i.inhrelid FROM pg_inherits i JOIN tree ON i.inhparent = tree.oid
  WHERE NOT i.inhdetachpending
)
SELECT c.oid, n.nspname, c.relname, c.relkind::text, c.relpersistence::text,
  has_table_privilege(c.oid, 'TRIGGER') AND has_schema_privilege(n.oid, 'USAGE'),
  EXISTS (
    SELECT FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid
    WHERE t.tgrelid = c.oid AND NOT t.tgisinternal AND t.tgenabled <> 'D'
      AND t.tgtype & 1 <> 0 AND t.tgtype & 66 = 0
      AND p.pronamespace <> coalesce(to_regnamespace('{SCHEMA}')::oid, 0)
  )
FROM tree JOIN pg_class c ON c.oid = tree.oid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relpersistence <> 't'
ORDER BY c.oid <> %s::oid, c.oid
"""


@dataclass(frozen=True)
class Column:
    """
    One column.

    @ivar fields: What the composite type's fields hold that it is of, or its elements are;
        empty for any other.
    @ivar number: What tells it from every other column that the table has or had.
    @ivar type: Its type, as SQL writes it.
    @ivar base: The name of that type, or of the one beneath a domain.
    @ivar category: What kind of type that is.
    @ivar element: The name of an array's elements' type, else empty.
    @ivar isVirtual: It is computed when it is read, so the triggers do not see it.
    @ivar fallback: The JSON text of the value that it has in rows that were there before
        it, L{None} for NULL.
    """

    fields: tuple[Column, ...]
    number: int
    name: str
    type: str
    base: str
    category: str
    element: str
    isVirtual: bool
    fallback: str | None


@dataclass(frozen=True)
class Member:
    """
    A table that holds rows of the followed one: itself, a partition, or an inheritor.

    @ivar sql: Its name in SQL.
    @ivar hasRows: It can hold rows; the root of partitions cannot.
    """

    oid: int
    sql: str
    hasRows: bool


@dataclass(frozen=True)
class Table:
    """
    A table whose changes can be followed.

    @ivar name: The name by which its changes are told: with its schema, unless it is found
        without.
    @ivar members: The tables that hold its rows, itself the first.
    @ivar isBusy: A trigger of the user's may change rows again that were just changed.
    """

    oid: int
    name: str
    columns: tuple[Column, ...]
    members: tuple[Member, ...]
    isBusy: bool

    @property
    def sql(self) -> str:
        """The table's name in SQL."""
        return self.members[0].sql


def qualify(schema: str, name: str) -> str:
    """
    Write a table's name for SQL.
    """
    return f"{quoteIdentifier(schema)}.{quoteIdentifier(name)}"


def describe(cursor: Any, name: str) -> Table:
    """
    Read what a table looks like.

    @raise RealtimeError: C{table_not_allowed}, C{unknown_table} or C{untrackable_table}.
    """
    unknown = RealtimeError("unknown_table", f"The database has no table {name!r}.")
    if not name or "\x00" in name:
        raise unknown
    schemas, names = zip(*_readings(name), strict=True)
    found = cursor.execute(_FIND, (list(schemas), list(names))).fetchone()
    if found is None:
        raise unknown
    oid, schema, relation, kind, persistence, isVisible, isUsable, parent, isPartition = found
    if schema in (SCHEMA, "information_schema") or schema.startswith("pg_"):
        raise RealtimeError("table_not_allowed", f"The table {name!r} is internal.")
    spelled = relation if isVisible else f"{schema}.{relation}"
    reason = _KINDS.get(kind) or _lasting(persistence)
    if reason is not None:
        raise _untrackable(f"{spelled!r} is {reason}; only ordinary tables can be followed.")
    if parent is not None:
        relationship = "is a partition of" if isPartition else "inherits from"
        raise _untrackable(
            f"{spelled!r} {relationship} {parent}, through which it can be changed unseen;"
            f" subscribe to that."
        )
    if not isUsable:
        raise _untrackable(f"The daemon's role may not use the schema {schema!r}; grant it USAGE.")
    members, isBusy = _readMembers(cursor, oid, spelled)
    columns = _readColumns(cursor, oid, [member.oid for member in members])
    return Table(oid, spelled, columns, members, isBusy)


def _readings(name: str) -> Iterator[tuple[str | None, str]]:
    """
    Give the schemas and names that a topic's table may mean, the best first.
    """
    for spelled in (name, name.lower()):
        yield None, spelled
        parts = spelled.split(".")
        for i in range(1, len(parts)):
            yield ".".join(parts[:i]), ".".join(parts[i:])


def _readColumns(cursor: Any, oid: int, members: list[int]) -> tuple[Column, ...]:
    """
    Read the columns of a table, or the fields of a composite type.
    """
    rows = cursor.execute(_COLUMNS, (members, oid)).fetchall()
    return tuple(
        Column(_readColumns(cursor, part, []) if part else (), *known) for part, *known in rows
    )


def _readMembers(cursor: Any, oid: int, name: str) -> tuple[tuple[Member, ...], bool]:
    members = []
    isBusy = False
    for row in cursor.execute(_MEMBERS, (oid, oid)).fetchall():
        member, schema, relation, kind, persistence, isAllowed, hasTriggers = row
        sql = qualify(schema, relation)
        reason = _KINDS.get(kind) or _lasting(persistence)
        if reason is not None:
            raise _untrackable(f"{name!r} has rows in {sql}, which is {reason}.")
        if not isAllowed:
            raise _untrackable(
                f"The daemon's role may not put triggers on {sql}; grant it TRIGGER on the"
                " table and USAGE on its schema."
            )
        members.append(Member(member, sql, kind != "p"))
        isBusy = isBusy or hasTriggers
    return tuple(members), isBusy


def _lasting(persistence: str) -> str | None:
    return {"u": "an unlogged table", "t": "a temporary table"}.get(persistence)


def _untrackable(message: str) -> RealtimeError:
    return RealtimeError("untrackable_table", message)


def columnTypes(table: Table) -> Columns:
    """
    Tell of each column that is told what its values are compared as.
    """
    return {column.name: _columnType(column) for column in table.columns if not column.isVirtual}


def _columnType(column: Column) -> ColumnType:
    if column.base in _NUMBERS:
        return ColumnType.NUMBER
    if column.base in _TIMES:
        return ColumnType.TIME
    if column.base == "bool":
        return ColumnType.BOOLEAN
    if column.base in ("json", "jsonb"):
        return ColumnType.JSON
    if column.category in ("A", "C") or column.base == "bytea":
        return ColumnType.COMPOUND
    return ColumnType.TEXT if column.category == "S" else ColumnType.OTHER


def keyColumns(cursor: Any, oid: int | None) -> list[str]:
    """
    Give the names of a table's primary key's columns.
    """
    return [
        name
        for (name,) in cursor.execute(
            "SELECT a.attname FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid"
            " AND a.attnum = ANY (i.indkey) WHERE i.indrelid = %s AND i.indisprimary",
            (oid,),
        ).fetchall()
    ]
