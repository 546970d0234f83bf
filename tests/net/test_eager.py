"""
Tests for L{aerostack.net.eager}.
"""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from aerostack.net.eager import EagerWriter
from tests.net.websocket.sockets import FakeReactor, FakeSocket, FakeTransport


class EagerWriterTests(SynchronousTestCase):
    """
    Tests for L{EagerWriter}.
    """

    def setUp(self) -> None:
        self.socket = FakeSocket()
        self.reactor = FakeReactor()
        self.transport = FakeTransport(self.reactor, self.socket)
        self.writer = EagerWriter(self.transport)

    def test_atOnce(self) -> None:
        """
        What the socket takes does not go through the transport.
        """
        self.writer.write(b"one")
        self.writer.write(b"two")
        self.assertEqual(self.socket.received, b"onetwo")
        self.assertEqual((self.reactor.writers, self.writer.isUntouched), (set(), True))

    def test_broken(self) -> None:
        """
        The transport ends the connection if the socket is broken.
        """
        self.socket.room = None
        self.writer.write(b"one")
        self.assertFalse(self.transport.lost)
        self.transport.turn()
        self.assertTrue(self.transport.lost)
        self.writer.write(b"two")

    def test_others(self) -> None:
        """
        Everything but writing is the transport's.
        """
        self.writer.loseConnection()
        self.assertTrue(self.transport.disconnecting)

    @given(st.lists(st.tuples(st.integers(0, 50), st.integers(1, 50), st.booleans()), max_size=20))
    def test_order(self, steps: list[tuple[int, int, bool]]) -> None:
        """
        Every byte arrives, once and in order, however much the socket takes.
        """
        self.setUp()
        written = b""
        for number, (room, size, turns) in enumerate(steps):
            self.socket.room = room
            data = bytes([number]) * size
            written += data
            self.writer.write(data)
            if turns:
                self.transport.turn()
        self.socket.room = 10_000
        self.transport.turn()
        self.assertEqual(self.socket.received, written)
