"""
Tests for L{aerostack.client.connection}.
"""

from __future__ import annotations

from zope.interface.verify import verifyObject

from aerostack.client.closing import closed
from aerostack.client.connection import (
    CLOSE_PATIENCE,
    IConnectionUser,
)
from aerostack.client.interfaces import ITransport, ITransportUser
from tests.client.transports import ADDRESS, BACKOFF, ConnectionTestCase, Transport


class ContractTests(ConnectionTestCase):
    """
    Tests for the interfaces.
    """

    def test_interfaces(self) -> None:
        """
        A connection is a transport's user, and the fakes provide the interfaces that it uses.
        """
        verifyObject(ITransportUser, self.connection)
        verifyObject(IConnectionUser, self.user)
        verifyObject(ITransport, Transport(ADDRESS, self.connection))


class LifeTests(ConnectionTestCase):
    """
    Tests for starting and stopping a connection.
    """

    def test_start(self) -> None:
        """
        A connection connects when it is started, and is open when the daemon accepts it.
        """
        self.assertEqual((self.connection.status, self.transports), ("idle", []))
        self.connection.start()
        self.assertEqual(self.transport.did, ["open"])
        self.assertEqual(self.told(), ["connecting"])
        self.connection.opened()
        self.assertEqual(self.told(), ["connected", "opened"])
        self.connection.start()
        self.assertEqual((len(self.transports), self.told()), (1, []))

    def test_frames(self) -> None:
        """
        Frames go in both directions.
        """
        transport = self.begin()
        self.connection.send(b'{"type":"ping"}')
        self.hear(type="event", topic="chat/a/p")
        self.assertEqual(transport.did, ["open", {"type": "ping"}])
        self.assertEqual(self.told(), [{"type": "event", "topic": "chat/a/p"}])

    def test_stop(self) -> None:
        """
        A stopped connection sends a close frame, and has stopped when the transport has ended.
        """
        transport = self.begin()
        gone = self.connection.stop()
        self.assertEqual(transport.did[1:], [1000])
        self.assertEqual(self.told(), ["disconnected"])
        self.hear(type="event")
        self.connection.send(b"{}")
        self.assertNoResult(gone)
        self.lose(closed(1000, None))
        self.successResultOf(gone)
        self.assertEqual(
            (self.told(), transport.did[2:], self.clock.getDelayedCalls()), ([], [], [])
        )

    def test_stopUnanswered(self) -> None:
        """
        A transport that does not end after a close frame is aborted.
        """
        transport = self.begin()
        gone = self.connection.stop()
        self.clock.advance(CLOSE_PATIENCE)
        self.assertEqual(transport.did[2:], ["abort"])
        self.lose()
        self.successResultOf(gone)

    def test_stopConnecting(self) -> None:
        """
        Stopping aborts an attempt.
        """
        self.connection.start()
        gone = self.connection.stop()
        self.assertEqual(self.transport.did, ["open", "abort"])
        self.lose()
        self.successResultOf(gone)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_stopWaiting(self) -> None:
        """
        A connection that waits for its next attempt stops at once.
        """
        self.begin()
        self.lose()
        self.successResultOf(self.connection.stop())
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.assertEqual(self.connection.status, "disconnected")

    def test_stopIdle(self) -> None:
        """
        A connection that was never started stops at once, and may be stopped again.
        """
        self.successResultOf(self.connection.stop())
        self.successResultOf(self.connection.stop())

    def test_startAgain(self) -> None:
        """
        A connection can be started again; while it stops, it connects as soon as it has stopped.
        """
        self.begin()
        gone = self.connection.stop()
        self.connection.start()
        self.assertEqual(len(self.transports), 1)
        self.lose()
        self.successResultOf(gone)
        self.assertEqual(len(self.transports), 2)
        self.connection.opened()
        self.assertEqual(self.told(), ["disconnected", "connecting", "connected", "opened"])

    def test_startNow(self) -> None:
        """
        Starting ends the pause before the next attempt.
        """
        self.begin()
        self.lose()
        self.connection.start()
        self.assertEqual(len(self.transports), 2)
        self.assertEqual(self.told(), ["reconnecting", ("closed", "unreachable")])
        self.clock.advance(BACKOFF)
        self.assertEqual(len(self.transports), 2)

    def test_secondThoughts(self) -> None:
        """
        The callback of a status may stop or start the connection.
        """
        statuses: list[str] = []

        def changed(status: str) -> None:
            statuses.append(status)
            if status in ("connecting", "reconnecting"):
                self.connection.stop()

        self.user.statusChanged = changed  # type: ignore[method-assign]
        self.connection.start()
        self.assertEqual((self.transports, statuses), ([], ["connecting", "disconnected"]))
        self.user.statusChanged = lambda status: None  # type: ignore[method-assign]
        self.begin()
        self.user.statusChanged = changed  # type: ignore[method-assign]
        self.lose()
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.assertEqual(self.connection.status, "disconnected")


class NonsenseTests(ConnectionTestCase):
    """
    Tests for messages that cannot be read.
    """

    def test_noFrame(self) -> None:
        """
        A message that is no frame is reported, and the next frame is received.
        """
        transport = self.begin()
        self.connection.received(b"hello")
        self.connection.received(b'{"type":"event","data":1e999,"pos":"p1"}')
        self.hear(type="event", topic="chat/a/p")
        self.assertEqual(transport.did[1:], [])
        self.assertEqual(
            self.told(),
            [
                ("invalid_frame", "", None),
                ("invalid_frame", "event", "p1"),
                {"type": "event", "topic": "chat/a/p"},
            ],
        )

    def test_answers(self) -> None:
        """
        An answer that cannot be read as a whole counts, with the fields that can be read.
        """
        self.begin()
        waiting = self.connection.ping()
        self.connection.received(b'{"type":"pong","new":1e999}')
        self.successResultOf(waiting)
        self.connection.received(b'{"type":"ack","new":1e999,"id":"a"}')
        self.assertEqual(
            self.told(),
            [
                ("invalid_frame", "pong", None),
                ("invalid_frame", "ack", None),
                {"type": "ack", "id": "a"},
            ],
        )
