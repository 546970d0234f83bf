"""
Connections, as the parts of the client on Twisted need them, of an event loop.
"""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
import warnings
from typing import Any

from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress
from twisted.internet.defer import Deferred
from twisted.internet.error import (
    ConnectError,
    ConnectingCancelledError,
    ConnectionAborted,
    ConnectionDone,
    ConnectionLost,
    DNSLookupError,
)
from twisted.internet.interfaces import (
    IAddress,
    IConsumer,
    IProtocol,
    IProtocolFactory,
    IStreamClientEndpoint,
    ITransport,
)
from twisted.python.failure import Failure
from twisted.web.client import Agent, HTTPConnectionPool
from zope.interface import implementer

from aerostack.client.address import Address
from aerostack.client.aio.clock import LoopClock, settle
from aerostack.client.http import IDLE, OneEndpoint
from aerostack.client.repeating import LONGEST_REPEATING

_GOODBYE = 2.0
"""Seconds that the daemon has to answer the end of TLS."""


@implementer(ITransport, IConsumer)
class Bridge(asyncio.Protocol):
    """
    A connection of an event loop, which is a transport for a protocol of Twisted.

    @ivar loop: The event loop.
    """

    disconnecting = False

    def __init__(self, factory: IProtocolFactory) -> None:
        self.loop = asyncio.get_running_loop()
        self._factory = factory
        self._producer: Any = None
        self._isPaused = False
        self._wasAborted = self._isLost = False
        self._transport: Any = None
        self._protocol: Any = None

    @property
    def isOpen(self) -> bool:
        """Whether it holds a socket that neither side is closing."""
        return not self._isLost and not self._transport.is_closing()

    # From the event loop

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        # Until the protocol is there.
        transport.pause_reading()

    def begin(self) -> IProtocol:
        """
        Join the connection with a protocol.

        @return: The protocol.
        @raise ConnectionError: The connection is lost.
        """
        if self._isLost:
            raise ConnectionResetError("the connection was closed at once")
        protocol: Any = self._factory.buildProtocol(self.getPeer())
        self._protocol = protocol
        protocol.makeConnection(self)
        self.resumeProducing()
        return protocol

    def data_received(self, data: bytes) -> None:
        self._protocol.dataReceived(data)

    def pause_writing(self) -> None:
        self._isPaused = True
        if self._producer is not None:
            self._producer.pauseProducing()

    def resume_writing(self) -> None:
        self._isPaused = False
        if self._producer is not None:
            self._producer.resumeProducing()

    def connection_lost(self, error: Exception | None) -> None:
        self._isLost = True
        if self._protocol is None:
            return
        if self._wasAborted:
            reason: Exception = ConnectionAborted()
        else:
            reason = ConnectionDone() if error is None else ConnectionLost(str(error))
        self._producer = None
        protocol, self._protocol = self._protocol, None
        protocol.connectionLost(Failure(reason))

    # From the protocol

    def write(self, data: bytes) -> None:
        if not self._transport.is_closing():
            self._transport.write(data)

    def writeSequence(self, data: Any) -> None:
        self.write(b"".join(data))

    def loseConnection(self) -> None:
        self.disconnecting = True
        self._transport.close()

    def abortConnection(self) -> None:
        self.disconnecting = self._wasAborted = True
        self._transport.abort()

    def pauseProducing(self) -> None:
        self._transport.pause_reading()

    def resumeProducing(self) -> None:
        if not self._transport.is_closing():
            self._transport.resume_reading()

    def stopProducing(self) -> None:
        self.loseConnection()

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        self._producer = producer
        if self._isPaused:
            producer.pauseProducing()

    def unregisterProducer(self) -> None:
        self._producer = None

    def getPeer(self) -> IAddress:
        return _addressOf(self._transport, "peername")

    def getHost(self) -> IAddress:
        return _addressOf(self._transport, "sockname")

    def setTcpNoDelay(self, enabled: bool) -> None:
        """
        The event loop sends without delay.
        """


def _addressOf(transport: Any, name: str) -> IAddress:
    at = transport.get_extra_info(name)
    if isinstance(at, tuple):
        kind = IPv4Address if len(at) == 2 else IPv6Address
        return kind("TCP", at[0], at[1])
    return UNIXAddress(at or None)


