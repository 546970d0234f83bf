"""
SQLite files: their connections, and what the daemon's tables are in them.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

from twisted.internet.defer import Deferred

from aerostack.core.replay.publications import Kept
from aerostack.databases.dialect import Dialect
from aerostack.databases.messages import findMessages
from aerostack.databases.migrations import migrate
from aerostack.databases.pool import PooledDatabase

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

T = TypeVar("T")

BUSY_TIMEOUT = 5.0
"""For how many seconds a statement waits for another's lock."""


class FileGone(sqlite3.OperationalError):
    """
    The file that was opened is not the one that others find under its name: what is written to
    it is lost.
    """

    sqlite_errorcode = sqlite3.SQLITE_CANTOPEN
    sqlite_errorname = "SQLITE_GONE"


class SQLiteDatabase(PooledDatabase):
    """
    A SQLite file behind a pool.

    Nothing is done, and nothing passes for done, once the file or the C{-wal} beside it was
    removed or replaced.

    @ivar path: The file.
    """

    def __init__(self, reactor: Any, path: Path, threads: int) -> None:
        self.path = path
        self._wal = path.with_name(path.name + "-wal")
        self._file: Identity | None = None
        # The -wal of each open connection, once there is one.  While the connection is open
        # nobody but a stranger removes it.
        self._wals: dict[sqlite3.Connection, Identity | None] = {}
        super().__init__(
            reactor,
            threads,
            "sqlite3",
            # No file is made in the place of one that is gone.
            f"{path.absolute().as_uri()}?mode=rw",
            uri=True,
            timeout=BUSY_TIMEOUT,
            # The interactions say themselves where a transaction begins.
            isolation_level=None,
            # adbapi closes its connections from the reactor's thread.
            check_same_thread=False,
        )

    def usable(self, connection: sqlite3.Connection, error: BaseException | None) -> bool:
        if _isOpen(connection):
            return True
        self._wals.pop(connection, None)
        return False

    def opened(self, connection: sqlite3.Connection) -> None:
        connection.text_factory = _decode
        self._wals[connection] = None
        if self._file is None:
            self._file = identify(self.path)

    def run(self, interaction: Callable[..., T], *args: Any) -> Deferred[T]:
        return super().run(self._guard, interaction, *args)

    def sever(self) -> None:
        """
        Interrupt what runs.  SQLite does not interrupt what waits for another program's lock.
        """
        for connection in tuple(self._pool.connections.values()):
            # It may be closed just now.
            with suppress(sqlite3.ProgrammingError):
                connection.interrupt()

    def _guard(self, cursor: Any, interaction: Callable[..., T], *args: Any) -> T:
        left = self.left
        if left is not None and left < BUSY_TIMEOUT:
            # A little longer than what is left: then it is known why it failed.
            cursor.execute(f"PRAGMA busy_timeout = {int(left * 1000) + 10}")
        self._check()
        try:
            return interaction(cursor, *args)
        finally:
            # What was committed meanwhile may be lost.
            self._check()

    def _check(self) -> None:
        fault = self.fault()
        if fault is not None:
            raise FileGone(fault)

    def _faultOf(self, connection: sqlite3.Connection) -> str | None:
        if self._file is None or identify(self.path) != self._file:
            return "The database's file was removed or replaced; restart the daemon."
        wal = identify(self._wal)
        if self._wals[connection] is None:
            self._wals[connection] = wal
        elif wal != self._wals[connection]:
            return f"The file {self._wal.name} was removed or replaced; restart the daemon."
        return None

    def fault(self) -> str | None:
        """
        Tell what is wrong with the file, as a sentence; L{None} for nothing.
        """
        open = (each for each in tuple(self._wals) if _isOpen(each))
        return next(filter(None, map(self._faultOf, open)), None)


Identity = tuple[int, int]


def identify(path: Path) -> Identity | None:
    """
    Give what tells a file from another one of the same name; L{None} if there is none.
    """
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _isOpen(connection: sqlite3.Connection) -> bool:
    try:
        connection.total_changes  # noqa: B018
    except sqlite3.ProgrammingError:
        return False
    return True


def _decode(data: bytes) -> str:
    # SQLite does not check that text is UTF-8; a row that is not must not stop the rows
    # behind it.
    return data.decode("utf-8", "replace")


def createDatabase(path: Path) -> bool:
    """
    Create an SQLite file that is not there, ready for readers beside a writer.

    A file that exists is somebody's, and keeps the journal mode and the rights that it has.  A
    new one is for the daemon's user and group alone, as the files are that SQLite puts beside it.

    @return: Whether it was created.
    @raise OSError: The folder cannot be made.
    @raise sqlite3.Error: The file cannot be.
    """
    if path.exists():
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o660))
    connection = sqlite3.connect(path)
    try:
        connection.execute("PRAGMA journal_mode = WAL")
    finally:
        connection.close()
    return True


def prepareDatabase(path: Path, since: int, limit: int, remember: Callable[[Kept], None]) -> int:
    """
    Create the file if there is none, and bring the daemon's tables up to date.

    @param since: Messages kept before this time, ms, are not sent again any more.
    @param limit: How many such messages to read.
    @param remember: Gets each of them, oldest first.
    @return: The C{createdAt} of the newest message, 0 for none.
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
        return findMessages(cursor, SQLITE, since, limit, remember)
    finally:
        connection.close()
