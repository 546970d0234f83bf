"""
What the entries of an SQLite journal say.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from aerostack.core.changes import DELETE, INSERT, UPDATE, Change, Row
from aerostack.errors import RealtimeError
from aerostack.tracker import ledger
from aerostack.tracker.journal import Loss
from aerostack.tracker.ledger import Record
from aerostack.tracker.oversize import omissions
from aerostack.tracker.schema import describe
from aerostack.wire.values import toJSON

Entry = tuple[Any, ...]
"""A row of C{_aerostack_changes}, as L{select} has it."""

_OPERATIONS = {ledger.INSERTED: INSERT, ledger.UPDATED: UPDATE, ledger.DELETED: DELETE}


def select(records: Collection[Record]) -> str:
    """
    The beginning of a query for entries, up to its C{WHERE}.

    @param records: The tables of which entries are read.
    """
    width = max((p.position for record in records for p in record.places), default=0) + 1
    cells = ", ".join(f"c{position}, o{position}" for position in range(width))
    return f"SELECT seq, tid, op, at, {cells} FROM _aerostack_changes"


def take(rows: Iterator[Entry], limit: int, size: int | None) -> tuple[list[Entry], bool]:
    """
    Take entries one by one, so that no more of large ones are in memory than are wanted.

    @param limit: How many to take at the most.
    @param size: After how many bytes of values to take no more.
    @return: The entries, and whether there are more.
    """
    taken: list[Entry] = []
    total = 0
    for row in rows:
        if len(taken) == limit or (size is not None and total >= size):
            return taken, True
        taken.append(row)
        total += sum(len(cell) for cell in row if isinstance(cell, (str, bytes)))
    return taken, False


def ends(cursor: sqlite3.Cursor, rows: Sequence[Entry], more: bool) -> set[int]:
    """
    Tell the numbers of the changes that are their tables' newest.

    Triggers cannot see where a transaction ends.  But everything that can be read was
    committed, so what follows a table's newest change belongs to another transaction.

    @param more: There are entries that were not read with these rows.
    """
    newest = {tid: seq for seq, tid, *_ in rows}
    if more:
        end = rows[-1][0]
        for tid in tuple(newest):
            if cursor.execute(
                "SELECT 1 FROM _aerostack_changes WHERE seq > ? AND tid = ? LIMIT 1", (end, tid)
            ).fetchone():
                del newest[tid]
    return set(newest.values())


class EntryReader:
    """
    Makes of entries what they tell.
    """

    def __init__(self, cursor: sqlite3.Cursor, changeBytes: int) -> None:
        """
        @param cursor: In a transaction, so that the tables are those of the entries.
        @param changeBytes: How many bytes the values of one change may take in JSON.
        """
        self._cursor = cursor
        self._changeBytes = changeBytes

    def event(self, record: Record, row: Entry, last: bool = False) -> Change | Loss:
        """
        What an entry tells.

        @param record: Its table.
        @param last: See L{Change}.
        """
        seq, _tid, op, _at, reason, *_ = row
        if op == ledger.LOST:
            return Loss(record.name, RealtimeError("table_lost", reason), seq)
        return self.change(record, row, last)

    def change(self, record: Record, row: Entry, last: bool = False) -> Change:
        """
        What an entry tells that is known to tell a change.
        """
        seq, _tid, op, at, *cells = row
        operation = _OPERATIONS[op]
        old = None if operation == INSERT else _image(record, seq, cells[1::2])
        data = old if operation == DELETE and old is not None else _image(record, seq, cells[::2])
        omitted = omissions(
            [data] if old is None else [data, old],
            self._changeBytes,
            lambda: self._keyColumns(record),
        )
        return Change(
            seq,
            record.name,
            operation,
            _told(data, omitted),
            None if old is None else _told(old, omitted),
            at,
            last=last,
            omitted=tuple(name for name in data if name in omitted),
        )

    def _keyColumns(self, record: Record) -> Collection[str]:
        try:
            return describe(self._cursor, record.name).keyColumns
        except RealtimeError:
            # It has gone meanwhile.
            return ()


def _image(record: Record, seq: int, cells: Sequence[Any]) -> dict[str, Any]:
    """A row, with values as they are in the database."""
    return {
        place.name: cells[place.position] if seq >= place.since else place.fallback
        for place in record.places
        if place.name is not None
    }


def _told(image: Mapping[str, Any], omitted: Collection[str]) -> Row:
    return {name: toJSON(value) for name, value in image.items() if name not in omitted}
