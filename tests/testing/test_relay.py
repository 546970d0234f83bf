"""
Tests of L{aerostack.testing.relay}, over real sockets.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import (
    TCP4ClientEndpoint,
    TCP4ServerEndpoint,
    connectProtocol,
)
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.internet.task import deferLater
from twisted.python.failure import Failure
from twisted.trial.unittest import TestCase

from aerostack.testing.relay import Relay


class Recorder(Protocol):
    """
    Keeps what arrives.
    """

    def __init__(self) -> None:
        self.pieces: list[bytes] = []
        self.isLost = False

    def dataReceived(self, data: bytes) -> None:
        self.pieces.append(data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.isLost = True


async def until(condition: Callable[[], Any]) -> None:
    """
    Wait until something is true.
    """
    while not condition():
        await deferLater(reactor, 0.005, lambda: None)


class RelayTests(TestCase):
    """
    A client, a relay and a server.
    """

    async def start(self) -> None:
        """
        Start the three, and wait until they are connected.
        """
        self.servers: list[Recorder] = []

        def accept(address: object) -> Recorder:
            self.servers.append(Recorder())
            return self.servers[-1]

        factory = Factory()
        factory.buildProtocol = accept  # type: ignore[assignment]
        loopback = TCP4ServerEndpoint(reactor, 0, interface="127.0.0.1")
        port = await loopback.listen(factory)
        self.addCleanup(port.stopListening)
        lost = until(lambda: all(server.isLost for server in self.servers))
        self.addCleanup(Deferred.fromCoroutine, lost)
        server = TCP4ClientEndpoint(reactor, "127.0.0.1", port.getHost().port)
        self.relay = Relay(reactor, server)
        address: Any = await self.relay.listen(loopback)
        self.addCleanup(self.relay.stop)
        self.endpoint = TCP4ClientEndpoint(reactor, "127.0.0.1", address.port)
        self.client = await self.connect()
        await until(lambda: self.servers)
        self.server = self.servers[0]

    async def connect(self) -> Recorder:
        """
        Connect a client, whose connection is gone when the test is over.
        """
        client: Recorder = await connectProtocol(self.endpoint, Recorder())

        def leave() -> Deferred[None]:
            client.transport.abortConnection()
            return Deferred.fromCoroutine(until(lambda: client.isLost))

        self.addCleanup(leave)
        return client

    async def test_passes(self) -> None:
        """
        Bytes arrive unchanged in both directions, and so does the end.
        """
        await self.start()
        self.client.transport.write(b"a" * 100_000)
        self.server.transport.write(b"b")
        await until(lambda: sum(map(len, self.server.pieces)) == 100_000)
        await until(lambda: self.client.pieces == [b"b"])
        self.server.transport.write(b"c")
        self.server.transport.loseConnection()
        await until(lambda: self.client.isLost)
        self.assertEqual(b"".join(self.client.pieces), b"bc")
        await until(lambda: not self.relay.connections)

    async def test_halves(self) -> None:
        """
        A piece arrives in two pieces.
        """
        await self.start()
        self.relay.toClient.halved = True
        self.server.transport.write(b"abcdef")
        await until(lambda: b"".join(self.client.pieces) == b"abcdef")
        self.assertEqual(self.client.pieces, [b"abc", b"def"])

    async def test_delay(self) -> None:
        """
        A piece arrives no earlier than its delay says, and after the piece before it.
        """
        await self.start()
        self.relay.toServer.delay = 0.1
        begun = reactor.seconds()
        self.client.transport.write(b"a")
        await until(lambda: self.relay.toServer.passed or self.server.pieces)
        self.assertGreaterEqual(reactor.seconds() - begun, 0.1)

    async def test_hold(self) -> None:
        """
        While the relay holds, nothing arrives, and the connection stays.  Afterwards all arrives.
        """
        await self.start()
        self.relay.hold()
        self.client.transport.write(b"a")
        self.server.transport.write(b"b")
        await deferLater(reactor, 0.1, lambda: None)
        self.assertEqual((self.server.pieces, self.client.pieces), ([], []))
        self.relay.release()
        await until(lambda: self.server.pieces and self.client.pieces)

    async def test_cut(self) -> None:
        """
        A cut ends both connections.  The next client is let in, unless the relay refuses.
        """
        await self.start()
        self.relay.cut()
        await until(lambda: self.client.isLost and self.server.isLost)
        again = await self.connect()
        await until(lambda: len(self.servers) == 2)
        self.assertFalse(again.isLost)
        self.relay.refusing = True
        refused = await self.connect()
        await until(lambda: refused.isLost)
        self.assertEqual(self.relay.accepted, 3)

    async def test_cutWithin(self) -> None:
        """
        The relay cuts after a number of bytes, which have arrived.
        """
        await self.start()
        self.relay.toClient.remaining = 4
        self.server.transport.write(b"abcdef")
        await until(lambda: self.client.isLost and self.server.isLost)
        self.assertEqual(b"".join(self.client.pieces), b"abcd")

    async def test_serverGone(self) -> None:
        """
        A client's connection ends if the server cannot be reached.
        """
        await self.start()
        self.relay._server = TCP4ClientEndpoint(reactor, "127.0.0.1", 1)
        client = await self.connect()
        await until(lambda: client.isLost)
