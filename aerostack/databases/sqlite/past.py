"""
Reads past changes that the journal of an SQLite database still holds.
"""

from __future__ import annotations

import sqlite3

from aerostack.core.replay.gaps import EXPIRED, LIMIT, UNKNOWN
from aerostack.core.rows.changes import Change
from aerostack.core.rows.journal import expired, lineageOf
from aerostack.databases.sqlite import entries, ledger, repair, schema
from aerostack.databases.sqlite.entries import EntryReader
from aerostack.databases.sqlite.installed import installedTriggers
from aerostack.databases.sqlite.ledger import transaction
from aerostack.databases.sqlite.names import fold


def surveyPast(
    cursor: sqlite3.Cursor,
    table: str,
    lineage: str,
    after: int,
    until: int,
    most: int | None,
) -> str | None:
    """
    Check whether all changes of a table after a position still exist; see
    L{IJournal.surveyPast<aerostack.interfaces.tracking.IJournal.surveyPast>}.
    """
    with transaction(cursor, "BEGIN"):
        if not schema.isComplete(cursor):
            return UNKNOWN.reason
        record = ledger.find(cursor, fold(table))
        if record is None or lineageOf(ledger.epoch(cursor), record.tid) != lineage:
            # The table was not followed all the time, so changes are unknown.
            return EXPIRED.reason
        first, last = ledger.entryAfter(after), until // 2
        if ledger.lastChangeOf(ledger.newest(cursor)) < after:
            return UNKNOWN.reason
        if after < until and ledger.oldest(cursor) > first:
            return EXPIRED.reason
        wanted = (record.tid, first, last)
        if cursor.execute(
            f"SELECT 1 FROM _aerostack_changes WHERE tid = ? AND op = '{ledger.LOST}'"
            " AND seq BETWEEN ? AND ?",
            wanted,
        ).fetchone():
            return EXPIRED.reason
        if most is None:
            return None
        (count,) = cursor.execute(
            "SELECT count(*) FROM (SELECT 1 FROM _aerostack_changes"
            f" WHERE tid = ? AND seq BETWEEN ? AND ? AND op <> '{ledger.IMAGE}' LIMIT ?)",
            (*wanted, most + 1),
        ).fetchone()
        return LIMIT.reason if count > most else None


def readPast(
    cursor: sqlite3.Cursor,
    table: str,
    lineage: str,
    after: int,
    until: int,
    limit: int,
    size: int | None,
    changeBytes: int,
) -> list[Change]:
    """
    Read past changes of a table; see
    L{IJournal.readPast<aerostack.interfaces.tracking.IJournal.readPast>}.

    @param changeBytes: How many bytes the values of one change may take in JSON.
    """
    with transaction(cursor, "BEGIN"):
        if not schema.isComplete(cursor):
            raise expired(table)
        record = ledger.find(cursor, fold(table))
        if record is None or lineageOf(ledger.epoch(cursor), record.tid) != lineage:
            raise expired(table)
        first = ledger.entryAfter(after)
        installed = installedTriggers(cursor).get(record.tid, ())
        if (after < until and ledger.oldest(cursor) > first) or not repair.isCurrent(
            cursor, record, installed
        ):
            raise expired(table)
        rows = cursor.execute(
            f"{entries.SELECT} AND tid = ? AND seq BETWEEN ? AND ? ORDER BY seq",
            (record.tid, first, until // 2),
        )
        reader = EntryReader(cursor.connection.cursor(), {record.tid: record}, changeBytes)
        changes: list[Change] = []
        for entry in rows:
            try:
                found = reader.changes(entry)
                changes += [change for change in found if after < change.seq <= until]
            except entries.Underivable:
                raise expired(table) from None
            if len(changes) >= limit or (size is not None and reader.size >= size):
                break
        return changes
