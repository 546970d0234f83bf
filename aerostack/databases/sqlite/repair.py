"""
Following the user's schema: what is to be done when a table that we follow was
altered, dropped, renamed or made again, or when somebody took away what is ours.

Whatever subscribers are to hear of it is entered in the journal, so that it is read
in its place among the changes.  All functions but L{isNeeded} are called within a
write transaction.
"""

from __future__ import annotations

import itertools
import sqlite3
from collections.abc import Collection, Sequence
from dataclasses import replace

from aerostack.databases.identifiers import quoteIdentifier
from aerostack.databases.sqlite import ledger
from aerostack.databases.sqlite.ledger import Place, Record, Standing
from aerostack.databases.sqlite.tables import Table, constantDefault, describe, fold
from aerostack.databases.sqlite.triggers import (
    KEY,
    buildTriggers,
    cellName,
    isWhole,
    keySQL,
    parseColumns,
)
from aerostack.errors import RealtimeError

_serial = itertools.count(1)


def isNeeded(cursor: sqlite3.Cursor, wanted: Collection[str]) -> bool:
    """
    Tell whether anything is to be done.

    @param wanted: The names of the tables that are to be followed at the least.
    """
    if not ledger.isComplete(cursor):
        return True
    active = _active(cursor)
    standing = ledger.triggers(cursor)
    if not standing.keys() <= {record.tid for record in active}:
        return True
    if not {fold(name) for name in wanted} <= {fold(record.name) for record in active}:
        return True
    return any(not isCurrent(cursor, record, standing.get(record.tid, ())) for record in active)


def isCurrent(cursor: sqlite3.Cursor, record: Record, standing: Sequence[Standing]) -> bool:
    """
    Tell whether a table is followed as it should be.
    """
    table = _find(cursor, record.name)
    if table is None or record.missing:
        return table is None and record.missing
    placed = _place(record, standing, table)
    if placed is None or placed != list(record.places):
        return False
    if len(table.columns) > sum(place.name is not None for place in placed):
        return False
    built = buildTriggers(record.tid, table, _positions(table, placed), ledger.doubles(cursor))
    wanted = {trigger.name: trigger.sql for trigger in built}
    return wanted == {s.name: s.sql for s in standing} and not _isOvertaken(cursor, standing)


def repair(cursor: sqlite3.Cursor, after: int, wanted: Collection[str], rebuiltRows: int) -> None:
    """
    Put everything right.

    @param after: The last entry that was read.
    @param wanted: The names of the tables that are to be followed at the least.
    @param rebuiltRows: How many rows of a table that was made again are told one by
        one.
    """
    if not ledger.isComplete(cursor):
        ledger.create(cursor, after)
    elif ledger.newest(cursor) < after:
        # Somebody emptied the journal.
        ledger.skip(cursor, after)
        for record in _active(cursor):
            ledger.addLoss(cursor, record.tid, _unsure(record.name))
    active = _active(cursor)
    for tid in ledger.triggers(cursor).keys() - {record.tid for record in active}:
        ledger.dropTriggers(cursor, tid)
    known = {fold(record.name) for record in active}
    for name in wanted:
        if fold(name) not in known:
            ledger.addTable(cursor, name)
    for record in _active(cursor):
        standing = ledger.triggers(cursor).get(record.tid, ())
        if not isCurrent(cursor, record, standing):
            repairTable(cursor, record, standing, after, rebuiltRows)


def repairTable(
    cursor: sqlite3.Cursor,
    record: Record,
    standing: Sequence[Standing],
    after: int,
    rebuiltRows: int,
) -> None:
    """
    Put the following of one table right.
    """
    table = _find(cursor, record.name)
    if table is None:
        ledger.dropTriggers(cursor, record.tid)
        if not record.missing:
            ledger.setMissing(cursor, record.tid)
            ledger.addLoss(
                cursor,
                record.tid,
                f"The table {record.name!r} was dropped or renamed; its changes are told again"
                " once it is back.",
            )
        return
    try:
        if _place(record, standing, table) is not None:
            reshape(cursor, record, standing, table, after)
            return
        tid = begin(cursor, table, record.name)
    except RealtimeError as error:
        ledger.dropTriggers(cursor, record.tid)
        if not record.missing:
            ledger.setMissing(cursor, record.tid)
            ledger.addLoss(cursor, record.tid, error.message)
        return
    ledger.end(cursor, record.tid)
    if record.missing:
        # That it was lost has been told.
        _tellRebuilt(cursor, tid, table, record.name, rebuiltRows, silent=True)
    elif any(fold(s.table) == fold(record.name) for s in standing):
        ledger.addLoss(cursor, tid, _unsure(record.name))
    else:
        _tellRebuilt(cursor, tid, table, record.name, rebuiltRows)


