"""
Reads the definition of a PostgreSQL table, as far as it is needed to follow the table.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from aerostack.core.rows.columns import Columns, ColumnType
from aerostack.databases.identifiers import quoteIdentifier
from aerostack.databases.postgres.settings import PATH, SCHEMA
from aerostack.databases.postgres.values import SCALARS
from aerostack.errors import RealtimeError

_KINDS = {
    "v": "a view",
    "m": "a materialized view",
    "f": "a foreign table",
}

_NUMBERS = ("int2", "int4", "int8", "float4", "float8", "numeric")
_TIMES = ("date", "timestamp", "timestamptz", "time", "timetz")

# A name is looked up first as it is on the role's search path, then with a schema before one of
# its dots, and then in lower case, to find its spelling.  The daemon's own search path has no
# schemas of other roles, so this query resolves the name as the server would.
_FIND = f"""
WITH written AS (
  SELECT CASE WHEN left(part, 1) = '"' THEN replace(substr(part, 2, length(part) - 2), '""', '"')
    ELSE lower(part) END AS name, place
  FROM (SELECT m[1] AS part, place FROM regexp_matches(current_setting('{PATH}'),
    '"(?:[^"]|"")*"|[^,\\s"]+', 'g') WITH ORDINALITY AS found (m, place)) AS parts
), path AS (
  SELECT n.oid, min(w.place) AS place FROM (
    SELECT 'pg_catalog' AS name, 0 AS place UNION ALL
    SELECT CASE WHEN name = '$user' THEN current_user::text ELSE name END, place FROM written
  ) AS w JOIN pg_namespace n ON n.nspname = w.name
  WHERE has_schema_privilege(n.oid, 'USAGE') GROUP BY n.oid
  UNION ALL SELECT pg_my_temp_schema(), -1
), seen AS (
  SELECT DISTINCT ON (c.relname) c.oid FROM pg_class c JOIN path ON path.oid = c.relnamespace
  WHERE c.relname = ANY (%(names)s::text[]) ORDER BY c.relname, path.place
)
SELECT c.oid, n.nspname, c.relname, c.relkind::text, c.relpersistence::text,
  c.oid IN (SELECT oid FROM seen), has_schema_privilege(n.oid, 'USAGE'),
  (SELECT i.inhparent::regclass::text FROM pg_inherits i
   WHERE i.inhrelid = c.oid AND NOT i.inhdetachpending LIMIT 1), c.relispartition,
  row_security_active(c.oid)
FROM unnest(%(schemas)s::text[], %(names)s::text[])
  WITH ORDINALITY AS asked (schema, name, rank)
JOIN pg_class c ON c.relname = asked.name
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f')
  AND CASE WHEN asked.schema IS NULL THEN c.oid IN (SELECT oid FROM seen)
           ELSE n.nspname = asked.schema END
ORDER BY asked.rank LIMIT 1
"""

# The tables that hold rows know which value a column has in rows that are older than the column.
_COLUMNS = """
SELECT a.atttypid, a.attnum, a.attname, format_type(a.atttypid, a.atttypmod),
  b.typname, b.typcategory::text, CASE WHEN b.typcategory = 'A' THEN e.typname ELSE '' END,
  a.attgenerated = 'v',
  (SELECT CASE WHEN s.foreign_ THEN to_json(array_to_string(m.attmissingval, ''))::text
     ELSE (array_to_json(m.attmissingval) -> 0)::text END
   FROM pg_attribute m
   WHERE m.attrelid = ANY (%s) AND m.attname = a.attname AND m.atthasmissing LIMIT 1),
  s.foreign_, s.foreign_ AND (b.typcategory = 'A' OR b.typtype = 'c')
