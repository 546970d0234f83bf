"""
Tests for L{aerostack.core.answers.copying}.
"""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from aerostack.core.answers.answer import Answer, Terms
from aerostack.core.answers.copying import Place, endBefore, lacksText, pageOf, takePage
from aerostack.core.answers.units import units
from aerostack.core.replay.publications import StreamMark

texts = st.lists(
    st.tuples(st.sampled_from("012"), st.text(st.sampled_from("ab字😀"), min_size=1)), max_size=20
)


def makeAnswer() -> Answer:
    """
    An answer without a part.
    """
    answer = Answer("a1", "r1", "ai/x/p", Terms(), 1000)
    answer.head = b'{"id":"a1"}'
    return answer


class CopyTests(SynchronousTestCase):
    """
    Tests for L{pageOf} and L{takePage}.
    """

    @given(texts, texts, st.integers(1, 9), st.integers(1, 4000))
    def test_model(
        self,
        before: list[tuple[str, str]],
        during: list[tuple[str, str]],
        most: int,
        repeated: int,
    ) -> None:
        """
        However small the pages are, and although the answer grows meanwhile, the copy has all that
        the answer had at the beginning, and no page is much too large.
        """
        answer, wanted, growing = makeAnswer(), dict[str, str](), iter(during)

        def grow(part: str, text: str) -> None:
            answer.show(part, "text", answer.part(part, "text").length, text)

        for part, text in before:
            grow(part, text * repeated)
            wanted[part] = wanted.get(part, "") + text * repeated
        answer.put("d", "data", b"1")
        copy, place, size = None, Place(), most * 4096
        while place is not None:
            page = pageOf(answer, place, size)
            self.assertLess(sum(len(text) for *_, text in page.texts), size + 20_000)
            copy, place = takePage(copy, "ai/x/p", "a1", page), page.next
            for part, text in (each for each in [next(growing, None)] if each):
                grow(part, text)
        assert copy is not None
        self.assertEqual((copy.head, copy.began, copy.isMirror), (answer.head, 1000, True))
        self.assertEqual(copy.parts["d"].value, b"1")
        for part, text in wanted.items():
            self.assertEqual(copy.parts[part].read(0, units(text)), text)
            self.assertEqual(copy.parts[part].shown, copy.parts[part].length)

    def test_takenBack(self) -> None:
        """
        If text is taken back between two pages, the copy has that which took its place.
        """
        for at in (0, 5, 20_000):
            answer = makeAnswer()
            answer.show("0", "text", 0, "a" * 40_000)
            answer.show("1", "text", 0, "b")
            page = pageOf(answer, Place(), 10_000)
            copy = takePage(None, "ai/x/p", "a1", page)
            answer.show("0", "text", at, "c" * 3, 1)
            place = page.next
            while place is not None:
                page = pageOf(answer, place)
                copy, place = takePage(copy, "ai/x/p", "a1", page), page.next
            part = copy.parts["0"]
            self.assertEqual(part.read(0, part.length), "a" * at + "ccc")
            self.assertEqual((part.edition, part.shown), (1, at + 3))
            self.assertEqual(copy.parts["1"].length, 1)

    def test_unshown(self) -> None:
        """
        Text without a place in the log is not copied.
        """
        answer = makeAnswer()
        answer.show("0", "text", 0, "abc")
        answer.append("0", "text", "def")
        copy = takePage(None, "ai/x/p", "a1", pageOf(answer, Place()))
        self.assertEqual(copy.parts["0"].length, 3)

    def test_endBefore(self) -> None:
        """
        A copy ends before the first text that comes by itself, if that is of the same edition.
        """
        answer = makeAnswer()
        answer.show("0", "text", 0, "a😀bcd" * 10_000)
        answer.show("b", "text", 0, "abc", 1)
        endBefore(
            answer,
            [
                StreamMark("a2", "0", "text", 0, "x"),
                StreamMark("a1", "0", "text", 49_998, "x"),
                StreamMark("a1", "0", "text", 49_999, "x"),
                StreamMark("a1", "b", "text", 0, "x"),
                StreamMark("a1", "c", "text", 0, "x"),
                StreamMark("a1", state="done"),
            ],
        )
        wanted = makeAnswer()
        wanted.show("0", "text", 0, "a😀bcd" * 8333)
        wanted.show("b", "text", 0, "abc", 1)
        part = answer.parts["0"]
        self.assertEqual(part.read(0, part.length), "a😀bcd" * 8333)
        self.assertEqual((part.shown, part.published), (part.length, part.length))
        self.assertEqual((answer.lengths, answer.size), (wanted.lengths, wanted.size))

    def test_lacks(self) -> None:
        """
        An answer has a hole where it does not have all up to the end of a text.
        """
        answer = makeAnswer()
        answer.show("0", "text", 0, "abc")
        answer.show("b", "text", 0, "abc", 1)
        for part, at, edition, lacks in (
            ("0", 0, 0, False),
            ("0", 2, 0, False),
            ("0", 3, 0, True),
            ("1", 0, 0, True),
            ("b", 2, 1, False),
            ("b", 3, 1, True),
            ("b", 9, 0, False),
            ("b", 0, 2, True),
        ):
            mark = StreamMark("a1", part, "text", at, "x", "", edition)
            self.assertIs(lacksText(answer, mark), lacks, mark)
        self.assertFalse(lacksText(answer, StreamMark("a1", "d", "data")))
