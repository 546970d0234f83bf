"""
The daemon's own tables, by version.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

MESSAGES = "realtime_messages"
VERSIONS = "realtime_schema"

# One entry a version, each a list of statements.  An entry that was released is
# never changed again: what is wrong with it, the next one mends.
MIGRATIONS: Sequence[Sequence[str]] = (
    (
        # Pages are read by topic and time, so that is the order on disk.
        f"""
        CREATE TABLE {MESSAGES} (
            room_id TEXT NOT NULL,
            created_at INTEGER NOT NULL,
            id TEXT NOT NULL UNIQUE,
            user_id TEXT,
            kind TEXT NOT NULL,
            event TEXT NOT NULL,
            data TEXT NOT NULL,
            PRIMARY KEY (room_id, created_at)
        ) WITHOUT ROWID
        """,
        f"CREATE INDEX {MESSAGES}_age ON {MESSAGES} (created_at)",
    ),
    # By which its publisher may send a message again after a restart.
    (f"ALTER TABLE {MESSAGES} ADD COLUMN publish_id TEXT",),
)


class SchemaTooNew(Exception):
    """
    The database was used by a later version of the daemon.
    """


def migrate(cursor: Any) -> int:
    """
    Bring the daemon's tables to the present version.

    @return: The version that was found, 0 for none.
    @raise SchemaTooNew: The database has a later one; nothing was changed.
    """
    cursor.execute("BEGIN IMMEDIATE")
    cursor.execute(f"CREATE TABLE IF NOT EXISTS {VERSIONS} (version INTEGER PRIMARY KEY)")
    cursor.execute(f"SELECT coalesce(max(version), 0) FROM {VERSIONS}")
    (found,) = cursor.fetchone()
    if found > len(MIGRATIONS):
        raise SchemaTooNew(
            f"the database has version {found} of the message tables, this daemon knows"
            f" {len(MIGRATIONS)}; run a newer daemon"
        )
    for version, statements in enumerate(MIGRATIONS[found:], found + 1):
        for statement in statements:
            cursor.execute(statement)
        cursor.execute(f"INSERT INTO {VERSIONS} (version) VALUES (?)", (version,))
    cursor.execute("COMMIT")
    return int(found)


def remove(cursor: Any) -> list[str]:
    """
    Take the daemon's tables, and the messages in them, out of the database.

    @return: The names of the tables that were there.
    """
    cursor.execute("BEGIN IMMEDIATE")
    cursor.execute(
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name IN (?, ?) ORDER BY name",
        (MESSAGES, VERSIONS),
    )
    names = [name for (name,) in cursor.fetchall()]
    for name in names:
        cursor.execute(f"DROP TABLE {name}")
    cursor.execute("COMMIT")
    return names
