"""
The results of reading the journal of any database.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from aerostack.core.rows.changes import Change
from aerostack.errors import RealtimeError


@dataclass(frozen=True)
class Loss:
    """
    Changes of one table are lost.

    @ivar table: The table's name, as C{attach} gave it.
    @ivar error: The error for its subscribers.
    @ivar seq: Changes up to this number may be lost.
    """

    table: str
    error: RealtimeError
    seq: int


@dataclass(frozen=True)
class Poll:
    """
    The changes that were committed since the last read.

    @ivar events: Changes and losses, in commit order.
    @ivar after: The C{seq} up to which the journal has been read.
    @ivar more: Whether there is more to read, so that the caller polls again at once.
    @ivar altered: Tables whose columns may have changed.
    @ivar reshaped: Tables whose columns have changed, so that existing rows may look different.
    @ivar missing: Tables that should be followed and do not exist; L{None} if that has not changed
        since the last read.
    """

    events: tuple[Change | Loss, ...]
    after: int
    more: bool
    altered: frozenset[str] = frozenset()
    reshaped: frozenset[str] = frozenset()
    missing: frozenset[str] | None = None


@dataclass(frozen=True)
class Holder:
    """
    The oldest transaction that is open.

    @ivar age: For how many seconds it is known to be open.
    @ivar who: A name that is not secret: a process and its application name, or the name of a
        prepared transaction.
    @ivar role: The database role, for the database's administrator.
    @ivar remedy: The statement that ends it.
    @ivar isRecorded: Whether it has changes of followed tables, which are delivered when it ends.
         In any case the database cannot free the space of deleted rows before that.
    """

    age: float
    who: str
    role: str
    remedy: str
    isRecorded: bool

    def describe(self) -> str:
        """
        Say which transaction it is, how long it has been open, and how to end it.
        """
        effect = (
            "Subscribers get its changes when it ends, and no other changes wait for it."
            if self.isRecorded
            else "No change waits for it, but what is deleted meanwhile keeps its room on the disk."
        )
        return (
            f"A transaction has been open for {self.age:.0f} s: {self.who}. {effect}"
            f" If it was forgotten, end it with {self.remedy}."
        )


@dataclass(frozen=True)
class Lag:
    """
    What holds up changes.

    @ivar age: The age in seconds of the oldest committed change that has no number in the journal
        yet; 0 if there is none.
    @ivar holder: The open transaction that holds up others; L{None} if there is none, or the
        database does not say.
    """

    age: float
    holder: Holder | None


def lineageOf(epoch: str, tid: int) -> str:
    """
    The lineage of a table's numbers, as positions contain it.

    @param epoch: The id of the journal, which no other journal has.
    @param tid: The table's number in it.
    """
    return f"{epoch}t{tid:x}"


def expired(table: str) -> RealtimeError:
    """
    The error for changes that were removed after a client's resume had begun.
    """
    return RealtimeError(
        "table_lost", f"Older changes of the table {table!r} are gone; subscribe again."
    )


def gap(tables: Iterable[str], seq: int) -> list[Loss]:
    """
    The losses of tables whose journal entries are missing.

    @param seq: The number before the first entry that is there.
    """
    return [
        Loss(
            table,
            RealtimeError(
                "table_lost",
                f"Changes of the table {table!r} are lost, because they were kept for too short"
                " a time; reload it.",
            ),
            seq,
        )
        for table in tables
    ]
