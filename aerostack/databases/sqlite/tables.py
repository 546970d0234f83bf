"""
Reads the definition of a user's table, as far as its triggers need it.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from aerostack.core.rows.columns import Columns, ColumnType
from aerostack.databases.identifiers import quoteIdentifier
from aerostack.databases.sqlite.expressions import (
    TOKEN,
    indexPredicate,
    indexTerms,
    isHarmless,
    splitList,
    unquote,
)
from aerostack.databases.sqlite.names import fold, isInternal
from aerostack.errors import RealtimeError

MAX_COLUMNS = 500
"""
The highest number of columns of a followed table.  An entry of the journal holds a row twice, and
SQLite by default allows 2000 columns to a table.  But with triggers that name each column several
times the user's own C{ALTER TABLE} already takes seconds at this width, and the time grows with
its square.
"""

_ROWID_NAMES = ("rowid", "_rowid_", "oid")

_CONSTANT = re.compile(
    r"""\s*(?:
        [+-]?\s*(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?
        | [+-]?\s*0[xX][0-9a-fA-F]+
        | '(?:[^']|'')*'
        | [xX]'[0-9a-fA-F]*'
        | NULL | TRUE | FALSE
    )\s*""",
    re.VERBOSE | re.IGNORECASE,
)


# SQLite's rules, in its order (https://sqlite.org/datatype3.html, 3.1).
_AFFINITIES = (
    (("INT",), ColumnType.NUMBER),
    (("CHAR", "CLOB", "TEXT"), ColumnType.TEXT),
    (("BLOB",), ColumnType.ANY),
    (("REAL", "FLOA", "DOUB"), ColumnType.NUMBER),
    # Every other type is numeric to SQLite, also DATETIME, JSON and UUID, whose values are
    # usually text.  These types hold numbers:
    (("NUM", "DEC", "BOOL"), ColumnType.NUMBER),
)


@dataclass(frozen=True)
class Column:
    """
    One column.

    @ivar kind: Its declared type; empty without one.
    @ivar default: The SQL of its default, if that is a plain constant; else L{None}.
    @ivar replacement: The SQL of the value that REPLACE uses for a NULL that is not allowed; else
        L{None}.
    @ivar generated: Whether SQLite computes it from other columns.
    @ivar source: The SQL by which SQLite computes it, if that cannot fail; else L{None}.
    """

    name: str
    kind: str
    default: str | None
    notNull: bool
    generated: bool
    replacement: str | None = None
    source: str | None = None


@dataclass(frozen=True)
class Part:
    """
    One column of a key.

    @ivar sql: The column's name, quoted.
    @ivar collate: The SQL that applies the key's collation to a comparison; empty for the rowid.
    """

    sql: str
    collate: str


@dataclass(frozen=True)
class Unique:
    """
    A unique index, declared with the table or on its own.

    @ivar columns: The indexed columns; L{None} for an expression, whose SQL is in the part.
    @ivar predicate: The SQL of a partial index's WHERE, else L{None}.
    """

    columns: tuple[tuple[Column | None, Part], ...]
    predicate: str | None


@dataclass(frozen=True)
class Table:
    """
    A table whose changes can be followed.

    @ivar rowid: A name that gives access to the rowid; L{None} if the table is C{WITHOUT ROWID}.
    @ivar key: What distinguishes its rows: the rowid, or the primary key.
    @ivar stableKey: Whether the rowid is a column, an C{INTEGER PRIMARY KEY}, so that C{VACUUM}
        does not change it.
    @ivar keyColumns: The names of the primary key's columns, if any.
    @ivar triggered: Whether a trigger of the user's is on it.
    @ivar uniques: The unique indexes besides the key by which a REPLACE can hit another row.
        Indexes on expressions that may fail are not among them.
    """

    name: str
    columns: tuple[Column, ...]
    rowid: str | None
    key: tuple[Part, ...]
    stableKey: bool
    keyColumns: tuple[str, ...]
    uniques: tuple[Unique, ...]
    triggered: bool = False


def describe(cursor: sqlite3.Cursor, name: str) -> Table:
    """
    Read the definition of a table.

    @raise RealtimeError: C{table_not_allowed}, C{unknown_table} or
        C{untrackable_table}.
    """
    if isInternal(name):
        raise RealtimeError("table_not_allowed", f"The table {name!r} is internal.")
    if not name or "\x00" in name:
        raise RealtimeError("unknown_table", f"The database has no table {name!r}.")
    found = cursor.execute(
        "SELECT name, type, wr FROM pragma_table_list(?) WHERE schema = 'main'", (name,)
    ).fetchone()
    if found is None:
        raise RealtimeError("unknown_table", f"The database has no table {name!r}.")
    spelled, kind, withoutRowid = found
    if kind != "table":
        reason = {"view": "a view", "virtual": "a virtual table"}.get(kind, f"a {kind} table")
        raise RealtimeError(
            "untrackable_table", f"{spelled!r} is {reason}; only tables can be followed."
        )
    rows = cursor.execute(
        'SELECT name, type, dflt_value, "notnull", pk, hidden'
        " FROM pragma_table_xinfo(?, 'main') ORDER BY cid",
        (spelled,),
    ).fetchall()
    if len(rows) > MAX_COLUMNS:
        raise RealtimeError(
            "untrackable_table",
            f"{spelled!r} has {len(rows)} columns; at most {MAX_COLUMNS} can be followed.",
        )
    sources = _readSources(cursor, spelled, rows)
    columns = tuple(
        Column(
            name=column,
            kind=declared or "",
            default=default if default and _CONSTANT.fullmatch(default) else None,
            notNull=bool(notNull),
            generated=hidden in (2, 3),
            replacement=f"({default})" if notNull and default and isHarmless(default, ()) else None,
            source=sources.get(fold(column)) if hidden in (2, 3) else None,
        )
        for column, declared, default, notNull, _pk, hidden in rows
    )
    taken = {fold(column.name) for column in columns}
    rowid = None
    if not withoutRowid:
        rowid = next((alias for alias in _ROWID_NAMES if alias not in taken), None)
        if rowid is None:
            raise RealtimeError(
                "untrackable_table",
                f"{spelled!r} has columns named rowid, _rowid_ and oid, so its rows have no"
                " name left; rename one.",
            )
    primary, uniques = _readIndexes(cursor, spelled, columns)
    keyColumns = tuple(name for _, name in sorted((row[4], row[0]) for row in rows if row[4]))
    key = primary if rowid is None else (Part(rowid, ""),)
    # Every other primary key has its own index.
    stable = rowid is not None and len(keyColumns) == 1 and not primary
    if stable:
        # SQLite rewrites the column's name when it is renamed, and does not let it be dropped.
        key = (Part(quoteIdentifier(keyColumns[0]), ""),)
    if rowid is None:
        uniques = uniques[1:]
    triggered = cursor.execute(
        "SELECT 1 FROM sqlite_master WHERE type = 'trigger' AND tbl_name = ? COLLATE NOCASE"
        " AND substr(name, 1, 11) <> '_aerostack_' LIMIT 1",
        (spelled,),
    ).fetchone()
    return Table(spelled, columns, rowid, key, stable, keyColumns, uniques, triggered is not None)


def columnTypes(table: Table) -> Columns:
    """
    Give the type by which the values of each column are compared.
    """
    return {column.name: _columnType(column.kind) for column in table.columns}


def _columnType(kind: str) -> ColumnType:
    declared = kind.upper()
    for words, type in _AFFINITIES:
        if any(word in declared for word in words):
            return type
    return ColumnType.ANY


def _readIndexes(
    cursor: sqlite3.Cursor, table: str, columns: tuple[Column, ...]
) -> tuple[tuple[Part, ...], tuple[Unique, ...]]:
    """
    Read the unique indexes, the primary key's first.
    """
    indexes = cursor.execute(
        "SELECT name, origin, partial FROM pragma_index_list(?, 'main') WHERE \"unique\""
        " ORDER BY origin <> 'pk', name",
        (table,),
    ).fetchall()
    primary: tuple[Part, ...] = ()
    uniques = []
    for index, origin, partial in indexes:
        parts = cursor.execute(
            "SELECT cid, coll FROM pragma_index_xinfo(?, 'main') WHERE key ORDER BY seqno",
            (index,),
        ).fetchall()
        computed = any(cid < 0 for cid, _ in parts)
        sql = ""
        if partial or computed:
            (sql,) = cursor.execute(
                "SELECT sql FROM sqlite_master WHERE type = 'index' AND name = ?", (index,)
            ).fetchone()
        texts = [""] * len(parts)
        if computed:
            # Where the index's WHERE excludes values that would fail, SQLite may still evaluate
            # the expression first.
            texts = [] if partial else indexTerms(sql)
            names = [fold(column.name) for column in columns if not column.generated]
            if len(texts) != len(parts) or not all(
                cid >= 0 or isHarmless(text, names)
                for (cid, _), text in zip(parts, texts, strict=True)
            ):
                continue
        predicate = indexPredicate(sql) if partial else None
        members = tuple(
            (
                columns[cid] if cid >= 0 else None,
                Part(
                    quoteIdentifier(columns[cid].name) if cid >= 0 else f"({text})",
                    f" COLLATE {quoteIdentifier(collation)}",
                ),
            )
            for (cid, collation), text in zip(parts, texts, strict=True)
        )
        uniques.append(Unique(members, predicate))
        if origin == "pk":
            primary = tuple(part for _, part in members)
    return primary, tuple(uniques)


def _readSources(
    cursor: sqlite3.Cursor, table: str, rows: Sequence[tuple[Any, ...]]
) -> dict[str, str]:
    """
    Read the expressions of computed columns that cannot fail, by the folded names of the columns.
    """
    if all(row[5] not in (2, 3) for row in rows):
        return {}
    (sql,) = cursor.execute(
        "SELECT sql FROM sqlite_master WHERE type = 'table' AND name = ?", (table,)
    ).fetchone()
    names = [fold(row[0]) for row in rows if row[5] not in (2, 3)]
    found = {}
    for definition in splitList(sql[sql.index("(") + 1 :]):
        tokens = [token for token in TOKEN.finditer(definition) if token.group().strip()]
        name = tokens[0].group()
        for token, behind in pairwise(tokens):
            if token.group().upper() == "AS" and behind.group() == "(":
                (source, *_) = splitList(definition[behind.end() :])
                if isHarmless(source, names):
                    found[fold(unquote(name) if name[0] in '"`[' else name)] = f"({source})"
                break
    return found


def constantDefault(cursor: sqlite3.Cursor, column: Column) -> object:
    """
    Give the value that an added column has in rows from before.
    """
    if column.default is None:
        return None
    # Only SQLite itself knows how the column's affinity changes the constant.
    kind = quoteIdentifier(column.kind) if column.kind else ""
    cursor.execute(
        f"CREATE TEMP TABLE _aerostack_default (other, value {kind} DEFAULT {column.default})"
    )
    cursor.execute("INSERT INTO temp._aerostack_default (other) VALUES (NULL)")
    (value,) = cursor.execute("SELECT value FROM temp._aerostack_default").fetchone()
    cursor.execute("DROP TABLE temp._aerostack_default")
    return value
