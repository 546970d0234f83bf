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

from aerostack.core.replay.gaps import EXPIRED, LIMIT, UNKNOWN
from aerostack.core.rows.changes import Change
from aerostack.core.rows.columns import Columns
from aerostack.core.rows.journal import Holder, Lag, Loss, Poll, expired, gap, lineageOf
from aerostack.core.rows.selection import Bounds, Selection, Snapshot
from aerostack.databases.health import RestoreNotice
from aerostack.databases.oversize import CHANGE_BYTES
from aerostack.databases.postgres import entries, holders, ledger, repair, select
from aerostack.databases.postgres.catalog import columnTypes, describe
from aerostack.databases.postgres.entries import Entry, EntryReader
from aerostack.databases.postgres.following import REMOVING, TAMPERED, Following
from aerostack.databases.postgres.ledger import TableRecord, active, find, transaction
from aerostack.databases.postgres.readers import ReaderSession
from aerostack.databases.postgres.rows import RowDecoder, Shape, Undecodable, fieldsOf
from aerostack.databases.postgres.schema import checkVersion, clear, dropSchema, isComplete
from aerostack.databases.postgres.settings import settingsSQL
from aerostack.databases.postgres.sweeping import REPAIRING
from aerostack.errors import RealtimeError
from aerostack.interfaces.tracking import IJournal

_SETTINGS = settingsSQL({})

LATE = 1.0
"""For how many seconds a change waits for the leader, before another reader numbers it."""


