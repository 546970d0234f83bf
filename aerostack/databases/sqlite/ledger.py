"""
The records of the followed tables, and the journal's facts, in the user's database.

C{_aerostack_changes} is the journal; the triggers note in C{_aerostack_pending} which rows may be
replaced; C{_aerostack_tables} and C{_aerostack_columns} say what the journal's entries mean;
C{_aerostack_meta} holds single facts; C{_aerostack_names} has no rows, but has columns with the
names of all followed columns.  L{aerostack.databases.sqlite.schema} creates these tables.  Only
L{transaction} begins a transaction.

An entry may report two changes: a row that took the place of another one also reports that the
other one is gone.  So a change's number is twice its entry's number for the first of two changes,
and one more for the second or only change.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from aerostack.databases.identifiers import quoteIdentifier
from aerostack.databases.sqlite.installed import dropTriggers
from aerostack.databases.sqlite.names import fold

LEASE = 2 * 3600 * 1000
"""For how long, in ms, the lease of a daemon that reads the journal is valid."""


MAX_POSITIONS = 990
"""How many columns the journal can have."""

MAX_NAMES = 1000
"""
How many columns C{_aerostack_names} can have.  SQLite looks at each of them when it compiles a
write to a followed table.
"""


INSERTED = "I"
UPDATED = "U"
"""Entries of a row that was inserted or updated, with the row after it."""
KEY_INSERTED = "i"
KEY_UPDATED = "u"
"""The same without the row, except for its key."""
DELETED = "D"
REPLACED = "G"
"""Entries of a row that was deleted, or silently replaced by another one."""
IMAGE = "B"
"""An entry that reports nothing, but holds a row as it was."""
GONE = "d"
"""An image that also reports that its row was deleted."""
LOST = "L"
"""An entry that says, in C{c0}, why changes of its table are lost."""
MARK = "M"
"""An entry that reports nothing, but occupies a number."""


@dataclass(frozen=True)
class Place:
    """
    A column's place in the journal.

    @ivar position: The number of the journal's column, or C{KEY}.
    @ivar name: The column's present name; L{None} if it was dropped.  Its place is not used
        again, because older entries still hold its values there.
    @ivar since: The first entry in which the column is recorded.
    @ivar fallback: Its value in older entries.
    """

    position: int
    name: str | None
    since: int
    fallback: Any


@dataclass(frozen=True)
class TableRecord:
    """
    One table that is or was followed.  A table that is made again gets another record.

    @ivar missing: It is to be followed, but does not exist.
    @ivar ended: The newest entry when it was given up; L{None} if it was not.
    """

    tid: int
    name: str
    missing: bool
    ended: int | None
    places: tuple[Place, ...]


def lastChangeOf(seq: int) -> int:
    """
    Give the number of the last change that an entry reports; 0 for no entry.
    """
    return 2 * seq + 1 if seq else 0


def entryAfter(position: int) -> int:
    """
    Give the first entry that reports changes after a position.

    @param position: The number of the last delivered change.
    """
    return (position + 1) // 2 or 1


@contextmanager
def transaction(cursor: sqlite3.Cursor, begin: str) -> Iterator[None]:
    """
    Run a block between C{begin} and C{COMMIT}, or roll it back.
    """
    cursor.execute(begin)
    try:
        yield
        cursor.execute("COMMIT")
    except BaseException:
        # SQLite ends a transaction by itself on some errors, such as a full disk.
        if cursor.connection.in_transaction:
            cursor.execute("ROLLBACK")
        raise


def epoch(cursor: sqlite3.Cursor) -> str:
    """
    Give the value that distinguishes this journal from every other one.
    """
    value: str = cursor.execute("SELECT value FROM _aerostack_meta WHERE key = 'epoch'").fetchone()[
        0
    ]
    return value


def beginEpoch(cursor: sqlite3.Cursor) -> None:
    """
    Make this journal a new one: no earlier position is valid in it.
    """
    cursor.execute(
        "UPDATE _aerostack_meta SET value = lower(hex(randomblob(8))) WHERE key = 'epoch'"
    )


def isNoted(cursor: sqlite3.Cursor) -> bool:
    """
    Whether a file outside of the database notes how far this journal is.
    """
    (value,) = cursor.execute(
        "SELECT coalesce(max(value), 0) FROM _aerostack_meta WHERE key = 'noted'"
    ).fetchone()
    return bool(value)


def setNoted(cursor: sqlite3.Cursor, noted: bool) -> None:
    """
    Record whether a file outside of the database notes how far this journal is.
    """
    cursor.execute(
        "INSERT OR REPLACE INTO _aerostack_meta (key, value) VALUES ('noted', ?)", (int(noted),)
    )


def oldest(cursor: sqlite3.Cursor) -> int:
    """
    Give the number of the oldest entry; 0 without entries.
    """
    (seq,) = cursor.execute("SELECT min(seq) FROM _aerostack_changes").fetchone()
    return seq or 0


def newest(cursor: sqlite3.Cursor) -> int:
    """
    Give the number of the newest entry; 0 without entries.
    """
    (seq,) = cursor.execute("SELECT max(seq) FROM _aerostack_changes").fetchone()
    return seq or 0


def skip(cursor: sqlite3.Cursor, after: int) -> None:
    """
    Make the next entry's number higher than C{after}.
    """
    cursor.execute(
        f"INSERT INTO _aerostack_changes (seq, tid, op) VALUES (?, 0, '{MARK}')",
        (after + 1,),
    )


def addLoss(cursor: sqlite3.Cursor, tid: int, reason: str) -> None:
    """
    Enter that changes of a table are lost.
    """
    cursor.execute(
        f"INSERT INTO _aerostack_changes (tid, op, c0) VALUES (?, '{LOST}', ?)",
        (tid, reason),
    )


def widen(cursor: sqlite3.Cursor, positions: int) -> None:
    """
    Add columns to the journal for tables of that many columns.
    """
    (held,) = cursor.execute(
        "SELECT count(*) FROM pragma_table_info('_aerostack_pending')"
    ).fetchone()
    for position in range(held - 3, positions):
        cursor.execute(f"ALTER TABLE _aerostack_changes ADD COLUMN c{position}")
        cursor.execute(f"ALTER TABLE _aerostack_pending ADD COLUMN c{position}")


def doubles(cursor: sqlite3.Cursor) -> set[str]:
    """
    Give the columns of C{_aerostack_names}, folded.
    """
    return {
        fold(name)
        for (name,) in cursor.execute(
            "SELECT name FROM pragma_table_info('_aerostack_names')"
        ).fetchall()
    }


def addDoubles(cursor: sqlite3.Cursor, names: Iterable[str]) -> set[str]:
    """
    Add columns to C{_aerostack_names}, unless it would have too many.

    @return: Its columns, folded.
    """
    known = {fold(name): name for name in doubles(cursor)}
    wanted = known | {fold(name): name for name in names}
    if wanted.keys() == known.keys() or len(wanted) > MAX_NAMES:
        return set(known)
    # Each ALTER TABLE would make SQLite read the whole schema again.
    cursor.execute("DROP TABLE _aerostack_names")
    columns = ", ".join(quoteIdentifier(name) for name in wanted.values())
    cursor.execute(f"CREATE TABLE _aerostack_names ({columns})")
    return set(wanted)


def records(cursor: sqlite3.Cursor) -> dict[int, TableRecord]:
    """
    Read the records of all tables, by number.
    """
    places: dict[int, list[Place]] = {}
    for tid, *place in cursor.execute(
        "SELECT tid, position, name, since, fallback FROM _aerostack_columns ORDER BY 1, 2"
    ).fetchall():
        places.setdefault(tid, []).append(Place(*place))
    return {
        tid: TableRecord(tid, name, bool(missing), ended, tuple(places.get(tid, ())))
        for tid, name, missing, ended in cursor.execute(
            "SELECT tid, name, missing, ended FROM _aerostack_tables ORDER BY tid"
        ).fetchall()
    }


def find(cursor: sqlite3.Cursor, key: str) -> TableRecord | None:
    """
    Find the record of a followed table.

    @param key: The table's name, folded.
    """
    for record in records(cursor).values():
        if record.ended is None and fold(record.name) == key:
            return record
    return None


def addTable(cursor: sqlite3.Cursor, name: str) -> int:
    """
    Add a record of a table.

    @return: Its number.
    """
    cursor.execute("INSERT INTO _aerostack_tables (name) VALUES (?)", (name,))
    tid = cursor.lastrowid
    assert tid is not None
    return tid


def setPlaces(cursor: sqlite3.Cursor, tid: int, places: Iterable[Place]) -> None:
    """
    Set the places of a table's columns.
    """
    cursor.execute("DELETE FROM _aerostack_columns WHERE tid = ?", (tid,))
    cursor.executemany(
        "INSERT INTO _aerostack_columns VALUES (?, ?, ?, ?, ?)",
        [(tid, place.position, place.name, place.since, place.fallback) for place in places],
    )


def setName(cursor: sqlite3.Cursor, tid: int, name: str) -> None:
    """
    Set the name under which a table's changes are reported.
    """
    cursor.execute("UPDATE _aerostack_tables SET name = ? WHERE tid = ?", (name, tid))


def setMissing(cursor: sqlite3.Cursor, tid: int) -> None:
    """
    Note that a table is to be followed, but does not exist.
    """
    cursor.execute("UPDATE _aerostack_tables SET missing = 1 WHERE tid = ?", (tid,))


def end(cursor: sqlite3.Cursor, tid: int) -> None:
    """
    Give a table up: drop its triggers.  Its entries can still be read.
    """
    dropTriggers(cursor, tid)
    cursor.execute("DELETE FROM _aerostack_pending WHERE tid = ?", (tid,))
    cursor.execute("UPDATE _aerostack_tables SET ended = ? WHERE tid = ?", (newest(cursor), tid))


def forgetEnded(cursor: sqlite3.Cursor) -> None:
    """
    Delete the records of given-up tables that have no entry left.
    """
    cursor.execute(
        "DELETE FROM _aerostack_tables WHERE ended < (SELECT min(seq) FROM _aerostack_changes)"
        # The record with the highest number stays, so that no other table gets that number.
        " AND tid < (SELECT max(tid) FROM _aerostack_tables)"
    )
    cursor.execute(
        "DELETE FROM _aerostack_columns WHERE tid NOT IN (SELECT tid FROM _aerostack_tables)"
    )
