"""
The journal of a PostgreSQL database.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from psycopg.errors import (
    InvalidSchemaName,
    LockNotAvailable,
    UndefinedColumn,
    UndefinedFunction,
    UndefinedTable,
)
from zope.interface import implementer

from aerostack.core.changes import DELETE, INSERT, UPDATE, Change
from aerostack.core.columns import Columns
from aerostack.core.stream import EXPIRED, LIMIT, UNKNOWN
from aerostack.errors import RealtimeError
from aerostack.interfaces import IJournal
from aerostack.tracker import postgresholders as holders
from aerostack.tracker import postgresledger as ledger
from aerostack.tracker import postgresreaders as readers
from aerostack.tracker import postgresrepair as repair
from aerostack.tracker.journal import Holder, Lag, Loss, Poll
from aerostack.tracker.postgrescatalog import SCHEMA, columnTypes, describe
from aerostack.tracker.postgresledger import Facts, Record, transaction
from aerostack.tracker.postgresreaders import Session
from aerostack.tracker.postgresrows import Rows
from aerostack.tracker.postgrestriggers import Manner

LEASE = 36 * 3600 * 1000
"""For how long, in ms, changes are recorded after it was said that somebody reads."""

RENEWAL = LEASE // 3
"""How much of that, in ms, may pass before it is written anew.  All functions are, then."""

ATTACHING = 250
"""For how long, in ms, to wait for writers before a table is attached.  Those who come later
wait behind us."""

REPAIRING = 100
"""The same, where a table is followed already."""

DROPPING = 50
"""The same, to take off triggers that do nothing any more."""

REMOVING = 5000
"""The same, where everything is taken out."""

PATIENCE = 2.0
"""After how many seconds what had to wait for a lock is tried again."""

ORPHANED = 600.0
"""For how many seconds a table stays followed whose followers are gone: they may come
back."""

_OPERATIONS = {ledger.INSERTED: INSERT, ledger.UPDATED: UPDATE, ledger.DELETED: DELETE}

_TAMPERED = (UndefinedTable, UndefinedFunction, UndefinedColumn, InvalidSchemaName)

# Entries are looked up one by one, in their order: that has its index, whatever is known of
# how the tables are filled.
_READ = f"""
SELECT e.seq, e.tid, e.xid, e.last, e.op, e.at, e.new, e.old, e.count
FROM (
  SELECT c.seq, c.tid, c.xid::text, c.last, i.op::text, i.new, i.old,
    (extract(epoch FROM c.at) * 1000)::bigint AS at, count(*) OVER () AS count,
    sum(coalesce(i.size, 0)) OVER (ORDER BY c.seq) - coalesce(i.size, 0) AS held
  FROM (
    SELECT * FROM {SCHEMA}.changes WHERE {{condition}} ORDER BY seq LIMIT %(limit)s
  ) AS c
  LEFT JOIN LATERAL (
    SELECT i.op, i.new, i.old,
      coalesce(octet_length(i.new), 0) + coalesce(octet_length(i.old), 0) AS size
    FROM {SCHEMA}.captured AS i WHERE i.xid = c.xid AND i.id = c.id OFFSET 0
  ) AS i ON true
) AS e
WHERE e.held < %(size)s
ORDER BY e.seq
"""

_UNBOUNDED = 2**62


@implementer(IJournal)
class PostgresJournal:
    """
    Records and reads the changes of one PostgreSQL database.

    Use it from one thread at a time, with the cursors of one connection, in autocommit
    mode: the locks that tell readers apart belong to it.  A connection that stands between
    us and the server must keep its session.
    """

    def __init__(self, rebuiltRows: int = 1000, notify: bool | None = None) -> None:
        """
        @param rebuiltRows: How many rows a table that was made again, or was truncated, may
            have for each to be told.
        @param notify: Whether writers notify readers.  Transactions that do cannot be
            prepared; so L{None} is to notify where the server lets nobody prepare any.
        """
        self._rebuiltRows = rebuiltRows
        self._notify = notify
        self._session = Session()
        # What is followed in this run.
        self._wanted: set[str] = set()
        self._after = 0
        self._pruned = 0
        self._facts: Facts | None = None
        self._records: Mapping[int, Record] = {}
        self._rows: dict[int, Rows] = {}
        # What to look at, and what was seen there, when all was as it should be.
        self._needs: repair.Needs | None = None
        self._signature: str | None = None
        self._retryAt: float | None = None
        self._altered: set[str] = set()
        # The snapshot and position at which there was nothing more to read.
        self._quiet: tuple[str, int] | None = None
        # Since when nobody is known to follow a table.
        self._orphans: dict[str, float] = {}
        # Since when a transaction is known to be open.
        self._openSince: dict[str, float] = {}

    def prepare(self, cursor: Any) -> int:
        self._meet(cursor)
        self._ensure(cursor)
        self._session.look(cursor)
        self._expire(cursor)
        with transaction(cursor, REPAIRING):
            facts = ledger.facts(cursor)
            notifies = self._notifies(cursor)
            if facts.notifies != notifies:
                ledger.setFacts(cursor, facts.until, notifies)
            # What others followed who have gone is ours now, for as long as we want it.
            readers.bury(cursor)
            names = {record.name for record in repair.active(cursor)}
            readers.follow(
                cursor, self._session.enter(cursor), names - readers.followed(cursor)
            )
        self._after = ledger.sequence(cursor) if self._session.leads else ledger.newest(cursor)
        return self._after

    def attached(self, cursor: Any) -> list[str]:
        self._meet(cursor)
        return [record.name for record in repair.active(cursor)]

    def attach(self, cursor: Any, table: str) -> str:
        self._meet(cursor)
        describe(cursor, table)
        self._ensure(cursor)
        self._session.look(cursor)
        try:
            with transaction(cursor, ATTACHING):
                described = describe(cursor, table)
                name = described.name
                record = _find(repair.active(cursor), name)
                manner = self._manner(ledger.facts(cursor))
                if record is not None and name in self._wanted:
                    # Its subscribers must hear what happened to it.
                    if not repair.isCurrent(cursor, record, manner):
                        repair.repairTable(cursor, record, manner)
                else:
                    repair.follow(cursor, described, record, manner)
                readers.follow(cursor, self._session.enter(cursor), [name])
        except LockNotAvailable:
            raise RealtimeError(
                "database_unavailable",
                f"The table {table!r} is held by a long transaction of another program; try"
                " again.",
                retryAfter=1000,
            ) from None
        self._wanted.add(name)
        self._forget()
        self._sweep(cursor)
        return name

    def detach(self, cursor: Any, table: str) -> None:
        self._meet(cursor)
        self._wanted.discard(table)
        if not ledger.isComplete(cursor):
            return
        with transaction(cursor, DROPPING):
            readers.leave(cursor, self._session.reader, table)
            record = _find(repair.active(cursor), table)
            if record is not None and table not in readers.followed(cursor):
                repair.give(cursor, record)
        self._forget()
        self._sweep(cursor)

    def columns(self, cursor: Any, table: str) -> Columns:
        self._meet(cursor)
        return columnTypes(describe(cursor, table))

    def poll(self, cursor: Any, after: int, limit: int, size: int | None = None) -> Poll:
        self._meet(cursor)
        # Asked before the rest: what is committed in between is then read twice, not missed.
        snapshot, now = self._session.look(cursor)
        if self._quiet == (snapshot, after):
            return Poll((), after, False)
        self._after = after
        try:
            poll = self._read(cursor, now, after, limit, size)
        except _TAMPERED:
            # Somebody took our tables away.
            self._forget()
            self._ensure(cursor)
            poll = self._read(cursor, now, after, limit, size)
        self._after = poll.after
        self._quiet = None if poll.more or self._retryAt is not None else (snapshot, poll.after)
        return poll

    def lineage(self, cursor: Any, table: str) -> str:
        self._meet(cursor)
        if not ledger.isComplete(cursor):
            return ""
        record = _find(repair.active(cursor), table)
        return "" if record is None else _lineage(ledger.facts(cursor), record)

    def surveyPast(
        self, cursor: Any, table: str, lineage: str, after: int, until: int, most: int | None
    ) -> str | None:
        self._meet(cursor)
        if not ledger.isComplete(cursor):
            return UNKNOWN.reason
        record = _find(repair.active(cursor), table)
        if record is None or _lineage(ledger.facts(cursor), record) != lineage:
            # It was not followed all the time, so nobody knows what happened.
            return EXPIRED.reason
        if ledger.newest(cursor) < after:
            return UNKNOWN.reason
        if after < until and not ledger.holds(cursor, after + 1):
            return EXPIRED.reason
        wanted = (record.tid, after, until)
        if ledger.hasLoss(cursor, *wanted):
            return EXPIRED.reason
        if most is not None and ledger.count(cursor, *wanted, most + 1) > most:
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
        self._meet(cursor)
        if not ledger.isComplete(cursor):
            raise _expired(table)
        record = _find(repair.active(cursor), table)
        if record is None or _lineage(ledger.facts(cursor), record) != lineage:
            raise _expired(table)
        if after < until and not ledger.holds(cursor, after + 1):
            raise _expired(table)
        found = cursor.execute(
            _READ.format(condition="tid = %(tid)s AND seq > %(after)s AND seq <= %(until)s"),
            {
                "tid": record.tid,
                "after": after,
                "until": until,
                "limit": limit,
                "size": size or _UNBOUNDED,
            },
        ).fetchall()
        rows = Rows(record.shapes)
        return [self._change(cursor, record, rows, *row) for row in found]

    def renew(self, cursor: Any, timestamp: int) -> None:
        self._meet(cursor)
        if not ledger.isComplete(cursor):
            return
        self._expire(cursor)
        until = timestamp + LEASE
        if not 0 <= until - ledger.facts(cursor).until < RENEWAL:
            with transaction(cursor, REPAIRING):
                ledger.setFacts(cursor, until, ledger.facts(cursor).notifies)
            self._quiet = None

    def prune(self, cursor: Any, before: int, timestamp: int, limit: int) -> int:
        self._meet(cursor)
        if not ledger.isComplete(cursor):
            return 0
        _, now = self._session.look(cursor)
        if not self._session.leads:
            return 0
        self._releaseOrphans(cursor, now)
        self._sweep(cursor)
        # Where the clock was set back, older entries can follow younger ones.  Only the
        # beginning is cut off, so that what is missing later can be seen as a gap.
        last = ledger.oldUntil(cursor, self._pruned, before, timestamp, limit)
        if not last:
            return 0
        count = ledger.prune(cursor, self._pruned, last)
        self._pruned = last
        with transaction(cursor, REPAIRING):
            ledger.forgetEnded(cursor, last)
        return count

    def lag(self, cursor: Any) -> Lag:
        self._meet(cursor)
        if not ledger.isComplete(cursor):
            return Lag(0.0, None)
        _, now = self._session.look(cursor)
        found = holders.find(cursor)
        # Whose other sessions we may not look at do not tell when they began.
        self._openSince = {
            who: self._openSince.get(who, now) for who, _, _ in found
        }
        oldest = max(
            (
                Holder(now - self._openSince[who] if age is None else age, who, isRecorded)
                for who, age, isRecorded in found
            ),
            key=lambda holder: holder.age,
            default=None,
        )
        return Lag(ledger.unsequenced(cursor), oldest)

    def fold(self, name: str) -> str:
        return name

    def remove(self, cursor: Any) -> list[str]:
        self._meet(cursor)
        with transaction(cursor, REMOVING):
            names = ledger.clear(cursor)
            ledger.dropSchema(cursor)
        self._forget()
        self._session.reader = None
        return names

    # The connection

    def _meet(self, cursor: Any) -> None:
        if self._session.meet(cursor):
            self._forget()

    def _forget(self) -> None:
        """
        Look at everything anew with the next read.
        """
        self._quiet = None
        self._signature = None
        self._retryAt = None

    def _ensure(self, cursor: Any) -> None:
        """
        See to it that our tables are there, and are this database's own.
        """
        if not ledger.isComplete(cursor) or ledger.isCopied(cursor):
            with transaction(cursor, REMOVING):
                # Another process may have been first.
                if not ledger.isComplete(cursor) or ledger.isCopied(cursor):
                    until = ledger.now(cursor) + LEASE
                    ledger.create(cursor, self._after, until, self._notifies(cursor))
                    self._session.reader = None
            self._pruned = 0
            self._forget()
        self._session.enter(cursor)

    def _notifies(self, cursor: Any) -> bool:
        if self._notify is not None:
            return self._notify
        (allowed,) = cursor.execute("SHOW max_prepared_transactions").fetchone()
        return int(allowed) == 0

    def _manner(self, facts: Facts) -> Manner:
        return Manner(facts.until, facts.notifies, self._rebuiltRows)

    # Following the schema

    def _check(self, cursor: Any, now: float) -> None:
        """
        See whether everything is followed as it should be, and put right what is not.
        """
        if self._needs is not None and self._signature is not None:
            isDue = self._retryAt is not None and now >= self._retryAt
            if not isDue and repair.signature(cursor, self._needs) == self._signature:
                return
        self._ensure(cursor)
        self._expire(cursor)
        self._register(cursor)
        for _ in range(3):
            facts = ledger.facts(cursor)
            records = ledger.records(cursor)
            needs = repair.needs(cursor, records.values())
            signature = repair.signature(cursor, needs)
            broken = self._findBroken(cursor, records, facts)
            if not broken or not all([self._repair(cursor, tid) for tid in broken]):
                break
        if self._session.leads:
            self._sweep(cursor)
        self._take(facts, records)
        self._needs, self._signature = needs, signature
        self._retryAt = now + PATIENCE if broken else None

    def _findBroken(
        self, cursor: Any, records: Mapping[int, Record], facts: Facts
    ) -> list[int]:
        if not self._session.leads:
            return []
        manner = self._manner(facts)
        return [
            record.tid
            for record in records.values()
            if record.ended is None and not repair.isCurrent(cursor, record, manner)
        ]

    def _repair(self, cursor: Any, tid: int) -> bool:
        """
        Put the following of one table right.

        @return: Whether that did not fail because somebody uses the table.
        """
        try:
            with transaction(cursor, REPAIRING):
                record = ledger.records(cursor)[tid]
                manner = self._manner(ledger.facts(cursor))
                if record.ended is None and not repair.isCurrent(cursor, record, manner):
                    repair.repairTable(cursor, record, manner)
        except LockNotAvailable:
            return False
        return True

    def _register(self, cursor: Any) -> None:
        """
        See to it that what we want is known to be followed by us.
        """
        reader = self._session.enter(cursor)
        known = {record.name for record in repair.active(cursor)}
        if self._wanted <= known and self._wanted <= readers.followed(cursor, [reader]):
            return
        with transaction(cursor, REPAIRING):
            known = {record.name for record in repair.active(cursor)}
            for name in sorted(self._wanted - known):
                ledger.addTable(cursor, name)
            readers.follow(cursor, reader, self._wanted)

    def _expire(self, cursor: Any) -> None:
        """
        Give up what was not recorded any more, because nobody read it for so long.
        """
        if not ledger.facts(cursor).isExpired:
            return
        with transaction(cursor, REPAIRING):
            facts = ledger.facts(cursor)
            if facts.isExpired:
                for record in repair.active(cursor):
                    repair.give(cursor, record)
                ledger.setFacts(cursor, ledger.now(cursor) + LEASE, facts.notifies)
        self._forget()

    def _sweep(self, cursor: Any) -> None:
        """
        Take off triggers that are of no use any more, where nobody is in the way.
        """
        for name in repair.spare(cursor):
            try:
                with transaction(cursor, DROPPING):
                    if name in repair.spare(cursor):
                        ledger.dropFunctions(cursor, [name])
            except LockNotAvailable:
                # There is another time.
                continue

    def _releaseOrphans(self, cursor: Any, now: float) -> None:
        """
        Give up tables whose followers have been gone for long.
        """
        names = {record.name for record in repair.active(cursor)}
        gone = names - readers.followed(cursor, readers.living(cursor)) - self._wanted
        self._orphans = {name: self._orphans.get(name, now) for name in gone}
        for name, since in self._orphans.items():
            if now - since >= ORPHANED:
                with transaction(cursor, REPAIRING):
                    readers.bury(cursor, name)
                    record = _find(repair.active(cursor), name)
                    if record is not None and name not in readers.followed(cursor):
                        repair.give(cursor, record)

    def _take(self, facts: Facts, records: Mapping[int, Record]) -> None:
        """
        Take in what is known of tables.
        """
        before = {r.name: (r.tid, r.shapes) for r in self._records.values() if r.ended is None}
        for record in records.values():
            if record.ended is None and record.name in before:
                if before[record.name] != (record.tid, record.shapes):
                    self._altered.add(record.name)
        self._facts, self._records = facts, records
        self._rows = {tid: Rows(r.shapes) for tid, r in records.items() if r.shapes}

    # Reading

    def _read(self, cursor: Any, now: float, after: int, limit: int, size: int | None) -> Poll:
        self._check(cursor, now)
        if self._session.leads and ledger.sequence(cursor) < after:
            self._recover(cursor, after)
        found = cursor.execute(
            _READ.format(condition="seq > %(after)s"),
            {"after": after, "limit": limit + 1, "size": size or _UNBOUNDED},
        ).fetchall()
        altered = frozenset(self._altered)
        self._altered.clear()
        if not found:
            newest = ledger.newest(cursor)
            if newest >= after:
                return Poll((), after, False, altered)
            # We read further than the journal goes: it is an older one now.
            return Poll(tuple(self._tellGap(after)), newest, False, altered)
        events: list[Change | Loss] = []
        if found[0][0] > after + 1:
            events.extend(self._tellGap(found[0][0] - 1))
        more = found[0][-1] > limit or found[0][-1] > len(found)
        del found[limit:]
        for row in found:
            record = self._records.get(row[1])
            if record is None or record.missing and row[4] != ledger.LOST:
                continue
            if row[4] == ledger.LOST or row[4] == ledger.TRUNCATED:
                reason = row[6] or f"The table {record.name!r} was truncated; reload it."
                events.append(Loss(record.name, RealtimeError("table_lost", reason), row[0]))
            elif row[4] is not None:
                events.append(self._change(cursor, record, self._rows[record.tid], *row))
        return Poll(tuple(events), found[-1][0], more, altered)

    def _change(
        self,
        cursor: Any,
        record: Record,
        rows: Rows,
        seq: int,
        tid: int,
        xid: str,
        last: bool,
        op: str,
        at: int,
        new: str | None,
        old: str | None,
        count: int,
    ) -> Change:
        before = None if old is None else rows.tell(old, seq, cursor)
        data = before if new is None else rows.tell(new, seq, cursor)
        assert data is not None
        return Change(seq, record.name, _OPERATIONS[op], data, before, at, xid, last)

    def _recover(self, cursor: Any, after: int) -> None:
        """
        Go on where the journal is behind its reader: somebody emptied it, or an older copy
        of the database has taken the place of the one that was read.
        """
        with transaction(cursor, REPAIRING):
            ledger.skip(cursor, after)
            for record in repair.active(cursor):
                ledger.addLoss(cursor, record.tid, repair.unsure(record.name))
        self._pruned = 0
        ledger.sequence(cursor)

    def _tellGap(self, seq: int) -> list[Loss]:
        return [
            Loss(
                record.name,
                RealtimeError(
                    "table_lost",
                    f"Changes of the table {record.name!r} are lost, because they were kept for"
                    " too short a time; reload it.",
                ),
                seq,
            )
            for record in self._records.values()
            if record.ended is None and not record.missing
        ]


def _find(records: Iterable[Record], name: str) -> Record | None:
    return next((record for record in records if record.name == name), None)


def _lineage(facts: Facts, record: Record) -> str:
    """What the numbers of a table's changes belong to, as it stands in positions."""
    return f"{facts.epoch}t{record.tid:x}"


def _expired(table: str) -> RealtimeError:
    return RealtimeError(
        "table_lost", f"Older changes of the table {table!r} are gone; subscribe again."
    )
