"""
Tests for L{aerostack.core.diagnosis.fitting}.
"""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from msgspec import json
from twisted.trial.unittest import SynchronousTestCase

from aerostack.core.diagnosis.fitting import fit


class FitTests(SynchronousTestCase):
    """
    Tests for L{fit}.
    """

    def test_small(self) -> None:
        """
        An answer that is small enough stays whole.
        """
        answer = {"topics": ["a", "b"], "more": False}
        self.assertEqual(json.decode(fit(answer, ["topics"], 100)), answer)

    @given(st.lists(st.text(max_size=9), min_size=2, max_size=40), st.integers(150, 400))
    def test_large(self, texts: list[str], size: int) -> None:
        """
        A large answer loses the ends of its lists, and says that there is more.
        """
        answer: dict[str, Any] = {"topics": texts, "total": len(texts), "more": False}
        data = fit(answer, ["topics"], size)
        self.assertLessEqual(len(data), size)
        found = json.decode(data)
        self.assertEqual(found["topics"], texts[: len(found["topics"])])
        self.assertEqual(found["more"], len(found["topics"]) < len(texts))
        self.assertGreaterEqual(len(found["topics"]), 1)

    def test_hopeless(self) -> None:
        """
        An answer whose single items are too large is an error.
        """
        self.assertRaises(ValueError, fit, {"members": ["a" * 99], "b": []}, ["members", "b"], 50)
