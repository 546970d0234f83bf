"""
Tests for L{aerostack.workers.hub.streams}.
"""

from __future__ import annotations

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from aerostack.core.answers.answer import Answer, Terms
from aerostack.core.answers.answers import Answers
from aerostack.core.replay.publications import EVENT, Publication, StreamMark
from aerostack.workers.hub.streams import OtherStreams

TOPIC = "ai-chat/1/p"


class OtherStreamsTests(SynchronousTestCase):
    """
    Streams that other nodes run.
    """

    def setUp(self) -> None:
        self.answers = Answers()
        self.streams = OtherStreams(Clock(), self.answers, self.answers.drop)

    def take(self, mark: StreamMark | None) -> None:
        """
        Let a publication come.
        """
        self.streams.take(Publication(TOPIC, EVENT, "e", b"{}", None, 1, None, mark))

    def begin(self, stream: str) -> None:
        """
        Let a stream begin, and grow.
        """
        self.take(StreamMark(stream))
        self.take(StreamMark(stream, "0", "text", 0, "Hello"))

    def running(self) -> list[str]:
        """
        The streams that a worker gets when it attaches the topic.
        """
        return [answer.id for answer in self.answers.of(TOPIC)]

    def test_taken(self) -> None:
        """
        A stream is known from its beginning to its end.
        """
        self.take(None)
        self.take(StreamMark("unknown", "0", "text", 5, "Hello"))
        self.begin("s")
        self.assertEqual(self.running(), ["s"])
        self.assertEqual(self.answers.of(TOPIC)[0].parts["0"].shown, 5)
        self.take(StreamMark("s", state="done"))
        self.assertEqual(self.running(), [])

    def test_left(self) -> None:
        """
        When no worker has the topic any more, its streams are forgotten.
        """
        self.begin("other")
        self.streams.left(TOPIC)
        self.assertEqual(self.running(), [])

    def test_late(self) -> None:
        """
        What this node has placed and then gets of its own stream does not begin the stream again.
        """
        own = Answer("own", "own", TOPIC, Terms(), 1)
        self.answers.enter(own)
        self.answers.over(own, 0.0)
        self.begin("own")
        self.assertIs(self.answers.get("p", "own"), own)
        self.assertEqual(self.running(), [])
