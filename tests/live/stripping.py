"""
A proxy that lets no WebSocket pass, as some networks have one.
"""

from __future__ import annotations

import re
from typing import Any

from twisted.internet.endpoints import TCP4ClientEndpoint
from twisted.internet.protocol import Factory, Protocol

_HOP = re.compile(rb"(?im)^(upgrade|connection):.*\r\n")


class _Back(Protocol):
    """The connection to the daemon."""

    def __init__(self, front: _Front) -> None:
        self.front = front

    def dataReceived(self, data: bytes) -> None:
        self.front.transport.write(data)

    def connectionLost(self, reason: Any = None) -> None:
        self.front.transport.loseConnection()


class _Front(Protocol):
    """The connection of a client, for one request."""

    def __init__(self, proxy: StrippingProxy) -> None:
        self.proxy = proxy
        self.back: _Back | None = None
        self.early = b""
        self.isBegun = False

    def connectionMade(self) -> None:
        self.proxy.ends.add(self)

    def dataReceived(self, data: bytes) -> None:
        if self.back is not None:
            self.back.transport.write(data)
            return
        self.early += data
        if b"\r\n\r\n" in self.early and not self.isBegun:
            self.isBegun = True
            back = _Back(self)
            connecting = self.proxy.endpoint.connect(Factory.forProtocol(lambda: back))
            connecting.addCallbacks(self._connected, lambda _: self.transport.abortConnection())

    def _connected(self, back: _Back) -> None:
        self.back = back
        head, _, rest = self.early.partition(b"\r\n\r\n")
        self.proxy.upgrades += b"upgrade: websocket" in head.lower()
        head = _HOP.sub(b"", head + b"\r\n") + b"Connection: close\r\n"
        back.transport.write(head + b"\r\n" + rest)

    def connectionLost(self, reason: Any = None) -> None:
        self.proxy.ends.discard(self)
        if self.back is not None:
            self.back.transport.loseConnection()


class StrippingProxy(Factory):
    """
    Forwards requests without their headers C{Upgrade} and C{Connection}.

    @ivar port: The port on which it listens.
    @ivar upgrades: How many requests asked for a WebSocket.
    """

    noisy = False

    def __init__(self, reactor: Any, port: int) -> None:
        """
        @param port: The port of the daemon.
        """
        self.endpoint = TCP4ClientEndpoint(reactor, "127.0.0.1", port)
        self.upgrades = 0
        self.ends: set[_Front] = set()
        self._listening = reactor.listenTCP(0, self, interface="127.0.0.1")
        self.port: int = self._listening.getHost().port

    def buildProtocol(self, address: Any) -> Protocol:
        return _Front(self)

    async def stop(self) -> None:
        """
        Close it, and all connections through it.
        """
        for end in tuple(self.ends):
            end.transport.abortConnection()
        await self._listening.stopListening()
