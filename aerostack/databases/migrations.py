"""
The daemon's own tables, by version.
"""

from __future__ import annotations

from typing import Any

from aerostack.databases.dialect import Dialect


class SchemaTooNew(Exception):
    """
    A later version of the daemon used the database.
    """


def migrate(cursor: Any, dialect: Dialect, isShared: bool = False) -> int:
    """
    Bring the daemon's tables to the present version.  If one of them was dropped, make it again.

    @param isShared: Whether the daemon shares its topics with others.
    @return: The version that the database had; 0 for a database without the tables.
    @raise SchemaTooNew: The database has a later version; it was not changed.
    """
    versions, migrations = dialect.versions, dialect.migrations
    cursor.execute(dialect.begin)
    for statement in dialect.before:
        cursor.execute(statement)
    cursor.execute(f"CREATE TABLE IF NOT EXISTS {versions} (version INTEGER PRIMARY KEY)")
    dialect.shutOut(cursor)
    cursor.execute(f"SELECT coalesce(max(version), 0) FROM {versions}")
    (found,) = cursor.fetchone()
    _refuseNewer(found, dialect)
    cursor.execute(dialect.listing)
    isThere = dialect.messages in [name for (name,) in cursor.fetchall()]
    if found and not isThere:
        # The table was dropped, usually by a tool that knows only its own tables.
        cursor.execute(f"DELETE FROM {versions}")
        found = 0
    elif isThere and not found and dialect.standing:
        # The same happened to the table of the versions.
        cursor.execute(dialect.standing)
        (found,) = cursor.fetchone()
        for version in range(1, found + 1):
            dialect.execute(cursor, f"INSERT INTO {versions} (version) VALUES (?)", (version,))
    for version, statements in enumerate(migrations[found:], found + 1):
        for statement in statements:
            cursor.execute(statement)
        dialect.execute(cursor, f"INSERT INTO {versions} (version) VALUES (?)", (version,))
    for statement in (*dialect.finish, *(dialect.sharing if isShared else ())):
        cursor.execute(statement)
    cursor.execute("COMMIT")
    return int(found)


def checkVersion(cursor: Any, dialect: Dialect) -> None:
    """
    Refuse the tables of a later version of the daemon, and change nothing.

    @raise SchemaTooNew: There are such tables.
    """
    cursor.execute(dialect.listing)
    if (dialect.versions,) in cursor.fetchall():
        cursor.execute(f"SELECT coalesce(max(version), 0) FROM {dialect.versions}")
        _refuseNewer(cursor.fetchone()[0], dialect)


def _refuseNewer(found: int, dialect: Dialect) -> None:
    known = len(dialect.migrations)
    if found > known:
        raise SchemaTooNew(
            f"the database has version {found} of the message tables, this daemon knows"
            f" {known}; run a newer daemon"
        )


def remove(cursor: Any, dialect: Dialect) -> list[str]:
    """
    Drop the daemon's tables, with the messages in them.

    @return: The names of the tables that existed.
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
