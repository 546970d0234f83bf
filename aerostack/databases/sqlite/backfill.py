"""
The journal's entries that the daemon writes itself, because no trigger could: the rows of a table
that was made again, and the values of an added column.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from aerostack.databases.identifiers import quoteIdentifier
from aerostack.databases.sqlite import ledger
from aerostack.databases.sqlite.ledger import Place
from aerostack.databases.sqlite.places import positions
from aerostack.databases.sqlite.tables import Table
from aerostack.databases.sqlite.triggertext import cellName, keySQL


def enterRebuilt(
    cursor: sqlite3.Cursor,
    tid: int,
    table: Table,
    name: str,
    rebuiltRows: int,
    silent: bool = False,
) -> None:
    """
    Enter that a table was made again, and its rows if they are few.

    @param silent: Enter no loss, unless the rows are many.
    """
    source = quoteIdentifier(table.name)
    (rows,) = cursor.execute(
        f"SELECT count(*) FROM (SELECT 1 FROM {source} LIMIT ?)", (rebuiltRows + 1,)
    ).fetchone()
    many = rows > rebuiltRows
    if many or not silent:
        count = f"more than {rebuiltRows}" if many else rows
        ledger.addLoss(
            cursor,
            tid,
            f"The table {name!r} was made again with {count} rows, and changes may be missing;"
            " reload it.",
        )
    if rows and not many:
        placed = ledger.records(cursor)[tid].places
        cells = {
            cellName(position): quoteIdentifier(column.name)
            for position, column in zip(positions(table, placed), table.columns, strict=True)
        }
        cells["k"] = keySQL(table, "t")
        cursor.execute(
            f"INSERT INTO _aerostack_changes (tid, op, {', '.join(cells)})"
            f" SELECT ?, '{ledger.INSERTED}', {', '.join(cells.values())} FROM {source} AS t",
            (tid,),
        )


def fillAdded(
    cursor: sqlite3.Cursor,
    tid: int,
    table: Table,
    placed: Sequence[Place],
    added: Sequence[Place],
    after: int,
) -> None:
    """
    Set an added column's value in the entries of triggers that did not know the column: the row's
    own value if the row still exists, else the default.
    """
    names = [place.name for place in added if place.name is not None]
    cells = ", ".join(f"c{place.position} = ?" for place in added)
    images = (ledger.IMAGE, ledger.GONE)
    rows = ", ".join(f"'{op}'" for op in (*images, ledger.INSERTED, ledger.UPDATED))
    cursor.execute(
        f"UPDATE _aerostack_changes SET {cells} WHERE tid = ? AND seq > ? AND op IN ({rows})",
        [*(place.fallback for place in added), tid, after],
    )
    # For entries without a row, the value is read from the table.
    columns = ", ".join(quoteIdentifier(name) for name in names)
    identity = " AND ".join(f"t.{part.sql} = ?" for part in table.key)
    by = dict(zip((c.name for c in table.columns), positions(table, placed), strict=True))
    kept = ["k"] if table.rowid is not None else [f"c{by[name]}" for name in table.keyColumns]
    seen = set()
    for seq, op, *key in cursor.execute(
        f"SELECT seq, op, {', '.join(kept)} FROM _aerostack_changes"
        f" WHERE tid = ? AND seq > ? AND op IN ({rows}) ORDER BY seq DESC",
        (tid, after),
    ).fetchall():
        if tuple(key) in seen:
            continue
        seen.add(tuple(key))
        live = cursor.execute(
            f"SELECT {columns} FROM {quoteIdentifier(table.name)} AS t WHERE {identity}", key
        ).fetchone()
        if op not in images and live is not None:
            cursor.execute(f"UPDATE _aerostack_changes SET {cells} WHERE seq = ?", [*live, seq])
