"""
The journal of a PostgreSQL database.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from functools import partial
from typing import Any

from twisted.logger import Logger
from zope.interface import implementer

from aerostack.core.replay.log import EXPIRED, LIMIT, UNKNOWN
from aerostack.core.rows.changes import Change
from aerostack.core.rows.columns import Columns
from aerostack.core.rows.journal import Holder, Lag, Loss, Poll, expired, gap, lineageOf
from aerostack.core.rows.selection import Bounds, Selection, Snapshot
from aerostack.databases.health import RestoreNotice
from aerostack.databases.oversize import CHANGE_BYTES
from aerostack.databases.postgres import entries, holders, ledger, repair, select
from aerostack.databases.postgres.catalog import columnTypes, describe
from aerostack.databases.postgres.entries import Entry, EntryReader
from aerostack.databases.postgres.following import (
    REMOVING,
    REPAIRING,
    TAMPERED,
    Following,
    active,
    find,
)
from aerostack.databases.postgres.ledger import Record, transaction
from aerostack.databases.postgres.readers import Session
from aerostack.databases.postgres.rows import Rows, Shape, Untellable, fieldsOf
from aerostack.databases.postgres.schema import clear, dropSchema, isComplete
from aerostack.databases.postgres.settings import settingsSQL
from aerostack.errors import RealtimeError
from aerostack.interfaces import IJournal

_SETTINGS = settingsSQL({})

LATE = 1.0
"""For how many seconds a change waits for the leader, before others give it its number."""


@implementer(IJournal)
class PostgresJournal:
    """
    Records and reads the changes of one PostgreSQL database.

    Use it with the cursors of one connection, in autocommit mode: the locks that tell readers
    apart belong to it.  The past and snapshots are better read through others.  Nothing may
    stand between us and the server that shares one connection among several of its clients.
    """

    log = Logger()

    def __init__(
        self,
        rebuiltRows: int = 1000,
        changeBytes: int = CHANGE_BYTES,
        notify: bool | None = None,
        lend: Callable[[], AbstractContextManager[Any]] | None = None,
        restored: RestoreNotice | None = None,
    ) -> None:
        """
        @param rebuiltRows: How many rows a table that was made again, or was truncated, may
            have for each to be told.
        @param changeBytes: How many bytes the values of one change may take in JSON.
        @param notify: Whether writers notify readers.  Transactions that do cannot be
            prepared; so L{None} is to notify where the server lets nobody prepare any.
        @param lend: Lends another connection to the database, in autocommit mode; without it
            no snapshot can be taken.
        @param restored: Is told if the database was put back to an older state.
        """
        self._changeBytes = changeBytes
        self._lend = lend
        self._session = Session()
        self._restored = restored or RestoreNotice()
        self._following = Following(self._session, rebuiltRows, notify, self._restored)
        self._after = 0
        # Somebody knows changes that the journal does not.
        self._isRestored = False
        # Up to where the journal is known to be pruned.
        self._pruned = 0
        # What the tables' entries are read with, by number, with the records that it is for.
        self._readers: dict[int, tuple[Record, EntryReader]] = {}
        # There is something that has still to be given its number.
        self._waits = False
        # The snapshot and position at which there was nothing more to read.
        self._quiet: tuple[str, int] | None = None
        # Since when a transaction is known to be open.
        self._openSince: dict[str, float] = {}

    def prepare(self, cursor: Any) -> int:
        self._meet(cursor)
        self._ensure(cursor)
        self._look(cursor)
        self._following.begin(cursor)
        self._after = entries.sequence(cursor)
        return self._after

    def attached(self, cursor: Any) -> list[str]:
        self._meet(cursor)
        return [record.name for record in active(cursor)]

    def attach(self, cursor: Any, table: str) -> str:
        self._meet(cursor)
        describe(cursor, table)
        self._ensure(cursor)
        self._look(cursor)
        self._quiet = None
        return self._following.attach(cursor, table)

    def detach(self, cursor: Any, table: str) -> None:
        self._meet(cursor)
        self._quiet = None
        self._following.detach(cursor, table)

    def columns(self, cursor: Any, table: str) -> Columns:
        self._meet(cursor)
        return columnTypes(describe(cursor, table))

    def poll(self, cursor: Any, after: int, limit: int, size: int | None = None) -> Poll:
        self._meet(cursor)
        # Asked before the rest: what is committed in between is then read twice, not missed.
        snapshot, now = self._look(cursor)
        if self._quiet == (snapshot, after):
            return Poll((), after, False)
        self._after = after
        try:
            poll = self._read(cursor, now, after, limit, size)
        except TAMPERED:
            # Somebody took our tables away.
            self._following.forget()
            self._ensure(cursor)
            poll = self._read(cursor, now, after, limit, size)
        self._after = poll.after
        isQuiet = not poll.more and not self._waits and self._following.isSettled
        self._quiet = (snapshot, poll.after) if isQuiet else None
        return poll

    def lineage(self, cursor: Any, table: str) -> str:
        self._meet(cursor)
        if not isComplete(cursor):
            return ""
        record = find(active(cursor), table)
        return "" if record is None else lineageOf(ledger.facts(cursor).epoch, record.tid)

    def reshapedAt(self, cursor: Any, table: str) -> int:
        self._meet(cursor)
        record = find(active(cursor), table) if isComplete(cursor) else None
        return -1 if record is None or len(record.shapes) < 2 else record.shapes[-1].since

    def surveyPast(
        self, cursor: Any, table: str, lineage: str, after: int, until: int, most: int | None
    ) -> str | None:
        with ledger.standstill(cursor):
            if not isComplete(cursor):
                return UNKNOWN.reason
            record = find(active(cursor), table)
            if record is None or lineageOf(ledger.facts(cursor).epoch, record.tid) != lineage:
                # It was not followed all the time, so nobody knows what happened.
                return EXPIRED.reason
            newest = entries.newest(cursor)
            if newest < after:
                return UNKNOWN.reason
            if after < newest and not entries.goesOn(cursor, after):
                if not entries.isPruned(cursor, after):
                    self._tellRestored()
                    return UNKNOWN.reason
                if after < until:
                    return EXPIRED.reason
            wanted = (record.tid, after, until)
            if entries.hasLoss(cursor, *wanted):
                return EXPIRED.reason
            if most is not None and entries.count(cursor, *wanted, most + 1) > most:
                return LIMIT.reason
            return None

    def readPast(
        self,
        cursor: Any,
        table: str,
        lineage: str,
        after: int,
        until: int,
        limit: int,
        size: int | None = None,
    ) -> list[Change]:
        # What is still there when it is looked for must be there when it is read.
        with ledger.standstill(cursor):
            if not isComplete(cursor):
                raise expired(table)
            record = find(active(cursor), table)
            if record is None or lineageOf(ledger.facts(cursor).epoch, record.tid) != lineage:
                raise expired(table)
            if after < until and not entries.goesOn(cursor, after):
                raise expired(table)
            found = entries.readTable(cursor, record.tid, after, until, limit, size)
            reader = self._makeReader(record)
            try:
                events = [reader.event(cursor, entry) for entry in found]
            except Untellable:
                raise expired(table) from None
        changes = [event for event in events if isinstance(event, Change)]
        if len(changes) < len(events):
            # What was lost is known since it was looked for.
            raise expired(table)
        return changes

    def snapshot(self, cursor: Any, table: str, selection: Selection, bounds: Bounds) -> Snapshot:
        if self._lend is None:
            raise ValueError("a journal that takes snapshots needs to borrow connections")
        cursor.execute(_SETTINGS)
        if not isComplete(cursor):
            raise expired(table)
        with select.point(cursor, self._lend) as position:
            described = describe(cursor, table)
            record = find(active(cursor), table)
            if position < 0 or record is None or not record.shapes:
                raise expired(table)
            # The rows have the table's present shape, which need not be noticed yet.
            rows = Rows([Shape(0, fieldsOf(described.columns))])
            lineage = lineageOf(ledger.facts(cursor).epoch, record.tid)
            tell = partial(rows.tell, seq=position + 1)
            try:
                found, size = select.readRows(cursor, described, tell, selection, bounds)
            except Untellable:
                raise RealtimeError(
                    "untrackable_table", f"A row of the table {table!r} cannot be read."
                ) from None
            return Snapshot(found, position, lineage, size)

    def renew(self, cursor: Any, timestamp: int) -> None:
        self._meet(cursor)
        if isComplete(cursor):
            self._following.renew(cursor, timestamp)

    def prune(self, cursor: Any, before: int, timestamp: int, limit: int) -> int:
        self._meet(cursor)
        if not isComplete(cursor):
            return 0
        _, now = self._look(cursor)
        if not self._session.leads:
            return 0
        self._following.releaseOrphans(cursor, now)
        # Where the clock was set back, older entries can follow younger ones.  Only the
        # beginning is cut off, so that what is missing later can be seen as a gap.
        last = entries.oldUntil(cursor, self._pruned, before, timestamp, limit)
        if not last:
            return 0
        count = entries.prune(cursor, self._pruned, last)
        self._pruned = last
        with transaction(cursor, REPAIRING):
            ledger.forgetEnded(cursor, last)
        return count

    def lag(self, cursor: Any) -> Lag:
        self._meet(cursor)
        if not isComplete(cursor):
            return Lag(0.0, None)
        _, now = self._look(cursor)
        found = holders.find(cursor)
        # Whose other sessions we may not look at do not tell when they began.
        since = self._openSince = {who: self._openSince.get(who, now) for who, *_ in found}
        oldest = max(
            (
                Holder(now - since[who] if age is None else age, who, role, remedy, isRecorded)
                for who, role, remedy, age, isRecorded in found
            ),
            key=lambda holder: holder.age,
            default=None,
        )
        return Lag(entries.unsequenced(cursor) or 0.0, oldest)

    def fold(self, name: str) -> str:
        return name

    def remove(self, cursor: Any) -> list[str]:
        self._meet(cursor)
        with transaction(cursor, REMOVING, ifThere=True):
            names = clear(cursor)
            dropSchema(cursor)
        self._following.forget()
        self._session.forget()
        self._quiet = None
        return names

    def _meet(self, cursor: Any) -> None:
        if self._session.meet(cursor):
            self._following.forget()
            self._quiet = None

    def _look(self, cursor: Any) -> tuple[str, float]:
        return self._session.look(cursor, self._following.isWanted)

    def _ensure(self, cursor: Any) -> None:
        if self._following.ensure(cursor, self._after):
            self._pruned = 0

    def _read(self, cursor: Any, now: float, after: int, limit: int, size: int | None) -> Poll:
        following = self._following
        following.check(cursor, now, after)
        if self._session.leads and entries.sequence(cursor) < after:
            self._recover(cursor, after)
        # Somebody else may give numbers just now, and not see all that we do.
        waiting = entries.unsequenced(cursor)
        self._waits = waiting is not None
        if waiting is not None and waiting >= LATE and not self._session.leads:
            entries.sequence(cursor)
        found, more = entries.read(cursor, after, limit, size)
        events, unread = self._tell(cursor, found)
        if any([reader.isSurprised() for _, reader in self._readers.values()]):
            # Columns may be others than we know.
            following.check(cursor, now, after, isUrgent=True)
            events, unread = self._tell(cursor, found)
        if unread:
            entries.addLosses(cursor, unread)
        altered, reshaped = frozenset(following.altered), frozenset(following.reshaped)
        following.altered.clear()
        following.reshaped.clear()
        tell = partial(Poll, altered=altered, reshaped=reshaped, missing=following.missing)
        if not found:
            newest = entries.newest(cursor)
            if newest >= after:
                return tell((), after, False)
            # We read further than the journal goes: it is an older one now.
            return tell(tuple(self._tellGap(after)), newest, False)
        if found[0][0] > after + 1 and not entries.goesOn(cursor, after):
            events = [*self._tellGap(found[0][0] - 1), *events]
        return tell(tuple(events), found[-1][0], more)

    def _tell(self, cursor: Any, found: Iterable[Entry]) -> tuple[list[Change | Loss], list[int]]:
        """
        @return: What entries tell, and the numbers of those that nobody can read.
        """
        events: list[Change | Loss] = []
        unread: dict[int, list[int]] = {}
        for entry in found:
            record = self._following.records.get(entry[1])
            if record is None or not record.shapes:
                continue
            try:
                events.append(self._readerOf(record).event(cursor, entry))
            except Untellable:
                known = unread.setdefault(record.tid, [])
                known.append(entry[0])
                # What became of a table that was given up is told behind its entries.
                if len(known) == 1 and record.ended is None and not record.missing:
                    events.append(entries.unread(record.name, entry[0]))
        return events, [seq for seqs in unread.values() for seq in seqs]

    def _readerOf(self, record: Record) -> EntryReader:
        known = self._readers.get(record.tid)
        if known is not None and (known[0] is record or known[0] == record):
            return known[1]
        reader = self._makeReader(record)
        records = self._following.records
        self._readers = {tid: known for tid, known in self._readers.items() if tid in records}
        self._readers[record.tid] = record, reader
        return reader

    def _makeReader(self, record: Record) -> EntryReader:
        return EntryReader(record.name, record.oid, Rows(record.shapes), self._changeBytes)

    def _recover(self, cursor: Any, after: int) -> None:
        """
        Go on where the journal is behind its reader: somebody emptied it, or an older copy
        of the database has taken the place of the one that was read.
        """
        with transaction(cursor, REPAIRING):
            entries.skip(cursor, after)
            for record in active(cursor):
                ledger.addLoss(cursor, record.tid, repair.unsure(record.name))
        self._pruned = 0
        entries.sequence(cursor)

    def _tellRestored(self) -> None:
        if not self._isRestored:
            # Once is enough: as many come back as were there.
            self._isRestored = True
            self._restored.tell(
                "The database was put back to an older state: a client has seen changes that its"
                " journal lacks. Clients that come back for such changes are told of a gap, and"
                " reload."
            )
            self.log.warn(
                "a client has seen changes that are not in the database's journal: the database was"
                " put back to an older state.  Clients that come back for such changes are told of"
                " a gap, and reload"
            )

    def _tellGap(self, seq: int) -> list[Loss]:
        records = self._following.records.values()
        return gap((r.name for r in records if r.ended is None and not r.missing), seq)
