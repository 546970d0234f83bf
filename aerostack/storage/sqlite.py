"""
SQLite files: their connections, and what the daemon's tables are in them.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

from twisted.internet.interfaces import IReactorCore

from aerostack.storage.dialect import Dialect
from aerostack.storage.messages import Found, findMessages
from aerostack.storage.pool import PooledDatabase
from aerostack.storage.schema import migrate

_MESSAGES = "realtime_messages"
_VERSIONS = "realtime_schema"

SQLITE = Dialect(
    mark="?",
    messages=_MESSAGES,
    versions=_VERSIONS,
    begin="BEGIN IMMEDIATE",
    before=(),
    migrations=(
        (
            # Pages are read by topic and time, so that is the order on disk.
            f"""
            CREATE TABLE {_MESSAGES} (
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
            f"CREATE INDEX {_MESSAGES}_age ON {_MESSAGES} (created_at)",
        ),
        # By which its publisher may send a message again after a restart.
        (f"ALTER TABLE {_MESSAGES} ADD COLUMN publish_id TEXT",),
    ),
    listing=(
        "SELECT name FROM sqlite_master WHERE type = 'table'"
        f" AND name IN ('{_MESSAGES}', '{_VERSIONS}') ORDER BY name"
    ),
    after=(),
    passing=(sqlite3.OperationalError,),
)

BUSY_TIMEOUT = 5.0
"""For how many seconds a statement waits for another's lock."""


class SQLiteDatabase(PooledDatabase):
    """
    A SQLite file behind a pool.

    @ivar path: The file.
    """

    def __init__(self, reactor: IReactorCore, path: Path, threads: int) -> None:
        self.path = path
        super().__init__(
            reactor,
            threads,
            "sqlite3",
            str(path),
            timeout=BUSY_TIMEOUT,
            # The interactions say themselves where a transaction begins.
            isolation_level=None,
            # adbapi closes its connections from the reactor's thread.
            check_same_thread=False,
        )

    def usable(self, connection: sqlite3.Connection, error: BaseException | None) -> bool:
        try:
            connection.total_changes  # noqa: B018
        except sqlite3.ProgrammingError:
            # It is closed.
            return False
        return True

    def opened(self, connection: sqlite3.Connection) -> None:
        connection.text_factory = _decode


def _decode(data: bytes) -> str:
    # SQLite does not check that text is UTF-8; a row that is not must not stop the rows
    # behind it.
    return data.decode("utf-8", "replace")


def createDatabase(path: Path) -> bool:
    """
    Create an SQLite file that is not there, ready for readers beside a writer.

    A file that exists is somebody's, and keeps the journal mode that it has.

    @return: Whether it was created.
    @raise OSError: The folder cannot be made.
    @raise sqlite3.Error: The file cannot be.
    """
    if path.exists():
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    connection = sqlite3.connect(path)
    try:
        connection.execute("PRAGMA journal_mode = WAL")
    finally:
        connection.close()
    return True


def prepareDatabase(path: Path, since: int, limit: int) -> Found:
    """
    Create the file if there is none, and bring the daemon's tables up to date.

    @param since: Messages kept before this time, ms, are not sent again any more.
    @param limit: How many such messages to read.
    @raise OSError: The folder cannot be made.
    @raise sqlite3.Error: The file cannot be opened, is no database, or is locked.
    @raise SchemaTooNew: A later version of the daemon used it.
    """
    createDatabase(path)
    connection = sqlite3.connect(path, timeout=BUSY_TIMEOUT, isolation_level=None)
    connection.text_factory = _decode
    try:
        cursor = connection.cursor()
        migrate(cursor, SQLITE)
        return findMessages(cursor, SQLITE, since, limit)
    finally:
        connection.close()
