"""
Accepts connections without reading from them, so that another process can.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

from twisted.internet.interfaces import (
    IAddress,
    IListeningPort,
    IProtocolFactory,
    IStreamServerEndpoint,
)
from twisted.internet.protocol import Factory, Protocol

from aerostack.workers.descriptors import Arrival

PORTION = 50
"""About how many connections are accepted in one turn; Twisted may add some of its own."""


class _Absent(Protocol):
    """
    Stands for the protocol, which is in the worker.
    """

    def makeConnection(self, transport: Any) -> None:
        """The worker makes the connection."""


class _AbsentFactory(Factory):
    noisy = False

    def buildProtocol(self, addr: IAddress | None) -> Protocol:
        return _Absent()


class AcceptingPort:
    """
    A listener of the hub.

    @ivar port: What L{IStreamServerEndpoint.listen} has led to.
    """

    def __init__(
        self,
        port: Any,
        number: int,
        accepted: Callable[[socket.socket, Arrival], object],
    ) -> None:
        self.port: Any = port
        self._number = number
        self._accepted = accepted
        self._paused = False
        # Twisted makes no transport, but calls this with the same arguments.
        port.transport = self._take

    @classmethod
    async def listen(
        cls,
        endpoint: IStreamServerEndpoint,
        number: int,
        accepted: Callable[[socket.socket, Arrival], object],
    ) -> AcceptingPort:
        """
        Listen.

        @param endpoint: TCP or Unix, without TLS and without the PROXY protocol: both are read
            from the connection, and so are the worker's.
        @param number: The number of the listener in L{Arrival}.
        @param accepted: Gets each connection, which nothing has read from.
        @raise twisted.internet.error.CannotListenError: The address cannot be listened on.
        """
        return cls(await endpoint.listen(_AbsentFactory()), number, accepted)

    def pause(self) -> None:
        """
        Accept no connections for now.  The system lets them wait.
        """
        if not self._paused:
            self._paused = True
            self.port.pauseProducing()

    def resume(self) -> None:
        """
        Accept connections again.
        """
        if self._paused:
            self._paused = False
            self.port.resumeProducing()

    def _take(
        self,
        connection: socket.socket,
        protocol: Protocol,
        address: Any,
        port: IListeningPort,
        number: int,
        reactor: Any,
    ) -> None:
        # Twisted accepts more and more in one turn, unless a port has a bound.
        self.port.numberAccepts = PORTION
        host, peer = address[:2] if isinstance(address, tuple) else ("", 0)
        self._accepted(connection, Arrival(self._number, host, peer))


def adoptConnection(reactor: Any, connection: socket.socket, factory: IProtocolFactory) -> None:
    """
    Serve a connection that another process has accepted.

    @param connection: TCP or Unix.  It is closed here: the reactor has its own copy.
    @param factory: Makes the protocol.
    """
    with connection:
        try:
            connection.getpeername()
        except OSError:
            # The client has gone already, and the reactor could not say whose connection it was.
            return
        connection.setblocking(False)
        reactor.adoptStreamConnection(connection.fileno(), connection.family, factory)
