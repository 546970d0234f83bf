"""
Tests for L{aerostack.core.answers.copying}.
"""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from aerostack.core.answers.answer import Answer, Terms
from aerostack.core.answers.copying import Place, lacksText, pageOf, takePage
from aerostack.core.answers.units import units

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

    def test_unshown(self) -> None:
        """
        Text without a place in the log is not copied.
        """
        answer = makeAnswer()
        answer.show("0", "text", 0, "abc")
        answer.append("0", "text", "def")
        copy = takePage(None, "ai/x/p", "a1", pageOf(answer, Place()))
        self.assertEqual(copy.parts["0"].length, 3)

    def test_lacks(self) -> None:
        """
        An answer has a hole where it does not have all up to the end of a text.
        """
        answer = makeAnswer()
        answer.show("0", "text", 0, "abc")
        for part, at, lacks in (("0", 0, False), ("0", 2, False), ("0", 3, True), ("1", 0, True)):
            self.assertIs(lacksText(answer, part, at, "x"), lacks)
        self.assertFalse(lacksText(answer, "d", -1, ""))
