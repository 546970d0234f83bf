"""
Tests for L{aerostack.client.errors}.
"""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from aerostack.client.errors import (
    CLIENT_ERRORS,
    LONGEST_DELAY,
    ClientError,
    excerpt,
    refusal,
    seconds,
)
from aerostack.errors import ERRORS


class ClientErrorTests(SynchronousTestCase):
    """
    Tests for L{ClientError} and its codes.
    """

    def test_shown(self) -> None:
        """
        An error reads as a sentence, with its code at the end.
        """
        error = ClientError("queue_full", "Too much waits.", 100)
        self.assertEqual(str(error), "Too much waits. [queue_full]")
        self.assertEqual(
            (error.code, error.message, error.retryAfter), ("queue_full", "Too much waits.", 100)
        )

    def test_codes(self) -> None:
        """
        No code means one thing to the daemon and another to the client.
        """
        self.assertEqual(set(CLIENT_ERRORS) & set(ERRORS), set())


class SecondsTests(SynchronousTestCase):
    """
    Tests for L{seconds}.
    """

    def test_times(self) -> None:
        """
        A time is in seconds, at most the longest delay.
        """
        for milliseconds, expected in ((0, 0.0), (1500, 1.5), (0.5, 0.0005)):
            self.assertEqual(seconds(milliseconds), expected)
        self.assertEqual(seconds(10**30), LONGEST_DELAY)

    def test_none(self) -> None:
        """
        A value that is no time gives None.
        """
        for other in (None, "1", -1, float("nan"), float("inf"), True, [1], {}):
            self.assertIsNone(seconds(other), other)


class RefusalTests(SynchronousTestCase):
    """
    Tests for L{refusal}.
    """

    def test_daemon(self) -> None:
        """
        The error has the code, the message and the time of the daemon's answer.
        """
        body = {"error": "overloaded", "message": "Later.", "retryAfter": 7500}
        error = refusal(503, "8", json.dumps(body).encode())
        self.assertEqual(
            (error.code, error.message, error.retryAfter), ("overloaded", "Later.", 7500)
        )

    def test_header(self) -> None:
        """
        The header may have the time if the body has none.
        """
        body = b'{"error": "overloaded", "message": "Later."}'
        for header, expected in (
            *(("8", 8000), (" 0 ", 0), (None, None), ("soon", None), ("-1", None)),
            *(("²", None), ("", None), ("9" * 5000, None)),
        ):
            self.assertEqual(refusal(503, header, body).retryAfter, expected)

    def test_proxy(self) -> None:
        """
        The answer of a proxy that does not reach the daemon is the error unreachable.
        """
        for status in (502, 503, 504):
            error = refusal(status, None, b"<html>")
            self.assertEqual(error.code, "unreachable")
            self.assertIn(str(status), error.message)

    def test_other(self) -> None:
        """
        The answer of another server is shown in part.
        """
        error = refusal(404, None, b"<html>" + b"x" * 1000)
        self.assertEqual(error.code, "bad_answer")
        self.assertIn("HTTP status 404", error.message)
        self.assertIn("<html>", error.message)
        self.assertLess(len(error.message), 200)

    @given(
        st.integers(100, 599),
        st.none() | st.text(),
        st.binary()
        | st.builds(
            lambda value: json.dumps(value).encode(),
            st.recursive(
                st.none() | st.booleans() | st.floats() | st.text(),
                lambda inner: (
                    st.lists(inner)
                    | st.dictionaries(
                        st.sampled_from(["error", "message", "retryAfter", "x"]), inner
                    )
                ),
                max_leaves=8,
            ),
        ),
    )
    def test_anything(self, status: int, header: str | None, body: bytes) -> None:
        """
        Every answer gives an error.
        """
        error = refusal(status, header, body)
        self.assertIsInstance(error.code, str)
        self.assertIsInstance(error.message, str)
        if error.retryAfter is not None:
            self.assertTrue(0 <= error.retryAfter <= LONGEST_DELAY * 1000)


class ExcerptTests(SynchronousTestCase):
    """
    Tests for L{excerpt}.
    """

    def test_excerpt(self) -> None:
        """
        The beginning of any bytes is shown, with a mark if there are more.
        """
        self.assertEqual(excerpt(b"abc"), "'abc'")
        self.assertEqual(excerpt(b"x" * 81), f"'{'x' * 80}'…")
        self.assertEqual(excerpt(b"\xff\x1b\n"), "'�\\x1b\\n'")
