"""
A PostgreSQL database as the daemon's database.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import psycopg

from aerostack.core.replay.publications import Kept
from aerostack.core.rows.selection import Bounds
from aerostack.databases.backend import Backend, Pools, Unusable
from aerostack.databases.health import DatabaseProbe, Trouble
from aerostack.databases.migrations import SchemaTooNew
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
from aerostack.databases.postgres.identity import identify
from aerostack.databases.postgres.journal import PostgresJournal
from aerostack.databases.postgres.locks import Lookout
from aerostack.databases.postgres.query import runQuery
from aerostack.databases.postgres.spares import SpareConnections
from aerostack.databases.postgres.wake import PostgresWaker
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
        self._spares = SpareConnections(self._options, "snapshot")

    def prepare(
        self, since: int, limit: int, remember: Callable[[Kept], None], isShared: bool = False
    ) -> int:
        try:
            return prepareDatabase(self._options, since, limit, remember, isShared)
        except _FAULTS as error:
            raise Unusable(sentence(error)) from None

    def ask(self, question: Callable[..., T], *args: Any) -> T:
        try:
            return patiently(self._options, lambda cursor: question(cursor, self.dialect, *args))
        except _FAULTS as error:
            raise Unusable(sentence(error)) from None

    def identify(self) -> str:
        return self.ask(identify)

    def pools(self, reactor: Any) -> Pools:
        def pool(threads: int, purpose: str, timeout: float | None = None) -> PooledDatabase:
            return PostgresDatabase(
                reactor,
                self._options,
                threads,
                purpose,
                timeout,
                ours=purpose != "query",
                lookout=self._lookout,
            )

        # A statement of db.query sets its own timeout.  There the driver prepares no statements,
        # because each interaction cleans the session at its end.
        return Pools(
            history=pool(2, "history", 10.0),
            # The server knows a reader of the journal by its session, so there is one.
            tracker=pool(1, "tracker", 30.0),
            query=pool(4, "query"),
            reads=pool(2, "reads", 30.0),
            probe=pool(1, "pulse", 10.0),
            spares=self._spares,
        )

    def journal(self, config: TrackerConfig) -> IJournal:
        return PostgresJournal(
            changeBytes=config.changeBytes,
            lend=self._spares.lend,
            restored=self.restored,
        )

    def waker(self, reactor: Any) -> IWaker:
        return PostgresWaker(reactor, connectionOptions(self._options, "listen"))

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

    def remove(self, keepHistory: bool) -> list[str]:
        try:
            with openConnection(self._options, "detach") as connection:
                return self._removeWith(connection.cursor(), keepHistory)
        except _FAULTS as error:
            raise Unusable(f"{self.name}: {sentence(error)}") from None