@implementer(IStreamClientEndpoint)
class LoopEndpoint:
    """
    Leads to a daemon, by the event loop that runs.
    """

    def __init__(self, address: Address, context: ssl.SSLContext | None) -> None:
        """
        @param context: How to verify the daemon's certificate; L{None} to trust the authorities
            that the machine trusts.
        """
        self._address = address
        self._context = context
        self._bridges: list[Bridge] = []

    @property
    def open(self) -> list[Bridge]:
        """The connections that are open."""
        return [bridge for bridge in self._bridges if bridge.isOpen]

    def connect(self, protocolFactory: IProtocolFactory) -> Deferred[IProtocol]:
        def cancel(_: Deferred[IProtocol]) -> None:
            connecting.cancel()

        connected: Deferred[IProtocol] = Deferred(cancel)
        connecting = asyncio.get_running_loop().create_task(
            self._connect(protocolFactory, connected)
        )
        return connected

    async def _connect(self, factory: IProtocolFactory, connected: Deferred[IProtocol]) -> None:
        # A Deferred that fires here, and not in a later turn, fires before the first bytes come.
        try:
            async with asyncio.timeout(LONGEST_REPEATING):
                bridge = await self._bridge(factory)
            self._bridges = [*self.open, bridge]
            protocol = bridge.begin()
        except asyncio.CancelledError:
            # A Deferred that was cancelled has failed already; one whose event loop ends has not.
            if not connected.called:
                connected.errback(ConnectingCancelledError(self._address.url))
        except (OSError, UnicodeError) as error:
            connected.errback(_explained(error))
        else:
            connected.callback(protocol)

    async def _bridge(self, factory: IProtocolFactory) -> Bridge:
        loop, address = asyncio.get_running_loop(), self._address
        options: dict[str, Any] = {}
        if address.unixPath is not None:
            _, bridge = await loop.create_unix_connection(lambda: Bridge(factory), address.unixPath)
            return bridge
        if address.secure:
            if self._context is None:
                # Reading the machine's authorities takes a while: once is enough.
                self._context = ssl.create_default_context()
            options = {"ssl": self._context, "ssl_shutdown_timeout": _GOODBYE}
        _, bridge = await loop.create_connection(
            lambda: Bridge(factory), address.host, address.port, **options
        )
        return bridge


def _explained(error: OSError | UnicodeError) -> Exception:
    """The error of an attempt to connect, as Twisted has it."""
    if isinstance(error, ssl.SSLError):
        return error
    if isinstance(error, (socket.gaierror, UnicodeError)):
        # UnicodeError comes from a name that no host can have.
        return DNSLookupError(str(error))
    return ConnectError(string=os.strerror(error.errno) if error.errno else str(error))


class Network:
    """
    What a client needs of an event loop to reach one daemon.

    @ivar clock: The time.
    @ivar endpoint: Leads to the daemon.
    @ivar agent: Makes requests to the daemon, over connections that it keeps for a while.
    """

    def __init__(self, address: Address, context: ssl.SSLContext | None, owner: str) -> None:
        """
        @param context: See L{LoopEndpoint}.
        @param owner: The class that the application has to close.
        """
        self._unclosed = f"unclosed {owner} of {address.url}"
        self.clock: Any = LoopClock()
        self.endpoint = LoopEndpoint(address, context)
        self._pool = HTTPConnectionPool(self.clock)
        # Twisted's annotation says int, and its code takes a float.
        self._pool.cachedConnectionTimeout = IDLE  # type: ignore[assignment]
        self.agent = Agent.usingEndpointFactory(
            self.clock, OneEndpoint(self.endpoint), pool=self._pool
        )

    async def close(self) -> None:
        """
        Close the connections that are kept.
        """
        await settle(self._pool.closeCachedConnections())

    def __del__(self) -> None:
        """
        Tell an application that has left connections open, and close them.
        """
        bridges = self.endpoint.open
        if not bridges:
            return
        for bridge in bridges:
            # The garbage collector may run in another thread.
            if not bridge.loop.is_closed():
                bridge.loop.call_soon_threadsafe(bridge.abortConnection)
        warnings.warn(
            f"{self._unclosed}: use it within async with, or await its aclose()",
            ResourceWarning,
            # The caller is the garbage collector, wherever it runs.
            stacklevel=1,
            source=self,
        )
