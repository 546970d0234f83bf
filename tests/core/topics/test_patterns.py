"""
Tests for L{aerostack.core.topics.patterns}.
"""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from aerostack.core.topics.patterns import EVERYTHING, Patterns, overlap

# Everything that means something to a regular expression or a shell, and a letter.
odd = st.text(r"ab/.*+?()[]{}|^$\-" "\n", max_size=8)


def covers(pattern: str, text: str) -> bool:
    """
    The plainest reading of a pattern.
    """
    if not pattern:
        return not text
    if pattern.startswith("**"):
        return any(covers(pattern[2:], text[skip:]) for skip in range(len(text) + 1))
    if pattern.startswith("*"):
        within = len(text.split("/")[0])
        return any(covers(pattern[1:], text[skip:]) for skip in range(within + 1))
    return bool(text) and text[0] == pattern[0] and covers(pattern[1:], text[1:])


class PatternsTests(SynchronousTestCase):
    """
    Tests for L{Patterns}.
    """

    def test_parts(self) -> None:
        """
        One star matches within a part, two match across parts.
        """
        self.assertTrue(Patterns(["chat/*"]).match("chat/general"))
        self.assertFalse(Patterns(["chat/*"]).match("chat/general/threads"))
        self.assertTrue(Patterns(["chat/**"]).match("chat/general/threads"))
        self.assertFalse(Patterns(["chat/**"]).match("chat"))
        self.assertTrue(Patterns(["**/inbox"]).match("user/ann/inbox"))

    def test_whole(self) -> None:
        """
        A pattern has to match the whole of a text.
        """
        patterns = Patterns(["chat/a", "shop_*"])
        for text in ("xchat/a", "chat/ab", "chat/a\n", "my_shop_1", ""):
            self.assertFalse(patterns.match(text), text)

    def test_none(self) -> None:
        """
        An empty set of patterns matches nothing, not even the empty text.
        """
        self.assertFalse(Patterns([]).match(""))
        self.assertFalse(Patterns([]).match("chat/a"))

    @given(st.text())
    def test_everything(self, text: str) -> None:
        """
        L{EVERYTHING} matches any text.
        """
        self.assertTrue(EVERYTHING.match(text))

    @given(odd.filter(lambda text: "*" not in text and text), odd)
    def test_literal(self, pattern: str, text: str) -> None:
        """
        Every character but the star matches itself.
        """
        self.assertTrue(Patterns([pattern]).match(pattern))
        self.assertEqual(Patterns([pattern]).match(text), pattern == text)

    @given(st.lists(odd.filter(bool), max_size=3), odd)
    def test_model(self, patterns: list[str], text: str) -> None:
        """
        A set of patterns matches what one of them matches.
        """
        self.assertEqual(
            Patterns(patterns).match(text), any(covers(pattern, text) for pattern in patterns)
        )

    def test_repr(self) -> None:
        """
        The patterns are shown, for logs and failing tests.
        """
        self.assertEqual(repr(Patterns(["a/*"])), "Patterns(('a/*',))")


class OverlapTests(SynchronousTestCase):
    """
    Tests for L{overlap}.
    """

    def test_examples(self) -> None:
        """
        Two patterns overlap if some text fits both.
        """
        for one, other, expected in (
            ("orders", "orders", True),
            ("orders", "order", False),
            ("shop_*", "*_items", True),
            ("shop_*", "sho", False),
            ("*", "", True),
            ("a*b", "a/b", False),
            ("a**b", "a/b", True),
            ("a/*", "*/b", True),
            ("*", "a/b", False),
            ("*x", "**/y", False),
        ):
            self.assertEqual(overlap(one, other), expected, (one, other))
            self.assertEqual(overlap(other, one), expected, (other, one))

    @given(odd, odd, odd)
    def test_model(self, one: str, other: str, text: str) -> None:
        """
        Two patterns that match the same text overlap, and a text overlaps with what matches it.
        """
        if covers(one, text) and covers(other, text):
            self.assertTrue(overlap(one, other))
        if "*" not in text:
            self.assertEqual(overlap(one, text), covers(one, text))
