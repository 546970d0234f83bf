"""
What a table of the user's looks like, as far as its triggers need to know.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from aerostack.core.rows.columns import Columns, ColumnType
from aerostack.databases.identifiers import quoteIdentifier
from aerostack.errors import RealtimeError

INTERNAL_PREFIXES = ("sqlite_", "_aerostack_", "realtime_")

MAX_COLUMNS = 500
"""
An entry of the journal holds a row twice, and SQLite by default allows 2000 columns to a
table.  But with triggers that name each column several times the user's own C{ALTER
TABLE} already takes seconds at this width, and grows with its square.
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

_TOKEN = re.compile(
    r"""'(?:[^']|'')*' | "(?:[^"]|"")*" | `(?:[^`]|``)*` | \[[^\]]*\]
        | --[^\n]*(?:\n|$) | /\*.*?(?:\*/|$) | \w+ | .""",
    re.VERBOSE | re.DOTALL,
)


# What an expression may be made of that fails on no value.
_FUNCTIONS = frozenset(
    """
    lower upper trim ltrim rtrim length substr substring coalesce ifnull nullif iif typeof hex
    instr date time datetime julianday strftime unicode
    """.split()  # noqa: SIM905
)
_WORDS = frozenset(
    """
    and or not is null isnull notnull in between case when then else end true false collate
    binary nocase rtrim cast as text integer int real numeric blob current_date current_time
    current_timestamp
    """.split()  # noqa: SIM905
)

# What SQLite goes by, in its order (https://sqlite.org/datatype3.html, 3.1).
_AFFINITIES = (
    (("INT",), ColumnType.NUMBER),
    (("CHAR", "CLOB", "TEXT"), ColumnType.TEXT),
    (("BLOB",), ColumnType.ANY),
    (("REAL", "FLOA", "DOUB"), ColumnType.NUMBER),
    # Every other type is a numeric one to SQLite, also DATETIME, JSON and UUID, whose values
    # are text as a rule.  These are meant to be numbers:
    (("NUM", "DEC", "BOOL"), ColumnType.NUMBER),
)


@dataclass(frozen=True)
class Column:
    """
    One column.

    @ivar kind: Its declared type, empty if it has none.
    @ivar default: The SQL of its default, if that is a plain constant, else
        L{None}.
    @ivar replacement: The SQL of what REPLACE puts where NULL is not allowed, else L{None}.
    @ivar generated: It is computed from others.
    @ivar source: The SQL of what it is computed by, if that cannot fail, else L{None}.
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
    @ivar collate: The SQL that makes a comparison go by the key's collation, empty
        for the rowid.
    """

    sql: str
    collate: str


@dataclass(frozen=True)
class Unique:
    """
    A unique index, be it declared with the table or on its own.

    @ivar columns: What it is on: columns, or L{None} where it is an expression, which the
        part has then.
    @ivar predicate: The SQL of a partial index's WHERE, else L{None}.
    """

    columns: tuple[tuple[Column | None, Part], ...]
    predicate: str | None


@dataclass(frozen=True)
class Table:
    """
    A table whose changes can be followed.

    @ivar rowid: A name by which its rowid can be reached, L{None} if the table is
        C{WITHOUT ROWID}.
    @ivar key: What tells its rows apart: the rowid, or the primary key.
    @ivar stableKey: The rowid is a column, an C{INTEGER PRIMARY KEY}, so that no C{VACUUM}
        changes it.
    @ivar keyColumns: The names of the primary key's columns, if any.
    @ivar triggered: A trigger of the user's stands on it.
    @ivar uniques: The unique indexes by which a REPLACE can hit another row,
        besides the key.  Indexes on expressions that may fail are not among them.
    """

    name: str
    columns: tuple[Column, ...]
    rowid: str | None
    key: tuple[Part, ...]
    stableKey: bool
    keyColumns: tuple[str, ...]
    uniques: tuple[Unique, ...]
    triggered: bool = False


def fold(name: str) -> str:
    """
    Give the form by which SQLite tells names apart: only ASCII letters fold.
    """
    return "".join(chr(ord(c) + 32) if "A" <= c <= "Z" else c for c in name)


def isInternal(name: str) -> bool:
    """
    Tell whether a table of that name is SQLite's or the daemon's own.
    """
    return fold(name).startswith(INTERNAL_PREFIXES)


