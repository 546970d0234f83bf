"""
Notices other programs' writes to a PostgreSQL database.

The triggers notify a channel, and PostgreSQL passes that to all sessions that listen, as soon as
the transaction is committed.  This takes a connection that does nothing else; the reactor reads
from it as from any socket.  Notifications while the connection is lost are not repeated, so the
waker wakes the tracker once when the connection is there again.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any

import psycopg
from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IDelayedCall, IReadDescriptor
from twisted.internet.threads import deferToThreadPool
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from aerostack.databases.identifiers import quoteIdentifier
from aerostack.databases.outage import Outage
from aerostack.databases.postgres.triggers import CHANNEL
from aerostack.interfaces.tracking import IWaker
from aerostack.tracker.faults import isLost

FIRST = 0.1
"""The pause before the first attempt to reconnect, in seconds."""

LONGEST = 5.0
"""The longest such pause, in seconds; each is twice as long as the one before."""


@implementer(IWaker, IReadDescriptor)
class PostgresWaker:
    """
    Wakes the tracker when a PostgreSQL database sends a notification.

    @ivar isListening: Whether no notification is missed from now on.
    """

    log = Logger()

    def __init__(self, reactor: Any, options: Mapping[str, Any], outage: Outage) -> None:
        """
        @param options: How to connect: the arguments of C{psycopg.connect}.
        @param outage: Hears whether the database lets the waker in.
        """
        self._reactor = reactor
        self._options = options
        self._outage = outage
        # When the last attempt to connect began, and whether the log tells of the failures.
        self._began = 0.0
        self._isTold = False
        self._wake: Callable[[], None] | None = None
        self._connection: psycopg.Connection[Any] | None = None
        # The driver closes its socket when the connection is lost, and another socket may get its
        # number at once.  So the reactor watches a duplicate.
        self._socket = -1
        self._connecting: Deferred[None] | None = None
        self._call: IDelayedCall | None = None
        self._pause = FIRST

    @property
    def isListening(self) -> bool:
        return self._connection is not None

    # IWaker

    def start(self, wake: Callable[[], None]) -> None:
        self._wake = wake
        self._pause = FIRST
        if self._connecting is None and self._connection is None:
            self._connect()

    def stop(self) -> Deferred[None]:
        """
        Wake no more.

        @return: Fires when the connection is closed.
        """
        self._wake = None
        if self._call is not None:
            self._call.cancel()
            self._call = None
        self._close()
        if self._connecting is None:
            return succeed(None)
        stopped: Deferred[None] = Deferred()
        self._connecting.chainDeferred(stopped)
        return stopped

    # The connection

    def _connect(self) -> None:
        self._call = None
        self._began = self._reactor.seconds()
        self._connecting = Deferred()
        opening: Deferred[psycopg.Connection[Any]] = deferToThreadPool(
            self._reactor, self._reactor.getThreadPool(), self._open
        )
        opening.addCallbacks(self._opened, self._failed)

    def _open(self) -> psycopg.Connection[Any]:
        """
        Connect and listen; in a thread, because both take time.
        """
        connection = psycopg.connect(**{**self._options, "autocommit": True})
        try:
            connection.execute(f"LISTEN {quoteIdentifier(CHANNEL)}")
        except BaseException:
            connection.close()
            raise
        return connection

    def _opened(self, connection: psycopg.Connection[Any]) -> None:
        self._connection = connection
        self._socket = os.dup(connection.pgconn.socket)
        self._reactor.addReader(self)
        if self._wake is None:
            self._close()
        else:
            self._outage.worked(self._began)
            if self._isTold:
                self.log.info("The database notifies of changes again.")
            self._isTold = False
            self._pause = FIRST
            # Wake for changes that no notification reported before.
            self._wake()
        self._settle()

    def _failed(self, failure: Failure) -> None:
        self._settle()
        self._retry(failure.value)

    def _settle(self) -> None:
        connecting, self._connecting = self._connecting, None
        assert connecting is not None
        connecting.callback(None)

    def _retry(self, error: BaseException | None) -> None:
        if self._wake is None:
            return
        self._outage.failed(error)
        if not (self._isTold or isLost(error)):
            self._isTold = True
            self.log.warn(
                "The database does not notify of changes for now, so they come with the next"
                " look: {error}",
                error=str(error).strip(),
            )
        self._call = self._reactor.callLater(self._pause, self._connect)
        self._pause = min(2 * self._pause, LONGEST)

    def _close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            self._reactor.removeReader(self)
            os.close(self._socket)
            self._socket = -1
            connection.close()

    # IReadDescriptor

    def fileno(self) -> int:
        return self._socket

    def doRead(self) -> None:
        """
        Read what the server has sent.
        """
        assert self._connection is not None
        pgconn = self._connection.pgconn
        heard = False
        try:
            pgconn.consume_input()
            while pgconn.notifies() is not None:
                heard = True
        except psycopg.OperationalError as error:
            self._close()
            self._retry(error)
        if heard and self._wake is not None:
            self._wake()

    def connectionLost(self, reason: Failure) -> None:
        """
        The reactor cannot read the socket any more.
        """
        self._close()
        self._retry(reason.value)

    def logPrefix(self) -> str:
        return type(self).__name__
