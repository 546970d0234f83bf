"""
Tests for L{aerostack.core.answers.part}.
"""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from aerostack.core.answers.part import MANY, PIECE, TEXT, Part, before
from aerostack.core.answers.units import units

# ASCII, a combining mark, a CJK character, and one of two units.
texts = st.text(st.sampled_from("ab́字😀"), max_size=30)


def cut(text: str, start: int, until: int) -> str:
    """
    What JavaScript's C{slice} gives.
    """
    return text.encode("utf-16-le")[2 * start : 2 * until].decode("utf-16-le")


class PartTests(SynchronousTestCase):
    """
    Tests for L{Part}.
    """

    @given(st.lists(texts, max_size=20), st.integers(1, 400), st.data())
    def test_model(self, appended: list[str], repeated: int, data: st.DataObject) -> None:
        """
        Whatever is appended, the text between any two ends of appended texts is that of the whole
        text, in UTF-16 units; and so are the pieces, which are not too long and have no holes.
        """
        part, whole, ends = Part("0", TEXT), "", [0]
        for text in appended:
            text *= repeated
            part.append(text)
            whole += text
            ends.append(units(whole))
        self.assertEqual(part.length, units(whole))
        start, until = sorted(data.draw(st.tuples(st.sampled_from(ends), st.sampled_from(ends))))
        self.assertEqual(part.read(start, until), cut(whole, start, until))
        at = start
        for begin, text, block in part.pieces(start, until):
            self.assertEqual(begin, at)
            self.assertLessEqual(units(text), PIECE)
            if block is not None:
                self.assertEqual((block.start, block.text), (begin, text))
            at += units(text)
        self.assertEqual(at, until)

    @given(st.lists(texts, max_size=10), st.integers(0, 500))
    def test_boundary(self, appended: list[str], place: int) -> None:
        """
        A place is a boundary if it is in the text and cuts no character.
        """
        part = Part("0", TEXT)
        for text in appended:
            part.append(text)
        whole = "".join(appended)
        expected = place in {units(whole[:count]) for count in range(len(whole) + 1)}
        self.assertEqual(part.isBoundary(place), expected)

    def test_small(self) -> None:
        """
        Very many small texts are put together, so that they take little more than their
        characters.
        """
        part = Part("0", TEXT)
        for _ in range(10 * MANY):
            part.append("a")
        self.assertLess(len(part._open), MANY)
        self.assertEqual(part.read(0, part.length), "a" * 10 * MANY)

    def test_fresh(self) -> None:
        """
        What is fresh is taken once; what the engine did not take is fresh again.
        """
        part = Part("0", TEXT)
        part.append("ab")
        part.append("c")
        self.assertEqual(part.takeFresh(), "abc")
        part.shown = 2
        part.append("d")
        self.assertEqual(part.takeFresh(), "d")
        part.giveBack(3)
        part.giveBack(2)
        self.assertEqual((part.published, part.takeFresh(), part.published), (2, "cd", 4))

    def test_value(self) -> None:
        """
        A value replaces the one before, and counts with its size.
        """
        part = Part("0", TEXT)
        empty = part.size
        part.replace(b"12345")
        part.replace(b"123")
        self.assertEqual((part.value, part.size - empty), (b"123", 3))


class BeforeTests(SynchronousTestCase):
    """
    Tests for L{before}.
    """

    @given(texts, st.integers(0, 70))
    def test_longest(self, text: str, count: int) -> None:
        """
        It is the longest beginning with no more units that cuts no character.
        """
        heads = [text[:end] for end in range(len(text) + 1) if units(text[:end]) <= count]
        self.assertEqual(before(text, count), max(heads, key=len))
