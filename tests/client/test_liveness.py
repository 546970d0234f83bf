"""
Tests for how L{aerostack.client.connection} finds that the daemon is gone.
"""

from __future__ import annotations

from aerostack.client.closing import broken, closed
from aerostack.client.connection import (
    CLOSE_PATIENCE,
    OPEN_PATIENCE,
    PONG_PATIENCE,
    SILENCE,
)
from tests.client.transports import BACKOFF, ConnectionTestCase


class PatienceTests(ConnectionTestCase):
    """
    Tests for a silent daemon.
    """

    def test_opening(self) -> None:
        """
        An attempt that the daemon does not accept in time is aborted, and another one follows.
        """
        self.connection.start()
        self.clock.advance(OPEN_PATIENCE - 1)
        self.assertEqual(self.transport.did, ["open"])
        self.clock.advance(1)
        self.assertEqual(self.transport.did, ["open", "abort"])
        self.told()
        self.lose(broken("The connection was dropped."))
        self.assertEqual(self.told(), ["reconnecting", ("closed", "timed_out")])
        self.assertBack(BACKOFF)

    def test_silence(self) -> None:
        """
        A silent daemon gets a ping, and loses the connection if it does not answer.
        """
        transport = self.begin()
        self.clock.advance(SILENCE)
        self.assertEqual(transport.did[1:], [{"type": "ping"}])
        self.clock.advance(PONG_PATIENCE)
        self.assertEqual(transport.did[2:], ["abort"])
        self.lose()
        self.assertEqual(self.told(), ["reconnecting", ("closed", "timed_out")])

    def test_answers(self) -> None:
        """
        All bytes of the daemon show that it is alive.
        """
        transport = self.begin()
        for _ in range(3):
            self.clock.advance(SILENCE)
            self.connection.heard()
            self.clock.advance(PONG_PATIENCE)
        self.assertEqual(transport.did[1:], [{"type": "ping"}] * 3)
        for _ in range(3):
            self.hear(type="pong")
            self.clock.advance(SILENCE)
        self.assertEqual(transport.did[4:], [])

    def test_closing(self) -> None:
        """
        A connection that does not end after a close frame is aborted.
        """
        transport = self.begin()
        self.connection.closeStarted()
        self.connection.send(b"{}")
        self.clock.advance(CLOSE_PATIENCE)
        self.assertEqual(transport.did[1:], ["abort"])


class PingTests(ConnectionTestCase):
    """
    Tests for L{Connection.ping}.
    """

    def test_pong(self) -> None:
        """
        Each pong answers the oldest ping.
        """
        transport = self.begin()
        first, second = self.connection.ping(), self.connection.ping()
        self.assertEqual(transport.did[1:], [{"type": "ping"}] * 2)
        self.hear(type="pong")
        self.successResultOf(first)
        self.assertNoResult(second)
        self.hear(type="pong")
        self.successResultOf(second)
        self.hear(type="pong")
        self.assertEqual(self.told(), [])

    def test_lost(self) -> None:
        """
        A ping fails without a connection, and when the connection is lost.
        """
        self.assertEqual(self.failureResultOf(self.connection.ping()).value.code, "unreachable")
        self.begin()
        waiting = self.connection.ping()
        self.lose(closed(1001, None))
        self.assertEqual(self.failureResultOf(waiting).value.code, "closed")
