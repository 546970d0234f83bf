"""
What the rows of a SQLite database look like in JSON, for programs that are written against them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from aerostack.core.rows.shapes import ColumnShape, Kind, Shape, TableShapes
from aerostack.databases.sqlite.names import isInternal

STATEMENT = (
    'SELECT t.name AS "table", c.name AS "column", c.type, c."notnull", c.pk'
    " FROM pragma_table_list AS t, pragma_table_xinfo(t.name, t.schema) AS c"
    # The hidden columns of virtual tables have 1; computed columns have 2 and 3.
    " WHERE t.schema = 'main' AND t.type = 'table' AND c.hidden <> 1 ORDER BY t.name, c.cid"
)
"""Reads all columns.  Its answer is for L{readShapes}."""

# SQLite's rules, in its order (https://sqlite.org/datatype3.html, 3.1).
_KINDS = (
    (("INT",), Kind.WIDE),
    (("CHAR", "CLOB", "TEXT"), Kind.TEXT),
    (("BLOB",), Kind.BYTES),
    (("REAL", "FLOA", "DOUB"), Kind.FLOAT),
    (("BOOL",), Kind.NUMBER),
    (("NUM", "DEC"), Kind.WIDE),
    # To SQLite these are numbers, but their values are usually text.
    (("JSON", "UUID"), Kind.TEXT),
)


def readShapes(rows: Sequence[Mapping[str, Any]]) -> TableShapes:
    """
    Read the answer to L{STATEMENT}.

    A table of SQLite takes any value in any column, unless it is C{STRICT}; the shapes are what the
    declared types are for.
    """
    tables: dict[str, tuple[ColumnShape, ...]] = {}
    for row in rows:
        if isInternal(row["table"]):
            continue
        column = ColumnShape(
            row["column"],
            Shape(_kind(row["type"] or "")),
            # Older tables may have NULL in a primary key; no program means to write one.
            not row["notnull"] and not row["pk"],
        )
        tables[row["table"]] = (*tables.get(row["table"], ()), column)
    return tables


def _kind(declared: str) -> Kind:
    if not declared or declared.upper() == "ANY":
        return Kind.ANY
    for words, kind in _KINDS:
        if any(word in declared.upper() for word in words):
            return kind
    # Such as DATETIME: text or a number, as the program likes.
    return Kind.MIXED
