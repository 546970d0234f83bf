"""
Connections to SQLite files, and the daemon's tables in them.
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
from aerostack.databases.migrations import migrate
from aerostack.databases.pool import PooledDatabase
from aerostack.databases.repeatable import findMessages
from aerostack.databases.sqlite.emitrows import ROW, takeEmitted
from aerostack.databases.sqlite.messagerows import (
    MAKE_REPEATED,
    MESSAGES,
    insertMessages,
    selectRepeated,
)
from aerostack.databases.sqlite.names import EMITTED

_REVOCATIONS = "realtime_revocations"
_ANSWERS = "realtime_answers"
_PIECES = "realtime_answer_pieces"
_VALUES = "realtime_values"
_VERSIONS = "realtime_schema"

# These run at each start: another program may have dropped the tables.
_MAKE_REVOCATIONS = f"""
CREATE TABLE IF NOT EXISTS {_REVOCATIONS} (
    project TEXT NOT NULL,
    user_id TEXT NOT NULL,
    token_id TEXT NOT NULL,
    issued_before INTEGER NOT NULL,
    until INTEGER NOT NULL,
    reason TEXT NOT NULL,
    PRIMARY KEY (project, user_id, token_id)
) WITHOUT ROWID
"""

_FIRST_ANSWERS = f"""
CREATE TABLE IF NOT EXISTS {_ANSWERS} (
    id TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    topic TEXT NOT NULL,
    node TEXT NOT NULL,
    owner TEXT,
    epoch INTEGER NOT NULL,
    producer TEXT,
    about TEXT NOT NULL
) WITHOUT ROWID
"""

_MAKE_ANSWERS = f"""
CREATE TABLE IF NOT EXISTS {_ANSWERS} (
    id TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    topic TEXT NOT NULL,
    node TEXT NOT NULL,
    owner TEXT,
    epoch INTEGER NOT NULL,
    producer TEXT,
    about TEXT NOT NULL,
    run TEXT NOT NULL DEFAULT ''
) WITHOUT ROWID
"""

_OLD_ANSWERS = f"{_ANSWERS}_old"

_FIRST_COLUMNS = "id, name, topic, node, owner, epoch, producer, about"

# Pieces are appended, so their order on disk is that of their coming.
_MAKE_PIECES = f"""
CREATE TABLE IF NOT EXISTS {_PIECES} (
    answer TEXT NOT NULL,
    part TEXT NOT NULL,
    place INTEGER NOT NULL,
    kind TEXT NOT NULL,
    base INTEGER NOT NULL,
    text TEXT NOT NULL,
    PRIMARY KEY (answer, part, base)
)
"""

_MAKE_VALUES = f"""
CREATE TABLE IF NOT EXISTS {_VALUES} (
    room_id TEXT NOT NULL,
    state_key TEXT NOT NULL,
    event TEXT NOT NULL,
    data TEXT NOT NULL,
    user_id TEXT,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (room_id, state_key)
) WITHOUT ROWID
"""

SQLITE = Dialect(
    mark="?",
    messages=MESSAGES,
    revocations=_REVOCATIONS,
    answers=_ANSWERS,
    pieces=_PIECES,
    values=_VALUES,
    versions=_VERSIONS,
    begin="BEGIN IMMEDIATE",
    before=(),
    migrations=(
        (
            # Pages are read by topic and time, so this is the order on disk.
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
        # The id by which a publisher may send a message again after a restart.
        (f"ALTER TABLE {MESSAGES} ADD COLUMN publish_id TEXT",),
        (_MAKE_REVOCATIONS,),
        (_FIRST_ANSWERS, _MAKE_PIECES),
        # The run of the daemon that runs an answer.  The table may have the column already, where
        # that of the messages was dropped.
        (
            f"DROP TABLE IF EXISTS {_OLD_ANSWERS}",
            f"ALTER TABLE {_ANSWERS} RENAME TO {_OLD_ANSWERS}",
            _MAKE_ANSWERS,
            f"INSERT INTO {_ANSWERS} ({_FIRST_COLUMNS})"
            f" SELECT {_FIRST_COLUMNS} FROM {_OLD_ANSWERS}",
            f"DROP TABLE {_OLD_ANSWERS}",
        ),
        # The answer whose end a message keeps, and the state in which it has ended.
        (
            f"ALTER TABLE {MESSAGES} ADD COLUMN stream TEXT",
            f"ALTER TABLE {MESSAGES} ADD COLUMN state TEXT",
            f"CREATE INDEX {MESSAGES}_stream ON {MESSAGES} (stream, created_at)"
            " WHERE stream IS NOT NULL",
        ),
        # Up to which time a message replaces others.
        (f"ALTER TABLE {MESSAGES} ADD COLUMN replaces INTEGER",),
        # The key of a message on a keyed topic, and the newest message of each key.
        (f"ALTER TABLE {MESSAGES} ADD COLUMN state_key TEXT", _MAKE_VALUES),
    ),
    listing=(
        "SELECT name FROM sqlite_master WHERE type = 'table'"
        f" AND name IN ('{MESSAGES}', '{_REVOCATIONS}', '{_ANSWERS}', '{_PIECES}', '{_VALUES}',"
        f" '{_VERSIONS}')"
        " ORDER BY name"
    ),
    standing=(
        "SELECT CASE WHEN count(*) FILTER (WHERE name IN"
        " ('room_id', 'created_at', 'id', 'user_id', 'kind', 'event', 'data')) = 7"
        " THEN CASE WHEN count(*) FILTER (WHERE name = 'state_key') = 1 THEN 8"
        " WHEN count(*) FILTER (WHERE name = 'replaces') = 1 THEN 7"
        " WHEN count(*) FILTER (WHERE name = 'stream') = 1 THEN 6"
        " ELSE 1 + count(*) FILTER (WHERE name = 'publish_id') END ELSE 0 END"
        f" FROM pragma_table_info('{MESSAGES}')"
    ),
    after=(),
    finish=(_MAKE_REVOCATIONS, _MAKE_ANSWERS, _MAKE_PIECES, _MAKE_VALUES),
    sharing=(MAKE_REPEATED,),
    passing=(sqlite3.OperationalError,),
    refusing=(sqlite3.IntegrityError, sqlite3.DataError),
    insertMessages=insertMessages,
    selectRepeated=selectRepeated,
    emitted=EMITTED,
    emittedKey=ROW,
    takeEmitted=takeEmitted,
)

T = TypeVar("T")

BUSY_TIMEOUT = 5.0
"""For how many seconds a statement waits for another connection's lock."""


