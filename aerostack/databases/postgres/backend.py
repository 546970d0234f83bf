"""
A PostgreSQL database as the daemon's database.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import psycopg
from psycopg.errors import LockNotAvailable

from aerostack.core.replay.publications import Kept
from aerostack.core.rows.selection import Bounds
from aerostack.databases.backend import Backend, Pools, Unready, Unusable
from aerostack.databases.health import DatabaseProbe, Trouble
from aerostack.databases.holdings import Holding
from aerostack.databases.migrations import SchemaTooNew
from aerostack.databases.outage import Outage
from aerostack.databases.pool import PooledDatabase
from aerostack.databases.postgres.connection import (
    PostgresDatabase,
    Unsuitable,
    connectionOptions,
    conninfoOf,
    openConnection,
    patiently,
    prepareDatabase,
    sentence,
)
from aerostack.databases.postgres.dialect import POSTGRES
from aerostack.databases.postgres.emitting import PostgresEmittedEvents
from aerostack.databases.postgres.identity import identify
from aerostack.databases.postgres.journal import PostgresJournal
from aerostack.databases.postgres.locks import Lookout
from aerostack.databases.postgres.passing import passing
from aerostack.databases.postgres.query import runQuery
from aerostack.databases.postgres.spares import SpareConnections
from aerostack.databases.postgres.survey import daemons, survey
from aerostack.databases.postgres.wake import PostgresWaker
from aerostack.interfaces.emitting import IEmittedEvents
from aerostack.interfaces.tracking import IJournal, IWaker
from aerostack.settings.settings import DatabaseConfig, TrackerConfig

T = TypeVar("T")

_FAULTS = (Unsuitable, SchemaTooNew, psycopg.Error)


class PostgresBackend(Backend):
    """
    A PostgreSQL database.
    """

    def __init__(self, config: DatabaseConfig) -> None:
        super().__init__()
        self.name = config.url
        self.dialect = POSTGRES
        self._options = dict(conninfoOf(config.url).options)
        if config.password is not None:
            self._options["password"] = config.password
        self._lookout = Lookout()
        self._outage: Outage | None = None
        self._spares = SpareConnections(self._options, "snapshot")

    def prepare(
        self, since: int, limit: int, remember: Callable[[Kept], None], isShared: bool = False
    ) -> int:
        try:
            return prepareDatabase(self._options, since, limit, remember, isShared)
        except _FAULTS as error:
            raise self._unusable(error) from None

    def ask(self, question: Callable[..., T], *args: Any) -> T:
        try:
            return patiently(self._options, lambda cursor: question(cursor, self.dialect, *args))
        except _FAULTS as error:
            raise self._unusable(error) from None

    def _unusable(self, error: Exception) -> Unusable:
        fault = passing(self._options, error)
        return Unusable(sentence(error)) if fault is None else Unready(sentence(error), fault)

    def identify(self) -> str:
        return self.ask(identify)

    def pools(self, reactor: Any, emits: bool = False) -> Pools:
        def pool(threads: int, purpose: str, timeout: float | None = None) -> PooledDatabase:
            return PostgresDatabase(
                reactor,
                self._options,
                threads,
                purpose,
                timeout,
                ours=purpose != "query",
                lookout=self._lookout,
                outage=self._outageOf(reactor),
            )

        # A statement of db.query sets its own timeout.  There the driver prepares no statements,
        # because each interaction cleans the session at its end.
        return Pools(
            history=pool(2, "history", 10.0),
            # The server knows a reader of the journal by its session, so there is one.
            tracker=pool(1, "tracker", 30.0),
            query=pool(4, "query"),
            reads=pool(2, "reads", 30.0),
            # The server knows the daemon that publishes by its session, so there is one.
            events=pool(1, "events", 30.0) if emits else None,
            probe=pool(1, "pulse", 10.0),
            spares=self._spares,
        )

    def journal(self, config: TrackerConfig) -> IJournal:
        return PostgresJournal(
            changeBytes=config.changeBytes,
            lend=self._spares.lend,
            restored=self.restored,
        )

    def emitted(self) -> IEmittedEvents:
        return PostgresEmittedEvents()

    def waker(self, reactor: Any) -> IWaker:
        outage = self._outageOf(reactor)
        return PostgresWaker(reactor, connectionOptions(self._options, "listen"), outage)

    def _outageOf(self, reactor: Any) -> Outage:
        if self._outage is None:
            self._outage = Outage(reactor.seconds)
        return self._outage

    def health(self, reactor: Any, pools: Pools) -> DatabaseProbe:
        def look(cursor: Any) -> Trouble | None:
            locked = self._lookout.look(cursor)
            return None if locked is None else Trouble(locked.fault, str(locked))

        assert pools.probe is not None
        return DatabaseProbe(reactor, pools.probe, look, pools.sever)

    def runQuery(
        self, cursor: Any, sql: str, parameters: list[Any], bounds: Bounds
    ) -> dict[str, Any]:
        return runQuery(cursor, sql, parameters, bounds, self._lookout)

    def survey(self) -> list[Holding]:
        return self._detaching(survey)

    def daemons(self) -> list[str]:
        return self._detaching(daemons)

    def _detaching(self, question: Callable[[Any], T]) -> T:
        def connect() -> psycopg.Connection[Any]:
            return openConnection(self._options, "detach")

        lookout = Lookout()
        try:
            with connect() as connection, lookout.looking(connect):
                return question(connection.cursor())
        except LockNotAvailable as error:
            raise Unusable(f"{self.name}: {sentence(lookout.name(error))}") from None
        except _FAULTS as error:
            raise Unusable(f"{self.name}: {sentence(error)}") from None

    def remove(self, keepHistory: bool) -> list[str]:
        return self._detaching(lambda cursor: self._removeWith(cursor, keepHistory))
