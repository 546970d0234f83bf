"""
Keeps the tables of a PostgreSQL database followed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from psycopg import ProgrammingError
from psycopg.errors import (
    DuplicateFunction,
    DuplicateSchema,
    DuplicateTable,
    InvalidSchemaName,
    LockNotAvailable,
    UndefinedColumn,
    UndefinedFunction,
    UndefinedTable,
    UniqueViolation,
)
from twisted.logger import Logger

from aerostack.databases.health import RestoreNotice
from aerostack.databases.postgres import ledger, readers, repair
from aerostack.databases.postgres.catalog import describe
from aerostack.databases.postgres.entries import skip
from aerostack.databases.postgres.ledger import Facts, TableRecord, active, find, transaction
from aerostack.databases.postgres.readers import ReaderSession
from aerostack.databases.postgres.rows import Field, fieldOf
from aerostack.databases.postgres.schema import claim, create, isComplete, isCopied
from aerostack.databases.postgres.sweeping import DROPPING, REPAIRING, Orphans, TriggerSweeper
from aerostack.databases.postgres.triggers import RecordingOptions
from aerostack.errors import RealtimeError

TAMPERED = (UndefinedTable, UndefinedFunction, UndefinedColumn, InvalidSchemaName)
"""The errors after a program removed objects of the daemon."""

MADE = (UniqueViolation, DuplicateSchema, DuplicateTable, DuplicateFunction)
"""The errors when another process creates the same objects at the same moment."""

LEASE = 36 * 3600 * 1000
"""For how long, in ms, changes are recorded after a daemon has said that it reads them."""

RENEWAL = LEASE // 3
"""How much of that time, in ms, may pass before the lease is renewed.  A renewal rewrites all
functions."""

ATTACHING = 100
"""For how long, in ms, to wait for writers before a table is attached.  Later writers wait behind
the daemon, and so do the changes of other tables."""

REMOVING = 5000
"""For how long, in ms, to wait for locks when everything is created or removed."""

CHECKING = 0.1
"""For how many seconds the daemon does not check the tables again, unless a row has a new form.
A reader may be woken hundreds of times a second."""

PATIENCE = 2.0
"""After how many seconds a repair that had to wait for a lock is tried again."""


class Following:
    """
    The followed tables, as one reader of the journal knows them.

    @ivar records: The records of tables, by number.
    @ivar altered: Tables whose columns may have changed since this was last emptied.
    @ivar reshaped: Tables whose columns have changed since this was last emptied, so that
        existing rows may look different.
    @ivar isSettled: Whether the last read of changes found all tables followed correctly.
    """

    log = Logger()

    def __init__(
        self,
        session: ReaderSession,
        rebuiltRows: int,
        notify: bool | None,
        restored: RestoreNotice,
    ) -> None:
        """
        @param rebuiltRows: The highest number of rows of a table that was made again, or
            truncated, for which each row is reported.
        @param notify: Whether writers notify readers; L{None} to decide by the server's settings.
        @param restored: Notes that the journal belongs to another database.
        """
        self.records: Mapping[int, TableRecord] = {}
        self.altered: set[str] = set()
        self.reshaped: set[str] = set()
        # The columns that subscribers know, for each table that this run follows.
        self._known: dict[str, Sequence[Field]] = {}
        self.isSettled = False
        self._session = session
        self._rebuiltRows = rebuiltRows
        self._notify = notify
        self._restored = restored
        # The tables that this run follows.
        self._wanted: set[str] = set()
        # What to check, and what the last successful check saw.
        self._needs: repair.Needs | None = None
        self._signature: str | None = None
        self._checkedAt = 0.0
        self._retryAt: float | None = None
        self._sweeper = TriggerSweeper()
        self._orphans = Orphans()

    @property
    def isWanted(self) -> bool:
        """Whether this run follows any table."""
        return bool(self._wanted)

    def forget(self) -> None:
        """
        Check everything anew at the next read.
        """
        self._signature = None
        self._retryAt = None

    def ensure(self, cursor: Any, after: int) -> bool:
        """
        Create the daemon's tables if they do not exist or belong to another database.

        @param after: The last change that was read.
        @return: Whether they were created.
        """
        made, attempts = False, 3
        while not isComplete(cursor) or isCopied(cursor):
            try:
                self._make(cursor, after)
            except MADE:
                # Another process created them first.
                attempts -= 1
                if not attempts:
                    raise
                continue
            self._session.forget()
            self.forget()
            made = True
        self._session.enter(cursor)
        if made and self.isWanted:
            self._session.lead(cursor)
        return made

    def _make(self, cursor: Any, after: int) -> None:
        # Without the claim, a daemon could take the tables that another one has just made for
        # remains, and drop them.
        with transaction(cursor, REMOVING, absent=claim):
            isThere = isComplete(cursor)
            if not isThere or isCopied(cursor):
                if isThere:
                    self._restored.note(
                        "The database is a copy of another or was restored, or its journal is of"
                        " an earlier version. Clients that come back for changes of tables get"
                        " a gap, and reload."
                    )
                    self.log.warn(
                        "the journal in this database is that of another, of which this one is a"
                        " copy or was restored, or of an earlier version: the daemon begins another"
                        " journal.  Clients that come back for changes of tables get a gap,"
                        " and reload"
                    )
                create(cursor, ledger.now(cursor) + LEASE, self._notifies(cursor))
                if after:
                    skip(cursor, after)

    def _notifies(self, cursor: Any) -> bool:
        if self._notify is not None:
            return self._notify
        (allowed,) = cursor.execute("SHOW max_prepared_transactions").fetchone()
        return int(allowed) == 0

    def begin(self, cursor: Any) -> None:
        """
        Take over the tables that an earlier run followed.
        """
        self.expire(cursor)
        with transaction(cursor, REPAIRING):
            facts = ledger.facts(cursor)
            notifies = self._notifies(cursor)
            if facts.notifies != notifies:
                ledger.setFacts(cursor, facts.until, notifies)
            # This reader takes over the tables of disconnected readers, for as long as it wants
            # them.
            readers.forgetDisconnected(cursor)
            names = {record.name for record in active(cursor)}
            reader = self._session.enter(cursor)
            readers.follow(cursor, reader, names - readers.followed(cursor))

    def attach(self, cursor: Any, table: str) -> str:
        """
        Follow a table.

        @return: The name under which its changes are reported.
        """
        try:
            with transaction(cursor, ATTACHING):
                described = describe(cursor, table)
                name = described.name
                record = find(active(cursor), name)
                options = self._recordingOptions(ledger.facts(cursor))
                if record is not None and name in self._wanted:
                    # The table's subscribers must hear what happened to it.
                    if not repair.isCurrent(cursor, record, options):
                        repair.repairTable(cursor, record, options)
                else:
                    repair.follow(cursor, described, record, options)
                readers.follow(cursor, self._session.enter(cursor), [name])
        except TAMPERED:
            raise
        except ProgrammingError as error:
            raise RealtimeError(
                "untrackable_table", f"{table!r} cannot be followed: {_sentence(error)}."
            ) from None
        except LockNotAvailable:
            raise RealtimeError(
                "database_unavailable",
                f"The table {table!r} is held by a long transaction of another program; try again.",
                retryAfter=1000,
            ) from None
        self._wanted.add(name)
        self._known.setdefault(name, tuple(fieldOf(column) for column in described.columns))
        self.forget()
        self._sweeper.sweep(cursor)
        return name

    def detach(self, cursor: Any, table: str) -> None:
        """
        Stop following a table, unless another reader follows it.
        """
        self._wanted.discard(table)
        self._known.pop(table, None)
        # A leader without tables may not come back for long, so it yields.
        self._session.look(cursor, self.isWanted)
        if not isComplete(cursor):
            return
        with transaction(cursor, DROPPING):
            readers.leave(cursor, self._session.reader, table)
            record = find(active(cursor), table)
            if record is not None and table not in readers.followed(cursor):
                repair.giveUp(cursor, record)
        self.forget()
        self._sweeper.sweep(cursor)

    def check(self, cursor: Any, now: float, after: int, isUrgent: bool = False) -> None:
        """
        Check that all tables are followed correctly, and repair the others.

        @param now: The server's time in seconds.
        @param after: The last change that was read.
        @param isUrgent: A row suggests that a table has changed.
        """
        if self._needs is not None and self._signature is not None:
            if not isUrgent and 0 <= now - self._checkedAt < CHECKING:
                self.isSettled = False
                return
            isDue = self._retryAt is not None and now >= self._retryAt
            if not isDue and repair.signature(cursor, self._needs) == self._signature:
                self._checkedAt = now
                self.isSettled = self._retryAt is None
                return
        self.ensure(cursor, after)
        self.expire(cursor)
        self._register(cursor)
        for _ in range(3):
            facts = ledger.facts(cursor)
            records = ledger.records(cursor)
            needs = repair.needs(cursor, records.values())
            # The signature is read before the check: a later change is then seen at the latest by
            # the next check.
            signature = repair.signature(cursor, needs)
            broken = self._findBroken(cursor, records, facts)
            if not broken or not all([self._repair(cursor, tid) for tid in broken]):
                break
        if self._session.leads:
            self._sweeper.sweep(cursor)
        self._take(records)
        self._needs, self._signature = needs, signature
        self._retryAt = now + PATIENCE if broken else None
        self._checkedAt = now
        self.isSettled = not broken

    def _recordingOptions(self, facts: Facts) -> RecordingOptions:
        return RecordingOptions(facts.until, facts.notifies, self._rebuiltRows)

    def _findBroken(
        self, cursor: Any, records: Mapping[int, TableRecord], facts: Facts
    ) -> list[int]:
        if not self._session.leads:
            return []
        options = self._recordingOptions(facts)
        return [
            record.tid
            for record in records.values()
            if record.ended is None and not repair.isCurrent(cursor, record, options)
        ]

    def _repair(self, cursor: Any, tid: int) -> bool:
        """
        Repair the following of one table.

        @return: Whether that was possible.
        """
        try:
            with transaction(cursor, REPAIRING):
                record = ledger.records(cursor)[tid]
                options = self._recordingOptions(ledger.facts(cursor))
                if record.ended is None and not repair.isCurrent(cursor, record, options):
                    repair.repairTable(cursor, record, options)
        except LockNotAvailable:
            # Another program uses the table.
            return False
        except TAMPERED:
            raise
        except ProgrammingError as error:
            # One table that cannot be followed must not block the others.
            with transaction(cursor, REPAIRING):
                reason = f"The table {record.name!r} cannot be followed: {_sentence(error)}."
                repair.lose(cursor, record, reason)
            return False
        return True

    def _register(self, cursor: Any) -> None:
        """
        Register this reader for the tables that it wants.
        """
        reader = self._session.enter(cursor)
        known = {record.name for record in active(cursor)}
        if self._wanted <= known and self._wanted <= readers.followed(cursor, [reader]):
            return
        with transaction(cursor, REPAIRING):
            known = {record.name for record in active(cursor)}
            for name in sorted(self._wanted - known):
                ledger.addTable(cursor, name)
            readers.follow(cursor, reader, self._wanted)

    def expire(self, cursor: Any) -> None:
        """
        Give up tables whose changes were not recorded any more, because no daemon read them for
        so long.
        """
        if not ledger.facts(cursor).isExpired:
            return
        with transaction(cursor, REPAIRING):
            facts = ledger.facts(cursor)
            if facts.isExpired:
                for record in active(cursor):
                    repair.giveUp(cursor, record)
                ledger.setFacts(cursor, ledger.now(cursor) + LEASE, facts.notifies)
        self.forget()

    def renew(self, cursor: Any, timestamp: int) -> None:
        """
        Extend the time for which changes are recorded.

        @param timestamp: The present time, ms.
        """
        self.expire(cursor)
        until = timestamp + LEASE
        if not 0 <= until - ledger.facts(cursor).until < RENEWAL:
            with transaction(cursor, REPAIRING):
                ledger.setFacts(cursor, until, ledger.facts(cursor).notifies)

    def releaseOrphans(self, cursor: Any, now: float) -> None:
        """
        Give up tables whose followers have been gone for long.

        @param now: The server's time in seconds.
        """
        self._orphans.release(cursor, now, self._wanted)
        self._sweeper.sweep(cursor, isDue=True)

    def _take(self, records: Mapping[int, TableRecord]) -> None:
        """
        Take over the records of tables.
        """
        before = {r.name: (r.tid, r.shapes) for r in self.records.values() if r.ended is None}
        self.records = records
        for record in records.values():
            # A subscriber may have read the columns of a table that is new here before.
            shape = (record.tid, record.shapes)
            if record.ended is not None:
                continue
            if before.get(record.name) != shape:
                self.altered.add(record.name)
            if record.name in self._known and record.shapes and not record.missing:
                fields = record.shapes[-1].fields
                if self._known[record.name] != fields:
                    self._known[record.name] = fields
                    self.reshaped.add(record.name)

    @property
    def missing(self) -> frozenset[str]:
        """The tables that are to be followed but do not exist."""
        return frozenset(r.name for r in self.records.values() if r.ended is None and r.missing)


def _sentence(error: ProgrammingError) -> str:
    """The server's message."""
    return error.diag.message_primary or type(error).__name__
