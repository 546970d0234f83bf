"""
An SQLite file as the daemon's database.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable
from contextlib import closing
from pathlib import Path
from typing import Any, TypeVar

from aerostack.core.replay.publications import Kept
from aerostack.databases.backend import Backend, Pools, Unready, Unusable
from aerostack.databases.health import DatabaseHealth
from aerostack.databases.holdings import Holding
from aerostack.databases.migrations import SchemaTooNew
from aerostack.databases.pool import PooledDatabase
from aerostack.databases.restored import Note
from aerostack.databases.sqlite.connection import (
    SQLITE,
    SQLiteDatabase,
    identify,
    openDatabase,
    prepareDatabase,
)
from aerostack.databases.sqlite.emitting import SQLiteEmittedEvents
from aerostack.databases.sqlite.holders import daemons
from aerostack.databases.sqlite.journal import SQLiteJournal
from aerostack.databases.sqlite.noting import checkRestored
from aerostack.databases.sqlite.query import runQuery
from aerostack.databases.sqlite.survey import survey
from aerostack.databases.sqlite.wake import WALWaker
from aerostack.interfaces.emitting import IEmittedEvents
from aerostack.interfaces.tracking import IJournal, IWaker
from aerostack.settings.settings import TrackerConfig
from aerostack.tracker import faults

T = TypeVar("T")


class SQLiteBackend(Backend):
    """
    An SQLite file.
    """

    dialect = SQLITE

    def __init__(self, path: Path, foreignKeys: bool = True) -> None:
        """
        @param foreignKeys: Whether C{db.query} goes by foreign keys.
        """
        super().__init__()
        self.name = str(path)
        self._path = path
        self._foreignKeys = foreignKeys

    def prepare(
        self, since: int, limit: int, remember: Callable[[Kept], None], isShared: bool = False
    ) -> int:
        try:
            newest = prepareDatabase(self._path, since, limit, remember, isShared)
            with closing(sqlite3.connect(self._path, isolation_level=None)) as connection:
                # The journal begins anew at the first subscription, which may come much later.
                checkRestored(connection.cursor(), Note(self._path), self.restored)
            return newest
        except (OSError, sqlite3.Error, SchemaTooNew) as error:
            raise _unusable(error) from None

    def ask(self, question: Callable[..., T], *args: Any) -> T:
        try:
            with closing(openDatabase(self._path)) as connection:
                return question(connection.cursor(), self.dialect, *args)
        except (sqlite3.Error, SchemaTooNew) as error:
            raise _unusable(error) from None

    def identify(self) -> str:
        return str(self._path.resolve())

    def pools(self, reactor: Any, emits: bool = False) -> Pools:
        # The tracker and the emitted events have their own connections, because PRAGMA data_version
        # counts the commits of other connections.
        def pool(threads: int, foreignKeys: bool = False) -> PooledDatabase:
            return SQLiteDatabase(reactor, self._path, threads, foreignKeys)

        query = pool(4, self._foreignKeys)
        return Pools(pool(2), pool(1), query, pool(2), pool(1) if emits else None)

    def journal(self, config: TrackerConfig) -> IJournal:
        return SQLiteJournal(
            changeBytes=config.changeBytes, note=Note(self._path), restored=self.restored
        )

    def emitted(self) -> IEmittedEvents:
        return SQLiteEmittedEvents()

    def waker(self, reactor: Any) -> IWaker:
        return WALWaker(reactor, self._path)

    def health(self, reactor: Any, pools: Pools) -> FileWatch:
        return FileWatch(self._path, [pool for pool in pools if isinstance(pool, SQLiteDatabase)])

    def runQuery(self, *args: Any) -> dict[str, Any]:
        return runQuery(*args)

    def survey(self) -> list[Holding]:
        found = self._detaching(survey)
        note = Note(self._path).path
        return [*found, Holding(f"the file {note}")] if note.exists() else found

    def daemons(self) -> list[str]:
        return [f"the process {each} has {self._path} open" for each in daemons(self._path)]

    def remove(self, keepHistory: bool) -> list[str]:
        return self._detaching(lambda cursor: self._removeWith(cursor, keepHistory))

    def _detaching(self, question: Callable[[sqlite3.Cursor], T]) -> T:
        try:
            self._path.stat()
        except FileNotFoundError:
            raise Unusable(f"there is no database at {self.name}") from None
        except OSError as error:
            raise Unusable(f"{self.name}: {error.strerror}") from None
        try:
            with closing(sqlite3.connect(self._path, isolation_level=None)) as connection:
                return question(connection.cursor())
        except sqlite3.Error as error:
            raise Unusable(f"{self.name}: {error}") from None


# Another program's lock ends, and a disk gets room, without a change of the configuration.
_PASSING = ("SQLITE_BUSY", "SQLITE_LOCKED", "SQLITE_FULL")


def _unusable(error: Exception) -> Unusable:
    name = getattr(error, "sqlite_errorname", None) or ""
    if name.startswith(_PASSING):
        return Unready(str(error), faults.describe(error))
    if isinstance(error, OSError) and error.filename is not None:
        return Unusable(f"{error.strerror}: {error.filename}")
    return Unusable(str(error))


class FileWatch(DatabaseHealth):
    """
    Checks whether a database's file is still the one that was opened.
    """

    def __init__(self, path: Path, pools: Iterable[SQLiteDatabase] = ()) -> None:
        self._path = path
        self._pools = tuple(pools)

    def privilegedStartService(self) -> None:
        super().privilegedStartService()
        self._file = identify(self._path)

    def fault(self) -> str | None:
        # The connections would continue with a file that no other program finds any more.
        if self._file is None or identify(self._path) != self._file:
            return "The database's file was removed or replaced; restart the daemon."
        return next(filter(None, (pool.fault() for pool in self._pools)), None)
