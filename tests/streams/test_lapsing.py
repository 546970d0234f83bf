"""
Tests for L{aerostack.streams.adopting}: a daemon that others may have taken for dead.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred

from aerostack.core.answers.answer import STREAMING
from aerostack.core.answers.checkpoints import (
    Claim,
)
from aerostack.core.replay.publications import EVENT, Publication, StreamMark
from aerostack.core.topics.topics import topicOf
from aerostack.errors import RealtimeError
from aerostack.streams.adopting import Adopter
from tests.streams.adopting import LEASE, AdoptingCase, FakeStanding
from tests.streams.nodes import FakeNodes, FakeOpenStreams
from tests.streams.watching import CANONICAL


class LapseTests(AdoptingCase):
    """
    Tests for a node that others may have taken for dead.
    """

    def setUp(self) -> None:
        super().setUp()
        self.start(producer="run", lease=LEASE)
        self.append("abc")
        self.wait(1)
        self.early.take()

    def takeOver(self) -> None:
        """
        Let another node take the stream over.
        """
        # Other nodes have the database, even if this one does not reach it.
        isDown, self.store.isDown = self.store.isDown, False
        self.successResultOf(self.store.take(Claim("other", "r9")))
        self.store.isDown = isDown

    def state(self) -> str:
        """
        What the node says of the stream to its producer.
        """
        self.producer.send(type="stream_beat", stream="a1", epoch=1, id="b")
        answer = self.answer()
        return str(answer.get("code", STREAMING))

    def test_unheard(self) -> None:
        """
        As soon as its lease is over, a node publishes nothing of its streams.
        """
        self.standing.isHeard = False
        self.append("def")
        self.wait(1)
        self.assertEqual(self.text(), "abc")
        self.standing.isHeard = True
        self.wait(1)
        self.assertEqual(self.text(), "abcdef")

    def test_overdue(self) -> None:
        """
        A node that was frozen for longer than a lease ends no stream before it knows that the
        stream is still its own.
        """
        self.store.isDown = True
        self.adopter.lapsed()
        self.wait(LEASE / 1000 + 5)
        self.early.take()
        self.assertEqual(self.early.ends, {})
        self.takeOver()
        self.store.isDown = False
        self.look()
        self.wait(2)
        self.early.take()
        self.assertEqual((self.early.ends, self.world.history.messages), ({}, []))
        self.assertEqual(self.state(), "stream_unknown")

    def test_emitted(self) -> None:
        """
        Tokens that a server emits are refused for so long.
        """
        self.end()

        def emit() -> Deferred[Any] | None:
            data = b'{"token":"a"}'
            publisher = self.world.backbone.publisher
            return publisher.publish(topicOf(CANONICAL), "ai:token", data, None, False)

        emit()
        self.standing.isHeard = False
        emitted = emit()
        assert emitted is not None
        error = self.failureResultOf(emitted, RealtimeError).value
        self.assertEqual((error.code, error.retryAfter), ("engine_unavailable", 1000))

    def test_kept(self) -> None:
        """
        If nothing was taken over, everything goes on.
        """
        self.adopter.lapsed()
        self.look()
        self.assertTrue(self.adopter.isSure())
        self.assertEqual(self.state(), STREAMING)

    def test_taken(self) -> None:
        """
        A stream that another node has taken over runs there alone.
        """
        self.takeOver()
        self.adopter.lapsed()
        self.look()
        self.assertEqual(self.state(), "stream_unknown")
        self.early.take()
        self.assertEqual(self.early.ends, {})

    def test_unsettled(self) -> None:
        """
        Nothing is published until the database and every other node have answered.
        """
        self.store.isDown = True
        self.adopter.lapsed()
        self.look()
        self.append("def")
        self.wait(1)
        self.assertEqual(self.text(), "abc")
        self.assertFalse(self.adopter.isSure())
        self.store.isDown = False
        self.nodes.answers = {"there": None}
        self.look()
        self.assertFalse(self.adopter.isSure())
        self.nodes.answers = {}
        self.look()
        self.wait(1)
        self.assertEqual(self.text(), "abcdef")

    def test_endedElsewhere(self) -> None:
        """
        A stream that other nodes have ended, because the database did not have it, runs no more.
        """
        there = FakeNodes()
        world = type(self.world)()
        Adopter(
            world.clock,
            "there",
            world.streams,
            world.history.answers,
            there,
            FakeOpenStreams("there"),
            FakeStanding(),
            self.read,
            lambda topic: True,
            lambda stop: None,
        )
        answer = self.world.streams.answers.get("p", "a1")
        assert answer is not None
        for mark in (StreamMark("a1"), StreamMark("a1", state="aborted")):
            publication = Publication(
                CANONICAL, EVENT, "ai:start", b"{}", None, answer.began, None, mark
            )
            world.streams.answers.take(publication, world.clock.seconds())
        self.nodes.answers = {"there": there.served}
        self.adopter.lapsed()
        self.look()
        self.assertEqual(self.state(), "stream_unknown")

    def test_endedInLog(self) -> None:
        """
        If the end comes over the log, the producer is told to stop, and the text is kept.
        """
        end = self.other(StreamMark("a1", state="aborted"), data=b'{"id":"a1","state":"aborted"}')
        self.producer.take()
        self.world.hub.delivery.deliver(end[0])
        self.wait(1)
        self.assertEqual(self.answer()["type"], "stream_stop")
        self.assertEqual(self.state(), "stream_unknown")
        (kept,) = self.world.history.messages
        self.assertIn(b'"state":"aborted","reason":"restart"', kept.message.data)
        self.assertIn(b'"text":"abc"', kept.message.data)
        self.assertEqual(self.store.records, {})
        self.early.take()
        self.assertNotIn("ai:done", self.early.events)
