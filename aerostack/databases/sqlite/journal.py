"""
The journal of an SQLite database.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from twisted.logger import Logger
from zope.interface import implementer

from aerostack.core.replay.log import EXPIRED, LIMIT, UNKNOWN
from aerostack.core.rows.changes import Change
from aerostack.core.rows.columns import Columns
from aerostack.core.rows.journal import Lag, Loss, Poll, expired, gap, lineageOf
from aerostack.core.rows.selection import Bounds, Selection, Snapshot
from aerostack.databases.oversize import CHANGE_BYTES
from aerostack.databases.restored import Note, Noted, isRestored
from aerostack.databases.sqlite import entries, ledger, repair
from aerostack.databases.sqlite.entries import EntryReader
from aerostack.databases.sqlite.ledger import LEASE, Place, Record, transaction
from aerostack.databases.sqlite.rows import readRows
from aerostack.databases.sqlite.tables import columnTypes, describe, fold
from aerostack.errors import RealtimeError
from aerostack.interfaces import IJournal

HOLD = 600.0
"""For how many seconds entries that may be forgotten are kept."""

PATIENCE = 3
"""For how many times as long they are kept while the database is never quiet."""

QUIET = 1.0
"""For how many seconds nothing may have been entered where something is to be forgotten."""

WHOLE = 50_000
"""How many entries are forgotten at once, which takes about a tenth of a second."""


@implementer(IJournal)
class SQLiteJournal:
    """
    Records and reads the changes of one SQLite database.

    Use it from one thread at a time, with the cursors of a connection on which nobody
    else writes: whether there is anything new is asked of C{PRAGMA data_version}, which
    does not count a connection's own commits.
    """

    log = Logger()

    def __init__(
        self,
        rebuiltRows: int = 1000,
        changeBytes: int = CHANGE_BYTES,
        hold: float = HOLD,
        whole: int = WHOLE,
        note: Note | None = None,
    ) -> None:
        """
        @param rebuiltRows: How many rows a table that was dropped and made again may
            have for each to be told as an INSERT.
        @param changeBytes: How many bytes the values of one change may take in JSON.
        @param hold: For how many seconds entries that may be forgotten are kept, so that many
            go at once.
        @param whole: How many entries to forget at once, also if fewer are asked for.
        @param note: Knows how far the journal came, whatever was done with the database.
        """
        self._note = note
        self._hold = hold
        self._whole = whole
        self._rebuiltRows = rebuiltRows
        self._changeBytes = changeBytes
        # What is followed in this run, by its folded name.
        self._wanted: dict[str, str] = {}
        self._records: Mapping[int, Record] = {}
        # Of each table that is followed, what its subscribers know of its columns.
        self._known: dict[str, Sequence[Place]] = {}
        self._after = 0
        self._connection: sqlite3.Connection | None = None
        # The schema to which the records belong.
        self._schemaVersion: int | None = None
        # The data version and position at which there was nothing more to read.
        self._quiet: tuple[int, int] | None = None

    def prepare(self, cursor: sqlite3.Cursor) -> int:
        if not ledger.isComplete(cursor):
            with transaction(cursor, "BEGIN IMMEDIATE"):
                # Another process may have been first.
                if not ledger.isComplete(cursor):
                    ledger.create(cursor, ledger.entryAfter(self._after) - 1)
                    # No position of before is one in a journal that begins.
                    self._takeNote(cursor)
        ledger.checkVersion(cursor)
        if self._note is not None:
            self._compare(cursor, self._note)
        self._after = ledger.told(ledger.newest(cursor))
        return self._after

    def _compare(self, cursor: sqlite3.Cursor, note: Note) -> None:
        """
        See whether the journal is the one that the note beside the database tells of.
        """
        if _isOther(cursor, note):
            # The positions that clients have are in another past than this journal's.
            with transaction(cursor, "BEGIN IMMEDIATE"):
                # Another process may have been first.
                isOther = _isOther(cursor, note)
                if isOther:
                    ledger.beginEpoch(cursor)
                    self._takeNote(cursor)
            if isOther:
                self.log.warn(
                    "the database was put back to an older state, or is a copy in another place:"
                    " its journal is not what {note} says, or that file is not there.  Clients that"
                    " come back for changes of tables are told of a gap, and reload",
                    note=note.path,
                )
        isNoted = self._takeNote(cursor)
        if isNoted != ledger.isNoted(cursor):
            with transaction(cursor, "BEGIN IMMEDIATE"):
                ledger.setNoted(cursor, isNoted)

    def attached(self, cursor: sqlite3.Cursor) -> list[str]:
        records = ledger.records(cursor).values()
        return [record.name for record in records if record.ended is None]

    def attach(self, cursor: sqlite3.Cursor, table: str) -> str:
        # What is no table must not cost the writers a lock.
        describe(cursor, table)
        with transaction(cursor, "BEGIN IMMEDIATE"):
            version = _pragma(cursor, "schema_version")
            described = describe(cursor, table)
            key = fold(described.name)
            if not ledger.isComplete(cursor):
                self._repair(cursor)
            record = self._find(cursor, key)
            if record is not None and key in self._wanted:
                # Its subscribers must hear what happened to it.
                name = record.name
                standing = ledger.triggers(cursor).get(record.tid, ())
                if not repair.isCurrent(cursor, record, standing):
                    read = ledger.entryAfter(self._after) - 1
                    repair.repairTable(cursor, record, standing, read, self._rebuiltRows)
            else:
                name = described.name
                repair.follow(cursor, described, record)
                followed = self._find(cursor, key)
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
        if not ledger.isComplete(cursor):
            return
        with transaction(cursor, "BEGIN IMMEDIATE"):
            version = _pragma(cursor, "schema_version")
            record = self._find(cursor, fold(table))
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
            # The numbers of another connection say nothing about this one's.
            self._connection = connection
            self._quiet = None
            self._schemaVersion = None
        # Asked before the read begins: what is committed in between is then read twice,
        # not missed.
        dataVersion = _pragma(cursor, "data_version")
        if self._quiet == (dataVersion, after):
            return Poll((), after, False)
        self._after = after
        with transaction(cursor, "BEGIN"):
            version = _pragma(cursor, "schema_version")
            current = version == self._schemaVersion
            records = self._records
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
            # Which tables it was that somebody changed, the number does not say.
            poll = replace(
                poll,
                altered=frozenset(self._wanted.values()),
                reshaped=frozenset(self._findReshaped(records)),
            )
        self._schemaVersion = version
        self._quiet = None if poll.more else (dataVersion, poll.after)
        self._after = poll.after
        if poll.events and self._note is not None:
            # Before anybody is told of them.
            self._note.write(_standing(cursor))
        return poll

    def lineage(self, cursor: sqlite3.Cursor, table: str) -> str:
        record = self._find(cursor, fold(table)) if ledger.isComplete(cursor) else None
        return "" if record is None else lineageOf(ledger.epoch(cursor), record.tid)

    def reshapedAt(self, cursor: sqlite3.Cursor, table: str) -> int:
        record = self._find(cursor, fold(table)) if ledger.isComplete(cursor) else None
        places = () if record is None else record.places
        since = max((place.since for place in places), default=0)
        return ledger.told(since - 1) if since else -1

    def surveyPast(
        self,
        cursor: sqlite3.Cursor,
        table: str,
        lineage: str,
        after: int,
        until: int,
        most: int | None,
    ) -> str | None:
        with transaction(cursor, "BEGIN"):
            if not ledger.isComplete(cursor):
                return UNKNOWN.reason
            record = self._find(cursor, fold(table))
            if record is None or lineageOf(ledger.epoch(cursor), record.tid) != lineage:
                # It was not followed all the time, so nobody knows what happened.
                return EXPIRED.reason
            first, last = ledger.entryAfter(after), until // 2
            if ledger.told(ledger.newest(cursor)) < after:
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
        self,
        cursor: sqlite3.Cursor,
        table: str,
        lineage: str,
        after: int,
        until: int,
        limit: int,
        size: int | None = None,
    ) -> list[Change]:
        with transaction(cursor, "BEGIN"):
            if not ledger.isComplete(cursor):
                raise expired(table)
            record = self._find(cursor, fold(table))
            if record is None or lineageOf(ledger.epoch(cursor), record.tid) != lineage:
                raise expired(table)
            first = ledger.entryAfter(after)
            standing = ledger.triggers(cursor).get(record.tid, ())
            if (after < until and ledger.oldest(cursor) > first) or not repair.isCurrent(
                cursor, record, standing
            ):
                raise expired(table)
            found = cursor.execute(
                f"{entries.SELECT} AND tid = ? AND seq BETWEEN ? AND ? ORDER BY seq",
                (record.tid, first, until // 2),
            )
            reader = EntryReader(
                cursor.connection.cursor(), {record.tid: record}, self._changeBytes
            )
            changes: list[Change] = []
            for entry in found:
                try:
                    told = reader.changes(entry)
                    changes += [change for change in told if after < change.seq <= until]
                except entries.Underivable:
                    raise expired(table) from None
                if len(changes) >= limit or (size is not None and reader.size >= size):
                    break
            return changes

    def snapshot(
        self, cursor: sqlite3.Cursor, table: str, selection: Selection, bounds: Bounds
    ) -> Snapshot:
        # What is asked first begins the transaction, and with it the view of the database
        # that everything else is read from.
        try:
            with transaction(cursor, "BEGIN"):
                position = ledger.told(ledger.newest(cursor))
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
        if not ledger.isComplete(cursor):
            return
        (until,) = cursor.execute(
            "SELECT value FROM _aerostack_meta WHERE key = 'lease'"
        ).fetchone()
        # What need not be written is not: whoever writes at the same time and does not wait
        # for the lock would be told that the database is locked.
        if until <= timestamp + LEASE // 2:
            cursor.execute(
                "UPDATE _aerostack_meta SET value = ? WHERE key = 'lease'", (timestamp + LEASE,)
            )

    def prune(self, cursor: sqlite3.Cursor, before: int, timestamp: int, limit: int) -> int:
        if not ledger.isComplete(cursor):
            return 0
        cutoff = entries.day(timestamp)
        if not self._isTimely(cursor, cutoff):
            return 0
        # Where the clock was set back, older entries can follow younger ones.  Only the
        # beginning is cut off, so that what is missing later can be seen as a gap.  An image is
        # kept with the entry that it belongs to.
        (last,) = cursor.execute(
            "SELECT max(seq) FROM (SELECT seq, at, op FROM _aerostack_changes WHERE seq <= ?"
            " AND seq < (SELECT max(seq) FROM _aerostack_changes) ORDER BY seq LIMIT ?)"
            f" WHERE at < ? AND op <> '{ledger.IMAGE}'",
            (ledger.entryAfter(before) - 1, max(limit, self._whole), cutoff),
        ).fetchone()
        if not last:
            return 0
        with transaction(cursor, "BEGIN IMMEDIATE"):
            cursor.execute("DELETE FROM _aerostack_changes WHERE seq <= ?", (last,))
            count = cursor.rowcount
            ledger.forgetEnded(cursor)
        return count

    def _isTimely(self, cursor: sqlite3.Cursor, cutoff: float) -> bool:
        """
        Whether to forget something now.

        A program that has read in a transaction and then wants to write is told that the
        database is locked, without waiting, if we have written meanwhile.  So we write seldom,
        and while nobody else does.

        @param cutoff: What is older may go.
        """
        found = cursor.execute(
            "SELECT (SELECT at FROM _aerostack_changes ORDER BY seq LIMIT 1),"
            " (SELECT at FROM _aerostack_changes ORDER BY seq DESC LIMIT 1), julianday('now')"
        ).fetchone()
        oldest, newest, now = found
        if oldest is None:
            return False
        overdue = (cutoff - oldest) * 86400
        if overdue <= self._hold:
            return False
        return (now - newest) * 86400 >= min(QUIET, self._hold) or overdue > PATIENCE * self._hold

    def lag(self, cursor: sqlite3.Cursor) -> Lag:
        self._takeNote(cursor)
        # What is committed is in the journal's order, and nobody holds up anybody's.
        return Lag(0.0, None)

    def fold(self, name: str) -> str:
        return fold(name)

    def remove(self, cursor: sqlite3.Cursor) -> list[str]:
        with transaction(cursor, "BEGIN IMMEDIATE"):
            names = ledger.clear(cursor)
        if self._note is not None:
            self._note.remove()
        return names

    def _takeNote(self, cursor: sqlite3.Cursor) -> bool:
        """
        @return: Whether it could be noted how far the journal is.
        """
        if self._note is None or not ledger.isComplete(cursor):
            return False
        return self._note.write(_standing(cursor))

    def _repair(self, cursor: sqlite3.Cursor) -> None:
        read = ledger.entryAfter(self._after) - 1
        repair.repair(cursor, read, self._wanted.values(), self._rebuiltRows)
        # What it entered was committed by this connection, so is not counted as new.
        self._quiet = None

    def _read(
        self,
        cursor: sqlite3.Cursor,
        records: Mapping[int, Record],
        after: int,
        limit: int,
        size: int | None,
    ) -> Poll | None:
        """
        Read the journal.

        @return: L{None} if it is behind its reader, so somebody emptied it.
        """
        first = ledger.entryAfter(after)
        newest = ledger.newest(cursor)
        if ledger.told(newest) < after:
            return None
        events: list[Change | Loss] = []
        oldest = ledger.oldest(cursor)
        if first <= newest and oldest > first:
            events.extend(_tellGap(records.values(), ledger.told(oldest - 1)))
        found = cursor.execute(
            f"{entries.SELECT} AND seq >= ? ORDER BY seq LIMIT ?", (first, limit + 1)
        )
        reader = EntryReader(cursor.connection.cursor(), records, self._changeBytes)
        # Where each table's newest event is.
        ends: dict[int, int] = {}
        # What is behind the last entry that tells something tells nothing.
        reached, more, last = ledger.told(newest), False, after
        for count, entry in enumerate(found):
            if count == limit or (size is not None and reader.size >= size):
                reached, more = last, True
                break
            for event in reader.events(entry):
                if event.seq > after:
                    ends[entry[1]] = len(events)
                    events.append(event)
            last = ledger.told(entry[0])
        for tid, index in ends.items():
            # Triggers cannot see where a transaction ends.  But everything that can be read was
            # committed, so what follows a table's newest change belongs to another one.
            event = events[index]
            if isinstance(event, Change) and not (
                more and entries.isFollowed(cursor, tid, reached)
            ):
                events[index] = replace(event, last=True)
        return Poll(tuple(events), reached, more)

    def _find(self, cursor: sqlite3.Cursor, key: str) -> Record | None:
        for record in ledger.records(cursor).values():
            if record.ended is None and fold(record.name) == key:
                return record
        return None

    def _findReshaped(self, records: Mapping[int, Record]) -> Iterator[str]:
        """
        Find the tables whose columns are others than their subscribers know.
        """
        for record in _active(records):
            if fold(record.name) in self._wanted and not record.missing:
                if self._known.get(record.name, record.places) != record.places:
                    yield record.name
                self._known[record.name] = record.places

    def _settle(self, records: Mapping[int, Record], before: int, present: int) -> None:
        """
        Take in what one of our own transactions did.
        """
        self._records = records
        for record in _active(records):
            if fold(record.name) in self._wanted:
                self._known.setdefault(record.name, record.places)
        self._quiet = None
        # Where the user changed the schema as well, the next poll must still see that.
        if self._schemaVersion == before:
            self._schemaVersion = present


def _pragma(cursor: sqlite3.Cursor, name: str) -> int:
    value: int = cursor.execute(f"PRAGMA {name}").fetchone()[0]
    return value


def _standing(cursor: sqlite3.Cursor) -> Noted:
    """How far the journal is."""
    return Noted(ledger.epoch(cursor), ledger.newest(cursor))


def _isOther(cursor: sqlite3.Cursor, note: Note) -> bool:
    """Whether the journal is not the one, or not as far, as it was."""
    # Another process may note how far it is by now, so that is read first.
    noted = note.read()
    return isRestored(_standing(cursor), noted, ledger.isNoted(cursor))


def _active(records: Mapping[int, Record]) -> list[Record]:
    return [record for record in records.values() if record.ended is None]


def _tellGap(records: Iterable[Record], seq: int) -> list[Loss]:
    return gap((r.name for r in records if r.ended is None and not r.missing), seq)
