"""
Connections to a database, on threads of their own.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, TypeVar

from twisted.enterprise.adbapi import Connection, ConnectionPool
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure
from zope.interface import implementer

from aerostack.core.diagnosis.histogram import Histogram
from aerostack.errors import GivenUp
from aerostack.interfaces import IDatabase

T = TypeVar("T")


@implementer(IDatabase)
class PooledDatabase:
    """
    A database behind a pool of threads.

    A connection that is found dead, or comes to its end under an interaction, is thrown
    away, and the next interaction on its thread opens another.

    @ivar calls: How long interactions took, what they waited for a thread included.
    """

    def __init__(self, reactor: Any, threads: int, driver: str, *args: Any, **options: Any) -> None:
        """
        @param reactor: Its threads call us back, and it tells the time.
        @param threads: How many interactions may run at once.  Each thread has a
            connection of its own.
        @param driver: The DB-API module; its C{connect} gets the rest.
        """
        self.calls = Histogram()
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
        self._seconds: Callable[[], float] = reactor.seconds
        # Until when the database is asked; None where no end is set.
        self._until: float | None = None

    @property
    def left(self) -> float | None:
        """
        For how many seconds the database is asked; L{None} where no end is set.
        """
        return None if self._until is None else max(0.0, self._until - self._seconds())

    def _connection(self, pool: ConnectionPool) -> _PooledConnection:
        if self.left == 0:
            # Many may have waited for a thread, and connecting alone takes seconds.
            raise GivenUp("shutting_down", "The daemon is stopping; connect again shortly.")
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
        began = self._seconds()

        def measure(result: Any) -> Any:
            self.calls.observe(self._seconds() - began)
            return result

        running: Deferred[T] = self._pool.runInteraction(interaction, *args)
        return running.addBoth(measure).addErrback(self._explain)

    def _explain(self, failure: Failure) -> Failure:
        if self.left == 0 and failure.check(self._pool.dbapi.Error):
            # Nobody knows what became of it, so it is not shutting_down, which says that nothing
            # was done.
            return Failure(GivenUp("database_unavailable", "The daemon stopped meanwhile."))
        return failure

    def start(self) -> None:
        """
        Begin; the pool would otherwise wait for the reactor to run.
        """
        if not self._pool.running:
            self._pool.start()

    def sever(self) -> None:
        """
        Fail what waits for an answer.
        """

    def giveUp(self, seconds: float) -> None:
        """
        Ask the database for so many seconds more, at the most.  What has not begun by then
        fails with L{GivenUp}, and so does what L{sever} fails after that.
        """
        until = self._seconds() + seconds
        self._until = until if self._until is None else min(until, self._until)

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
