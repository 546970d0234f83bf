"""
Tests for L{aerostack.client.connection}.
"""

from __future__ import annotations

import json
from typing import Any

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer
from zope.interface.verify import verifyObject

from aerostack.client.address import Address
from aerostack.client.closing import Closing, broken, closed, refused
from aerostack.client.connection import (
    CLOSE_PATIENCE,
    DISCONNECTED,
    OPEN_PATIENCE,
    PONG_PATIENCE,
    RECONNECTING,
    SILENCE,
    STABLE,
    Connection,
    IConnectionUser,
)
from aerostack.client.errors import ClientError
from aerostack.client.frames import Frame, Head
from aerostack.client.interfaces import ITransport, ITransportUser

BACKOFF = 0.75
"""Seconds after which a client comes back for the first time, unasked, without jitter."""

ADDRESS = Address("ws://h", token="old")


@implementer(ITransport)
class Transport:
    """
    A transport that leads to the test.
    """

    def __init__(self, address: Address, user: Any) -> None:
        self.address = address
        self.user = user
        self.did: list[Any] = []

    def open(self) -> None:
        self.did.append("open")

    def send(self, payload: bytes) -> None:
        self.did.append(json.loads(payload))

    def close(self, code: int, reason: str) -> None:
        self.did.append(code)
        self.user.closeStarted()

    def abort(self) -> None:
        self.did.append("abort")


@implementer(IConnectionUser)
class User:
    """
    Somebody who notes what is told.
    """

    def __init__(self) -> None:
        self.told: list[Any] = []
        self.finds = True

    def statusChanged(self, status: str) -> None:
        self.told.append(status)

    def opened(self) -> None:
        self.told.append("opened")

    def received(self, head: Head, frame: Frame) -> None:
        self.told.append(frame)

    def tooLarge(self, most: int | None) -> bool:
        self.told.append(("too large", most))
        return self.finds

    def unreadable(self, error: ClientError, head: Head) -> None:
        self.told.append((error.code, head.type, head.pos))

    def closed(self, error: ClientError) -> None:
        self.told.append(("closed", error.code))

    def gaveUp(self, error: ClientError, exhausted: bool) -> None:
        self.told.append(("gave up", error.code, exhausted))


class ConnectionTestCase(SynchronousTestCase):
    """
    A line whose transports end in the test.
    """

    maxRetries: int | None = None

    def setUp(self) -> None:
        self.clock = Clock()
        self.user = User()
        self.transports: list[Transport] = []
        self.connection = Connection(
            self.clock, self.connect, ADDRESS, self.user, self.maxRetries, jitter=lambda: 0.0
        )

    def connect(self, address: Address, user: Any) -> Transport:
        self.transports.append(Transport(address, user))
        return self.transports[-1]

    @property
    def transport(self) -> Transport:
        """The newest transport."""
        return self.transports[-1]

    def told(self) -> list[Any]:
        """
        What was told since this was last called.
        """
        told, self.user.told = self.user.told, []
        return told

    def begin(self) -> Transport:
        """
        Have an open line.
        """
        self.connection.start()
        self.connection.opened()
        self.told()
        return self.transport

    def lose(self, closing: Closing | None = None) -> None:
        """
        Take the connection away.
        """
        self.connection.closed(closing or broken("Gone."))

    def hear(self, **frame: Any) -> None:
        """
        Let the client hear a frame.
        """
        self.connection.received(json.dumps(frame).encode())

    def assertBack(self, seconds: float) -> None:
        """
        Make sure that the client comes back after a time, and not before.
        """
        attempts = len(self.transports)
        self.clock.advance(seconds - 0.001)
        self.assertEqual(len(self.transports), attempts)
        self.clock.advance(0.002)
        self.assertEqual(len(self.transports), attempts + 1)


class ContractTests(ConnectionTestCase):
    """
    Tests for who is what to whom.
    """

    def test_interfaces(self) -> None:
        """
        A line is what a transport wants, and the fakes are what it wants.
        """
        verifyObject(ITransportUser, self.connection)
        verifyObject(IConnectionUser, self.user)
        verifyObject(ITransport, Transport(ADDRESS, self.connection))


