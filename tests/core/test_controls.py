"""
Tests for L{aerostack.core.controls}.
"""

from __future__ import annotations

import sys
import unicodedata

from twisted.trial.unittest import SynchronousTestCase

from aerostack.core.controls import ESCAPES

TURNING = ("LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI")
"""The bidirectional classes of the characters that turn the direction of others."""


class ControlsTests(SynchronousTestCase):
    """
    Tests for L{ESCAPES}.
    """

    def test_unicode(self) -> None:
        """
        The characters are those that Unicode calls controls and separators of lines, and those that
        turn the direction of text.
        """
        self.assertEqual(
            set(ESCAPES),
            {
                code
                for code in range(sys.maxunicode + 1)
                if unicodedata.category(chr(code)) in ("Cc", "Zl", "Zp")
                or unicodedata.bidirectional(chr(code)) in TURNING
            },
        )
        self.assertEqual("a\x1b\u202e".translate(ESCAPES), "a\\u001b\\u202e")
