"""
Tests for L{aerostack.core.answers.answers}.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from aerostack.core.answers.answer import DONE, STREAMING, Answer, End, Terms
from aerostack.core.answers.answers import Answers, Budget
from aerostack.core.answers.part import TEXT
from aerostack.core.replay.publications import EVENT, Publication, StreamMark
from aerostack.errors import RealtimeError

TOPIC = "ai/x/p"


def part(mark: StreamMark, data: bytes = b"") -> Publication:
    """
    A publication of a stream.
    """
    return Publication(TOPIC, EVENT, "e", data, None, 1000, None, mark)


START = part(StreamMark("a1"), b'{"id":"a1"}')


def text(at: int, text: str) -> Publication:
    """
    A publication of text.
    """
    return part(StreamMark("a1", "0", TEXT, at, text))


END = part(StreamMark("a1", state=DONE), b"{}")


class AnswersTests(SynchronousTestCase):
    """
    Tests for L{Answers}.
    """

    def setUp(self) -> None:
        self.answers = Answers(Budget(perTopic=2, perProject=3, memory=100_000), 10.0)

    def enter(self, name: str, topic: str = TOPIC) -> Answer:
        """
        Let an answer run.
        """
        answer = Answer(name, name, topic, Terms(), 0)
        self.answers.enter(answer)
        return answer

    def refused(self, topic: str = TOPIC) -> str:
        """
        The message with which one more answer is refused.
        """
        error = self.assertRaises(RealtimeError, self.answers.admit, topic)
        self.assertEqual((error.code, error.retryAfter), ("too_many_streams", 1000))
        return error.message

    def test_admitted(self) -> None:
        """
        A topic, a project and all together have bounds.  An answer that is over does not count.
        """
        first = self.enter("a1")
        self.enter("a2")
        self.assertIn("topic", self.refused())
        self.enter("b1", "ai/y/p")
        self.assertIn("project", self.refused("ai/z/p"))
        self.answers.admit("ai/x/q")
        self.answers.over(first, 0)
        self.answers.admit(TOPIC)
        first.append("0", TEXT, "x" * 100_000)
        self.answers.count(first)
        self.assertIn("memory", self.refused("ai/x/q"))

    def test_expired(self) -> None:
        """
        An answer is known for a while after its end, and then forgotten with its text.
        """
        answer = self.enter("a1")
        answer.append("0", TEXT, "abc")
        self.answers.count(answer)
        self.answers.over(answer, 100)
        self.assertEqual(self.answers.expire(109), [])
        self.assertIs(self.answers.get("p", "a1"), answer)
        self.assertEqual(self.answers.expire(110), [answer])
        self.assertIsNone(self.answers.get("p", "a1"))
        self.assertEqual((answer.isReleased, self.answers.size, len(self.answers)), (True, 0, 0))

    def test_crowded(self) -> None:
        """
        If all together take too much, those that have ended are forgotten early, and no more of
        them than needed.
        """
        names = ("a1", "a2", "a3")
        for name in names:
            answer = self.enter(name)
            answer.append("0", TEXT, "x" * 40_000)
            self.answers.count(answer)
            self.answers.over(answer, 100)
        self.assertEqual([answer.id for answer in self.answers.expire(100)], ["a1"])

    def test_taken(self) -> None:
        """
        The publications of another process make an answer from its beginning to its end.
        """
        for publication in (START, text(0, "abc"), text(3, "def")):
            self.answers.take(publication, 0)
        (answer,) = self.answers.of(TOPIC)
        self.assertEqual((answer.head, answer.state), (b'{"id":"a1"}', STREAMING))
        self.assertEqual(answer.parts["0"].read(0, 6), "abcdef")
        self.answers.take(END, 0)
        self.assertEqual((answer.state, self.answers.of(TOPIC)), (DONE, ()))

    def test_fromTheMiddle(self) -> None:
        """
        An answer whose beginning is missing is not taken up.
        """
        for publication in (text(3, "def"), text(0, "abc"), END):
            self.assertIsNone(self.answers.take(publication, 0))
        self.assertEqual(len(self.answers), 0)

    def test_endOnly(self) -> None:
        """
        An answer of which only the end came is known as one that has ended, for a while; another
        one may have its id later.
        """
        self.answers.take(END, 0)
        ended = self.answers.get("p", "a1")
        assert ended is not None
        self.assertEqual((ended.isOver, ended.state), (True, "done"))
        self.assertEqual((len(self.answers), self.answers.of(TOPIC)), (0, ()))
        self.assertIsNone(self.answers.take(text(3, "def"), 0))
        self.answers.take(START, 0)
        again = self.answers.get("p", "a1")
        assert again is not None
        self.assertFalse(again.isOver)
        self.assertTrue(ended.isReleased)

    def test_emitted(self) -> None:
        """
        An answer of emitted events begins with its first text.
        """
        self.answers.take(part(StreamMark("a1", "0", TEXT, 0, "a"), b'{"token":"a"}'), 0)
        (answer,) = self.answers.of(TOPIC)
        self.assertEqual(answer.parts["0"].read(0, 1), "a")

    def test_adopted(self) -> None:
        """
        Of what was published before, the answers are taken up that run and are not known.
        """
        self.answers.adopt([START, text(0, "abc"), END], 0)
        self.assertEqual(len(self.answers), 0)
        self.answers.adopt([START, text(0, "abc")], 0)
        self.answers.adopt([START, text(0, "XYZ")], 0)
        (answer,) = self.answers.of(TOPIC)
        self.assertEqual(answer.parts["0"].read(0, 3), "abc")

    def test_dropped(self) -> None:
        """
        The answers of a topic that is followed no longer are forgotten.
        """
        self.enter("a1")
        self.enter("b1", "ai/y/p")
        self.answers.drop(TOPIC)
        self.assertEqual([answer.id for answer in self.answers], ["b1"])

    def test_again(self) -> None:
        """
        An answer that is entered again takes the place of the one before.
        """
        first, second = self.enter("a1"), self.enter("a1")
        second.end = End(DONE)
        self.assertIs(self.answers.get("p", "a1"), second)
        self.assertEqual((len(self.answers), first.isReleased), (1, True))
