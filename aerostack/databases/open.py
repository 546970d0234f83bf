"""
The configured database, and all that differs from one kind of database to another.
"""

from __future__ import annotations

import sqlite3
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Thread
from typing import Any, Protocol

from twisted.application.service import Service

from aerostack.core.rows.selection import Bounds
from aerostack.databases.dialect import Dialect
from aerostack.databases.health import Heartbeat
from aerostack.databases.messages import Found
from aerostack.databases.migrations import SchemaTooNew, remove
from aerostack.databases.pool import PooledDatabase
from aerostack.databases.restored import Note
from aerostack.databases.sqlite import connection as sqlite
from aerostack.databases.sqlite import query as sqlitequery
from aerostack.databases.sqlite.journal import SQLiteJournal
from aerostack.databases.sqlite.wake import WALWaker
from aerostack.interfaces import IJournal, IWaker
from aerostack.settings.settings import DatabaseConfig, TrackerConfig

PATIENCE = 3.0
"""For how many seconds a daemon that stops waits for an answer of another machine's."""


class Unusable(Exception):
    """
    The database cannot be used; the message says why.
    """


class Connections(Protocol):
    """
    Some connections to a database.
    """

    def start(self) -> None:
        """
        Begin.
        """

    def sever(self) -> None:
        """
        Fail what waits for an answer from another machine.
        """

    def close(self) -> None:
        """
        Wait for what is running, and close every connection.
        """


@dataclass(frozen=True)
class Pools:
    """
    The connections to the database, by what they are for.

    @ivar history: For what is kept.
    @ivar tracker: For the journal; one connection.
    @ivar query: For C{db.query}, whose statements may take their time and must not keep
        a message from being kept.
    @ivar reads: For what clients begin with, which may take its time and must not delay
        the changes.
    @ivar pulse: For the heartbeat, where the database has one; one connection.
    @ivar spares: What the threads of C{reads} need besides, where they do.
    """

    history: PooledDatabase
    tracker: PooledDatabase
    query: PooledDatabase
    reads: PooledDatabase
    pulse: PooledDatabase | None = None
    spares: Connections | None = None

    def __iter__(self) -> Iterator[Connections]:
        made = (self.history, self.tracker, self.query, self.reads, self.pulse, self.spares)
        return (pool for pool in made if pool is not None)

    def start(self) -> None:
        """
        Begin.
        """
        for pool in self:
            pool.start()

    def sever(self) -> None:
        """
        Fail what waits for an answer from another machine.
        """
        for pool in self:
            pool.sever()

    def close(self) -> None:
        """
        Wait for what is running, and close every connection.  What a machine that hangs does not
        answer within L{PATIENCE} fails.
        """
        closed = Event()

        def hurry() -> None:
            while not closed.wait(PATIENCE):
                self.sever()

        # The reactor's thread waits for the pools' threads meanwhile.
        Thread(target=hurry, daemon=True).start()
        try:
            for pool in self:
                pool.close()
        finally:
            closed.set()


class Backend(ABC):
    """
    A configured database.

    @ivar name: What it is called where people read.
    @ivar dialect: How it speaks.
    """

    name: str
    dialect: Dialect

    @abstractmethod
    def prepare(self, since: int, limit: int) -> Found:
        """
        Bring the daemon's tables up to date.

        @param since: Messages kept before this time, ms, are not sent again any more.
        @param limit: How many such messages to read.
        @raise Unusable: That cannot be done.
        """

    @abstractmethod
    def pools(self, reactor: Any) -> Pools:
        """
        Make the connections, which are opened when they are needed.
        """

    @abstractmethod
    def journal(self, config: TrackerConfig) -> IJournal:
        """
        Make what records the changes of tables.
        """

    @abstractmethod
    def waker(self, reactor: Any) -> IWaker:
        """
        Make what notices changes between two looks at the journal.
        """

    @abstractmethod
    def watch(self, reactor: Any, pools: Pools) -> FileWatch | Heartbeat:
        """
        Make the service that knows whether the database is well.
        """

    @abstractmethod
    def runQuery(
        self, cursor: Any, sql: str, parameters: list[Any], bounds: Bounds
    ) -> dict[str, Any]:
        """
        Run a statement of C{db.query}; see L{sqlitequery.runQuery}.
        """

    @abstractmethod
    def remove(self, keepHistory: bool) -> list[str]:
        """
        Take out again what the daemon has put in.

        @param keepHistory: Whether to leave the kept messages.
        @return: The names of what was taken out.
        @raise Unusable: That cannot be done.
        """

    def _removeWith(self, cursor: Any, keepHistory: bool) -> list[str]:
        names = self.journal(TrackerConfig()).remove(cursor)
        return names if keepHistory else [*names, *remove(cursor, self.dialect)]


