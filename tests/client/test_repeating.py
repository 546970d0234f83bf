"""
Tests for L{aerostack.client.repeating}.
"""

from __future__ import annotations

from dataclasses import replace

from twisted.trial.unittest import SynchronousTestCase

from aerostack.client.address import Address
from aerostack.client.errors import ClientError, Unsent
from aerostack.client.repeating import Attempts, retryDelay
from aerostack.client.requests import health, rpc

ASK = health()
TELL = rpc(Address("ws://h", "p", key="sk_1"), "socket.emit", [])
TAKEN_OVER = ClientError("engine_unavailable", "Another daemon takes it over.", 1000)


class PauseTests(SynchronousTestCase):
    """
    Tests for L{retryDelay}.
    """

    def test_unsent(self) -> None:
        """
        A request that did not reach the daemon is repeated after ever longer pauses.
        """
        error = Unsent("unreachable", "The daemon cannot be reached.")
        waits = [retryDelay(TELL, error, attempts) for attempts in range(10)]
        self.assertEqual(waits, sorted(waits, key=lambda wait: wait or 0))
        self.assertEqual((waits[0], waits[-1]), (0.1, 2.0))

    def test_untouched(self) -> None:
        """
        A request that the daemon did not act on is repeated, after the time that it says.
        """
        for code in ("rate_limited", "overloaded", "shutting_down", "too_many_connections"):
            self.assertEqual(retryDelay(TELL, ClientError(code, "Later.", 5000), 0), 5.0)
            self.assertEqual(retryDelay(TELL, ClientError(code, "Later."), 0), 0.1)

    def test_unknown(self) -> None:
        """
        A request that the daemon may have acted on is repeated only if that does no harm.
        """
        for code in ("unreachable", "database_unavailable", "engine_unavailable"):
            self.assertIsNone(retryDelay(TELL, ClientError(code, "Gone."), 0))
            self.assertEqual(retryDelay(ASK, ClientError(code, "Gone."), 0), 0.1)

    def test_forGood(self) -> None:
        """
        A request that is refused for good is not repeated.
        """
        for code in ("sql_error", "forbidden", "bad_answer", "timed_out"):
            for request in (ASK, TELL):
                self.assertIsNone(retryDelay(request, ClientError(code, "No."), 0))


class AttemptsTests(SynchronousTestCase):
    """
    Tests for L{Attempts}.
    """

    def repeated(
        self, *errors: ClientError, usual: float = 30.0, given: float | None = None
    ) -> float:
        """
        For how many seconds a request is repeated that fails with each error, and then with the
        last one over and over.
        """
        now, left = 50.0, list(errors)
        attempts = Attempts(replace(ASK, usual=usual), given, now)
        while (wait := attempts.pause(left.pop(0) if len(left) > 1 else left[0], now)) is not None:
            now += wait
        return now - 50.0

    def test_down(self) -> None:
        """
        A request to a daemon that is down is repeated for 10 seconds, however long it may take.
        """
        down = Unsent("unreachable", "It is down.")
        for usual, most in ((30.0, 10.0), (3.0, 3.0)):
            took = self.repeated(down, usual=usual)
            self.assertTrue(most - 2.0 <= took < most, took)

    def test_takenOver(self) -> None:
        """
        A request that waits for a takeover is repeated for as long as it may take, also if a daemon
        cannot be reached meanwhile.
        """
        down = Unsent("unreachable", "It is down.")
        for errors in ((TAKEN_OVER,), (TAKEN_OVER, down)):
            took = self.repeated(*errors)
            self.assertTrue(28.0 <= took < 30.0, took)

    def test_given(self) -> None:
        """
        The time that the application gives counts for a takeover, too.
        """
        took = self.repeated(TAKEN_OVER, given=5.0)
        self.assertTrue(3.0 <= took < 5.0, took)
