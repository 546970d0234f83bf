"""
Tests for L{aerostack.core.replay.tags}.
"""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from aerostack.core.replay.positions import Position, parsePosition
from aerostack.core.replay.tags import publishedTag, serialTag

published = st.tuples(
    st.text(max_size=3), st.none() | st.text(max_size=3), st.text(max_size=3), st.binary(max_size=3)
)


class TagTests(SynchronousTestCase):
    """
    Tests for L{publishedTag} and L{serialTag}.
    """

    @given(published, published)
    def test_apart(
        self,
        one: tuple[str, str | None, str, bytes],
        other: tuple[str, str | None, str, bytes],
    ) -> None:
        """
        Two publications have one tag if, and only if, all of topic, user, id and fingerprint are
        the same.
        """
        self.assertEqual(publishedTag(*one) == publishedTag(*other), one == other)

    def test_parts(self) -> None:
        """
        A character that moves from one part to the next makes another tag.
        """
        self.assertNotEqual(publishedTag("a", "bc", "d", b""), publishedTag("a", "b", "cd", b""))
        self.assertNotEqual(publishedTag("a", None, "d", b""), publishedTag("a", "", "d", b""))

    def test_serials(self) -> None:
        """
        Every serial of every run has a tag of its own.
        """
        tags = {serialTag(run, serial) for run in ("a", "a1", "b") for serial in range(1, 40)}
        self.assertEqual(len(tags), 3 * 39)

    def test_position(self) -> None:
        """
        A position carries a tag, and gives it back.
        """
        position = Position("e", 1, 16, tag=serialTag("run", 1))
        self.assertEqual(parsePosition(str(position)), position)
