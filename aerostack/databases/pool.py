"""
Connections to a database, on threads of their own.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, TypeVar

from twisted.enterprise.adbapi import Connection, ConnectionPool
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorCore
from zope.interface import implementer

from aerostack.interfaces import IDatabase

T = TypeVar("T")


@implementer(IDatabase)
class PooledDatabase:
    """
    A database behind a pool of threads.

    A connection that is found dead, or comes to its end under an interaction, is thrown
    away, and the next interaction on its thread opens another.
    """

    def __init__(
        self, reactor: IReactorCore, threads: int, driver: str, *args: Any, **options: Any
    ) -> None:
        """
        @param threads: How many interactions may run at once.  Each thread has a
            connection of its own.
        @param driver: The DB-API module; its C{connect} gets the rest.
        """
        self._pool = ConnectionPool(
            driver,
            *args,
            cp_reactor=reactor,
            cp_min=1,
            cp_max=threads,
            cp_noisy=False,
            cp_openfun=self.opened,
            **options,
        )
        self._pool.connectionFactory = self._connection  # type: ignore[assignment]

    def _connection(self, pool: ConnectionPool) -> _PooledConnection:
        return _PooledConnection(pool, self.usable)

    def opened(self, connection: Any) -> None:
        """
        Prepare a new connection.
        """

    def usable(self, connection: Any, error: BaseException | None) -> bool:
        """
        Whether a connection can be used any longer.

        @param error: What it has just failed with; L{None} before it is used.
        """
        return True

    def run(self, interaction: Callable[..., T], *args: Any) -> Deferred[T]:
        return self._pool.runInteraction(interaction, *args)

    def start(self) -> None:
        """
        Begin; the pool would otherwise wait for the reactor to run.
        """
        if not self._pool.running:
            self._pool.start()

    def sever(self) -> None:
        """
        Fail what waits for an answer, where that has to come from another machine.
        """

    def close(self) -> None:
        """
        Wait for what is running, and close every connection.
        """
        self._pool.close()


class _PooledConnection(Connection):
    """
    A thread's connection, for one interaction.
    """

    def __init__(
        self, pool: ConnectionPool, usable: Callable[[Any, BaseException | None], bool]
    ) -> None:
        self._usable = usable
        super().__init__(pool)

    def reconnect(self) -> None:
        super().reconnect()
        if not self._usable(self._connection, None):
            super().reconnect()

    def rollback(self) -> None:
        connection: Any = self._connection
        if self._usable(connection, sys.exc_info()[1]):
            try:
                connection.rollback()
                return
            except self._pool.dbapi.Error:
                # What is wrong is told by the error that led here.
                pass
        self._pool.disconnect(connection)
