"""
Tests for L{aerostack.core.answers.answer}.
"""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from aerostack.core.answers.answer import CANCELLED, STREAMING, Answer, End, Terms, Verdict
from aerostack.core.answers.part import REASONING, TEXT
from aerostack.core.answers.units import units

texts = st.text(st.sampled_from("ab字😀"), max_size=8)


def makeAnswer() -> Answer:
    """
    An answer without a part.
    """
    return Answer("a1", "r1", "ai/x/p", Terms(), 1000)


class JudgeTests(SynchronousTestCase):
    """
    Tests for L{Answer.judge}.
    """

    @given(st.lists(texts), st.integers(0, 30), texts)
    def test_model(self, appended: list[str], at: int, text: str) -> None:
        """
        Text is taken if it begins in the text that is there, or right behind it, and agrees with
        it.  What is new of it is appended then.
        """
        answer = makeAnswer()
        for each in appended:
            answer.append("0", TEXT, each)
        whole = "".join(appended)
        known, sent = whole.encode("utf-16-le"), text.encode("utf-16-le")
        verdict, rest = answer.judge("0", TEXT, at, text)
        overlap = known[2 * at : 2 * at + len(sent)]
        ends = {units(whole[:end]) for end in range(len(whole) + 1)}
        if 2 * at > len(known):
            self.assertIs(verdict, Verdict.GAP)
        elif at in ends and sent.startswith(overlap):
            self.assertEqual(rest.encode("utf-16-le"), sent[len(overlap) :])
            self.assertIs(verdict, Verdict.TAKEN if rest else Verdict.KNOWN)
        else:
            self.assertIs(verdict, Verdict.MISMATCH)

    def test_kind(self) -> None:
        """
        A part does not change its kind.
        """
        answer = makeAnswer()
        answer.append("0", TEXT, "a")
        self.assertIs(answer.judge("0", REASONING, 1, "b")[0], Verdict.KIND)

    def test_unknownPart(self) -> None:
        """
        The text of a new part begins at 0.
        """
        self.assertIs(makeAnswer().judge("0", TEXT, 1, "b")[0], Verdict.GAP)
        self.assertEqual(makeAnswer().judge("0", TEXT, 0, "b", 3), (Verdict.TAKEN, "b"))

    def test_nothing(self) -> None:
        """
        No text is nothing new.
        """
        answer = makeAnswer()
        self.assertIs(answer.judge("0", TEXT, 0, "")[0], Verdict.KNOWN)
        answer.append("0", TEXT, "a")
        self.assertIs(answer.judge("0", TEXT, 1, "")[0], Verdict.KNOWN)

    def test_takenBack(self) -> None:
        """
        Text of the next edition takes the place of what is there.  It is known when it comes again,
        and so is what was taken back.  An edition that leaves one out is a gap.
        """
        answer = makeAnswer()
        answer.append("0", TEXT, "ab😀")
        for at, edition, verdict in (
            (5, 1, Verdict.GAP),
            (1, 2, Verdict.GAP),
            (3, 1, Verdict.MISMATCH),
            (4, 1, Verdict.RESET),
            (0, 1, Verdict.RESET),
        ):
            self.assertIs(answer.judge("0", TEXT, at, "x", edition)[0], verdict, (at, edition))
        self.assertEqual(answer.judge("0", TEXT, 1, "", 1), (Verdict.RESET, ""))
        answer.takeBack("0", 1, 1)
        answer.append("0", TEXT, "xyz")
        self.assertEqual((answer.parts["0"].read(0, 4), answer.editions), ("axyz", {"0": 1}))
        for at, text, edition, verdict in (
            (1, "xy", 1, Verdict.KNOWN),
            (1, "b😀", 0, Verdict.KNOWN),
            (9, "?", 0, Verdict.KNOWN),
            (1, "b", 1, Verdict.MISMATCH),
            (4, "!", 1, Verdict.TAKEN),
            (5, "!", 1, Verdict.GAP),
        ):
            self.assertIs(answer.judge("0", TEXT, at, text, edition)[0], verdict, (at, text))

    @given(
        st.lists(
            st.tuples(st.sampled_from(["grow", "grow", "back", "show"]), st.integers(0, 40), texts),
            max_size=30,
        )
    )
    def test_followed(self, steps: list[tuple[str, int, str]]) -> None:
        """
        However text grows and is taken back, whatever comes twice, and whenever it is published:
        a process that gets what is published has the same text.
        """
        judge, other, whole, edition = makeAnswer(), makeAnswer(), "", 0
        sent: list[tuple[int, str, int]] = []
        for what, place, text in [*steps, ("show", 0, "")]:
            if what == "show":
                for part in tuple(judge.parts.values()):
                    if part.length > part.published or part.isReset:
                        at, fresh = part.published, part.takeFresh()
                        other.show("0", TEXT, at, fresh, part.edition)
                        judge.show("0", TEXT, at, fresh, part.edition)
                continue
            if what == "back" and "0" in judge.parts:
                edition += 1
                whole = whole[:place]
            sent.append((units(whole), text, edition))
            whole += text
            for at, each, number in sent[-2:] + sent[-1:]:
                verdict, rest = judge.judge("0", TEXT, at, each, number)
                if verdict is Verdict.RESET:
                    judge.takeBack("0", at, number)
                elif verdict is not Verdict.TAKEN:
                    self.assertIs(verdict, Verdict.KNOWN)
                judge.append("0", TEXT, rest, number) if rest else None
        for answer in (judge, other):
            found = answer.parts["0"].read(0, 10_000) if "0" in answer.parts else ""
            self.assertEqual(found, whole)


