"""
A network between a client and a daemon, for a test to cut.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.endpoints import TCP4ClientEndpoint
from twisted.internet.protocol import Factory, Protocol


class _End(Protocol):
    """One of the two ends of a connection through the relay."""

    def __init__(self, relay: Relay) -> None:
        self.relay = relay
        self.other: Protocol | None = None
        self.early = b""

    def connectionMade(self) -> None:
        self.relay.ends.add(self)

    def dataReceived(self, data: bytes) -> None:
        if self.relay.isCut:
            # As on a line that is down: nobody hears of it.
            return
        if self.other is None:
            self.early += data
        else:
            self.other.transport.write(data)

    def connectionLost(self, reason: Any = None) -> None:
        self.relay.ends.discard(self)
        if self.other is not None and not self.relay.isCut:
            self.other.transport.loseConnection()


class _Front(_End):
    """The end where a client comes in."""

    def connectionMade(self) -> None:
        super().connectionMade()
        if not self.relay.isCut:
            back = _End(self.relay)
            back.other = self
            connecting = self.relay.endpoint.connect(Factory.forProtocol(lambda: back))
            connecting.addCallbacks(self._connected, lambda _: self.transport.abortConnection())

    def _connected(self, back: _End) -> None:
        self.other = back
        back.transport.write(self.early)


class Relay(Factory):
    """
    Passes bytes on, until it is cut: then nothing comes through any more, and neither
    side is told.

    @ivar port: Where it listens.
    @ivar isCut: Whether it is.
    """

    def __init__(self, reactor: Any, port: int) -> None:
        """
        @param port: The daemon's.
        """
        self.endpoint = TCP4ClientEndpoint(reactor, "127.0.0.1", port)
        self.isCut = False
        self.ends: set[_End] = set()
        self._listening = reactor.listenTCP(0, self, interface="127.0.0.1")
        self.port: int = self._listening.getHost().port

    def buildProtocol(self, address: Any) -> Protocol:
        return _Front(self)

    def cut(self) -> None:
        """
        Let nothing through.
        """
        self.isCut = True

    def mend(self) -> None:
        """
        Let new connections through.  Those of before are dead, and stay so.
        """
        for end in list(self.ends):
            end.transport.abortConnection()
        self.isCut = False

    async def stop(self) -> None:
        """
        End it, and all connections through it.
        """
        self.mend()
        await self._listening.stopListening()
