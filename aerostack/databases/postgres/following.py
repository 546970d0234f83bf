"""
Seeing to it that tables of a PostgreSQL database are followed as they should be.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from time import monotonic
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
from aerostack.databases.postgres.ledger import Facts, Record, transaction
from aerostack.databases.postgres.readers import Session
from aerostack.databases.postgres.rows import Field, fieldOf
from aerostack.databases.postgres.schema import create, dropFunctions, isComplete, isCopied
from aerostack.databases.postgres.triggers import Manner
from aerostack.errors import RealtimeError
from aerostack.tracker.retry import RetryState

TAMPERED = (UndefinedTable, UndefinedFunction, UndefinedColumn, InvalidSchemaName)
"""What is raised where somebody took away what is ours."""

MADE = (UniqueViolation, DuplicateSchema, DuplicateTable, DuplicateFunction)
"""What is raised where somebody else makes what is ours at the same moment."""

LEASE = 36 * 3600 * 1000
"""For how long, in ms, changes are recorded after it was said that somebody reads."""

RENEWAL = LEASE // 3
"""How much of that, in ms, may pass before it is written anew: so are all functions then."""

ATTACHING = 100
"""For how long, in ms, to wait for writers before a table is attached.  Those who come later
wait behind us, and so do the changes of other tables."""

REPAIRING = 100
"""The same, where a table is followed already."""

DROPPING = 50
"""The same, to take off triggers that do nothing any more."""

SWEEPING = 10.0
"""After how many seconds that is tried again where somebody was in the way, ..."""

SWEEPING_LONGEST = 60.0
"""... and after how many at the most."""

REMOVING = 5000
"""The same, where everything is made, or taken out."""

CHECKING = 0.1
"""For how many seconds it is not looked again whether everything is as it should be, unless
a row looks as no row did before.  A reader may be woken hundreds of times a second."""

PATIENCE = 2.0
"""After how many seconds what had to wait for a lock is tried again."""

ORPHANED = 600.0
"""For how many seconds a table stays followed whose followers are gone: they may come
back."""


class Following:
    """
    The tables that are followed, as one reader of the journal knows them.

    @ivar records: What is known of tables, by number.
    @ivar altered: Tables whose columns may be others than when this was last emptied.
    @ivar reshaped: Tables whose columns are others than when this was last emptied, so that
        rows which were there may look different.
    @ivar isSettled: All was as it should be when it was last asked for changes.
    """

    log = Logger()

    def __init__(
        self, session: Session, rebuiltRows: int, notify: bool | None, restored: RestoreNotice
    ) -> None:
        """
        @param rebuiltRows: How many rows a table that was made again, or was truncated, may
            have for each to be told.
        @param notify: Whether writers notify readers; L{None} for where they surely can.
        @param restored: Is told if the journal is another's.
        """
        self.records: Mapping[int, Record] = {}
        self.altered: set[str] = set()
        self.reshaped: set[str] = set()
        # Of each table that is followed in this run, what its subscribers know of its columns.
        self._known: dict[str, Sequence[Field]] = {}
        self.isSettled = False
        self._session = session
        self._rebuiltRows = rebuiltRows
        self._notify = notify
        self._restored = restored
        # What is followed in this run.
        self._wanted: set[str] = set()
        # What to look at, and what was seen there when all was as it should be.
        self._needs: repair.Needs | None = None
        self._signature: str | None = None
        self._checkedAt = 0.0
        self._retryAt: float | None = None
        # Whether triggers that are of no use any more can be taken off: writers wait behind us
        # while we wait for them.
        self._sweeping = RetryState(SWEEPING, SWEEPING_LONGEST)
        # Since when nobody is known to follow a table.
        self._orphans: dict[str, float] = {}

    @property
    def isWanted(self) -> bool:
        """Whether any table is followed in this run."""
        return bool(self._wanted)

    def forget(self) -> None:
        """
        Look at everything anew the next time.
        """
        self._signature = None
        self._retryAt = None

    def ensure(self, cursor: Any, after: int) -> bool:
        """
        See to it that our tables are there, and are this database's own.

        @param after: The last change that was read.
        @return: Whether they had to be made.
        """
        made, attempts = False, 3
        while not isComplete(cursor) or isCopied(cursor):
            try:
                self._make(cursor, after)
            except MADE:
                # Another process was first.
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
        with transaction(cursor, REMOVING, ifThere=True):
            isThere = isComplete(cursor)
            if not isThere or isCopied(cursor):
                if isThere:
                    self._restored.tell(
                        "The database is a copy of another or was restored, or its journal is of"
                        " an earlier version. Clients that come back for changes of tables are"
                        " told of a gap, and reload."
                    )
                    self.log.warn(
                        "the journal in this database is that of another, of which this one is a"
                        " copy or was restored, or of an earlier version: the daemon begins another"
                        " journal.  Clients that come back for changes of tables are told of a gap,"
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
        Take over what an earlier run followed.
        """
        self.expire(cursor)
        with transaction(cursor, REPAIRING):
            facts = ledger.facts(cursor)
            notifies = self._notifies(cursor)
            if facts.notifies != notifies:
                ledger.setFacts(cursor, facts.until, notifies)
            # What others followed who have gone is ours now, for as long as we want it.
            readers.bury(cursor)
            names = {record.name for record in active(cursor)}
            reader = self._session.enter(cursor)
            readers.follow(cursor, reader, names - readers.followed(cursor))

    def attach(self, cursor: Any, table: str) -> str:
        """
        Follow a table.

        @return: The name under which its changes are told.
        """
        try:
            with transaction(cursor, ATTACHING):
                described = describe(cursor, table)
                name = described.name
                record = find(active(cursor), name)
                manner = self._manner(ledger.facts(cursor))
                if record is not None and name in self._wanted:
                    # Its subscribers must hear what happened to it.
                    if not repair.isCurrent(cursor, record, manner):
                        repair.repairTable(cursor, record, manner)
                else:
                    repair.follow(cursor, described, record, manner)
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
        self.sweep(cursor)
        return name

    def detach(self, cursor: Any, table: str) -> None:
        """
        Follow a table no more, unless another reader does.
        """
        self._wanted.discard(table)
        self._known.pop(table, None)
        # A leader that follows nothing any more may not come again for long.
        self._session.look(cursor, self.isWanted)
        if not isComplete(cursor):
            return
        with transaction(cursor, DROPPING):
            readers.leave(cursor, self._session.reader, table)
            record = find(active(cursor), table)
            if record is not None and table not in readers.followed(cursor):
                repair.give(cursor, record)
        self.forget()
        self.sweep(cursor)

    def check(self, cursor: Any, now: float, after: int, isUrgent: bool = False) -> None:
        """
        See whether everything is followed as it should be, and put right what is not.

        @param now: The server's time in seconds.
        @param after: The last change that was read.
        @param isUrgent: Something looks as if it were not.
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
            # Before it is looked whether all is well: what changes in between is seen then,
            # or the next time.
            signature = repair.signature(cursor, needs)
            broken = self._findBroken(cursor, records, facts)
            if not broken or not all([self._repair(cursor, tid) for tid in broken]):
                break
        if self._session.leads:
            self.sweep(cursor)
        self._take(records)
        self._needs, self._signature = needs, signature
        self._retryAt = now + PATIENCE if broken else None
        self._checkedAt = now
        self.isSettled = not broken

    def _manner(self, facts: Facts) -> Manner:
        return Manner(facts.until, facts.notifies, self._rebuiltRows)

    def _findBroken(self, cursor: Any, records: Mapping[int, Record], facts: Facts) -> list[int]:
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

        @return: Whether that could be done.
        """
        try:
            with transaction(cursor, REPAIRING):
                record = ledger.records(cursor)[tid]
                manner = self._manner(ledger.facts(cursor))
                if record.ended is None and not repair.isCurrent(cursor, record, manner):
                    repair.repairTable(cursor, record, manner)
        except LockNotAvailable:
            # Somebody uses the table.
            return False
        except TAMPERED:
            raise
        except ProgrammingError as error:
            # One table that cannot be followed must not keep the others from being.
            with transaction(cursor, REPAIRING):
                reason = f"The table {record.name!r} cannot be followed: {_sentence(error)}."
                repair.lose(cursor, record, reason)
            return False
        return True

    def _register(self, cursor: Any) -> None:
        """
        See to it that what we want is known to be followed by us.
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
        Give up what was not recorded any more, because nobody read it for so long.
        """
        if not ledger.facts(cursor).isExpired:
            return
        with transaction(cursor, REPAIRING):
            facts = ledger.facts(cursor)
            if facts.isExpired:
                for record in active(cursor):
                    repair.give(cursor, record)
                ledger.setFacts(cursor, ledger.now(cursor) + LEASE, facts.notifies)
        self.forget()

    def renew(self, cursor: Any, timestamp: int) -> None:
        """
        Have changes recorded for longer.

        @param timestamp: The present time, ms.
        """
        self.expire(cursor)
        until = timestamp + LEASE
        if not 0 <= until - ledger.facts(cursor).until < RENEWAL:
            with transaction(cursor, REPAIRING):
                ledger.setFacts(cursor, until, ledger.facts(cursor).notifies)

    def sweep(self, cursor: Any, isDue: bool = False) -> None:
        """
        Take off triggers that are of no use any more, where nobody is in the way.

        @param isDue: It is time to, and not only an occasion that a client gives.
        """
        if not (isDue or self._sweeping.allows(monotonic())):
            return
        isHeld = False
        for name in repair.spare(cursor):
            try:
                with transaction(cursor, DROPPING):
                    if name in repair.spare(cursor):
                        dropFunctions(cursor, [name])
            except LockNotAvailable:
                isHeld = True
        if isHeld:
            self._sweeping.failed(monotonic(), "is locked")
        else:
            self._sweeping.worked()

    def releaseOrphans(self, cursor: Any, now: float) -> None:
        """
        Give up tables whose followers have been gone for long.

        @param now: The server's time in seconds.
        """
        names = {record.name for record in active(cursor)}
        gone = names - readers.followed(cursor, readers.living(cursor)) - self._wanted
        self._orphans = {name: self._orphans.get(name, now) for name in gone}
        for name, since in self._orphans.items():
            if now - since >= ORPHANED:
                with transaction(cursor, REPAIRING):
                    readers.bury(cursor, name)
                    record = find(active(cursor), name)
                    if record is not None and name not in readers.followed(cursor):
                        repair.give(cursor, record)
        self.sweep(cursor, isDue=True)

    def _take(self, records: Mapping[int, Record]) -> None:
        """
        Take in what is known of tables.
        """
        before = {r.name: (r.tid, r.shapes) for r in self.records.values() if r.ended is None}
        self.records = records
        for record in records.values():
            # Of one that is new here, somebody may have asked for the columns before this.
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
        """The tables that are to be followed and are not there."""
        return frozenset(r.name for r in self.records.values() if r.ended is None and r.missing)


def active(cursor: Any) -> list[Record]:
    """
    The tables that are followed.
    """
    return [record for record in ledger.records(cursor).values() if record.ended is None]


def _sentence(error: ProgrammingError) -> str:
    """What the server said was wrong."""
    return error.diag.message_primary or type(error).__name__


def find(records: Iterable[Record], name: str) -> Record | None:
    """
    Find a table by the name under which its changes are told.
    """
    return next((record for record in records if record.name == name), None)
