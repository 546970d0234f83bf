"""
Our own tables in the user's database.

C{_aerostack_changes} is the journal; C{_aerostack_pending} is the triggers' scratch
paper; C{_aerostack_tables} and C{_aerostack_columns} say what the journal's entries
mean; C{_aerostack_meta} holds single facts; C{_aerostack_names} has no rows, but columns of
the names that the followed tables' columns have.  Nothing here begins a transaction.

An entry may tell two changes: that a row took the place of another one tells that the other
one is gone.  So a change's number is twice its entry's, or that and one for the second, as
is the number of an entry that tells one.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from aerostack.databases.identifiers import quoteIdentifier
from aerostack.databases.sqlite.tables import fold
from aerostack.databases.sqlite.triggers import CUT, NOW, parseName

VERSION = 3

LEASE = 2 * 3600 * 1000
"""For how long, in ms, what is said once holds that somebody reads the journal."""

FIRST_COLUMNS = 1
"""How many columns the journal begins with; more are added as tables need them."""

MAX_POSITIONS = 990
"""How many columns the journal can be given."""

MAX_NAMES = 1000
"""
How many columns C{_aerostack_names} can have.  What compiles a write to a followed table looks
at each of them.
"""

# The journal's numbers must never be used twice, also when it is pruned.  SQLite gives
# a row the largest number there is and one, so it is enough that the newest entry
# always stays.  AUTOINCREMENT would do it too, but leave the table sqlite_sequence in
# the user's database, which nobody can drop.
#
# The columns of values are declared without a type, so that a value is kept as it was; the
# others, so that nothing is checked for each entry.
# When an entry was made, and that it is an image, defaults say, so that no trigger needs to.
_TABLES = (
    "CREATE TABLE _aerostack_changes (seq INTEGER PRIMARY KEY, tid, op DEFAULT 'B',"
    " at DEFAULT (julianday('now')), k, was, "
    + ", ".join(f"c{i}" for i in range(FIRST_COLUMNS))
    + ")",
    "CREATE INDEX _aerostack_images_of ON _aerostack_changes (tid, k) WHERE op IN ('B', 'd')",
    "CREATE TABLE _aerostack_pending (tid INTEGER NOT NULL, kind TEXT NOT NULL, k, "
    + ", ".join(f"c{i}" for i in range(FIRST_COLUMNS))
    + ")",
    "CREATE INDEX _aerostack_pending_tid ON _aerostack_pending (tid)",
    "CREATE TABLE _aerostack_tables (tid INTEGER PRIMARY KEY, name TEXT NOT NULL,"
    " missing INTEGER NOT NULL DEFAULT 0, ended INTEGER)",
    "CREATE TABLE _aerostack_columns (tid INTEGER NOT NULL, position INTEGER NOT NULL,"
    " name TEXT, since INTEGER NOT NULL, fallback, PRIMARY KEY (tid, position))",
    "CREATE TABLE _aerostack_meta (key TEXT PRIMARY KEY, value)",
    "CREATE TABLE _aerostack_names (_)",
    CUT,
)
_NAMES = tuple(statement.split(maxsplit=3)[2] for statement in _TABLES)

INSERTED = "I"
UPDATED = "U"
"""Entries of a row that was inserted or updated, with the row as it is then."""
KEY_INSERTED = "i"
KEY_UPDATED = "u"
"""The same without the row, but for its key."""
DELETED = "D"
REPLACED = "G"
"""Entries of a row that was deleted, or silently replaced by another one."""
IMAGE = "B"
"""An entry that tells nothing, but holds a row as it was."""
GONE = "d"
"""An image that tells itself that its row was deleted."""
LOST = "L"
"""An entry that says, in C{c0}, why changes of its table cannot be told."""
MARK = "M"
"""An entry that says nothing, but holds a number."""


@dataclass(frozen=True)
class Place:
    """
    A column's place in the journal.

    @ivar position: The number of the journal's column, or L{KEY}.
    @ivar name: The column's present name; L{None} if it was dropped.  Its place is
        not used again, because older entries still hold its values there.
    @ivar since: From which entry on the column is recorded.
    @ivar fallback: Its value in older entries.
    """

    position: int
    name: str | None
    since: int
    fallback: Any


@dataclass(frozen=True)
class Record:
    """
    One table that is or was followed.  A table that is made again gets another.

    @ivar missing: It is to be followed, but is not there.
    @ivar ended: The newest entry when it was given up, L{None} if it was not.
    """

    tid: int
    name: str
    missing: bool
    ended: int | None
    places: tuple[Place, ...]


@dataclass(frozen=True)
class Standing:
    """
    A trigger of ours as it stands in the database.

    @ivar table: On which table.
    @ivar order: Grows in the order in which triggers were created.
    """

    name: str
    table: str
    sql: str
    order: int


def told(seq: int) -> int:
    """
    Give the number of the last change that an entry tells; 0 for no entry.
    """
    return 2 * seq + 1 if seq else 0


def entryAfter(position: int) -> int:
    """
    Give the first entry that tells more than has been told.

    @param position: The number of the last change that was.
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


