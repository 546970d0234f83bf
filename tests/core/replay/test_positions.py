"""
Tests for L{aerostack.core.replay.positions}.
"""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from aerostack.core.replay.positions import Position, parsePosition

names = st.text("0123456789abcdefghijklmnopqrstuvwxyz", min_size=1, max_size=24)
numbers = st.integers(0, 16**15 - 1)
positions = st.builds(
    Position,
    names,
    st.none() | numbers,
    numbers,
    names | st.just(""),
    st.booleans(),
    st.booleans(),
    names | st.just(""),
)


class PositionTests(SynchronousTestCase):
    """
    Tests for L{Position} and L{parsePosition}.
    """

    @given(positions)
    def test_thereAndBack(self, position: Position) -> None:
        """
        A position that a client brings back is read as it was written.
        """
        self.assertEqual(parsePosition(str(position)), position)

    @given(st.text() | st.text("0123456789abcdefg-", max_size=40))
    def test_anyText(self, text: str) -> None:
        """
        Any text is read as a position or as none, without an error.
        """
        position = parsePosition(text)
        if position is not None:
            self.assertEqual(parsePosition(str(position)), position)

    def test_notOurs(self) -> None:
        """
        A text that only resembles a position is none.
        """
        for text in ("", "-", "a", "a-1", "a-1-", "-1-1", "a-1-1-", "a-1-1-b-c", "A-1-1"):
            self.assertIsNone(parsePosition(text), text)
        for text in ("a-1-1\n", " a-1-1", "a-g-1", "a-1-k", "a-1--1", "a-+1-1", "a-1-" + "f" * 16):
            self.assertIsNone(parsePosition(text), text)
        for text in ("a-1-1.", "a-1-1.-j", "a-1-1.K", "a-1-1j.k", "a-1-1-j.k", "a-1-1." + "a" * 25):
            self.assertIsNone(parsePosition(text), text)

    def test_withoutTag(self) -> None:
        """
        A position that was made before positions had tags is read as before, without a tag.
        """
        self.assertEqual(parsePosition("e-ff-1000k"), Position("e", 255, 4096, seen=True))
        self.assertEqual(parsePosition("e-1-10-j+"), Position("e", 1, 16, "j", True))

    def test_short(self) -> None:
        """
        A position is short, because it goes out with every frame.
        """
        self.assertEqual(str(Position("e", 255, 4096)), "e-ff-1000")
        self.assertEqual(str(Position("e", None, 16, "j")), "e--10-j")
        self.assertEqual(str(Position("e", 1, 16, "j", True)), "e-1-10-j+")
        self.assertEqual(str(Position("e", 1, 16, seen=True)), "e-1-10k")
        self.assertEqual(str(Position("e", 1, 16, seen=True, tag="9f")), "e-1-10k.9f")
        self.assertEqual(str(Position("e", 1, 16, "j", True, tag="9f")), "e-1-10.9f-j+")
