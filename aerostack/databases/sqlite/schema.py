"""
Creates and removes the daemon's tables in the user's database.  No function here begins a
transaction.
"""

from __future__ import annotations

import sqlite3

from aerostack.databases.identifiers import quoteIdentifier
from aerostack.databases.sqlite.installed import installedTriggers
from aerostack.databases.sqlite.ledger import LEASE, skip
from aerostack.databases.sqlite.triggers import CUT, NOW
from aerostack.tracker.faults import NewerJournal

VERSION = 3


FIRST_COLUMNS = 1
"""How many columns the journal has at first; it gets more as tables need them."""


# The journal's numbers must never be used twice, also when it is pruned.  SQLite gives a new row
# the largest existing number plus one, so it is enough that the newest entry always stays.
# AUTOINCREMENT would do this too, but it would leave the table sqlite_sequence in the user's
# database, which cannot be dropped.
#
# The columns of values have no type, so that SQLite keeps each value as it was.  The other columns
# have none, so that SQLite checks nothing for each entry.
# The time of an entry and the mark of an image are defaults, so that no trigger needs to set them.
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


def isComplete(cursor: sqlite3.Cursor) -> bool:
    """
    Whether all objects that L{create} makes exist.
    """
    found = cursor.execute(
        "SELECT name FROM sqlite_master WHERE substr(name, 1, 11) = '_aerostack_'"
    ).fetchall()
    return {name for (name,) in found}.issuperset(_NAMES)


def create(cursor: sqlite3.Cursor, after: int) -> None:
    """
    Create the tables, anew if some exist.

    @param after: The number after which the journal begins.
    @raise NewerJournal: A newer version of the daemon made those that exist.
    """
    checkVersion(cursor)
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
    Drop all objects of the daemon.

    @return: The names.
    """
    gone = [trigger.name for triggers in installedTriggers(cursor).values() for trigger in triggers]
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


def isOfThisVersion(cursor: sqlite3.Cursor) -> bool:
    """
    Whether this version made the tables.
    """
    return _version(cursor) == VERSION


def checkVersion(cursor: sqlite3.Cursor) -> None:
    """
    Refuse tables of a newer version of the daemon.

    @raise NewerJournal: There are such tables.
    """
    found = _version(cursor)
    if found > VERSION:
        raise NewerJournal(found, VERSION)


def _version(cursor: sqlite3.Cursor) -> int:
    """
    The version of the tables; 0 if there are none, or if they do not say it.
    """
    columns = cursor.execute("SELECT name FROM pragma_table_info('_aerostack_meta')").fetchall()
    if not {("key",), ("value",)}.issubset(columns):
        return 0
    row = cursor.execute("SELECT value FROM _aerostack_meta WHERE key = 'version'").fetchone()
    return row[0] if row is not None and isinstance(row[0], int) else 0
