"""
What a read of the journal gives, whatever the database.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from aerostack.core.rows.changes import Change
from aerostack.errors import RealtimeError


@dataclass(frozen=True)
class Loss:
    """
    Changes of one table cannot be told any more.

    @ivar table: The table's name, as C{attach} gave it.
    @ivar error: What its subscribers are told.
    @ivar seq: Where among the changes: everything up to this number is in doubt.
    """

    table: str
    error: RealtimeError
    seq: int


@dataclass(frozen=True)
class Poll:
    """
    What was committed since the last read.

    @ivar events: Changes and losses, in commit order.
    @ivar after: The C{seq} up to which the journal has been read.
    @ivar more: There is more to read: poll again at once.
    @ivar altered: Tables whose columns may be others than before.
    @ivar reshaped: Tables whose columns are others than before, so that rows which were
        there may look different.
    @ivar missing: Tables that are to be followed and are not there; L{None} if nothing
        about that has changed since the last read.
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

    @ivar age: For how many seconds it has been seen to be open.
    @ivar who: What it is known by, which anybody may be told: a process and what it calls
        itself, or the name of a transaction that was prepared.
    @ivar role: Whose it is, for whoever looks after the database.
    @ivar remedy: How to end it.
    @ivar isRecorded: There are changes of followed tables in it, which are told once it
        ends.  In any case what was pruned meanwhile cannot be cleaned up before.
    """

    age: float
    who: str
    role: str
    remedy: str
    isRecorded: bool

    def describe(self) -> str:
        """
        Say who it is, for how long, and what to do.
        """
        effect = (
            "Its changes are told when it ends, and no others wait for it."
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
    What has still to be told.

    @ivar age: How old the oldest change is, in seconds, that was committed and is not in
        the journal's order yet; 0 if there is none.
    @ivar holder: Who holds up others; L{None} if nobody does, or the database does not tell.
    """

    age: float
    holder: Holder | None


def lineageOf(epoch: str, tid: int) -> str:
    """
    What the numbers of a table's changes belong to, as it stands in positions.

    @param epoch: What tells the journal from every other one.
    @param tid: The table's number in it.
    """
    return f"{epoch}t{tid:x}"


def expired(table: str) -> RealtimeError:
    """
    What is told of changes that have gone since somebody looked for them.
    """
    return RealtimeError(
        "table_lost", f"Older changes of the table {table!r} are gone; subscribe again."
    )


def gap(tables: Iterable[str], seq: int) -> list[Loss]:
    """
    What is told of tables of which entries are missing.

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
