"""
Tests for L{aerostack.core.access.removals}.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from aerostack.core.access.removals import REASON_BYTES, checkCode, checkReason
from aerostack.errors import CLOSE_CODES


class CheckTests(SynchronousTestCase):
    """
    Tests for L{checkReason} and L{checkCode}.
    """

    def test_reasons(self) -> None:
        """
        A reason is printable and fits into a close frame.
        """
        for reason in ("", "spam", "Bitte später.", "é" * 61 + "e", "x" * REASON_BYTES):
            checkReason(reason)
        for reason in (
            *("x" * (REASON_BYTES + 1), "é" * 62, "x" * 1_000_000),
            *("a\nb", "a\0", "\x1b[2J", "\ud800", "\u202e", "\u2028"),
        ):
            self.assertRaises(ValueError, checkReason, reason)

    def test_codes(self) -> None:
        """
        The codes of applications are none of the daemon's and none of RFC 6455's.
        """
        for code in (4100, 4999):
            checkCode(code)
        for code in (*CLOSE_CODES, 0, -1, 999, 3000, 4000, 4099, 5000, 10**100):
            self.assertRaises(ValueError, checkCode, code)