class AnswerTests(SynchronousTestCase):
    """
    Tests for L{Answer}.
    """

    def test_shown(self) -> None:
        """
        Text that was judged here is shown when it has its place; text of another process is
        appended, as far as it is new; text whose beginning is missing is not taken up.
        """
        answer = makeAnswer()
        answer.append("0", TEXT, "abc")
        self.assertEqual(answer.show("0", TEXT, 0, "ab"), 2)
        self.assertEqual(answer.show("0", TEXT, 2, "c"), 3)
        self.assertEqual(answer.show("0", TEXT, 3, "de"), 5)
        self.assertIsNone(answer.show("0", TEXT, 6, "f"))
        self.assertEqual(answer.show("0", TEXT, 4, "ef"), 6)
        self.assertEqual(answer.parts["0"].read(0, 6), "abcdef")

    def test_handedOver(self) -> None:
        """
        Of an answer that another process goes on with, only what has its place stays.
        """
        answer, other = makeAnswer(), makeAnswer()
        for each in (answer, other):
            each.append("0", TEXT, "字" * 20_000)
            each.show("0", TEXT, 0, "字" * 20_000)
        answer.append("0", TEXT, "more" * 10_000)
        answer.end = End("done")
        answer.cut()
        part = answer.parts["0"]
        self.assertEqual((part.length, answer.size, answer.state), (20_000, other.size, STREAMING))
        self.assertEqual(part.read(0, part.length), "字" * 20_000)
        self.assertEqual(answer.show("0", TEXT, 20_000, "b"), 20_001)
        self.assertEqual(part.takeFresh(), "")

    def test_size(self) -> None:
        """
        The size is the sum of the parts' sizes, and what every answer takes.
        """
        answer = makeAnswer()
        empty = answer.size
        answer.append("0", TEXT, "abc")
        answer.append("0", TEXT, "😀")
        answer.put("1", "data", b"{}")
        self.assertEqual(answer.size - empty, sum(part.size for part in answer.parts.values()))
        answer.takeBack("0", 1, 1)
        answer.takeBack("0", 0, 2)
        self.assertEqual(answer.size - empty, sum(part.whole for part in answer.parts.values()))

    def test_cut(self) -> None:
        """
        No text of a cancelled answer is to be sent, nor of one that was released.
        """
        answer = makeAnswer()
        self.assertEqual((answer.state, answer.isCut), (STREAMING, False))
        answer.end = End(CANCELLED)
        self.assertTrue(answer.isCut)
        other = makeAnswer()
        other.append("0", TEXT, "abc")
        part = other.parts["0"]
        other.release()
        self.assertTrue(other.isCut)
        self.assertEqual(list(part.pieces(0, 3)), [(0, "", None)])
