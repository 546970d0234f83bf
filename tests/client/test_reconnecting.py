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
        A client comes back soon if the daemon did not say when.
        """
        self.begin()
        self.lose()
        self.assertEqual(self.told(), ["reconnecting", ("closed", "unreachable")])
        self.assertBack(BACKOFF)

    def test_backOff(self) -> None:
        """
        The pauses between failed attempts grow, up to a bound.
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
        A client comes back when the daemon said, and the application does not get that frame.
        """
        self.begin()
        self.hear(type="reconnect", delay=4711, reason="restart")
        self.lose(closed(1001, "restarting"))
        self.assertEqual(self.told(), ["reconnecting", ("closed", "closed")])
        self.assertBack(4.711)

    def test_toldByReason(self) -> None:
        """
        The reason of a close frame may say when to come back.
        """
        self.begin()
        self.lose(closed(1001, "restarting; reconnect in 4711 ms"))
        self.assertBack(4.711)

    def test_toldNonsense(self) -> None:
        """
        A delay that is no time changes nothing.
        """
        self.begin()
        self.hear(type="reconnect", delay=-5)
        self.lose()
        self.assertBack(BACKOFF)

    def test_once(self) -> None:
        """
        A delay counts for one attempt.
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
        A client that is refused for a while stays away as long as the refusal says.
        """
        self.connection.start()
        self.lose(refused(503, "7", b""))
        self.assertBack(7)

    def test_noSpinning(self) -> None:
        """
        The pauses grow for a daemon that accepts, asks to come back at once and closes, again and
        again.  A connection that lasts resets them.
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
        A client that is refused for good does not come back.
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
        A callback that starts the client again keeps it from giving up.
        """
        self.begin()
        self.user.statusChanged = lambda status: (  # type: ignore[method-assign]
            self.connection.start() if status == "disconnected" else None
        )
        self.lose(closed(4029, None))
        self.assertEqual((self.told(), len(self.transports)), ([], 2))


class TooLargeTests(ConnectionTestCase):
    """
    Tests for frames of the client that are too large.
    """

    def test_found(self) -> None:
        """
        The client comes back only if it has given up the frame that was too large.
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
    Tests for tokens that the daemon refuses.
    """

    def test_sameToken(self) -> None:
        """
        A client does not come back with the token that was refused.
        """
        for closing in (closed(4001, "token_expired"), refused(401, None, b"")):
            self.begin()
            self.lose(closing)
            self.assertEqual(self.connection.status, "disconnected")
            self.assertTrue(self.connection.lacksToken)

    def test_otherToken(self) -> None:
        """
        A client comes back with another token.
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
        A client that is started again tries again.
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
    Tests for a connection that gives up.
    """

    maxRetries = 2

    def test_exhausted(self) -> None:
        """
        A client gives up after so many failures in a row.
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
        A connection that lasts resets the count of failures.
        """
        self.begin()
        for _ in range(5):
            self.clock.advance(STABLE)
            self.lose()
            self.clock.advance(30)
            self.connection.opened()
        self.assertEqual(self.connection.status, "connected")