FROM pg_attribute a
CROSS JOIN LATERAL (
  WITH RECURSIVE base AS (
    SELECT t.*, 0 AS depth FROM pg_type t WHERE t.oid = a.atttypid
    UNION ALL
    SELECT t.*, base.depth + 1 FROM base JOIN pg_type t ON t.oid = base.typbasetype
    WHERE base.typtype = 'd'
  )
  SELECT * FROM base WHERE typtype <> 'd'
) AS b
CROSS JOIN LATERAL (
  WITH RECURSIVE leaf AS (
    SELECT t.*, 0 AS depth FROM pg_type t WHERE t.oid = b.oid
    UNION ALL
    SELECT t.*, leaf.depth + 1 FROM leaf JOIN pg_type t
    ON t.oid = CASE WHEN leaf.typtype = 'd' THEN leaf.typbasetype
                    WHEN leaf.typcategory = 'A' THEN leaf.typelem END
  )
  SELECT * FROM leaf ORDER BY depth DESC LIMIT 1
) AS e
CROSS JOIN LATERAL (
  SELECT e.oid >= 16384 AND (e.typtype = 'c'
    OR NOT EXISTS (SELECT FROM pg_roles r WHERE r.oid = e.typowner AND r.rolsuper)) AS foreign_
) AS s
WHERE a.attrelid = %s AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY a.attnum
"""

_TYPE = """
SELECT CASE WHEN t.typcategory = 'A' THEN t.typelem ELSE 0 END::bigint, t.typdelim::text,
  t.typbasetype::bigint, t.typtype = 'c', a.names, a.types
FROM pg_type t, LATERAL (
  SELECT array_agg(attname::text ORDER BY attnum) AS names,
    array_agg(atttypid::bigint ORDER BY attnum) AS types
  FROM pg_attribute WHERE attrelid = t.typrelid AND attnum > 0 AND NOT attisdropped
) AS a WHERE t.oid = %s
"""


def codeSQL(relation: str) -> str:
    """
    A subquery for a function that a read of a table calls, with its owner, if the daemon does not
    trust that role; null if there is none.  The planner evaluates constant expressions in
    indexes, constraints and statistics.  The daemon trusts superusers and the owner of the
    database.

    @param relation: The table's number.
    """
    return f"""(
  SELECT coalesce(p.oid::regprocedure::text, o.oid::regoperator::text, t.oid::regtype::text)
    || ' of the role ' || r.rolname
  FROM (
    SELECT 'pg_class'::regclass AS class, {relation} AS oid
    UNION ALL SELECT 'pg_class'::regclass, indexrelid FROM pg_index WHERE indrelid = {relation}
    UNION ALL SELECT 'pg_constraint'::regclass, oid FROM pg_constraint
    WHERE conrelid = {relation}
    UNION ALL SELECT 'pg_statistic_ext'::regclass, oid FROM pg_statistic_ext
    WHERE stxrelid = {relation}
  ) AS part
  JOIN pg_depend AS d ON d.classid = part.class AND d.objid = part.oid AND d.objsubid = 0
  LEFT JOIN pg_proc AS p ON d.refclassid = 'pg_proc'::regclass AND p.oid = d.refobjid
  LEFT JOIN pg_operator AS o ON d.refclassid = 'pg_operator'::regclass AND o.oid = d.refobjid
  LEFT JOIN pg_type AS t ON d.refclassid = 'pg_type'::regclass AND t.oid = d.refobjid
    AND t.typtype = 'd'
  JOIN pg_roles AS r ON r.oid = coalesce(p.proowner, o.oprowner, t.typowner)
  WHERE NOT r.rolsuper
    AND r.oid <> (SELECT datdba FROM pg_database WHERE datname = current_database())
  LIMIT 1
)"""


# The tables that hold a table's rows, itself the first.  Only its own session sees a temporary
# child.  A table is busy if it has a trigger of the user's that may change rows once more.
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
  ), {codeSQL("c.oid")}
FROM tree JOIN pg_class c ON c.oid = tree.oid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relpersistence <> 't'
ORDER BY c.oid <> %s::oid, c.oid
"""


