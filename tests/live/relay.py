"""
A network between a client and a daemon, which a test can cut and slow down.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.endpoints import TCP4ClientEndpoint
from twisted.internet.interfaces import IDelayedCall
from twisted.internet.protocol import Factory, Protocol


class _End(Protocol):
    """One end of a connection through the relay."""

    def __init__(self, relay: Relay) -> None:
        self.relay = relay
        self.other: Protocol | None = None
        self.early = b""
        self.isStranded = False

    def connectionMade(self) -> None:
        self.relay.ends.add(self)

    def dataReceived(self, data: bytes) -> None:
        if self.relay.isCut or self.isStranded:
            # As on a broken line, the other side is not informed.
            return
        if self.other is None:
            self.early += data
        else:
            self.relay.later(self.other.transport.write, data)

    def connectionLost(self, reason: Any = None) -> None:
        self.relay.ends.discard(self)
        if self.other is not None and not self.relay.isCut and not self.isStranded:
            self.relay.later(self.other.transport.loseConnection)


class _Front(_End):
    """The end that faces the client."""

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
    Forwards bytes until a test cuts it.  Then it forwards nothing and informs neither side.

    @ivar port: The port on which it listens.
    @ivar isCut: Whether it is cut.
    @ivar delay: The seconds that bytes take from one side to the other.
    """

    def __init__(self, reactor: Any, port: int) -> None:
        """
        @param port: The port of the daemon.
        """
        self.endpoint = TCP4ClientEndpoint(reactor, "127.0.0.1", port)
        self.isCut = False
        self.delay = 0.0
        self.ends: set[_End] = set()
        self._reactor = reactor
        self._calls: set[IDelayedCall] = set()
        self._listening = reactor.listenTCP(0, self, interface="127.0.0.1")
        self.port: int = self._listening.getHost().port

    def buildProtocol(self, address: Any) -> Protocol:
        return _Front(self)

    def cut(self) -> None:
        """
        Forward nothing from now on.
        """
        self.isCut = True

    def strand(self) -> None:
        """
        Forward nothing on the existing connections, and inform neither side.
        """
        for end in self.ends:
            end.isStranded = True

    def later(self, call: Callable[..., object], *args: Any) -> None:
        """
        Call a function after C{delay}; calls keep their order.
        """
        if not self.delay:
            call(*args)
            return

        def fire() -> None:
            self._calls.discard(delayed)
            call(*args)

        delayed = self._reactor.callLater(self.delay, fire)
        self._calls.add(delayed)

    def mend(self) -> None:
        """
        Forward new connections.  The connections from before the cut stay dead.
        """
        for end in list(self.ends):
            end.transport.abortConnection()
        self.isCut = False

    async def stop(self) -> None:
        """
        Close it, and all connections through it.
        """
        self.mend()
        for delayed in self._calls:
            delayed.cancel()
        self._calls.clear()
        self.delay = 0.0
        await self._listening.stopListening()