def isComplete(cursor: sqlite3.Cursor) -> bool:
    """
    Tell whether all that L{create} makes is there.
    """
    found = cursor.execute(
        "SELECT name FROM sqlite_master WHERE substr(name, 1, 11) = '_aerostack_'"
    ).fetchall()
    return {name for (name,) in found}.issuperset(_NAMES)


def create(cursor: sqlite3.Cursor, after: int) -> None:
    """
    Make the tables, anew if some are there.

    @param after: The number after which the journal begins.
    """
    clear(cursor)
    for statement in _TABLES:
        cursor.execute(statement)
    cursor.execute(
        "INSERT INTO _aerostack_meta VALUES ('version', ?), ('epoch', lower(hex(randomblob(8)))),"
        f" ('lease', {NOW} + {LEASE}), ('cut', 0)",
        (VERSION,),
    )
    if after:
        skip(cursor, after)


def clear(cursor: sqlite3.Cursor) -> list[str]:
    """
    Drop all that is ours.

    @return: The names.
    """
    gone = [standing.name for standings in triggers(cursor).values() for standing in standings]
    for name in gone:
        cursor.execute(f"DROP TRIGGER {quoteIdentifier(name)}")
    for name, kind in cursor.execute(
        "SELECT name, type FROM sqlite_master WHERE type IN ('table', 'view')"
        f" AND name IN ({', '.join('?' * len(_NAMES))}) ORDER BY type DESC",
        _NAMES,
    ).fetchall():
        cursor.execute(f"DROP {kind} {quoteIdentifier(name)}")
        gone.append(name)
    return gone


def checkVersion(cursor: sqlite3.Cursor) -> None:
    """
    Refuse tables that another version made.
    """
    row = cursor.execute("SELECT value FROM _aerostack_meta WHERE key = 'version'").fetchone()
    if row != (VERSION,):
        raise RuntimeError(
            "the journal in this database was made by another version of aerostack-rt;"
            " take it out with that version's remove command"
        )


def epoch(cursor: sqlite3.Cursor) -> str:
    """
    Give what tells this journal from every other one.
    """
    value: str = cursor.execute("SELECT value FROM _aerostack_meta WHERE key = 'epoch'").fetchone()[
        0
    ]
    return value


def beginEpoch(cursor: sqlite3.Cursor) -> None:
    """
    Make this journal another one than it was: no position of before is one in it.
    """
    cursor.execute(
        "UPDATE _aerostack_meta SET value = lower(hex(randomblob(8))) WHERE key = 'epoch'"
    )


def isNoted(cursor: sqlite3.Cursor) -> bool:
    """
    Tell whether how far this journal is was noted outside of the database.
    """
    (value,) = cursor.execute(
        "SELECT coalesce(max(value), 0) FROM _aerostack_meta WHERE key = 'noted'"
    ).fetchone()
    return bool(value)


def setNoted(cursor: sqlite3.Cursor, noted: bool) -> None:
    """
    Enter whether that is so.
    """
    cursor.execute(
        "INSERT OR REPLACE INTO _aerostack_meta (key, value) VALUES ('noted', ?)", (int(noted),)
    )


def oldest(cursor: sqlite3.Cursor) -> int:
    """
    Give the number of the oldest entry, 0 if there is none.
    """
    (seq,) = cursor.execute("SELECT min(seq) FROM _aerostack_changes").fetchone()
    return seq or 0


def newest(cursor: sqlite3.Cursor) -> int:
    """
    Give the number of the newest entry, 0 if there is none.
    """
    (seq,) = cursor.execute("SELECT max(seq) FROM _aerostack_changes").fetchone()
    return seq or 0


def skip(cursor: sqlite3.Cursor, after: int) -> None:
    """
    Have the next entry numbered higher than C{after}.
    """
    cursor.execute(
        f"INSERT INTO _aerostack_changes (seq, tid, op) VALUES (?, 0, '{MARK}')",
        (after + 1,),
    )


def addLoss(cursor: sqlite3.Cursor, tid: int, reason: str) -> None:
    """
    Enter that changes of a table cannot be told.
    """
    cursor.execute(
        f"INSERT INTO _aerostack_changes (tid, op, c0) VALUES (?, '{LOST}', ?)",
        (tid, reason),
    )


