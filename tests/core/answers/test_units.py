"""
Tests for L{aerostack.core.answers.units}.
"""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from aerostack.core.answers.units import after, units

TEXTS = st.text(st.sampled_from("a\x00é漢\u0301\uffff😀\U0010ffff"), max_size=12)


class UnitTests(SynchronousTestCase):
    """
    Tests for L{units} and L{after}.
    """

    @given(TEXTS)
    def test_units(self, text: str) -> None:
        """
        The length of a text is that of its UTF-16.
        """
        self.assertEqual(units(text), len(text.encode("utf-16-le")) // 2)

    @given(TEXTS, st.integers(0, 26))
    def test_after(self, text: str, count: int) -> None:
        """
        The rest of a text begins behind so many code units; a cut inside a character gives none.
        """
        encoded = text.encode("utf-16-le")
        try:
            expected = encoded[2 * count :].decode("utf-16-le")
        except UnicodeDecodeError:
            expected = None
        if 2 * count > len(encoded):
            expected = None
        self.assertEqual(after(text, count), expected)
