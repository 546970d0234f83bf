"""
Connections to the database, on threads of their own.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from twisted.enterprise.adbapi import ConnectionPool
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorCore
from zope.interface import implementer

from aerostack.core.messages import Kept
from aerostack.interfaces import IDatabase
from aerostack.storage.history import newestMessage, selectRepeatable
from aerostack.storage.schema import migrate

T = TypeVar("T")

BUSY_TIMEOUT = 5.0
"""For how many seconds a statement waits for another's lock."""


@implementer(IDatabase)
class SQLiteDatabase:
    """
    A SQLite file behind a pool.

    @ivar path: The file.
    """

    def __init__(self, reactor: IReactorCore, path: Path, threads: int) -> None:
        """
        @param threads: How many interactions may run at once.  Each thread has a
            connection of its own.
        """
        self.path = path
        self._pool = ConnectionPool(
            "sqlite3",
            str(path),
            timeout=BUSY_TIMEOUT,
            # The interactions say themselves where a transaction begins.
            isolation_level=None,
            # adbapi closes its connections from the reactor's thread.
            check_same_thread=False,
            cp_reactor=reactor,
            cp_min=1,
            cp_max=threads,
            cp_noisy=False,
            cp_openfun=_configure,
        )

    def run(self, interaction: Callable[..., T], *args: Any) -> Deferred[T]:
        return self._pool.runInteraction(interaction, *args)

    def start(self) -> None:
        """
        Begin; the pool would otherwise wait for the reactor to run.
        """
        if not self._pool.running:
            self._pool.start()

    def close(self) -> None:
        """
        Wait for what is running, and close every connection.
        """
        self._pool.close()


def _configure(connection: sqlite3.Connection) -> None:
    # SQLite does not check that text is UTF-8; a row that is not must not stop the
    # rows behind it.
    connection.text_factory = lambda data: data.decode("utf-8", "replace")


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


@dataclass(frozen=True)
class Found:
    """
    What an earlier run left.

    @ivar newest: The C{createdAt} of the newest message, 0 for none.
    @ivar repeatable: Messages that their publishers may send again, oldest first.
    """

    newest: int
    repeatable: Sequence[Kept]


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
    try:
        cursor = connection.cursor()
        migrate(cursor)
        return Found(newestMessage(cursor), selectRepeatable(cursor, since, limit))
    finally:
        connection.close()
