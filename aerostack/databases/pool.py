"""
Connections to a database, on their own threads.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, TypeVar

from twisted.enterprise.adbapi import Connection, ConnectionPool
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure
from twisted.python.threadpool import ThreadPool
from zope.interface import implementer

from aerostack.core.diagnosis.histogram import Histogram
from aerostack.databases.outage import Outage
from aerostack.databases.threads import FreeingPool
from aerostack.errors import GivenUp
from aerostack.interfaces.tracking import IDatabase

T = TypeVar("T")


@implementer(IDatabase)
class PooledDatabase:
    """
    A database behind a pool of threads.

    A connection that is found dead, or that breaks during an interaction, is thrown away, and the
    next interaction on its thread opens another.

    @ivar calls: How long interactions took, including their wait for a thread.
    """

    def __init__(
        self,
        reactor: Any,
        threads: int,
        driver: str,
        *args: Any,
        outage: Outage | None = None,
        **options: Any,
    ) -> None:
        """
        @param reactor: Its threads run our callbacks, and it gives the time.
        @param threads: How many interactions may run at once.  Each thread has its own
            connection.
        @param outage: Hears of every interaction; L{None} for a database that cannot be lost.
        @param driver: The DB-API module; its C{connect} gets the other arguments.
        """
        self.calls = Histogram()
        self._outage = outage
        self._pool = _Pool(
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
        # Until when the daemon asks the database; None without an end.
        self._until: float | None = None

    @property
    def left(self) -> float | None:
        """
        For how many more seconds the daemon asks the database; L{None} without an end.
        """
        return None if self._until is None else max(0.0, self._until - self._seconds())

    def _connection(self, pool: ConnectionPool) -> _PooledConnection:
        if self.left == 0:
            # Many interactions may have waited for a thread, and connecting alone takes seconds.
            raise GivenUp("shutting_down", "The daemon is stopping; connect again shortly.")
        return _PooledConnection(pool, self.usable)

    def opened(self, connection: Any) -> None:
        """
        Prepare a new connection.
        """

    def usable(self, connection: Any, error: BaseException | None) -> bool:
        """
        Whether a connection can still be used.

        @param error: The error that it has just failed with; L{None} before it is used.
        """
        return True

    def run(self, interaction: Callable[..., T], *args: Any) -> Deferred[T]:
        began = self._seconds()

        def measure(result: Any) -> Any:
            self.calls.observe(self._seconds() - began)
            return result

        running: Deferred[T] = self._pool.runInteraction(interaction, *args)
        running.addBoth(measure).addErrback(self._explain)
        return running if self._outage is None else running.addBoth(self._note, began, self._outage)

    def _note(self, result: Any, began: float, outage: Outage) -> Any:
        if isinstance(result, Failure):
            outage.failed(result.value)
        else:
            outage.worked(began)
        return result

    def _explain(self, failure: Failure) -> Failure:
        if self.left == 0 and failure.check(self._pool.dbapi.Error):
            # The interaction may have had its effect, so the code is not shutting_down, which
            # says that it had none.
            return Failure(GivenUp("database_unavailable", "The daemon stopped meanwhile."))
        return failure

    def start(self) -> None:
        """
        Start the pool; otherwise it would wait for the reactor to run.
        """
        if not self._pool.running:
            self._pool.start()

    def sever(self) -> None:
        """
        Fail the interactions that wait for an answer.
        """

    def giveUp(self, seconds: float) -> None:
        """
        Ask the database for at most so many more seconds.  An interaction that has not begun by
        then fails with L{GivenUp}, and so does one that L{sever} fails after that.
        """
        until = self._seconds() + seconds
        self._until = until if self._until is None else min(until, self._until)

    def close(self) -> None:
        """
        Wait for the running interactions, and close every connection.
        """
        self._pool.close()


class _Pool(ConnectionPool):
    """
    A pool on threads that leave nothing to the garbage collector.
    """

    @property
    def threadpool(self) -> FreeingPool:
        """The threads."""
        return self._threads

    @threadpool.setter
    def threadpool(self, made: ThreadPool) -> None:
        # Twisted makes its own threads, and perhaps starts them before it returns.
        self._threads = FreeingPool(made.min, made.max)


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
                # The error that led here describes the fault.
                pass
        self._pool.disconnect(connection)
