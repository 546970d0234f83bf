"""
The daemon's own tables, by version.
"""

from __future__ import annotations

from typing import Any

from aerostack.databases.dialect import Dialect


class SchemaTooNew(Exception):
    """
    The database was used by a later version of the daemon.
    """


def migrate(cursor: Any, dialect: Dialect) -> int:
    """
    Bring the daemon's tables to the present version.  Where the table of the messages was
    dropped, it is made again.

    @return: The version that was found, 0 for none.
    @raise SchemaTooNew: The database has a later one; nothing was changed.
    """
    versions, migrations = dialect.versions, dialect.migrations
    cursor.execute(dialect.begin)
    for statement in dialect.before:
        cursor.execute(statement)
    cursor.execute(f"CREATE TABLE IF NOT EXISTS {versions} (version INTEGER PRIMARY KEY)")
    dialect.shutOut(cursor)
    cursor.execute(f"SELECT coalesce(max(version), 0) FROM {versions}")
    (found,) = cursor.fetchone()
    if found > len(migrations):
        raise SchemaTooNew(
            f"the database has version {found} of the message tables, this daemon knows"
            f" {len(migrations)}; run a newer daemon"
        )
    if found:
        cursor.execute(dialect.listing)
        if dialect.messages not in [name for (name,) in cursor.fetchall()]:
            # Somebody dropped it: a tool that knows of no table but its own, as a rule.
            cursor.execute(f"DELETE FROM {versions}")
            found = 0
    for version, statements in enumerate(migrations[found:], found + 1):
        for statement in statements:
            cursor.execute(statement)
        dialect.execute(cursor, f"INSERT INTO {versions} (version) VALUES (?)", (version,))
    for statement in dialect.finish:
        cursor.execute(statement)
    cursor.execute("COMMIT")
    return int(found)


def remove(cursor: Any, dialect: Dialect) -> list[str]:
    """
    Take the daemon's tables, and the messages in them, out of the database.

    @return: The names of the tables that were there.
    """
    cursor.execute(dialect.begin)
    cursor.execute(dialect.listing)
    names = [name for (name,) in cursor.fetchall()]
    if dialect.versions in names:
        dialect.shutOut(cursor)
    for name in names:
        cursor.execute(f"DROP TABLE {name}")
    for statement in dialect.after:
        cursor.execute(statement)
    cursor.execute("COMMIT")
    return names