def describe(cursor: sqlite3.Cursor, name: str) -> Table:
    """
    Read what a table looks like.

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
    # Every other primary key has an index of its own.
    stable = rowid is not None and len(keyColumns) == 1 and not primary
    if stable:
        # SQLite rewrites its name when it is renamed, and does not drop it.
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
    Tell of each column what its values are compared as.
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
            # Where the index's WHERE keeps what would fail from it, SQLite may look at the
            # expression first.
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


def isHarmless(expression: str, names: Collection[str]) -> bool:
    """
    Tell whether an expression fails on no value, and takes its values from columns of some
    names only.

    @param names: The names, folded.
    """
    tokens = [token.group() for token in _TOKEN.finditer(expression) if token.group().strip()]
    for token, behind in zip(tokens, [*tokens[1:], ""], strict=True):
        word = fold(token)
        if token[0] in '"`[':
            if fold(_unquote(token)) not in names:
                return False
        elif token[0] == "'" or token[:1].isdigit() or (word == "x" and behind[:1] == "'"):
            pass
        elif re.fullmatch(r"\w+", token):
            if behind == "(" and word not in _WORDS:
                if word not in _FUNCTIONS:
                    return False
            elif word not in _WORDS and word not in names:
                return False
        elif token not in "+-*/%|&<>=!~.,()":
            return False
    return "->" not in "".join(tokens)


def indexTerms(sql: str) -> list[str]:
    """
    Take what an index is on out of the text of its C{CREATE INDEX}.
    """
    inner = sql[sql.index("(", _endOfName(sql)) + 1 :]
    return [
        re.sub(r"\s+(?:ASC|DESC)\s*$", "", term, flags=re.IGNORECASE).strip()
        for term in _split(inner)
    ]


def _endOfName(sql: str) -> int:
    """Where in a C{CREATE INDEX} the name of the table stands, past which the terms begin."""
    for token in _TOKEN.finditer(sql):
        if token.group().upper() == "ON":
            after = _TOKEN.match(sql, token.end() + 1)
            return token.end() if after is None else after.end()
    raise ValueError(f"no ON in {sql!r}")


def _split(text: str) -> list[str]:
    """
    Cut a list at its commas, up to the parenthesis that closes it.
    """
    parts, start, depth = [], 0, 0
    for token in _TOKEN.finditer(text):
        sign = token.group()
        if sign == "(":
            depth += 1
        elif (sign == "," and depth == 0) or (sign == ")" and depth == 0):
            parts.append(text[start : token.start()])
            start = token.end()
            if sign == ")":
                break
        elif sign == ")":
            depth -= 1
    return parts


def _unquote(name: str) -> str:
    """The name that stands in quotes."""
    end = {"[": "]"}.get(name[0], name[0])
    return name[1:-1].replace(end * 2, end) if end in '"`' else name[1:-1]


def _readSources(
    cursor: sqlite3.Cursor, table: str, rows: Sequence[tuple[Any, ...]]
) -> dict[str, str]:
    """
    Read what columns are computed by, by their folded names, as far as that cannot fail.
    """
    if all(row[5] not in (2, 3) for row in rows):
        return {}
    (sql,) = cursor.execute(
        "SELECT sql FROM sqlite_master WHERE type = 'table' AND name = ?", (table,)
    ).fetchone()
    names = [fold(row[0]) for row in rows if row[5] not in (2, 3)]
    found = {}
    for definition in _split(sql[sql.index("(") + 1 :]):
        tokens = [token for token in _TOKEN.finditer(definition) if token.group().strip()]
        name = tokens[0].group()
        for token, behind in pairwise(tokens):
            if token.group().upper() == "AS" and behind.group() == "(":
                (source, *_) = _split(definition[behind.end() :])
                if isHarmless(source, names):
                    found[fold(_unquote(name) if name[0] in '"`[' else name)] = f"({source})"
                break
    return found


def indexPredicate(sql: str) -> str:
    """
    Take the WHERE of a C{CREATE INDEX} statement out of its text.
    """
    depth = 0
    for token in _TOKEN.finditer(sql):
        text = token.group()
        if text == "(":
            depth += 1
        elif text == ")":
            depth -= 1
        elif depth == 0 and text.upper() == "WHERE":
            # A comment at the end must not swallow what we write after it.
            return sql[token.end() :].strip() + "\n"
    raise ValueError(f"no WHERE in {sql!r}")


def constantDefault(cursor: sqlite3.Cursor, column: Column) -> object:
    """
    Give the value that an added column has in the rows that were there before.
    """
    if column.default is None:
        return None
    # Only SQLite itself knows what the column's affinity makes of the constant.
    kind = quoteIdentifier(column.kind) if column.kind else ""
    cursor.execute(
        f"CREATE TEMP TABLE _aerostack_default (other, value {kind} DEFAULT {column.default})"
    )
    cursor.execute("INSERT INTO temp._aerostack_default (other) VALUES (NULL)")
    (value,) = cursor.execute("SELECT value FROM temp._aerostack_default").fetchone()
    cursor.execute("DROP TABLE temp._aerostack_default")
    return value
