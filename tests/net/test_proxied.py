"""
Tests for L{aerostack.net.proxied}.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.address import IPv4Address
from twisted.internet.error import ConnectionDone
from twisted.internet.protocol import Factory
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.logger import formatEvent
from twisted.logger import globalLogPublisher as publisher
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from aerostack.net.proxied import PATIENCE, QUIET, ProxiedFactory


class DroppedTests(SynchronousTestCase):
    """
    Tests for connections on which no proxy names a client.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.factory = ProxiedFactory(self.clock, Factory())
        self.events: list[dict[str, Any]] = []
        publisher.addObserver(self.events.append)
        self.addCleanup(publisher.removeObserver, self.events.append)

    def connect(self, data: bytes = b"") -> StringTransport:
        """Connect, and send something."""
        transport = StringTransport()
        connection = self.factory.buildProtocol(IPv4Address("TCP", "192.0.2.1", 5))
        connection.makeConnection(transport)
        if data:
            connection.dataReceived(data)
        if transport.disconnected:
            connection.connectionLost(Failure(ConnectionDone()))
        return transport

    def said(self) -> list[str | None]:
        """Give the lines of the log since the last call."""
        lines = [formatEvent(event) for event in self.events]
        self.events.clear()
        return lines

    def test_lines(self) -> None:
        """However many connections strangers make, the log has one line a minute."""
        for _ in range(1000):
            self.assertTrue(self.connect(b"GET / HTTP/1.1\r\n\r\n").disconnected)
        begin = "a connection to a haproxy: listener is dropped: "
        noHeader = f"{begin}the connection does not begin with a PROXY header"
        self.assertEqual(self.said(), [noHeader])
        self.clock.advance(QUIET)
        self.connect(b"GET / HTTP/1.1\r\n\r\n")
        self.assertEqual(self.said(), [f"{noHeader}, and 999 more since the last line"])

    def test_silent(self) -> None:
        """A connection that says nothing is dropped after a while; one that closes is not."""
        silent = self.connect()
        self.clock.advance(PATIENCE)
        self.assertTrue(silent.disconnected)
        self.assertEqual(
            self.said(), ["a connection to a haproxy: listener is dropped: it says nothing"]
        )