@implementer(IJournal)
class PostgresJournal:
    """
    Records and reads the changes of one PostgreSQL database.

    Use it with the cursors of one connection, in autocommit mode: the registration of a reader
    belongs to that connection.  Past changes and snapshots are better read through other
    connections.  No pooler may share the connection among several clients.
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
        @param rebuiltRows: The highest number of rows of a table that was made again, or
            truncated, for which each row is reported.
        @param changeBytes: How many bytes the values of one change may take in JSON.
        @param notify: Whether writers notify readers.  A transaction that notifies cannot be
            prepared, so with L{None} writers notify only where the server forbids prepared
            transactions.
        @param lend: Lends another connection to the database, in autocommit mode; without it the
            journal takes no snapshots.
        @param restored: Notes that the database was put back to an older state.
        """
        self._changeBytes = changeBytes
        self._lend = lend
        self._session = ReaderSession()
        self._restored = restored or RestoreNotice()
        self._following = Following(self._session, rebuiltRows, notify, self._restored)
        self._after = 0
        # A client knows changes that the journal does not have.
        self._isRestored = False
        # The number up to which the journal is known to be pruned.
        self._pruned = 0
        # The readers of the tables' entries, by table number, each with the record that it was
        # made for.
        self._readers: dict[int, tuple[TableRecord, EntryReader]] = {}
        # Whether changes wait for their numbers.
        self._waits = False
        # The snapshot and position at which the journal had nothing more to read.
        self._quiet: tuple[str, int] | None = None
        # Since when the daemon has seen each open transaction.
        self._openSince: dict[str, float] = {}

    def prepare(self, cursor: Any) -> int:
        self._meet(cursor)
        self._ensure(cursor)
        self._look(cursor)
        self._following.begin(cursor)
        self._after = entries.sequence(cursor)
        return self._after

    def check(self, cursor: Any) -> None:
        checkVersion(cursor)

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
        # The snapshot is read before the journal: a commit in between is then read twice, not
        # missed.
        snapshot, now = self._look(cursor)
        if self._quiet == (snapshot, after):
            return Poll((), after, False)
        self._after = after
        try:
            poll = self._read(cursor, now, after, limit, size)
        except TAMPERED:
            # A program removed the daemon's tables.
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
                # The table was not followed all the time, so changes are unknown.
                return EXPIRED.reason
            newest = entries.newest(cursor)
            if newest < after:
                return UNKNOWN.reason
            if after < newest and not entries.isContinued(cursor, after):
                if not entries.isPruned(cursor, after):
                    self._warnRestored()
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
        # The entries must exist for the check and for the read.
        with ledger.standstill(cursor):
            if not isComplete(cursor):
                raise expired(table)
            record = find(active(cursor), table)
            if record is None or lineageOf(ledger.facts(cursor).epoch, record.tid) != lineage:
                raise expired(table)
            if after < until and not entries.isContinued(cursor, after):
                raise expired(table)
            found = entries.readTable(cursor, record.tid, after, until, limit, size)
            reader = self._makeReader(record)
            try:
                events = [reader.event(cursor, entry) for entry in found]
            except Undecodable:
                raise expired(table) from None
        changes = [event for event in events if isinstance(event, Change)]
        if len(changes) < len(events):
            # A loss was entered since the survey.
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
            # The rows have the table's present shape, which the journal may not have seen yet.
            rows = RowDecoder([Shape(0, fieldsOf(described.columns))])
            lineage = lineageOf(ledger.facts(cursor).epoch, record.tid)
            decode = partial(rows.decode, seq=position + 1)
            try:
                found, size = select.readRows(cursor, described, decode, selection, bounds)
            except Undecodable:
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
        # After the clock was set back, older entries can follow younger ones.  Only the beginning
        # is deleted, so that a later reader sees the deletion as a gap.
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
        # The server may hide when the sessions of other roles began.
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
        with transaction(cursor, REMOVING, absent=lambda cursor: None):
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
        # Another session may be numbering, and may not see all changes that this one sees.
        waiting = entries.unsequenced(cursor)
        self._waits = waiting is not None
        if waiting is not None and waiting >= LATE and not self._session.leads:
            entries.sequence(cursor)
        found, more = entries.read(cursor, after, limit, size)
        events, unread = self._decode(cursor, found)
        if any([reader.isSurprised() for _, reader in self._readers.values()]):
            # The table may have other columns by now.
            following.check(cursor, now, after, isUrgent=True)
            events, unread = self._decode(cursor, found)
        if unread:
            entries.addLosses(cursor, unread)
        altered, reshaped = frozenset(following.altered), frozenset(following.reshaped)
        following.altered.clear()
        following.reshaped.clear()
        makePoll = partial(Poll, altered=altered, reshaped=reshaped, missing=following.missing)
        if not found:
            newest = entries.newest(cursor)
            if newest >= after:
                return makePoll((), after, False)
            # This reader has read further than the journal goes, so it is an older journal now.
            return makePoll(tuple(self._gapLosses(after)), newest, False)
        if found[0][0] > after + 1 and not entries.isContinued(cursor, after):
            events = [*self._gapLosses(found[0][0] - 1), *events]
        return makePoll(tuple(events), found[-1][0], more)

    def _decode(self, cursor: Any, found: Iterable[Entry]) -> tuple[list[Change | Loss], list[int]]:
        """
        @return: The events of entries, and the numbers of those that cannot be decoded.
        """
        events: list[Change | Loss] = []
        unread: dict[int, list[int]] = {}
        for entry in found:
            record = self._following.records.get(entry[1])
            if record is None or not record.shapes:
                continue
            try:
                events.append(self._readerOf(record).event(cursor, entry))
            except Undecodable:
                known = unread.setdefault(record.tid, [])
                known.append(entry[0])
                # The fate of a given-up table is reported after its entries.
                if len(known) == 1 and record.ended is None and not record.missing:
                    events.append(entries.unread(record.name, entry[0]))
        return events, [seq for seqs in unread.values() for seq in seqs]

    def _readerOf(self, record: TableRecord) -> EntryReader:
        known = self._readers.get(record.tid)
        if known is not None and (known[0] is record or known[0] == record):
            return known[1]
        reader = self._makeReader(record)
        records = self._following.records
        self._readers = {tid: known for tid, known in self._readers.items() if tid in records}
        self._readers[record.tid] = record, reader
        return reader

    def _makeReader(self, record: TableRecord) -> EntryReader:
        return EntryReader(record.name, record.oid, RowDecoder(record.shapes), self._changeBytes)

    def _recover(self, cursor: Any, after: int) -> None:
        """
        Continue with a journal that is behind its reader: a program emptied it, or the database
        was replaced by an older copy.
        """
        with transaction(cursor, REPAIRING):
            entries.skip(cursor, after)
            for record in active(cursor):
                ledger.addLoss(cursor, record.tid, repair.unsure(record.name))
        self._pruned = 0
        entries.sequence(cursor)

    def _warnRestored(self) -> None:
        if not self._isRestored:
            # One log entry is enough, because many clients may come back.
            self._isRestored = True
            self._restored.note(
                "The database was put back to an older state: a client has seen changes that its"
                " journal lacks. Clients that come back for such changes get a gap, and"
                " reload."
            )
            self.log.warn(
                "a client has seen changes that are not in the database's journal: the database was"
                " put back to an older state.  Clients that come back for such changes get a gap,"
                " and reload"
            )

    def _gapLosses(self, seq: int) -> list[Loss]:
        records = self._following.records.values()
        return gap((r.name for r in records if r.ended is None and not r.missing), seq)
