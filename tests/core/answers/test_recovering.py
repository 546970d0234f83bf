"""
Tests for L{aerostack.core.answers.recovering}.
"""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from aerostack.core.answers.answer import Answer, Terms
from aerostack.core.answers.part import TEXT
from aerostack.core.answers.recovering import recover
from aerostack.core.answers.units import units
from aerostack.core.replay.publications import EVENT, Publication, StreamMark

texts = st.lists(st.text(st.sampled_from("ab字😀"), min_size=1, max_size=4), max_size=8)


def published(mark: StreamMark | None, data: bytes = b"") -> Publication:
    """
    An entry of the topic's log.
    """
    return Publication("ai/x/p", EVENT, "e", data, None, 1000, None, mark)


def stored(*parts: str) -> Answer:
    """
    An answer with parts as the database has them.
    """
    answer = Answer("a1", "r1", "ai/x/p", Terms(), 1000)
    for number, text in enumerate(parts):
        answer.append(str(number), TEXT, text)
    return answer


class RecoverTests(SynchronousTestCase):
    """
    Tests for L{recover}.
    """

    @given(texts, st.data())
    def test_model(self, pieces: list[str], data: st.DataObject) -> None:
        """
        Whatever the checkpoint and the log have of a text, and wherever the log begins, the answer
        has the longer of the two, and gives out what the log lacks.
        """
        whole, marks = "", []
        for piece in pieces:
            marks.append(published(StreamMark("a1", "0", TEXT, units(whole), piece)))
            whole += piece
        kept = data.draw(st.integers(0, len(pieces)))
        logged = data.draw(st.integers(kept and 1, len(pieces)) if pieces else st.just(0))
        # The log still has what came after the checkpoint.
        first = data.draw(st.integers(0, min(kept, logged)))
        answer = stored("".join(pieces[:kept]))
        head = [published(StreamMark("a1"))] if not first else []
        recover(answer, [published(None), *head, *marks[first:logged]])
        part = answer.part("0", TEXT)
        longest = "".join(pieces[: max(kept, logged)])
        self.assertEqual(part.read(0, part.length), longest)
        seen = logged if head or marks[first:logged] else kept
        self.assertEqual(part.takeFresh(), longest[len("".join(pieces[:seen])) :])

    def test_silent(self) -> None:
        """
        Watchers have all of a stream of which the log says nothing any more; but of one whose
        beginning the log has, they lack the parts that it does not have.
        """
        other = published(StreamMark("a2", "0", TEXT, 0, "x"))
        for head, lacking in (([], ""), ([published(StreamMark("a1"))], "abc")):
            answer = stored("abc")
            recover(answer, [*head, other])
            self.assertEqual(answer.parts["0"].takeFresh(), lacking)

    def test_values(self) -> None:
        """
        The newest value counts, and a text behind a hole does not.
        """
        answer = stored("abc")
        recover(
            answer,
            [
                published(StreamMark("a1", "d", "data"), b"1"),
                published(StreamMark("a1", "d", "data"), b"2"),
                published(StreamMark("a1", "0", TEXT, 9, "late")),
            ],
        )
        self.assertEqual((answer.parts["d"].value, answer.length), (b"2", 3))

    def test_takenBack(self) -> None:
        """
        If the log has it that text was taken back, watchers get what is new behind that; if only
        the checkpoint has it, they get all of the part again.
        """
        first = published(StreamMark("a1", "0", TEXT, 0, "Hello wrold"))
        back = published(StreamMark("a1", "0", TEXT, 7, "orld", "", 1, True))
        more = published(StreamMark("a1", "0", TEXT, 11, "!", "", 1))
        for texts, edition, log, found in (
            ("Hello", 0, (first, back), (1, False, "Hello world", 11)),
            ("Hello wrold", 0, (back, more), (1, False, "Hello world!", 12)),
            ("Hello world!", 1, (first, back), (1, False, "Hello world!", 11)),
            ("Hello world", 1, (first,), (1, True, "Hello world", 0)),
            ("Hello world", 1, (), (1, False, "Hello world", 11)),
        ):
            answer = Answer("a1", "r1", "ai/x/p", Terms(), 1000)
            answer.append("0", TEXT, texts, edition)
            recover(answer, log)
            part = answer.parts["0"]
            text = part.read(0, part.length)
            self.assertEqual((part.edition, part.isReset, text, part.shown), found, log)
            self.assertEqual(part.published, part.shown)
