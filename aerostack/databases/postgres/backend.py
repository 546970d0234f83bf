"""
A PostgreSQL database as the daemon's.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import psycopg

from aerostack.core.replay.publications import Kept
from aerostack.core.rows.selection import Bounds
from aerostack.databases.backend import Backend, Pools, Unusable
from aerostack.databases.health import DatabaseProbe, Trouble
from aerostack.databases.migrations import SchemaTooNew
from aerostack.databases.pool import PooledDatabase
from aerostack.databases.postgres import connection as postgres
from aerostack.databases.postgres import query as postgresquery
from aerostack.databases.postgres.journal import PostgresJournal
from aerostack.databases.postgres.locks import Lookout
from aerostack.databases.postgres.wake import PostgresWaker
from aerostack.interfaces import IJournal, IWaker
from aerostack.settings.settings import DatabaseConfig, TrackerConfig

_FAULTS = (postgres.Unsuitable, SchemaTooNew, psycopg.Error)


class PostgresBackend(Backend):
    """
    A PostgreSQL database.
    """

    def __init__(self, config: DatabaseConfig) -> None:
        super().__init__()
        self.name = config.url
        self.dialect = postgres.POSTGRES
        self._options = dict(postgres.conninfoOf(config.url).options)
        if config.password is not None:
            self._options["password"] = config.password
        self._lookout = Lookout()
        self._spares = postgres.SpareConnections(self._options, "snapshot")

    def prepare(self, since: int, limit: int, remember: Callable[[Kept], None]) -> int:
        try:
            return postgres.prepareDatabase(self._options, since, limit, remember)
        except _FAULTS as error:
            raise Unusable(postgres.sentence(error)) from None

    def pools(self, reactor: Any) -> Pools:
        def pool(threads: int, purpose: str, timeout: float | None = None) -> PooledDatabase:
            return postgres.PostgresDatabase(
                reactor,
                self._options,
                threads,
                purpose,
                timeout,
                ours=purpose != "query",
                lookout=self._lookout,
            )

        # A statement of db.query brings its own time-out, and nothing is prepared where every
        # statement takes away what the one before has left.
        return Pools(
            history=pool(2, "history", 10.0),
            # A journal's reader is a session of the server's.
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
        return PostgresWaker(reactor, postgres.connectionOptions(self._options, "listen"))

    def health(self, reactor: Any, pools: Pools) -> DatabaseProbe:
        def look(cursor: Any) -> Trouble | None:
            locked = self._lookout.look(cursor)
            return None if locked is None else Trouble(locked.fault, str(locked))

        assert pools.probe is not None
        return DatabaseProbe(reactor, pools.probe, look, pools.sever)

    def runQuery(
        self, cursor: Any, sql: str, parameters: list[Any], bounds: Bounds
    ) -> dict[str, Any]:
        return postgresquery.runQuery(cursor, sql, parameters, bounds, self._lookout)

    def remove(self, keepHistory: bool) -> list[str]:
        try:
            with postgres.openConnection(self._options, "detach") as connection:
                return self._removeWith(connection.cursor(), keepHistory)
        except _FAULTS as error:
            raise Unusable(f"{self.name}: {postgres.sentence(error)}") from None
