"""
Decodes the entries of an SQLite journal.

An entry that holds only keys says what happened to a row.  The row as it was before is its last
image in the journal: a trigger writes an image before each change of the row.  The row as it is
after is its next image or, without a next image, the row in the table, in the same view of the
database.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

from aerostack.core.rows.changes import DELETE, INSERT, UPDATE, Change, Row
from aerostack.core.rows.journal import Loss
from aerostack.databases.identifiers import quoteIdentifier
from aerostack.databases.oversize import omissions
from aerostack.databases.sqlite import ledger
from aerostack.databases.sqlite.ledger import TableRecord, lastChangeOf
from aerostack.databases.sqlite.tables import Table, describe
from aerostack.databases.sqlite.triggertext import cellName
from aerostack.errors import RealtimeError
from aerostack.protocol.values import toJSON

Entry = tuple[Any, ...]
"""A row of C{_aerostack_changes}, as L{SELECT} has it."""

_NEAREST = (
    "(SELECT b.seq FROM _aerostack_changes AS b WHERE b.op IN ('B', 'd') AND b.tid = e.tid"
    " AND b.k = {key} AND b.seq {beside} e.seq ORDER BY b.seq{down} LIMIT 1)"
)

# The entry; and where the images are of the row before, of an earlier row at the new key, and of
# the row after.
SELECT = (
    "SELECT seq, tid, op, at, k, c0,"
    " CASE WHEN op = 'd' THEN seq WHEN op IN ('u', 'U', 'D', 'G') THEN "
    + _NEAREST.format(key="coalesce(e.was, e.k)", beside="<", down=" DESC")
    + " END, CASE WHEN op = 'i' OR (op = 'u' AND k <> was) THEN "
    + _NEAREST.format(key="e.k", beside="<", down=" DESC")
    + " END, CASE WHEN op IN ('i', 'u') THEN "
    + _NEAREST.format(key="e.k", beside=">", down="")
    + f" END FROM _aerostack_changes AS e WHERE op <> '{ledger.IMAGE}'"
)
"""The beginning of a query for the entries that report something."""

# Whether the row of an image left before another row came to its key.  A trigger makes an image
# just before the row may leave, so a few entries show this.
_LEFT = (
    "SELECT 1 FROM _aerostack_changes WHERE seq >= ? AND seq < ? AND tid = ?"
    " AND ((op IN ('d', 'D', 'G') AND k = ?) OR (op = 'u' AND was = ? AND k <> was)) LIMIT 1"
)

_DEPARTURES = (ledger.GONE, ledger.DELETED, ledger.REPLACED)

_DAY = 86_400_000
_EPOCH = 2440587.5


class Underivable(Exception):
    """
    The row of an entry cannot be found.
    """


def milliseconds(at: float) -> int:
    """
    Convert the time of an entry to ms since the epoch.
    """
    return round((at - _EPOCH) * _DAY)


def day(timestamp: int) -> float:
    """
    Convert ms since the epoch to the time of an entry.
    """
    return timestamp / _DAY + _EPOCH


def isFollowed(cursor: sqlite3.Cursor, tid: int, position: int) -> bool:
    """
    Whether the journal has more changes of a table.

    @param position: The number of the change after which to look for them.
    """
    found = cursor.execute(
        f"SELECT 1 FROM _aerostack_changes WHERE seq >= ? AND tid = ?"
        f" AND op <> '{ledger.IMAGE}' LIMIT 1",
        (ledger.entryAfter(position), tid),
    ).fetchone()
    return found is not None


class EntryReader:
    """
    Decodes entries to changes and losses.

    @ivar size: How many bytes the values have that it has read.
    """

    def __init__(
        self, cursor: sqlite3.Cursor, records: Mapping[int, TableRecord], changeBytes: int
    ) -> None:
        """
        @param cursor: In a transaction, so that the tables match the entries.
        @param records: The tables whose entries are read; those that were not given up have the
            columns of these records.
        @param changeBytes: How many bytes the values of one change may take in JSON.
        """
        self.size = 0
        self._cursor = cursor
        self._records = records
        self._changeBytes = changeBytes
        self._tables: dict[int, Table | None] = {}
        self._images: dict[int, str] = {}
        self._rows: dict[int, str] = {}

    def events(self, entry: Entry) -> list[Change | Loss]:
        """
        Decode an entry that may report a loss.
        """
        seq, tid, op, _at, _k, reason, *_ = entry
        record = self._records.get(tid)
        if record is None:
            return []
        if op == ledger.LOST:
            return [Loss(record.name, RealtimeError("table_lost", reason), lastChangeOf(seq))]
        try:
            return list(self.changes(entry))
        except Underivable:
            if record.ended is not None or record.missing:
                # It was dropped or made again.  The journal reports that in its own entry.
                return []
            return [Loss(record.name, _unsure(record.name), lastChangeOf(seq))]

    def changes(self, entry: Entry) -> Iterator[Change]:
        """
        Decode an entry that reports changes.

        @raise Underivable: A row cannot be found.
        """
        seq, tid, op, at, k, _reason, before, there, after = entry
        record = self._records[tid]
        if op in _DEPARTURES:
            gone = self._image(record, before)
            yield self._change(record, lastChangeOf(seq), DELETE, gone, gone, at)
            return
        replaced = None
        if there is not None and not self._left(tid, there, seq, k):
            replaced = self._image(record, there)
        elif op == ledger.KEY_INSERTED and k == -1 and not self._isFree(record, seq):
            raise Underivable
        old = None if before is None else self._image(record, before)
        if op in (ledger.INSERTED, ledger.UPDATED):
            data = self._image(record, seq)
        elif after is not None:
            data = self._image(record, after)
        else:
            data = self._row(record, k)
        if replaced is not None:
            yield self._change(record, lastChangeOf(seq) - 1, DELETE, replaced, replaced, at)
        if op in (ledger.UPDATED, ledger.KEY_UPDATED):
            if old is None:
                raise Underivable
            yield self._change(record, lastChangeOf(seq), UPDATE, data, old, at)
        else:
            yield self._change(record, lastChangeOf(seq), INSERT, data, None, at)

    def _change(
        self,
        record: TableRecord,
        number: int,
        operation: str,
        data: Mapping[str, Any],
        old: Mapping[str, Any] | None,
        at: float,
    ) -> Change:
        omitted = omissions(
            [data] if old is None else [data, old],
            self._changeBytes,
            lambda: self._keyColumns(record),
        )
        return Change(
            number,
            record.name,
            operation,
            _jsonRow(data, omitted),
            None if old is None else _jsonRow(old, omitted),
            milliseconds(at),
            omitted=tuple(name for name in data if name in omitted),
        )

    def _image(self, record: TableRecord, seq: int | None) -> dict[str, Any]:
        """The row that an entry holds, with values as they are in the database."""
        sql = self._images.get(record.tid)
        if sql is None:
            cells = ", ".join(cellName(place.position) for place in record.places)
            sql = f"SELECT {cells} FROM _aerostack_changes WHERE seq = ?"
            self._images[record.tid] = sql
        if seq is None:
            raise Underivable
        cells = self._cursor.execute(sql, (seq,)).fetchone()
        self._count(cells)
        return {
            place.name: cell if seq >= place.since else place.fallback
            for place, cell in zip(record.places, cells, strict=True)
            if place.name is not None
        }

    def _row(self, record: TableRecord, key: int) -> dict[str, Any]:
        """A row as it is in its table."""
        names = [place.name for place in record.places if place.name is not None]
        sql = self._rows.get(record.tid)
        if sql is None:
            table = self._table(record)
            if table is None or not table.stableKey:
                raise Underivable
            columns = ", ".join(f"t.{quoteIdentifier(name)}" for name in names)
            sql = (
                f"SELECT {columns} FROM main.{quoteIdentifier(table.name)} AS t"
                f" WHERE t.{table.key[0].sql} = ?"
            )
            self._rows[record.tid] = sql
        cells = self._cursor.execute(sql, (key,)).fetchone()
        if cells is None:
            raise Underivable
        self._count(cells)
        return dict(zip(names, cells, strict=True))

    def _left(self, tid: int, image: int, seq: int, key: int) -> bool:
        wanted = (image, seq, tid, key, key)
        return self._cursor.execute(_LEFT, wanted).fetchone() is not None

    def _isFree(self, record: TableRecord, seq: int) -> bool:
        """
        Whether a row that was inserted under the key -1 cannot have replaced another row.
        """
        table = self._table(record)
        if table is None or table.uniques:
            return True
        found = self._cursor.execute(
            f"SELECT op, k FROM _aerostack_changes WHERE seq < ? AND tid = ?"
            f" AND op <> '{ledger.IMAGE}' AND -1 IN (k, was) ORDER BY seq DESC LIMIT 1",
            (seq, record.tid),
        ).fetchone()
        if found is None:
            return False
        op, now = found
        return op in _DEPARTURES or now != -1

    def _table(self, record: TableRecord) -> Table | None:
        """The table of a record; L{None} if it is given up or gone."""
        if record.tid not in self._tables:
            table = None
            if record.ended is None and not record.missing:
                with suppress(RealtimeError):
                    table = describe(self._cursor, record.name)
            self._tables[record.tid] = table
        return self._tables[record.tid]

    def _keyColumns(self, record: TableRecord) -> Collection[str]:
        table = self._table(record)
        return () if table is None else table.keyColumns

    def _count(self, cells: Sequence[Any]) -> None:
        self.size += sum(len(cell) for cell in cells if isinstance(cell, (str, bytes)))


def _jsonRow(image: Mapping[str, Any], omitted: Collection[str]) -> Row:
    return {name: toJSON(value) for name, value in image.items() if name not in omitted}


def _unsure(table: str) -> RealtimeError:
    return RealtimeError(
        "table_lost",
        f"Changes of the table {table!r} may be missing, because a row was written past what"
        " records them; reload it.",
    )