class SQLiteBackend(Backend):
    """
    An SQLite file.
    """

    dialect = sqlite.SQLITE

    def __init__(self, path: Path) -> None:
        self.name = str(path)
        self._path = path

    def prepare(self, since: int, limit: int) -> Found:
        try:
            return sqlite.prepareDatabase(self._path, since, limit)
        except (OSError, sqlite3.Error, SchemaTooNew) as error:
            raise Unusable(str(error)) from None

    def pools(self, reactor: Any) -> Pools:
        # The tracker's connection is its own, because PRAGMA data_version counts what
        # others commit.
        def pool(threads: int) -> PooledDatabase:
            return sqlite.SQLiteDatabase(reactor, self._path, threads)

        return Pools(pool(2), pool(1), pool(4), pool(2))

    def journal(self, config: TrackerConfig) -> IJournal:
        return SQLiteJournal(changeBytes=config.changeBytes, note=Note(self._path))

    def waker(self, reactor: Any) -> IWaker:
        return WALWaker(reactor, self._path)

    def watch(self, reactor: Any, pools: Pools) -> FileWatch:
        return FileWatch(
            self._path, [pool for pool in pools if isinstance(pool, sqlite.SQLiteDatabase)]
        )

    def runQuery(self, *args: Any) -> dict[str, Any]:
        return sqlitequery.runQuery(*args)

    def remove(self, keepHistory: bool) -> list[str]:
        if not self._path.exists():
            raise Unusable(f"there is no database at {self.name}")
        try:
            with closing(sqlite3.connect(self._path, isolation_level=None)) as connection:
                return self._removeWith(connection.cursor(), keepHistory)
        except sqlite3.Error as error:
            raise Unusable(f"{self.name}: {error}") from None


class FileWatch(Service):
    """
    Looks whether a database's file is still the one that was opened.
    """

    def __init__(self, path: Path, pools: Iterable[sqlite.SQLiteDatabase] = ()) -> None:
        self._path = path
        self._pools = tuple(pools)

    def privilegedStartService(self) -> None:
        super().privilegedStartService()
        self._file = sqlite.identify(self._path)

    def fault(self) -> str | None:
        """
        @return: What is wrong, as a sentence; L{None} for nothing.
        """
        # The connections would go on with a file that nobody else finds any more.
        if self._file is None or sqlite.identify(self._path) != self._file:
            return "The database's file was removed or replaced; restart the daemon."
        return next(filter(None, (pool.fault() for pool in self._pools)), None)


class PostgresBackend(Backend):
    """
    A PostgreSQL database.
    """

    def __init__(self, config: DatabaseConfig) -> None:
        # Not every installation has the driver.
        from aerostack.databases.postgres import connection as postgres
        from aerostack.databases.postgres import query as postgresquery

        self.name = config.url
        self.dialect = postgres.POSTGRES
        self._postgres = postgres
        self._query = postgresquery
        self._options = dict(postgres.conninfoOf(config.url).options)
        if config.password is not None:
            self._options["password"] = config.password
        self._spares = postgres.SpareConnections(self._options, "snapshot")
        self._faults = (postgres.Unsuitable, SchemaTooNew, postgres.psycopg.Error)

    def prepare(self, since: int, limit: int) -> Found:
        try:
            return self._postgres.prepareDatabase(self._options, since, limit)
        except self._faults as error:
            raise Unusable(self._postgres.sentence(error)) from None

    def pools(self, reactor: Any) -> Pools:
        def pool(threads: int, purpose: str, timeout: float | None = None) -> PooledDatabase:
            return self._postgres.PostgresDatabase(
                reactor, self._options, threads, purpose, timeout, ours=purpose != "query"
            )

        # A statement of db.query brings its own time-out, and nothing is prepared where every
        # statement takes away what the one before has left.
        return Pools(
            history=pool(2, "history", 10.0),
            # A journal's reader is a session of the server's.
            tracker=pool(1, "tracker", 30.0),
            query=pool(4, "query"),
            reads=pool(2, "reads", 30.0),
            pulse=pool(1, "pulse", 10.0),
            spares=self._spares,
        )

    def journal(self, config: TrackerConfig) -> IJournal:
        from aerostack.databases.postgres.journal import PostgresJournal

        return PostgresJournal(
            changeBytes=config.changeBytes,
            lend=self._spares.lend,
        )

    def waker(self, reactor: Any) -> IWaker:
        from aerostack.databases.postgres.wake import PostgresWaker

        return PostgresWaker(reactor, self._postgres.connectionOptions(self._options, "listen"))

    def watch(self, reactor: Any, pools: Pools) -> Heartbeat:
        assert pools.pulse is not None
        return Heartbeat(reactor, pools.pulse, self._postgres.ping, pools.sever)

    def runQuery(self, *args: Any) -> dict[str, Any]:
        return self._query.runQuery(*args)

    def remove(self, keepHistory: bool) -> list[str]:
        try:
            with self._postgres.openConnection(self._options, "detach") as connection:
                return self._removeWith(connection.cursor(), keepHistory)
        except self._faults as error:
            raise Unusable(f"{self.name}: {self._postgres.sentence(error)}") from None


def openBackend(config: DatabaseConfig) -> Backend:
    """
    The backend for a database.  Nothing is opened yet.
    """
    return PostgresBackend(config) if config.path is None else SQLiteBackend(config.path)