@dataclass(frozen=True)
class Column:
    """
    One column.

    @ivar text: How to read the text form of its values, for
        L{formOf<aerostack.databases.postgres.values.formOf>}; L{None} if they have another form.
    @ivar oid: The number of its type.
    @ivar number: Identifies it among all columns that the table has or had.
    @ivar type: Its type, as SQL writes it.
    @ivar base: The name of that type, or of the type beneath a domain.
    @ivar category: The category of that type.
    @ivar element: The name of the innermost element type of an array; else empty.
    @ivar isVirtual: It is computed when it is read, so the triggers do not see it.
    @ivar fallback: The JSON text of the value that it has in rows that are older than it; L{None}
        for NULL.
    @ivar isForeign: A role that is no superuser owns its type, and may have defined a cast to
        C{json}: its values are only written by the type's own output function.
    """

    text: Any
    oid: int
    number: int
    name: str
    type: str
    base: str
    category: str
    element: str
    isVirtual: bool
    fallback: str | None
    isForeign: bool


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

    @ivar name: The name under which its changes are reported: with its schema, unless the role's
        search path finds it without.
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
    Read the definition of a table.

    @raise RealtimeError: C{table_not_allowed}, C{unknown_table} or C{untrackable_table}.
    """
    unknown = RealtimeError("unknown_table", f"The database has no table {name!r}.")
    if not name or "\x00" in name:
        raise unknown
    schemas, names = zip(*_readings(name), strict=True)
    asked = {"schemas": list(schemas), "names": list(names)}
    found = cursor.execute(_FIND, asked).fetchone()
    if found is None:
        raise unknown
    oid, schema, relation, kind, persistence, isVisible, isUsable, *rest = found
    parent, isPartition, isSecured = rest
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
    if isSecured:
        raise _untrackable(
            f"{spelled!r} has row level security, which the triggers that record changes do not"
            " heed. Let rules of the configuration say who may read which rows, and the daemon's"
            " role pass the policies: ALTER ROLE ... BYPASSRLS."
        )
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
    rows = cursor.execute(_COLUMNS, (members, oid)).fetchall()
    return tuple(
        Column(_readType(cursor, known[0]) if isNested else None, *known)
        for *known, isNested in rows
    )


def _readType(cursor: Any, oid: int) -> Any:
    """
    Describe the text form of a type's values.
    """
    if oid in SCALARS:
        return oid
    element, delimiter, base, isRow, names, types = cursor.execute(_TYPE, (oid,)).fetchone()
    if element:
        return ["array", delimiter, _readType(cursor, element)]
    if base:
        return _readType(cursor, base)
    if isRow:
        fields = zip(names or (), types or (), strict=True)
        return ["row", [[name, _readType(cursor, kind)] for name, kind in fields]]
    return 0


def _readMembers(cursor: Any, oid: int, name: str) -> tuple[tuple[Member, ...], bool]:
    members = []
    isBusy = False
    for row in cursor.execute(_MEMBERS, (oid, oid)).fetchall():
        member, schema, relation, kind, persistence, isAllowed, hasTriggers, code = row
        sql = qualify(schema, relation)
        reason = _KINDS.get(kind) or _lasting(persistence)
        if reason is not None:
            raise _untrackable(f"{name!r} has rows in {sql}, which is {reason}.")
        if not isAllowed:
            raise _untrackable(
                f"The daemon's role may not put triggers on {sql}; grant it TRIGGER on the"
                " table and USAGE on its schema."
            )
        if code is not None:
            raise _untrackable(
                f"A read of {sql} runs {code}, which an index, a constraint or statistics"
                " call; only a superuser or the owner of the database may own such a function."
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
    Give the type by which the values of each visible column are compared.
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
    Give the names of the columns of a table's primary key.
    """
    return [
        name
        for (name,) in cursor.execute(
            "SELECT a.attname FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid"
            " AND a.attnum = ANY (i.indkey) WHERE i.indrelid = %s AND i.indisprimary",
            (oid,),
        ).fetchall()
    ]
