"""
The journal of an SQLite database.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from zope.interface import implementer

from aerostack.core.rows.changes import Change
from aerostack.core.rows.columns import Columns
from aerostack.core.rows.journal import Lag, Loss, Poll, gap, lineageOf
from aerostack.core.rows.selection import Bounds, Selection, Snapshot
from aerostack.databases.health import RestoreNotice
from aerostack.databases.oversize import CHANGE_BYTES
from aerostack.databases.restored import Note
from aerostack.databases.sqlite import entries, ledger, repair, schema
from aerostack.databases.sqlite.entries import EntryReader
from aerostack.databases.sqlite.installed import installedTriggers
from aerostack.databases.sqlite.ledger import LEASE, Place, TableRecord, transaction
from aerostack.databases.sqlite.names import fold
from aerostack.databases.sqlite.noting import NotedJournal
from aerostack.databases.sqlite.past import readPast, surveyPast
from aerostack.databases.sqlite.pruning import HOLD, WHOLE, prune
from aerostack.databases.sqlite.select import readRows
from aerostack.databases.sqlite.tables import columnTypes, describe
from aerostack.errors import RealtimeError
from aerostack.interfaces.tracking import IJournal


@implementer(IJournal)
class SQLiteJournal:
    """
    Records and reads the changes of one SQLite database.

    Use it from one thread at a time, with the cursors of a connection on which no other object
    writes.  C{PRAGMA data_version} shows whether there is anything new, and does not count a
    connection's own commits.
    """

    def __init__(
        self,
        rebuiltRows: int = 1000,
        changeBytes: int = CHANGE_BYTES,
        hold: float = HOLD,
        whole: int = WHOLE,
        note: Note | None = None,
        restored: RestoreNotice | None = None,
    ) -> None:
        """
        @param rebuiltRows: The highest number of rows of a table that was dropped and made again
            for which each row is reported as an INSERT.
        @param changeBytes: How many bytes the values of one change may take in JSON.
        @param hold: For how many seconds entries are kept that may be pruned, so that many go at
            once.
        @param whole: How many entries to prune at once, also if the caller asks for fewer.
        @param note: Notes how far the journal came, outside of the database.
        @param restored: Notes that the database was put back to an older state.
        """
        self._noted = NotedJournal(note, restored or RestoreNotice())
        self._hold = hold
        self._whole = whole
        self._rebuiltRows = rebuiltRows
        self._changeBytes = changeBytes
        # The tables that this run follows, by their folded names.
        self._wanted: dict[str, str] = {}
        self._records: Mapping[int, TableRecord] = {}
        # The columns that subscribers know, for each followed table.
        self._known: dict[str, Sequence[Place]] = {}
        self._after = 0
        self._connection: sqlite3.Connection | None = None
        # The schema version that the records belong to.
        self._schemaVersion: int | None = None
        # The data version and position at which the journal had nothing more to read.
        self._quiet: tuple[int, int] | None = None

    def prepare(self, cursor: sqlite3.Cursor) -> int:
        schema.checkVersion(cursor)
        if not _isReady(cursor):
            with transaction(cursor, "BEGIN IMMEDIATE"):
                # Another process may have been first.
                if not _isReady(cursor):
                    schema.create(cursor, ledger.entryAfter(self._after) - 1)
                    # No earlier position is valid in a new journal.
                    self._noted.take(cursor)
        self._noted.compare(cursor)
        self._after = ledger.lastChangeOf(ledger.newest(cursor))
        return self._after

    def check(self, cursor: sqlite3.Cursor) -> None:
        schema.checkVersion(cursor)

    def attached(self, cursor: sqlite3.Cursor) -> list[str]:
        records = ledger.records(cursor).values()
        return [record.name for record in records if record.ended is None]

    def attach(self, cursor: sqlite3.Cursor, table: str) -> str:
        # A name that is no table must not cost the writers a lock.
        describe(cursor, table)
        with transaction(cursor, "BEGIN IMMEDIATE"):
            version = _pragma(cursor, "schema_version")
            described = describe(cursor, table)
            key = fold(described.name)
            if not schema.isComplete(cursor):
                self._repair(cursor)
            record = ledger.find(cursor, key)
            if record is not None and key in self._wanted:
                # The table's subscribers must hear what happened to it.
                name = record.name
                installed = installedTriggers(cursor).get(record.tid, ())
                if not repair.isCurrent(cursor, record, installed):
                    read = ledger.entryAfter(self._after) - 1
                    repair.repairTable(cursor, record, installed, read, self._rebuiltRows)
            else:
                name = described.name
                repair.follow(cursor, described, record)
                followed = ledger.find(cursor, key)
                if followed is not None:
                    ledger.setName(cursor, followed.tid, name)
            records = ledger.records(cursor)
            present = _pragma(cursor, "schema_version")
        self._wanted[key] = name
        self._settle(records, version, present)
        return name

    def detach(self, cursor: sqlite3.Cursor, table: str) -> None:
        self._wanted.pop(fold(table), None)
        self._known.pop(table, None)
        if not schema.isComplete(cursor):
            return
        with transaction(cursor, "BEGIN IMMEDIATE"):
            version = _pragma(cursor, "schema_version")
            record = ledger.find(cursor, fold(table))
            if record is not None:
                ledger.end(cursor, record.tid)
            records = ledger.records(cursor)
            present = _pragma(cursor, "schema_version")
        self._settle(records, version, present)

    def columns(self, cursor: sqlite3.Cursor, table: str) -> Columns:
        return columnTypes(describe(cursor, table))

    def poll(self, cursor: sqlite3.Cursor, after: int, limit: int, size: int | None = None) -> Poll:
        connection = cursor.connection
        if connection is not self._connection:
            # The version numbers of another connection do not apply to this one.
            self._connection = connection
            self._quiet = None
            self._schemaVersion = None
        # The data version is read before the journal: a commit in between is then read twice, not
        # missed.
        dataVersion = _pragma(cursor, "data_version")
        if self._quiet == (dataVersion, after):
            return Poll((), after, False)
        self._after = after
        with transaction(cursor, "BEGIN"):
            version = _pragma(cursor, "schema_version")
            current = version == self._schemaVersion
            records = self._records
            if not current:
                schema.checkVersion(cursor)
            if not current and not repair.isNeeded(cursor, self._wanted.values()):
                current = True
                records = ledger.records(cursor)
            poll = self._read(cursor, records, after, limit, size) if current else None
        if poll is None:
            with transaction(cursor, "BEGIN IMMEDIATE"):
                self._repair(cursor)
                records = ledger.records(cursor)
                poll = self._read(cursor, records, after, limit, size)
                version = _pragma(cursor, "schema_version")
            assert poll is not None, "a repaired journal is never behind its reader"
        self._records = records
        poll = replace(poll, missing=frozenset(r.name for r in _active(records) if r.missing))
        if version != self._schemaVersion:
            # The version number does not show which tables changed.
            poll = replace(
                poll,
                altered=frozenset(self._wanted.values()),
                reshaped=frozenset(self._findReshaped(records)),
            )
        self._schemaVersion = version
        self._quiet = None if poll.more else (dataVersion, poll.after)
        self._after = poll.after
        if poll.events:
            # The note must be written before the changes are delivered.
            self._noted.write(cursor)
        return poll

    def lineage(self, cursor: sqlite3.Cursor, table: str) -> str:
        record = ledger.find(cursor, fold(table)) if schema.isComplete(cursor) else None
        return "" if record is None else lineageOf(ledger.epoch(cursor), record.tid)

    def reshapedAt(self, cursor: sqlite3.Cursor, table: str) -> int:
        record = ledger.find(cursor, fold(table)) if schema.isComplete(cursor) else None
        places = () if record is None else record.places
        since = max((place.since for place in places), default=0)
        return ledger.lastChangeOf(since - 1) if since else -1

    def surveyPast(
        self,
        cursor: sqlite3.Cursor,
        table: str,
        lineage: str,
        after: int,
        until: int,
        most: int | None,
    ) -> str | None:
        return surveyPast(cursor, table, lineage, after, until, most)

    def readPast(
        self,
        cursor: sqlite3.Cursor,
        table: str,
        lineage: str,
        after: int,
        until: int,
        limit: int,
        size: int | None = None,
    ) -> list[Change]:
        return readPast(cursor, table, lineage, after, until, limit, size, self._changeBytes)

    def snapshot(
        self, cursor: sqlite3.Cursor, table: str, selection: Selection, bounds: Bounds
    ) -> Snapshot:
        # The first query begins the transaction, and fixes the view of the database for all
        # others.
        try:
            with transaction(cursor, "BEGIN"):
                position = ledger.lastChangeOf(ledger.newest(cursor))
                lineage = self.lineage(cursor, table)
                described = describe(cursor, table)
                names = [column.name for column in described.columns]
                rows, size = readRows(cursor, described.name, names, selection, bounds)
        except sqlite3.OperationalError as error:
            # Outside WAL mode a writer keeps readers out.
            if error.sqlite_errorcode & 0xFF not in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
                raise
            raise RealtimeError(
                "database_unavailable", "Another program locks the database; ask again.", 1000
            ) from None
        return Snapshot(rows, position, lineage, size)

    def renew(self, cursor: sqlite3.Cursor, timestamp: int) -> None:
        if not schema.isComplete(cursor):
            return
        (until,) = cursor.execute(
            "SELECT value FROM _aerostack_meta WHERE key = 'lease'"
        ).fetchone()
        # Do not write without need: a program that writes at the same time and does not wait for
        # the lock would get the error that the database is locked.
        if until <= timestamp + LEASE // 2:
            cursor.execute(
                "UPDATE _aerostack_meta SET value = ? WHERE key = 'lease'", (timestamp + LEASE,)
            )

    def prune(self, cursor: sqlite3.Cursor, before: int, timestamp: int, limit: int) -> int:
        if not schema.isComplete(cursor):
            return 0
        return prune(cursor, before, timestamp, max(limit, self._whole), self._hold)

    def lag(self, cursor: sqlite3.Cursor) -> Lag:
        self._noted.take(cursor)
        # The journal has the order of commits, and no transaction delays the changes of another.
        return Lag(0.0, None)

    def fold(self, name: str) -> str:
        return fold(name)

    def remove(self, cursor: sqlite3.Cursor) -> list[str]:
        with transaction(cursor, "BEGIN IMMEDIATE"):
            names = schema.clear(cursor)
        self._noted.remove()
        return names

    def _repair(self, cursor: sqlite3.Cursor) -> None:
        read = ledger.entryAfter(self._after) - 1
        repair.repair(cursor, read, self._wanted.values(), self._rebuiltRows)
        # This connection committed the new entries, so the data version does not count them.
        self._quiet = None

    def _read(
        self,
        cursor: sqlite3.Cursor,
        records: Mapping[int, TableRecord],
        after: int,
        limit: int,
        size: int | None,
    ) -> Poll | None:
        """
        Read the journal.

        @return: L{None} if the journal is behind its reader, because a program emptied it.
        """
        first = ledger.entryAfter(after)
        newest = ledger.newest(cursor)
        if ledger.lastChangeOf(newest) < after:
            return None
        events: list[Change | Loss] = []
        oldest = ledger.oldest(cursor)
        if first <= newest and oldest > first:
            events.extend(_gapLosses(records.values(), ledger.lastChangeOf(oldest - 1)))
        found = cursor.execute(
            f"{entries.SELECT} AND seq >= ? ORDER BY seq LIMIT ?", (first, limit + 1)
        )
        reader = EntryReader(cursor.connection.cursor(), records, self._changeBytes)
        # The index of each table's newest event.
        ends: dict[int, int] = {}
        # The entries after the last reported one report nothing.
        reached, more, last = ledger.lastChangeOf(newest), False, after
        for count, entry in enumerate(found):
            if count == limit or (size is not None and reader.size >= size):
                reached, more = last, True
                break
            for event in reader.events(entry):
                if event.seq > after:
                    ends[entry[1]] = len(events)
                    events.append(event)
            last = ledger.lastChangeOf(entry[0])
        for tid, index in ends.items():
            # Triggers cannot see where a transaction ends.  But all visible entries are
            # committed, so what follows a table's newest change belongs to another transaction.
            event = events[index]
            if isinstance(event, Change) and not (
                more and entries.isFollowed(cursor, tid, reached)
            ):
                events[index] = replace(event, last=True)
        return Poll(tuple(events), reached, more)

    def _findReshaped(self, records: Mapping[int, TableRecord]) -> Iterator[str]:
        """
        Find the tables whose columns differ from those that their subscribers know.
        """
        for record in _active(records):
            if fold(record.name) in self._wanted and not record.missing:
                if self._known.get(record.name, record.places) != record.places:
                    yield record.name
                self._known[record.name] = record.places

    def _settle(self, records: Mapping[int, TableRecord], before: int, present: int) -> None:
        """
        Take over the result of one of the daemon's own transactions.
        """
        self._records = records
        for record in _active(records):
            if fold(record.name) in self._wanted:
                self._known.setdefault(record.name, record.places)
        self._quiet = None
        # If the user changed the schema as well, the next poll must still see that.
        if self._schemaVersion == before:
            self._schemaVersion = present


def _isReady(cursor: sqlite3.Cursor) -> bool:
    """Whether the journal is whole, and of this version."""
    return schema.isComplete(cursor) and schema.isOfThisVersion(cursor)


def _pragma(cursor: sqlite3.Cursor, name: str) -> int:
    value: int = cursor.execute(f"PRAGMA {name}").fetchone()[0]
    return value


def _active(records: Mapping[int, TableRecord]) -> list[TableRecord]:
    return [record for record in records.values() if record.ended is None]


def _gapLosses(records: Iterable[TableRecord], seq: int) -> list[Loss]:
    return gap((r.name for r in records if r.ended is None and not r.missing), seq)
