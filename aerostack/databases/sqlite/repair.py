"""
Adapts the triggers when the user's schema changes: a followed table was altered, dropped, renamed
or made again, or a program removed objects of the daemon.

The functions enter what subscribers must hear in the journal, in its place among the changes.
All functions except L{isNeeded} need a write transaction.
"""

from __future__ import annotations

import itertools
import sqlite3
from collections.abc import Collection, Sequence
from dataclasses import replace

from aerostack.databases.identifiers import quoteIdentifier
from aerostack.databases.sqlite import ledger, schema
from aerostack.databases.sqlite.installed import InstalledTrigger, dropTriggers, installedTriggers
from aerostack.databases.sqlite.ledger import Place, TableRecord
from aerostack.databases.sqlite.names import fold
from aerostack.databases.sqlite.tables import Table, constantDefault, describe
from aerostack.databases.sqlite.triggers import buildTriggers, isWhole, parseColumns
from aerostack.databases.sqlite.triggertext import KEY, cellName, keySQL
from aerostack.errors import RealtimeError

_serial = itertools.count(1)


def isNeeded(cursor: sqlite3.Cursor, wanted: Collection[str]) -> bool:
    """
    Whether L{repair} has anything to do.

    @param wanted: The names of the tables that must be followed.
    """
    if not schema.isComplete(cursor):
        return True
    active = _active(cursor)
    installed = installedTriggers(cursor)
    if not installed.keys() <= {record.tid for record in active}:
        return True
    if not {fold(name) for name in wanted} <= {fold(record.name) for record in active}:
        return True
    return any(not isCurrent(cursor, record, installed.get(record.tid, ())) for record in active)


def isCurrent(
    cursor: sqlite3.Cursor, record: TableRecord, installed: Sequence[InstalledTrigger]
) -> bool:
    """
    Whether the triggers and the record of a table match its present definition.
    """
    table = _find(cursor, record.name)
    if table is None or record.missing:
        return table is None and record.missing
    placed = _place(record, installed, table)
    if placed is None or placed != list(record.places):
        return False
    if len(table.columns) > sum(place.name is not None for place in placed):
        return False
    built = buildTriggers(record.tid, table, _positions(table, placed), ledger.doubles(cursor))
    wanted = {trigger.name: trigger.sql for trigger in built}
    return wanted == {s.name: s.sql for s in installed} and not _isOvertaken(cursor, installed)


def repair(cursor: sqlite3.Cursor, after: int, wanted: Collection[str], rebuiltRows: int) -> None:
    """
    Repair the following of all tables.

    @param after: The last entry that was read.
    @param wanted: The names of the tables that must be followed.
    @param rebuiltRows: The highest number of rows of a table that was made again for which each
        row is reported.
    """
    if not schema.isComplete(cursor):
        schema.create(cursor, after)
    elif ledger.newest(cursor) < after:
        # A program emptied the journal.
        ledger.skip(cursor, after)
        for record in _active(cursor):
            ledger.addLoss(cursor, record.tid, _unsure(record.name))
    active = _active(cursor)
    for tid in installedTriggers(cursor).keys() - {record.tid for record in active}:
        dropTriggers(cursor, tid)
    known = {fold(record.name) for record in active}
    for name in wanted:
        if fold(name) not in known:
            ledger.addTable(cursor, name)
    for record in _active(cursor):
        installed = installedTriggers(cursor).get(record.tid, ())
        if not isCurrent(cursor, record, installed):
            repairTable(cursor, record, installed, after, rebuiltRows)


def repairTable(
    cursor: sqlite3.Cursor,
    record: TableRecord,
    installed: Sequence[InstalledTrigger],
    after: int,
    rebuiltRows: int,
) -> None:
    """
    Repair the following of one table.
    """
    table = _find(cursor, record.name)
    if table is None:
        dropTriggers(cursor, record.tid)
        if not record.missing:
            ledger.setMissing(cursor, record.tid)
            ledger.addLoss(
                cursor,
                record.tid,
                f"The table {record.name!r} was dropped or renamed; its changes are sent again"
                " once it is back.",
            )
        return
    try:
        if _place(record, installed, table) is not None:
            reshape(cursor, record, installed, table, after)
            return
        tid = begin(cursor, table, record.name)
    except RealtimeError as error:
        dropTriggers(cursor, record.tid)
        if not record.missing:
            ledger.setMissing(cursor, record.tid)
            ledger.addLoss(cursor, record.tid, error.message)
        return
    ledger.end(cursor, record.tid)
    if record.missing:
        # The journal has already reported the loss.
        _enterRebuilt(cursor, tid, table, record.name, rebuiltRows, silent=True)
    elif any(fold(s.table) == fold(record.name) for s in installed):
        ledger.addLoss(cursor, tid, _unsure(record.name))
    else:
        _enterRebuilt(cursor, tid, table, record.name, rebuiltRows)


def begin(cursor: sqlite3.Cursor, table: Table, name: str) -> int:
    """
    Begin to follow a table.

    @param name: The name under which its changes are reported.
    @return: Its number.
    @raise RealtimeError: C{untrackable_table}.
    """
    tid = ledger.addTable(cursor, name)
    # Places are in the order of the columns, so only a key that comes first needs no place of its
    # own.
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


