"""
Tests for L{aerostack.client.closing}.
"""

from __future__ import annotations

import json

from twisted.trial.unittest import SynchronousTestCase

from aerostack.client.closing import broken, closed, refused
from aerostack.errors import CLOSE_CODES, CLOSE_TOKEN


class ClosedTests(SynchronousTestCase):
    """
    Tests for L{closed}.
    """

    def test_table(self) -> None:
        """
        Every close code of the daemon means what the table says; one of them asks for another token
        first.
        """
        for code, close in CLOSE_CODES.items():
            closing = closed(code, None)
            self.assertEqual(closing.again, close.reconnect and code != CLOSE_TOKEN, code)
            self.assertEqual(closing.token, code == CLOSE_TOKEN)
            self.assertIn(f"with {code}: {close.meaning}", closing.error.message)
            self.assertEqual(closing.error.code, "closed")

    def test_others(self) -> None:
        """
        After an unknown code the client comes back.
        """
        for code in (None, 1006, 1012, 3000, 4999):
            closing = closed(code, "because")
            self.assertTrue(closing.again)
            self.assertIn("because", closing.error.message)

    def test_delay(self) -> None:
        """
        The reason may say when to come back.
        """
        self.assertEqual(closed(1001, "restarting; reconnect in 4711 ms").delay, 4.711)
        self.assertIsNone(closed(1001, "restarting; reconnect in a while").delay)
        self.assertIsNone(closed(1001, None).delay)

    def test_reason(self) -> None:
        """
        A reason that is the code of an error becomes the code of the client's error.
        """
        self.assertEqual(closed(4001, "token_expired").error.code, "token_expired")


class RefusedTests(SynchronousTestCase):
    """
    Tests for L{refused}.
    """

    def test_passing(self) -> None:
        """
        After a status for a failure or an overload the client comes back; after a refusal it does
        not.
        """
        for status in (408, 425, 429, 500, 502, 503, 504):
            self.assertTrue(refused(status, None, b"").again, status)
        for status in (200, 301, 400, 401, 403, 404, 426, 431):
            self.assertFalse(refused(status, None, b"").again, status)

    def test_token(self) -> None:
        """
        Another token can help after refused credentials.
        """
        body = json.dumps({"error": "token_expired", "message": "It is over."}).encode()
        closing = refused(401, None, body)
        self.assertTrue(closing.token)
        self.assertEqual(closing.error.code, "token_expired")
        self.assertFalse(refused(403, None, b"").token)

    def test_delay(self) -> None:
        """
        A refusal may say when to come back.
        """
        body = json.dumps({"error": "overloaded", "message": "Later.", "retryAfter": 7500})
        self.assertEqual(refused(503, None, body.encode()).delay, 7.5)
        self.assertEqual(refused(503, "3", b"").delay, 3.0)


class BrokenTests(SynchronousTestCase):
    """
    Tests for L{broken}.
    """

    def test_broken(self) -> None:
        """
        After a connection that broke the client comes back.
        """
        closing = broken("Gone.")
        self.assertTrue(closing.again)
        self.assertEqual((closing.error.code, closing.error.message), ("unreachable", "Gone."))