class LifeTests(ConnectionTestCase):
    """
    Tests for the life of a line.
    """

    def test_start(self) -> None:
        """
        It connects when it is started, and is up when it was let in.
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
        Frames go both ways.
        """
        transport = self.begin()
        self.connection.send(b'{"type":"ping"}')
        self.hear(type="event", topic="chat/a/p")
        self.assertEqual(transport.did, ["open", {"type": "ping"}])
        self.assertEqual(self.told(), [{"type": "event", "topic": "chat/a/p"}])

    def test_stop(self) -> None:
        """
        It closes as one should, and is stopped when the connection is gone.
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
        A connection that does not close is dropped.
        """
        transport = self.begin()
        gone = self.connection.stop()
        self.clock.advance(CLOSE_PATIENCE)
        self.assertEqual(transport.did[2:], ["abort"])
        self.lose()
        self.successResultOf(gone)

    def test_stopConnecting(self) -> None:
        """
        An attempt is ended when it is stopped.
        """
        self.connection.start()
        gone = self.connection.stop()
        self.assertEqual(self.transport.did, ["open", "abort"])
        self.lose()
        self.successResultOf(gone)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_stopWaiting(self) -> None:
        """
        While it waits to come back, it is stopped at once.
        """
        self.begin()
        self.lose()
        self.successResultOf(self.connection.stop())
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.assertEqual(self.connection.status, "disconnected")

    def test_stopIdle(self) -> None:
        """
        One that was never started is stopped at once, and more than once.
        """
        self.successResultOf(self.connection.stop())
        self.successResultOf(self.connection.stop())

    def test_startAgain(self) -> None:
        """
        Started again, it connects again; while it stops, as soon as it has stopped.
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
        Started while it waits to come back, it comes back at once.
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
        Whoever is told of a status may stop or start it right there.
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


class ReturnTests(ConnectionTestCase):
    """
    Tests for when a client comes back.
    """

    def test_untold(self) -> None:
        """
        Who is told nothing comes back soon.
        """
        self.begin()
        self.lose()
        self.assertEqual(self.told(), ["reconnecting", ("closed", "unreachable")])
        self.assertBack(BACKOFF)

    def test_backOff(self) -> None:
        """
        Attempts that fail become rarer, up to a bound.
        """
        self.connection.start()
        times = []
        for _ in range(15):
            self.lose()
            began = self.clock.seconds()
            while self.transport.did == [] or len(self.transports) == len(times) + 1:
                self.clock.advance(0.25)
            times.append(self.clock.seconds() - began)
        self.assertEqual(times, sorted(times))
        self.assertEqual((times[0], times[-1]), (BACKOFF, 30.0))
        self.assertEqual(self.told()[:3], ["connecting", "reconnecting", ("closed", "unreachable")])

    def test_told(self) -> None:
        """
        Who is told when to come back comes back then, and the application hears nothing
        of it.
        """
        self.begin()
        self.hear(type="reconnect", delay=4711, reason="restart")
        self.lose(closed(1001, "restarting"))
        self.assertEqual(self.told(), ["reconnecting", ("closed", "closed")])
        self.assertBack(4.711)

    def test_toldByReason(self) -> None:
        """
        The reason of the close does as well.
        """
        self.begin()
        self.lose(closed(1001, "restarting; reconnect in 4711 ms"))
        self.assertBack(4.711)

    def test_toldNonsense(self) -> None:
        """
        What is no time is not heeded.
        """
        self.begin()
        self.hear(type="reconnect", delay=-5)
        self.lose()
        self.assertBack(BACKOFF)

    def test_once(self) -> None:
        """
        What was told holds once.
        """
        self.begin()
        self.hear(type="reconnect", delay=60_000)
        self.lose()
        self.assertBack(60)
        self.connection.opened()
        self.clock.advance(STABLE)
        self.lose()
        self.assertBack(BACKOFF)

    def test_refused(self) -> None:
        """
        Who is refused for a while stays away for as long as the refusal says.
        """
        self.connection.start()
        self.lose(refused(503, "7", b""))
        self.assertBack(7)

    def test_noSpinning(self) -> None:
        """
        A daemon that lets in, says to come back at once and closes, again and again, is
        visited ever more rarely; one that holds for a while is a good one again.
        """
        self.begin()
        for _ in range(10):
            self.hear(type="reconnect", delay=0)
            self.lose()
            self.clock.advance(30)
            self.connection.opened()
        self.hear(type="reconnect", delay=0)
        self.lose()
        self.assertBack(30)
        self.connection.opened()
        self.clock.advance(STABLE)
        self.hear(type="reconnect", delay=100)
        self.lose()
        self.assertBack(0.1)

    def test_forGood(self) -> None:
        """
        Who is refused for good does not come back.
        """
        for closing, code in (
            (refused(404, None, b""), "bad_answer"),
            (closed(4029, "frames come too fast"), "closed"),
        ):
            self.begin()
            self.lose(closing)
            self.assertEqual(self.told(), ["disconnected", ("gave up", code, False)])
            assert self.connection.fault is not None
            self.assertEqual(
                (self.connection.fault.code, self.connection.lacksToken), (code, False)
            )
            self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_startedRightThere(self) -> None:
        """
        Who is told that it is over, and starts it right there, is not told any more.
        """
        self.begin()
        self.user.statusChanged = lambda status: (  # type: ignore[method-assign]
            self.connection.start() if status == "disconnected" else None
        )
        self.lose(closed(4029, None))
        self.assertEqual((self.told(), len(self.transports)), ([], 2))


class TooLargeTests(ConnectionTestCase):
    """
    Tests for frames of ours that are too large.
    """

    def test_found(self) -> None:
        """
        Where such a frame is given up, it comes back; where there is none, it does not.
        """
        for finds, status in ((True, RECONNECTING), (False, DISCONNECTED)):
            self.begin()
            self.user.finds = finds
            self.lose(closed(1009, "a frame has at most 1024 bytes"))
            self.assertEqual(
                (self.connection.status, self.told()[0]), (status, ("too large", 1024))
            )


class TokenTests(ConnectionTestCase):
    """
    Tests for tokens that do not hold.
    """

    def test_sameToken(self) -> None:
        """
        With the token that was refused nobody comes back.
        """
        for closing in (closed(4001, "token_expired"), refused(401, None, b"")):
            self.begin()
            self.lose(closing)
            self.assertEqual(self.connection.status, "disconnected")
            self.assertTrue(self.connection.lacksToken)

    def test_otherToken(self) -> None:
        """
        With another one, one does.
        """
        self.begin()
        self.connection.address = Address("ws://h", token="new")
        self.lose(closed(4001, "token_expired"))
        self.assertBack(BACKOFF)
        self.assertEqual(self.transport.address.token, "new")
        self.lose(refused(401, None, b""))
        self.assertTrue(self.connection.lacksToken)

    def test_startedAgain(self) -> None:
        """
        Started again it has another chance.
        """
        self.begin()
        self.lose(closed(4001, None))
        self.connection.start()
        self.assertEqual(
            (len(self.transports), self.connection.lacksToken, self.connection.fault),
            (2, False, None),
        )


class RetriesTests(ConnectionTestCase):
    """
    Tests for a line that gives up.
    """

    maxRetries = 2

    def test_exhausted(self) -> None:
        """
        After so many failures in a row it gives up.
        """
        self.connection.start()
        for _ in range(2):
            self.lose()
            self.clock.advance(30)
        self.told()
        self.lose()
        self.assertEqual(self.told(), ["disconnected", ("gave up", "unreachable", True)])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_success(self) -> None:
        """
        A connection that holds makes them forgotten.
        """
        self.begin()
        for _ in range(5):
            self.clock.advance(STABLE)
            self.lose()
            self.clock.advance(30)
            self.connection.opened()
        self.assertEqual(self.connection.status, "connected")


class PatienceTests(ConnectionTestCase):
    """
    Tests for a daemon that says nothing.
    """

    def test_opening(self) -> None:
        """
        One that does not let us in is given up, and tried again.
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
        A silent one is asked whether it lives, and given up if it does not answer.
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
        Whatever is heard is a sign of life.
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
        One that closes, and does not go, is dropped.
        """
        transport = self.begin()
        self.connection.closeStarted()
        self.connection.send(b"{}")
        self.clock.advance(CLOSE_PATIENCE)
        self.assertEqual(transport.did[1:], ["abort"])


class NonsenseTests(ConnectionTestCase):
    """
    Tests for a server that is none of ours.
    """

    def test_noFrame(self) -> None:
        """
        What is no frame is told, and the connection goes on behind it.
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
        An answer that cannot be read as a whole is one still, as far as it can be.
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


class PingTests(ConnectionTestCase):
    """
    Tests for L{Connection.ping}.
    """

    def test_pong(self) -> None:
        """
        Each ping has its pong.
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
        Without a connection there is no answer.
        """
        self.assertEqual(self.failureResultOf(self.connection.ping()).value.code, "unreachable")
        self.begin()
        waiting = self.connection.ping()
        self.lose(closed(1001, None))
        self.assertEqual(self.failureResultOf(waiting).value.code, "closed")
