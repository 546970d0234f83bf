"""
Connections on which a proxy first names the client's address.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.interfaces import IAddress, IProtocolFactory
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure

from aerostack.net.proxyheader import readHeader

PATIENCE = 10.0
"""Seconds within which the proxy has to send the address."""

QUIET = 60.0
"""Seconds after which the log has another line about connections that are dropped."""


class _Introduced(Protocol):
    """
    A connection until the client's address is known.  Then another protocol takes it over.
    """

    def __init__(self, factory: ProxiedFactory, address: IAddress) -> None:
        self._factory = factory
        self._address = address
        self._received = b""

    def connectionMade(self) -> None:
        self._late = self._factory.reactor.callLater(PATIENCE, self._refuse, "it says nothing")

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if self._late.active():
            self._late.cancel()

    def dataReceived(self, data: bytes) -> None:
        self._received += data
        try:
            found = readHeader(self._received)
        except ValueError as error:
            self._refuse(str(error))
            return
        if found is not None:
            self._late.cancel()
            self._goOn(*found)

    def _goOn(self, source: str | None, length: int) -> None:
        transport: Any = self.transport
        address = self._address
        if source is not None:
            kind = IPv6Address if ":" in source else IPv4Address
            address = kind("TCP", source, 0)
            transport.getPeer = lambda: address
        protocol: Any = self._factory.wrapped.buildProtocol(address)
        transport.protocol = protocol
        protocol.makeConnection(transport)
        if len(self._received) > length:
            protocol.dataReceived(self._received[length:])

    def _refuse(self, reason: str) -> None:
        self._factory.note(reason)
        transport: Any = self.transport
        transport.abortConnection()


class ProxiedFactory(Factory):
    """
    Makes connections on which a proxy first names the client's address.
    """

    noisy = False
    _log = Logger()

    def __init__(self, reactor: Any, wrapped: IProtocolFactory) -> None:
        self.reactor = reactor
        self.wrapped = wrapped
        # When the log last had a line about a dropped connection, and how many there were since.
        self._written: float | None = None
        self._more = 0

    def note(self, reason: str) -> None:
        """
        Note that a connection is dropped.  Strangers can make any number of these, so that the log
        has few lines.
        """
        now = self.reactor.seconds()
        if self._written is not None and now - self._written < QUIET:
            self._more += 1
            return
        more = f", and {self._more} more since the last line" if self._more else ""
        self._log.info(
            "a connection to a haproxy: listener is dropped: {reason}{more}",
            reason=reason,
            more=more,
        )
        self._written, self._more = now, 0

    def doStart(self) -> None:
        self.wrapped.doStart()
        super().doStart()

    def doStop(self) -> None:
        self.wrapped.doStop()
        super().doStop()

    def buildProtocol(self, addr: IAddress | None) -> Protocol:
        assert addr is not None
        return _Introduced(self, addr)
