"""
The daemon's triggers as the database holds them.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

from aerostack.databases.identifiers import quoteIdentifier
from aerostack.databases.sqlite.triggers import parseName


@dataclass(frozen=True)
class InstalledTrigger:
    """
    A trigger of the daemon as it is in the database.

    @ivar table: The table that it is on.
    @ivar order: Grows in the order in which triggers were created.
    """

    name: str
    table: str
    sql: str
    order: int


def installedTriggers(cursor: sqlite3.Cursor) -> dict[int, list[InstalledTrigger]]:
    """
    Read the triggers on the user's tables, by the number of the followed table that they were
    made for.
    """
    found: dict[int, list[InstalledTrigger]] = {}
    for row in cursor.execute(
        "SELECT name, tbl_name, sql, rowid FROM sqlite_master"
        " WHERE type = 'trigger' AND substr(name, 1, 11) = '_aerostack_' ORDER BY rowid"
    ).fetchall():
        tid = parseName(row[0])
        if tid is not None:
            found.setdefault(tid, []).append(InstalledTrigger(*row))
    return found


def dropTriggers(cursor: sqlite3.Cursor, tid: int) -> None:
    """
    Drop the triggers that were made for a followed table, whichever table they are on.
    """
    for trigger in installedTriggers(cursor).get(tid, ()):
        cursor.execute(f"DROP TRIGGER {quoteIdentifier(trigger.name)}")
