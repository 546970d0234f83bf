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

from aerostack.databases.identifiers import quoteIdentifier
from aerostack.databases.sqlite import ledger, schema
from aerostack.databases.sqlite.backfill import enterRebuilt, fillAdded
from aerostack.databases.sqlite.installed import InstalledTrigger, dropTriggers, installedTriggers
from aerostack.databases.sqlite.ledger import Place, TableRecord
from aerostack.databases.sqlite.names import fold
from aerostack.databases.sqlite.places import findPlaces, positions
from aerostack.databases.sqlite.tables import Table, constantDefault, describe
from aerostack.databases.sqlite.triggers import buildTriggers
from aerostack.databases.sqlite.triggertext import KEY
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
    placed = findPlaces(record, installed, table)
    if placed is None or placed != list(record.places):
        return False
    if len(table.columns) > sum(place.name is not None for place in placed):
        return False
    built = buildTriggers(record.tid, table, positions(table, placed), ledger.doubles(cursor))
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
        if findPlaces(record, installed, table) is not None:
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
        enterRebuilt(cursor, tid, table, record.name, rebuiltRows, silent=True)
    elif any(fold(s.table) == fold(record.name) for s in installed):
        ledger.addLoss(cursor, tid, _unsure(record.name))
    else:
        enterRebuilt(cursor, tid, table, record.name, rebuiltRows)


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
        if not record.missing and findPlaces(record, installed, table) is not None:
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
    placed = findPlaces(record, installed, table)
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
        fillAdded(cursor, record.tid, table, placed, added, after)


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
    for trigger in buildTriggers(tid, table, positions(table, placed), doubles):
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
