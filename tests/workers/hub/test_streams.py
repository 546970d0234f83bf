"""
Tests for L{aerostack.workers.hub.streams}.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from aerostack.core.answers.answer import Answer, Terms
from aerostack.core.answers.answers import Answers
from aerostack.core.answers.requests import Started, StartRequest
from aerostack.core.replay.publications import EVENT, Publication, StreamMark
from aerostack.workers.hub.streams import OtherStreams, WorkerStreams
from aerostack.workers.messages.streams import StartStream, startStream

TOPIC = "ai-chat/1/p"


class Link:
    """
    Leads to a worker.
    """


class SlowStreams:
    """
    Streams that begin when a test lets them.

    @ivar begun: Fires when the stream has begun.
    @ivar left: The streams that were left, each with its number as their producer.
    """

    def __init__(self) -> None:
        self.begun: Deferred[Started] = Deferred()
        self.left: list[tuple[str, int]] = []

    def start(self, *args: Any) -> Deferred[Started]:
        """See L{aerostack.interfaces.streams.IStreams}."""
        return self.begun

    def leave(self, project: str, stream: str, epoch: int, stopped: Any) -> None:
        """See L{aerostack.interfaces.streams.IStreams}."""
        self.left.append((stream, epoch))


class WorkerStreamsTests(SynchronousTestCase):
    """
    Streams that the clients of a worker produce.
    """

    def test_lost(self) -> None:
        """
        A stream whose producer's worker dies is left, also if the stream has not begun by then.
        """
        for diesFirst in (False, True):
            streams: Any = SlowStreams()
            workers, link = WorkerStreams(streams, Answers()), Link()
            message = startStream(TOPIC, 1, StartRequest(Terms(), "a1", None))
            workers.handlers[StartStream](link, message)  # type: ignore[arg-type]
            if diesFirst:
                workers.lost(link)  # type: ignore[arg-type]
            streams.begun.callback(Started("a1", TOPIC, 1, {}, 30_000))
            if not diesFirst:
                workers.lost(link)  # type: ignore[arg-type]
            self.assertEqual(streams.left, [("a1", 1)])


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
