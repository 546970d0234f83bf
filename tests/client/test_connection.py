"""
Tests for L{aerostack.client.connection}.
"""

from __future__ import annotations

import json
from typing import Any

from twisted.internet.error import ConnectionDone
from twisted.internet.testing import MemoryReactorClock, StringTransport
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from aerostack.client.address import Address
from aerostack.client.connection import Frame, Wire, WireFactory, reconnecting

BACKOFF = 2.0
"""More seconds than it takes to come back for the first time, unasked."""


class Transport(StringTransport):
    """
    One that is as patient as a real one with who unregisters no producer.
    """

    def unregisterProducer(self) -> None:
        pass


class ReconnectTests(SynchronousTestCase):
    """
    Tests for when a client comes back.
    """

    def setUp(self) -> None:
        self.reactor: Any = MemoryReactorClock()
        self.received: list[Frame] = []
        self.closed: list[Any] = []
        factory = WireFactory(
            self.reactor,
            address := Address("ws+unix:///nowhere/rt.sock"),
            lambda wire: None,
            self.received.append,
            lambda *why: self.closed.append(why),
        )
        service = reconnecting(self.reactor, address, factory)
        service.startService()
        self.addCleanup(service.stopService)

    def connect(self) -> Any:
        """
        Let the client connect.
        """
        _, factory, *_ = self.reactor.unixClients[-1]
        protocol = factory.buildProtocol(None)
        protocol.makeConnection(Transport())
        return protocol

    def lose(self, protocol: Any) -> None:
        """
        Take the connection away.
        """
        protocol.connectionLost(Failure(ConnectionDone()))

    def hear(self, protocol: Any, **frame: Any) -> None:
        """
        Let the client hear a frame.
        """
        wire: Wire = protocol._wrappedProtocol
        wire.onMessage(json.dumps(frame).encode(), False)

    def assertBack(self, seconds: float) -> None:
        """
        Assert that the client comes back after a time, and not before.
        """
        attempts = len(self.reactor.unixClients)
        self.reactor.advance(seconds - 0.001)
        self.assertEqual(len(self.reactor.unixClients), attempts)
        self.reactor.advance(0.002)
        self.assertEqual(len(self.reactor.unixClients), attempts + 1)

    def test_told(self) -> None:
        """
        Who is told when to come back comes back then, and the application hears nothing
        of it.
        """
        wire = self.connect()
        self.hear(wire, type="reconnect", delay=4711, reason="restart")
        self.hear(wire, type="pong")
        self.assertEqual(self.received, [{"type": "pong"}])
        self.lose(wire)
        self.assertBack(4.711)

    def test_once(self) -> None:
        """
        What was told holds once.
        """
        wire = self.connect()
        self.hear(wire, type="reconnect", delay=60_000, reason="restart")
        self.lose(wire)
        self.assertBack(60)
        self.lose(self.connect())
        self.reactor.advance(BACKOFF)
        self.assertEqual(len(self.reactor.unixClients), 3)

    def test_refused(self) -> None:
        """
        Who is refused for a while stays away for as long as the refusal says.
        """
        wire = self.connect()
        body = json.dumps({"error": "overloaded", "message": "Later.", "retryAfter": 7500})
        wire.dataReceived(
            b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: %d\r\n\r\n%b"
            % (len(body), body.encode())
        )
        self.lose(wire)
        self.assertEqual(self.closed, [(503, "Later.")])
        self.assertBack(7.5)

    def test_untold(self) -> None:
        """
        Who is told nothing comes back soon.
        """
        self.lose(self.connect())
        self.reactor.advance(BACKOFF)
        self.assertEqual(len(self.reactor.unixClients), 2)