def follow(cursor: sqlite3.Cursor, table: Table, record: TableRecord | None) -> None:
    """
    Follow a table whose changes no subscriber of this run has seen yet.

    @param record: The record of a table of that name from an earlier run.
    @raise RealtimeError: C{untrackable_table}.
    """
    if record is not None:
        installed = installedTriggers(cursor).get(record.tid, ())
        if isCurrent(cursor, record, installed):
            return
        if not record.missing and _place(record, installed, table) is not None:
            reshape(cursor, record, installed, table, ledger.newest(cursor))
            return
        ledger.end(cursor, record.tid)
    begin(cursor, table, table.name)


def reshape(
    cursor: sqlite3.Cursor,
    record: TableRecord,
    installed: Sequence[InstalledTrigger],
    table: Table,
    after: int,
) -> None:
    """
    Follow a table with its present columns.

    @raise RealtimeError: C{untrackable_table}.
    """
    placed = _place(record, installed, table)
    assert placed is not None
    known = {fold(place.name) for place in placed if place.name is not None}
    added = []
    for column in table.columns:
        if fold(column.name) not in known:
            # Entries that were already read are not rewritten; they are read with the fallback.
            position = max(place.position for place in placed) + 1
            place = Place(position, column.name, after + 1, constantDefault(cursor, column))
            placed.append(place)
            added.append(place)
    ledger.setPlaces(cursor, record.tid, placed)
    _install(cursor, record.tid, table, placed)
    if added:
        _fill(cursor, record.tid, table, placed, added, after)


def _active(cursor: sqlite3.Cursor) -> list[TableRecord]:
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


def _place(
    record: TableRecord, installed: Sequence[InstalledTrigger], table: Table
) -> list[Place] | None:
    """
    Find the columns' present names in the triggers, which SQLite rewrote.

    @return: L{None} if the triggers do not show them, because the table was made again or a
        program dropped some triggers.
    """
    texts = {s.name.rpartition("_")[2]: s.sql for s in installed}
    if not isWhole(texts):
        return None
    if any(
        fold(s.table) != fold(table.name) or "INTO _aerostack_changes" not in s.sql
        for s in installed
    ):
        return None
    names = parseColumns(texts["bu"])
    present = {fold(column.name): column.name for column in table.columns}
    recorded = {place.position for place in record.places if place.name is not None}
    if names.keys() != recorded:
        return None
    # A renamed column may have taken a dropped column's name.  SQLite rewrote only the reference
    # of the renamed one, so that one has the first claim.
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
        # So many columns came and went that the journal has no column left.
        return None
    return placed


def _positions(table: Table, placed: Sequence[Place]) -> list[int]:
    by = {place.name: place.position for place in placed}
    return [by[column.name] for column in table.columns]


def _isOvertaken(cursor: sqlite3.Cursor, installed: Sequence[InstalledTrigger]) -> bool:
    """
    Whether a trigger of the user's is newer than the daemon's.  SQLite fires the newest first,
    and the daemon's must fire before one that changes the same row again.
    """
    (newer,) = cursor.execute(
        "SELECT count(*) FROM sqlite_master WHERE type = 'trigger' AND rowid > ?"
        " AND tbl_name = ? COLLATE NOCASE AND substr(name, 1, 11) <> '_aerostack_'",
        (min(s.order for s in installed), installed[0].table),
    ).fetchone()
    return bool(newer)


def _install(cursor: sqlite3.Cursor, tid: int, table: Table, placed: Sequence[Place]) -> None:
    """
    Create a table's triggers in the place of the existing ones.

    @raise RealtimeError: With them the user's writes would fail.  No trigger is left then.
    """
    ledger.widen(cursor, max(place.position for place in placed) + 1)
    dropTriggers(cursor, tid)
    doubles = ledger.addDoubles(cursor, (column.name for column in table.columns))
    fault = _compileFault(cursor, table)
    for trigger in buildTriggers(tid, table, _positions(table, placed), doubles):
        cursor.execute(trigger.sql)
    if fault is None:
        fault = _compileFault(cursor, table)
        if fault is not None:
            dropTriggers(cursor, tid)
            raise RealtimeError("untrackable_table", f"{table.name!r} cannot be followed: {fault}.")


def _compileFault(cursor: sqlite3.Cursor, table: Table) -> str | None:
    """
    Let SQLite compile a write of each kind with all triggers, without running it.

    @return: The error message; L{None} if all of them compile.
    """
    name = quoteIdentifier(table.name)
    key = table.key[0].sql
    try:
        for statement in (
            f"INSERT INTO {name} DEFAULT VALUES",
            f"UPDATE {name} SET {key} = {key}",
            f"DELETE FROM {name}",
        ):
            # sqlite3 keeps compiled statements by their text, and SQLite does not check whether
            # an EXPLAIN statement is out of date.  So each text must be new.
            cursor.execute(f"EXPLAIN QUERY PLAN {statement} -- {next(_serial)}").fetchall()
    except sqlite3.OperationalError as error:
        return str(error)
    return None


def _enterRebuilt(
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
