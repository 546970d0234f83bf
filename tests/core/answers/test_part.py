"""
Tests for L{aerostack.core.answers.part}.
"""

from __future__ import annotations

import tracemalloc

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from aerostack.core.answers.part import CHUNK, OVERHEAD, PIECE, TEXT, Part, before
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
                self.assertEqual((block.start, block.data.decode()), (begin, text))
            at += units(text)
        self.assertEqual(at, until)

    @given(st.lists(texts, min_size=1, max_size=10), st.integers(1, 4000), st.data())
    def test_takeBack(self, appended: list[str], repeated: int, data: st.DataObject) -> None:
        """
        Where text is taken back, another part goes on behind the rest.  The parts before give
        nothing any more of what was taken back, and no more is counted than there is.
        """
        part, whole = Part("0", TEXT), ""
        former: list[tuple[Part, str]] = []
        for edition, text in enumerate(appended, 1):
            text *= repeated
            part.append(text)
            whole += text
            part.takeFresh()
            part.shown = part.length
            part.isReset = False
            kept = whole[: data.draw(st.integers(0, len(whole)))]
            former.append((part, whole))
            part, whole = part.takeBack(units(kept), edition), kept
            self.assertEqual((part.edition, part.isReset), (edition, True))
            self.assertEqual((part.length, part.shown), (units(kept), units(kept)))
            former = [(each, cut(had, 0, units(kept))) for each, had in former]
        part.append("ab")
        self.assertEqual(part.read(0, part.length), whole + "ab")
        self.assertEqual(part.takeFresh(), "ab")
        for each, had in former:
            self.assertEqual("".join(text for _, text, _ in each.pieces(0, 1_000_000)), had)
        self.assertEqual(part.whole, part.size + sum(each.size for each, _ in former))
        self.assertLess(part.whole, 500 * (len(former) + 1) + 4 * units(whole + "ab") + 70_000)

    def test_takeBackOften(self) -> None:
        """
        The parts before share what is left of their text, so that it is cut and counted once,
        however often text was taken back.
        """
        cuts: list[int] = []
        cut = Part._headOf

        def note(part: Part, at: int) -> tuple[int, str]:
            cuts.append(at)
            return cut(part, at)

        self.patch(Part, "_headOf", note)
        part = Part("0", TEXT)
        part.append("a" * 1000)
        for edition in range(1, 101):
            part.takeFresh()
            part.shown, part.isReset = part.length, False
            part = part.takeBack(1000 - edition, edition)
        self.assertLessEqual(len(cuts), 200)
        self.assertLess(part.whole, 102 * OVERHEAD + 2000)

    def test_clear(self) -> None:
        """
        Each of the parts whose text was taken back forgets it once.
        """
        cleared: list[Part] = []
        clear = Part.clear

        def note(part: Part) -> None:
            cleared.append(part)
            clear(part)

        self.patch(Part, "clear", note)
        part, former = Part("0", TEXT), []
        for edition in range(1, 13):
            part.append("ab")
            part.takeFresh()
            part.shown, part.isReset = part.length, False
            former.append(part)
            part = part.takeBack(edition, edition)
        part.clear()
        self.assertEqual(cleared, [part, *former])
        self.assertEqual({each.read(0, each.length) for each in former}, {""})

    def test_takeBackMidway(self) -> None:
        """
        One who reads the pieces one by one gets nothing of what is taken back meanwhile.
        """
        part = Part("0", TEXT)
        part.append("a" * 3 * PIECE)
        pieces = part.pieces(0, part.length)
        self.assertEqual(next(pieces)[:2], (0, "a" * PIECE))
        part.takeBack(PIECE + 5, 1)
        self.assertEqual([text for _, text, _ in pieces], ["a" * 5])

    @given(texts.filter(bool), st.integers(1, 4000), st.lists(st.integers(1, 4000), max_size=20))
    def test_growsMidway(self, text: str, times: int, grown: list[int]) -> None:
        """
        One who reads the pieces one by one gets the text that was there, whatever is appended
        meanwhile.
        """
        part, whole = Part("0", TEXT), text * times
        part.append(whole)
        until, had, more = part.length, "", iter(grown)
        for start, piece, block in part.pieces(0, until):
            self.assertEqual(start, units(had))
            if block is not None:
                self.assertEqual((block.start, block.data.decode()), (start, piece))
            had += piece
            part.append(text * next(more, 0))
        self.assertEqual(had, whole)

    def test_growsFarMidway(self) -> None:
        """
        Text that became a whole block meanwhile is read up to the same place.
        """
        for letter in ("a", "字😀"):
            part, whole = Part("0", TEXT), letter * (PIECE + 1000)
            part.append(whole)
            pieces = part.pieces(0, part.length)
            had = next(pieces)[1]
            part.append("b" * 3 * PIECE)
            self.assertEqual(had + "".join(text for _, text, _ in pieces), whole)

    def test_takeBackUnseen(self) -> None:
        """
        Text that watchers do not have yet is not taken back from them: they get what is left of it.
        """
        part = Part("0", TEXT)
        part.append("abcdef")
        part.takeFresh()
        part.shown = 2
        other = part.takeBack(4, 1)
        self.assertEqual((other.published, other.takeFresh(), other.isReset), (2, "cd", True))

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
        for _ in range(10 * CHUNK):
            part.append("a")
        self.assertLess(len(part._open), CHUNK)
        self.assertEqual(part.read(0, part.length), "a" * 10 * CHUNK)

    def test_memory(self) -> None:
        """
        A part takes little more memory than its text has bytes as UTF-8, and is counted with so
        many, also where a few characters are not ASCII.
        """
        tokens = ["it\u2019s ", "a ", "word ", "字", "or ", "😀 "] * 10_000
        part = Part("0", TEXT)
        tracemalloc.start()
        self.addCleanup(tracemalloc.stop)
        before, _ = tracemalloc.get_traced_memory()
        for token in tokens:
            part.append(token)
            part.takeFresh()
        after, _ = tracemalloc.get_traced_memory()
        size = len("".join(tokens).encode())
        self.assertEqual(part.size, size + OVERHEAD)
        self.assertLess(after - before, 1.1 * size)

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