def begin(cursor: sqlite3.Cursor, table: Table, name: str) -> int:
    """
    Begin to follow a table.

    @param name: The name under which its changes are told.
    @return: Its number.
    @raise RealtimeError: C{untrackable_table}.
    """
    tid = ledger.addTable(cursor, name)
    # Places are in the order of the columns, so only a key that comes first has none of its own.
    first = table.stableKey and table.columns[0].name in table.keyColumns
    names = enumerate((column.name for column in table.columns), KEY if first else 0)
    places = [Place(position, name, 0, None) for position, name in names]
    ledger.setPlaces(cursor, tid, places)
    try:
        _install(cursor, tid, table, places)
    except RealtimeError:
        ledger.end(cursor, tid)
        raise
    return tid


def follow(cursor: sqlite3.Cursor, table: Table, record: Record | None) -> None:
    """
    Follow a table of which nobody was told anything yet.

    @param record: How an earlier run followed a table of that name.
    @raise RealtimeError: C{untrackable_table}.
    """
    if record is not None:
        standing = ledger.triggers(cursor).get(record.tid, ())
        if isCurrent(cursor, record, standing):
            return
        if not record.missing and _place(record, standing, table) is not None:
            reshape(cursor, record, standing, table, ledger.newest(cursor))
            return
        ledger.end(cursor, record.tid)
    begin(cursor, table, table.name)


def reshape(
    cursor: sqlite3.Cursor,
    record: Record,
    standing: Sequence[Standing],
    table: Table,
    after: int,
) -> None:
    """
    Follow a table under its present columns.

    @raise RealtimeError: C{untrackable_table}.
    """
    placed = _place(record, standing, table)
    assert placed is not None
    known = {fold(place.name) for place in placed if place.name is not None}
    added = []
    for column in table.columns:
        if fold(column.name) not in known:
            # What was read already is not written again; it is read with the fallback.
            position = max(place.position for place in placed) + 1
            place = Place(position, column.name, after + 1, constantDefault(cursor, column))
            placed.append(place)
            added.append(place)
    ledger.setPlaces(cursor, record.tid, placed)
    _install(cursor, record.tid, table, placed)
    if added:
        _fill(cursor, record.tid, table, placed, added, after)


def _active(cursor: sqlite3.Cursor) -> list[Record]:
    return [record for record in ledger.records(cursor).values() if record.ended is None]


def _find(cursor: sqlite3.Cursor, name: str) -> Table | None:
    try:
        return describe(cursor, name)
    except RealtimeError:
        return None


def _unsure(name: str) -> str:
    return (
        f"Changes of the table {name!r} may be missing, because what records them was taken"
        " away; reload it."
    )


def _place(record: Record, standing: Sequence[Standing], table: Table) -> list[Place] | None:
    """
    Find the columns' present names in the triggers that SQLite rewrote.

    @return: L{None} if the triggers do not tell, because the table was made again or
        somebody dropped some.
    """
    texts = {s.name.rpartition("_")[2]: s.sql for s in standing}
    if not isWhole(texts):
        return None
    if any(
        fold(s.table) != fold(table.name) or "INTO _aerostack_changes" not in s.sql
        for s in standing
    ):
        return None
    names = parseColumns(texts["bu"])
    present = {fold(column.name): column.name for column in table.columns}
    recorded = {place.position for place in record.places if place.name is not None}
    if names.keys() != recorded:
        return None
    # A dropped column's name may have gone to a renamed one.  SQLite rewrote only the
    # latter's reference, so that one has the first claim.
    claims: dict[str, int] = {}
    for renamed in (True, False):
        for place in record.places:
            if place.name is not None:
                name = names[place.position]
                if (fold(name) != fold(place.name)) is renamed and fold(name) in present:
                    claims.setdefault(fold(name), place.position)
    owners = {position: present[name] for name, position in claims.items()}
    placed = [replace(place, name=owners.get(place.position)) for place in record.places]
    if len(placed) + len(present.keys() - claims.keys()) > ledger.MAX_POSITIONS:
        # So many columns came and went that the journal has no place left.
        return None
    return placed


