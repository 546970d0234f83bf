"""
Tests for how L{aerostack.client.connection} opens again, and when it gives up.
"""

from __future__ import annotations

from aerostack.client.address import Address
from aerostack.client.closing import closed, refused
from aerostack.client.connection import (
    DISCONNECTED,
    RECONNECTING,
    STABLE,
)
from tests.client.transports import BACKOFF, ConnectionTestCase


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
