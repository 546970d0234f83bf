"""
Tests for L{aerostack.client.sending}.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred, fail
from twisted.trial.unittest import SynchronousTestCase

from aerostack.client.connection import CONNECTED, RECONNECTING
from aerostack.client.errors import ClientError
from aerostack.client.pacing import START
from aerostack.client.sending import Sending


class FakeConnection:
    """
    A connection that notes what is sent.

    @ivar sent: The frames.
    @ivar pings: The pings without an answer.
    """

    def __init__(self) -> None:
        self.status = CONNECTED
        self.sent: list[bytes] = []
        self.pings: list[Deferred[None]] = []

    def send(self, payload: bytes) -> None:
        self.sent.append(payload)

    def ping(self) -> Deferred[None]:
        if self.status != CONNECTED:
            return fail(ClientError("unreachable", "There is no connection."))
        self.pings.append(Deferred())
        return self.pings[-1]


class SendingTests(SynchronousTestCase):
    """
    Tests for L{Sending}.
    """

    def setUp(self) -> None:
        self.connection: Any = FakeConnection()
        self.pending: list[bytes] = []
        self.sending = Sending(
            self.connection, lambda: self.pending.pop(0) if self.pending else None
        )

    def test_order(self) -> None:
        """
        Pending frames go out in their order, and a ping of the application behind them.
        """
        self.pending = [b"1", b"2"]
        answered = self.sending.ping()
        self.assertEqual(self.connection.sent, [b"1", b"2"])
        self.assertNoResult(answered)
        self.connection.pings[0].callback(None)
        self.successResultOf(answered)

    def test_turns(self) -> None:
        """
        After some frames the client asks with one ping whether the daemon has dealt with them, and
        goes on after the answer.
        """
        self.pending = [b"%d" % number for number in range(START + 3)]
        self.sending.flush()
        self.sending.flush()
        self.assertEqual((len(self.connection.sent), len(self.connection.pings)), (START, 1))
        self.connection.pings[0].callback(None)
        self.assertEqual(self.pending, [])

    def test_tooFast(self) -> None:
        """
        After a refusal as too fast nothing goes out, and no ping, until the pause is over.
        """
        self.sending.tooFast()
        self.pending = [b"1"]
        self.sending.flush()
        self.assertEqual((self.connection.sent, self.connection.pings), ([], []))
        self.sending.resume()
        self.sending.flush()
        # The daemon's answer lets one frame go out.
        self.connection.pings[0].callback(None)
        self.assertEqual(self.connection.sent, [b"1"])

    def test_closed(self) -> None:
        """
        A close ends the pauses, and fails the pings that had not gone out.
        """
        self.sending.tooFast()
        answered = self.sending.ping()
        self.connection.status = RECONNECTING
        self.sending.closed()
        self.assertEqual(self.failureResultOf(answered).value.code, "unreachable")
        self.failureResultOf(self.sending.ping(), ClientError)
        self.connection.status = CONNECTED
        self.pending = [b"1"]
        self.sending.flush()
        self.assertEqual(self.connection.sent, [b"1"])
