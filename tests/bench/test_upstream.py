"""
Tests for C{bench/upstream.py}.
"""

from __future__ import annotations

import json
from typing import Any

from twisted.internet.error import ConnectionDone
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from upstream import Model, event, wordOf


class Transport(StringTransport):
    """
    A transport of TCP.
    """

    def setTcpNoDelay(self, enabled: bool) -> None:
        """
        Nothing is delayed here.
        """


class ModelTests(SynchronousTestCase):
    """
    Tests for L{Model}.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.transport = Transport()
        self.model = Model(self.clock)
        self.model.makeConnection(self.transport)

    def ask(self, **asked: Any) -> bytes:
        """
        Send a request in two pieces.
        """
        body = json.dumps({"messages": [{"role": "user", "content": json.dumps(asked)}]}).encode()
        head = f"POST / HTTP/1.1\r\nContent-Length: {len(body)}\r\n\r\n".encode()
        self.model.dataReceived(head + body[:10])
        self.assertEqual(self.transport.value(), b"")
        self.model.dataReceived(body[10:])
        return self.written()

    def written(self) -> bytes:
        """
        Take what was written.
        """
        written = self.transport.value()
        self.transport.clear()
        return written

    def word(self, number: int) -> bytes:
        """
        The event of one word.
        """
        return event({"content": wordOf(number)})

    def test_words(self) -> None:
        """
        The first word comes at once, and each other one when it is due.  The next request of the
        connection is answered too.
        """
        for _ in range(2):
            head, _, first = self.ask(words=3, rate=10).partition(b"\r\n\r\n")
            self.assertTrue(head.startswith(b"HTTP/1.1 200 "))
            self.assertEqual(first, self.word(0))
            self.clock.advance(0.101)
            self.assertEqual(self.written(), self.word(1))
            self.clock.advance(0.1)
            second, _, end = self.written().partition(event({}, "stop"))
            self.assertEqual(second, self.word(2))
            self.assertTrue(end.endswith(b"0\r\n\r\n"))

    def test_hangs(self) -> None:
        """
        An answer that hangs does not end.
        """
        self.ask(words=1, rate=10, hangs=True)
        self.clock.advance(10)
        self.assertEqual(self.written(), b"")
        self.model.connectionLost(Failure(ConnectionDone()))
        self.assertEqual(self.clock.getDelayedCalls(), [])