def _positions(table: Table, placed: Sequence[Place]) -> list[int]:
    by = {place.name: place.position for place in placed}
    return [by[column.name] for column in table.columns]


def _isOvertaken(cursor: sqlite3.Cursor, standing: Sequence[Standing]) -> bool:
    """
    Tell whether a trigger of the user's is newer than ours.  SQLite fires the newest
    first; ours must come before one that changes the same row again.
    """
    (newer,) = cursor.execute(
        "SELECT count(*) FROM sqlite_master WHERE type = 'trigger' AND rowid > ?"
        " AND tbl_name = ? COLLATE NOCASE AND substr(name, 1, 11) <> '_aerostack_'",
        (min(s.order for s in standing), standing[0].table),
    ).fetchone()
    return bool(newer)


def _install(cursor: sqlite3.Cursor, tid: int, table: Table, placed: Sequence[Place]) -> None:
    """
    Create a table's triggers, in the place of those that there are.

    @raise RealtimeError: With them the user's writes would fail.  None is left.
    """
    ledger.widen(cursor, max(place.position for place in placed) + 1)
    ledger.dropTriggers(cursor, tid)
    doubles = ledger.addDoubles(cursor, (column.name for column in table.columns))
    fault = _compileFault(cursor, table)
    for trigger in buildTriggers(tid, table, _positions(table, placed), doubles):
        cursor.execute(trigger.sql)
    if fault is None:
        fault = _compileFault(cursor, table)
        if fault is not None:
            ledger.dropTriggers(cursor, tid)
            raise RealtimeError("untrackable_table", f"{table.name!r} cannot be followed: {fault}.")


def _compileFault(cursor: sqlite3.Cursor, table: Table) -> str | None:
    """
    Let SQLite compile a write of each kind, with all triggers, without running it.
    """
    name = quoteIdentifier(table.name)
    key = table.key[0].sql
    try:
        for statement in (
            f"INSERT INTO {name} DEFAULT VALUES",
            f"UPDATE {name} SET {key} = {key}",
            f"DELETE FROM {name}",
        ):
            # sqlite3 keeps compiled statements by their text, and SQLite does not look
            # whether one that explains is out of date; so no text may come again.
            cursor.execute(f"EXPLAIN QUERY PLAN {statement} -- {next(_serial)}").fetchall()
    except sqlite3.OperationalError as error:
        return str(error)
    return None


def _tellRebuilt(
    cursor: sqlite3.Cursor,
    tid: int,
    table: Table,
    name: str,
    rebuiltRows: int,
    silent: bool = False,
) -> None:
    """
    Enter that a table was made again, and the rows that it already has if they are few.

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
            for position, column in zip(_positions(table, placed), table.columns, strict=True)
        }
        cells["k"] = keySQL(table, "t")
        cursor.execute(
            f"INSERT INTO _aerostack_changes (tid, op, {', '.join(cells)})"
            f" SELECT ?, '{ledger.INSERTED}', {', '.join(cells.values())} FROM {source} AS t",
            (tid,),
        )


def _fill(
    cursor: sqlite3.Cursor,
    tid: int,
    table: Table,
    placed: Sequence[Place],
    added: Sequence[Place],
    after: int,
) -> None:
    """
    Give the entries that were made since a column was added, by triggers that did not
    know it, that column's value: where the row still stands, its own, else the default.
    """
    names = [place.name for place in added if place.name is not None]
    cells = ", ".join(f"c{place.position} = ?" for place in added)
    images = (ledger.IMAGE, ledger.GONE)
    rows = ", ".join(f"'{op}'" for op in (*images, ledger.INSERTED, ledger.UPDATED))
    cursor.execute(
        f"UPDATE _aerostack_changes SET {cells} WHERE tid = ? AND seq > ? AND op IN ({rows})",
        [*(place.fallback for place in added), tid, after],
    )
    # Of entries that hold no row, it is read from the table.
    columns = ", ".join(quoteIdentifier(name) for name in names)
    identity = " AND ".join(f"t.{part.sql} = ?" for part in table.key)
    by = dict(zip((c.name for c in table.columns), _positions(table, placed), strict=True))
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