class FileGone(sqlite3.OperationalError):
    """
    The opened file is not the one that other programs find under its name: what is written to it
    is lost.
    """

    sqlite_errorcode = sqlite3.SQLITE_CANTOPEN
    sqlite_errorname = "SQLITE_GONE"


class SQLiteDatabase(PooledDatabase):
    """
    An SQLite file behind a pool.

    Once the file or the C{-wal} beside it was removed or replaced, every interaction fails, also
    one that was running.

    @ivar path: The file.
    """

    def __init__(self, reactor: Any, path: Path, threads: int, foreignKeys: bool = False) -> None:
        """
        @param foreignKeys: Whether the interactions go by foreign keys.
        """
        self.path = path
        self._foreignKeys = foreignKeys
        self._wal = path.with_name(path.name + "-wal")
        self._file: Identity | None = None
        # The -wal file of each open connection, once it exists.  SQLite does not remove it while
        # the connection is open.
        self._wals: dict[sqlite3.Connection, Identity | None] = {}
        super().__init__(
            reactor,
            threads,
            "sqlite3",
            # SQLite must not create a new file in the place of a removed one.
            f"{path.absolute().as_uri()}?mode=rw",
            uri=True,
            timeout=BUSY_TIMEOUT,
            # The interactions themselves begin transactions.
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
        if self._foreignKeys:
            connection.execute("PRAGMA foreign_keys = ON")
        self._wals[connection] = None
        if self._file is None:
            self._file = identify(self.path)

    def run(self, interaction: Callable[..., T], *args: Any) -> Deferred[T]:
        return super().run(self._guard, interaction, *args)

    def sever(self) -> None:
        """
        Interrupt running statements.  SQLite does not interrupt a statement that waits for
        another program's lock.
        """
        for connection in tuple(self._pool.connections.values()):
            # Its thread may be closing it now.
            with suppress(sqlite3.ProgrammingError):
                connection.interrupt()

    def _guard(self, cursor: Any, interaction: Callable[..., T], *args: Any) -> T:
        left = self.left
        if left is not None and left < BUSY_TIMEOUT:
            # A little longer than the time that is left, so that the reason of the failure is
            # clear.
            cursor.execute(f"PRAGMA busy_timeout = {int(left * 1000) + 10}")
        self._check()
        try:
            return interaction(cursor, *args)
        finally:
            # A commit to a file that was replaced meanwhile is lost.
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
        Describe the fault of the file in a sentence; L{None} for no fault.
        """
        open = (each for each in tuple(self._wals) if _isOpen(each))
        return next(filter(None, map(self._faultOf, open)), None)


Identity = tuple[int, int]


def identify(path: Path) -> Identity | None:
    """
    Identify a file among all files that had its name; L{None} if it does not exist.
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
    # SQLite does not check that text is UTF-8.  A bad row must not stop the rows after it.
    return data.decode("utf-8", "replace")


def createDatabase(path: Path) -> bool:
    """
    Create an SQLite file that does not exist, so that readers and a writer can work at the same
    time.

    A file that exists keeps its journal mode and its permissions.  A new one is open to the
    daemon's user and group only, as are the files that SQLite puts beside it.

    @return: Whether it was created.
    @raise OSError: The folder cannot be created.
    @raise sqlite3.Error: The file cannot be created.
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


def openDatabase(path: Path) -> sqlite3.Connection:
    """
    Open an SQLite file that exists, outside of any pool.

    @raise sqlite3.Error: The file cannot be opened.
    """
    connection = sqlite3.connect(
        # SQLite must not create a file that is missing.
        f"{path.absolute().as_uri()}?mode=rw",
        uri=True,
        timeout=BUSY_TIMEOUT,
        isolation_level=None,
    )
    connection.text_factory = _decode
    return connection


def prepareDatabase(
    path: Path,
    since: int,
    limit: int,
    remember: Callable[[Kept], None],
    isShared: bool = False,
) -> int:
    """
    Create the file if it does not exist, and bring the daemon's tables up to date.

    @param since: Publishers do not send messages again that were kept before this time, ms.
    @param limit: How many such messages to read.
    @param remember: Receives each of them, oldest first.
    @param isShared: Whether the daemon shares its topics with others.
    @return: The C{createdAt} of the newest message; 0 without messages.
    @raise OSError: The folder cannot be created.
    @raise sqlite3.Error: The file cannot be opened, is no database, or is locked.
    @raise SchemaTooNew: A later version of the daemon used it.
    """
    createDatabase(path)
    connection = openDatabase(path)
    try:
        cursor = connection.cursor()
        migrate(cursor, SQLITE, isShared)
        return findMessages(cursor, SQLITE, since, limit, remember)
    finally:
        connection.close()
