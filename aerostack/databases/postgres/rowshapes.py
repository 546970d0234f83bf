"""
What the rows of a PostgreSQL database look like in JSON, for programs that are written against
them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from aerostack.core.rows.shapes import ColumnShape, Kind, Shape, TableShapes
from aerostack.databases.postgres.settings import SCHEMA

# The tables that can be followed, by the names by which they are.
_TABLES = f"""
SELECT c.oid, CASE WHEN pg_table_is_visible(c.oid) THEN c.relname
  ELSE n.nspname || '.' || c.relname END AS name
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p') AND c.relpersistence = 'p'
  AND n.nspname NOT IN ('{SCHEMA}', 'information_schema') AND n.nspname NOT LIKE 'pg\\_%'
  AND has_schema_privilege(n.oid, 'USAGE')
  AND NOT EXISTS (SELECT FROM pg_inherits i WHERE i.inhrelid = c.oid)
"""

STATEMENT = f"""
SELECT t.name AS "table", a.attname AS "column", a.atttypid::bigint AS type,
  a.attnotnull AS "notNull", a.attndims AS dimensions
FROM ({_TABLES}) AS t JOIN pg_attribute a ON a.attrelid = t.oid
WHERE a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated <> 'v'
ORDER BY t.name, a.attnum
"""
"""Reads all columns.  Its answer is for L{readShapes}."""

TYPES = f"""
WITH RECURSIVE used AS (
  SELECT DISTINCT a.atttypid AS oid FROM ({_TABLES}) AS t
  JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum > 0 AND NOT a.attisdropped
  UNION
  SELECT beneath.oid FROM used JOIN pg_type t ON t.oid = used.oid, LATERAL (
    SELECT t.typelem AS oid WHERE t.typcategory = 'A'
    UNION ALL SELECT t.typbasetype WHERE t.typtype = 'd'
    UNION ALL SELECT a.atttypid FROM pg_attribute a
    WHERE t.typtype = 'c' AND a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped
  ) AS beneath
)
SELECT t.oid::bigint AS oid, t.typname AS name, t.typtype = 'c' AS "isRow",
  CASE WHEN t.typcategory = 'A' AND t.typtype <> 'd' THEN t.typelem ELSE 0 END::bigint AS element,
  t.typbasetype::bigint AS base, t.typtype = 'd' AND t.typnotnull AS "notNull",
  (SELECT json_agg(e.enumlabel ORDER BY e.enumsortorder) FROM pg_enum e WHERE e.enumtypid = t.oid)
    AS labels,
  (SELECT json_agg(json_build_array(a.attname, a.atttypid::bigint) ORDER BY a.attnum)
   FROM pg_attribute a WHERE t.typtype = 'c' AND a.attrelid = t.typrelid AND a.attnum > 0
     AND NOT a.attisdropped) AS fields
FROM used JOIN pg_type t ON t.oid = used.oid
"""
"""Reads the types of all columns, and those that they are made of.  For L{readShapes}, too."""

_KINDS = {
    "bool": Kind.BOOLEAN,
    "bytea": Kind.BYTES,
    "int2": Kind.NUMBER,
    "int4": Kind.NUMBER,
    "int8": Kind.WIDE,
    "numeric": Kind.WIDE,
    "float4": Kind.FLOAT,
    "float8": Kind.FLOAT,
    "oid": Kind.TEXT,
    "json": Kind.JSON,
    "jsonb": Kind.JSON,
}
"""What the built-in types look like; all others are text."""


def readShapes(
    columns: Sequence[Mapping[str, Any]], types: Sequence[Mapping[str, Any]]
) -> TableShapes:
    """
    Read the answers to L{STATEMENT} and L{TYPES}.
    """
    known = {row["oid"]: row for row in types}
    tables: dict[str, tuple[ColumnShape, ...]] = {}
    for row in columns:
        kind = known[row["type"]]
        column = ColumnShape(
            row["column"],
            _shape(kind, known, row["dimensions"]),
            not (row["notNull"] or kind["notNull"]),
        )
        tables[row["table"]] = (*tables.get(row["table"], ()), column)
    return tables


def _shape(kind: Mapping[str, Any], known: Mapping[int, Mapping[str, Any]], lists: int) -> Shape:
    """
    Describe a type.

    @param known: The types by number.
    @param lists: How many dimensions an array has by its declaration; PostgreSQL does not check.
    """
    if kind["base"]:
        return _shape(known[kind["base"]], known, lists)
    if kind["element"]:
        shape = _shape(known[kind["element"]], known, 0)
        for _ in range(max(1, lists)):
            shape = Shape(Kind.LIST, element=shape)
        return shape
    if kind["isRow"]:
        fields = ((name, _shape(known[oid], known, 0)) for name, oid in kind["fields"] or ())
        return Shape(Kind.OBJECT, fields=tuple(fields))
    if kind["labels"]:
        return Shape(Kind.TEXT, labels=tuple(kind["labels"]))
    return Shape(_KINDS.get(kind["name"], Kind.TEXT))
