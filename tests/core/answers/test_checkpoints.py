"""
Tests for L{aerostack.core.answers.checkpoints}.
"""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from aerostack.core.answers.checkpoints import VALUE, Piece, StoredPart, join
from aerostack.core.answers.units import units


def piece(base: int, text: str, part: str = "0", place: int = 0, kind: str = "text") -> Piece:
    """
    A piece of an answer.
    """
    return Piece("a", part, place, kind, base, text)


class JoinTests(SynchronousTestCase):
    """
    Tests for L{join}.
    """

    def test_parts(self) -> None:
        """
        The parts stand in the order of their places, each with its text and its newest value.
        """
        pieces = [
            piece(0, '{"ci', "c1", 1, "tool"),
            piece(4, 'ty"', "c1", 1, "tool"),
            piece(VALUE, '{"call":"c1"}', "c1", 1, "tool"),
            piece(VALUE, "[1]", "s1", 2, "data"),
            piece(0, "Hello"),
        ]
        expected = (
            StoredPart("0", "text", "Hello", None),
            StoredPart("c1", "tool", '{"city"', '{"call":"c1"}'),
            StoredPart("s1", "data", "", "[1]"),
        )
        self.assertEqual(join(pieces), expected)
        self.assertEqual(join(reversed(pieces)), expected)

    def test_hole(self) -> None:
        """
        Text behind a hole is left out, and so is text that would split a character.
        """
        (part,) = join([piece(0, "ab"), piece(3, "d"), piece(4, "e")])
        self.assertEqual(part.text, "ab")
        (part,) = join([piece(0, "a"), piece(0, "a"), piece(1, "b")])
        self.assertEqual(part.text, "ab")

    @given(
        st.lists(st.text(st.sampled_from("aé😀"), min_size=1, max_size=4), max_size=6), st.data()
    )
    def test_rewritten(self, appends: list[str], data: st.DataObject) -> None:
        """
        Whatever pieces were written twice, with other cuts, the text is the same.
        """
        text = "".join(appends)
        bases = [units("".join(appends[:n])) for n in range(len(appends) + 1)]
        rows = {bases[n]: appends[n] for n in range(len(appends))}
        for _ in range(data.draw(st.integers(0, 3))):
            first = data.draw(st.integers(0, len(appends)))
            last = data.draw(st.integers(first, len(appends)))
            if first < last:
                rows[bases[first]] = "".join(appends[first:last])
        joined = join([piece(base, cut) for base, cut in rows.items()])
        self.assertEqual("".join(part.text for part in joined), text)
