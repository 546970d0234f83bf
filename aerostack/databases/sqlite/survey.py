"""
Finds what an SQLite file has of the daemon.
"""

from __future__ import annotations

import sqlite3

from aerostack.databases.holdings import Holding, emitted, tables
from aerostack.databases.sqlite.connection import SQLITE
from aerostack.databases.sqlite.emitting import TRIGGER
from aerostack.databases.sqlite.names import EMITTED


def survey(cursor: sqlite3.Cursor) -> list[Holding]:
    """
    Find every object of the daemon, and change nothing.
    """
    kept = tables(cursor, SQLITE)
    names = {each.name for each in kept}
    found = []
    for name, kind, table in cursor.execute(
        "SELECT name, type, tbl_name FROM sqlite_master"
        " WHERE type IN ('table', 'trigger', 'view') AND substr(name, 1, 11) = '_aerostack_'"
        " ORDER BY type, name"
    ).fetchall():
        if name == TRIGGER:
            # A table of that name without the trigger is another program's.
            found.append(emitted(cursor, EMITTED))
        if name not in names:
            found.append(Holding(f"{name} ON {table}" if kind == "trigger" else name))
    return [*found, *kept]