def widen(cursor: sqlite3.Cursor, positions: int) -> None:
    """
    Give the journal room for tables of that many columns.
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
    Give C{_aerostack_names} more columns, unless it has too many then.

    @return: Those that it has, folded.
    """
    known = {fold(name): name for name in doubles(cursor)}
    wanted = known | {fold(name): name for name in names}
    if wanted.keys() == known.keys() or len(wanted) > MAX_NAMES:
        return set(known)
    # One by one, each would have SQLite read the whole schema again.
    cursor.execute("DROP TABLE _aerostack_names")
    columns = ", ".join(quoteIdentifier(name) for name in wanted.values())
    cursor.execute(f"CREATE TABLE _aerostack_names ({columns})")
    return set(wanted)


def records(cursor: sqlite3.Cursor) -> dict[int, Record]:
    """
    Read all that is known of tables, by number.
    """
    places: dict[int, list[Place]] = {}
    for tid, *place in cursor.execute(
        "SELECT tid, position, name, since, fallback FROM _aerostack_columns ORDER BY 1, 2"
    ).fetchall():
        places.setdefault(tid, []).append(Place(*place))
    return {
        tid: Record(tid, name, bool(missing), ended, tuple(places.get(tid, ())))
        for tid, name, missing, ended in cursor.execute(
            "SELECT tid, name, missing, ended FROM _aerostack_tables ORDER BY tid"
        ).fetchall()
    }


def addTable(cursor: sqlite3.Cursor, name: str) -> int:
    """
    Enter a table.

    @return: Its number.
    """
    cursor.execute("INSERT INTO _aerostack_tables (name) VALUES (?)", (name,))
    tid = cursor.lastrowid
    assert tid is not None
    return tid


def setPlaces(cursor: sqlite3.Cursor, tid: int, places: Iterable[Place]) -> None:
    """
    Enter where a table's columns are.
    """
    cursor.execute("DELETE FROM _aerostack_columns WHERE tid = ?", (tid,))
    cursor.executemany(
        "INSERT INTO _aerostack_columns VALUES (?, ?, ?, ?, ?)",
        [(tid, place.position, place.name, place.since, place.fallback) for place in places],
    )


def setName(cursor: sqlite3.Cursor, tid: int, name: str) -> None:
    """
    Enter under which name a table's changes are told.
    """
    cursor.execute("UPDATE _aerostack_tables SET name = ? WHERE tid = ?", (name, tid))


def setMissing(cursor: sqlite3.Cursor, tid: int) -> None:
    """
    Enter that a table is to be followed, but is not there.
    """
    cursor.execute("UPDATE _aerostack_tables SET missing = 1 WHERE tid = ?", (tid,))


def end(cursor: sqlite3.Cursor, tid: int) -> None:
    """
    Give a table up: drop its triggers.  What was recorded of it can still be read.
    """
    dropTriggers(cursor, tid)
    cursor.execute("DELETE FROM _aerostack_pending WHERE tid = ?", (tid,))
    cursor.execute("UPDATE _aerostack_tables SET ended = ? WHERE tid = ?", (newest(cursor), tid))


def forgetEnded(cursor: sqlite3.Cursor) -> None:
    """
    Forget the tables that were given up and of which no entry is left.
    """
    cursor.execute(
        "DELETE FROM _aerostack_tables WHERE ended < (SELECT min(seq) FROM _aerostack_changes)"
        # The highest number stays, so that it is not given to another table.
        " AND tid < (SELECT max(tid) FROM _aerostack_tables)"
    )
    cursor.execute(
        "DELETE FROM _aerostack_columns WHERE tid NOT IN (SELECT tid FROM _aerostack_tables)"
    )


def triggers(cursor: sqlite3.Cursor) -> dict[int, list[Standing]]:
    """
    Read the triggers on the users' tables, by the number of the table that they were
    made for.
    """
    found: dict[int, list[Standing]] = {}
    for row in cursor.execute(
        "SELECT name, tbl_name, sql, rowid FROM sqlite_master"
        " WHERE type = 'trigger' AND substr(name, 1, 11) = '_aerostack_' ORDER BY rowid"
    ).fetchall():
        tid = parseName(row[0])
        if tid is not None:
            found.setdefault(tid, []).append(Standing(*row))
    return found


def dropTriggers(cursor: sqlite3.Cursor, tid: int) -> None:
    """
    Drop the triggers that were made for a table, wherever they stand.
    """
    for standing in triggers(cursor).get(tid, ()):
        cursor.execute(f"DROP TRIGGER {quoteIdentifier(standing.name)}")
