"""
Tests for L{aerostack.streams.expiry}, by the frames of producers and watchers.
"""

from __future__ import annotations

from typing import Any

from aerostack.core.answers.answer import Terms
from aerostack.core.answers.requests import StartRequest, Stop
from aerostack.core.topics.topics import topicOf
from aerostack.testing import SECRET_KEY
from tests.streams.watching import CANONICAL, StreamCase, Watcher


class ExpiryTests(StreamCase):
    """
    Tests for streams whose time is over.
    """

    def setUp(self) -> None:
        super().setUp()
        self.start(owner="ann")
        self.append("Hello")

    def test_lease(self) -> None:
        """
        A stream whose producer is silent for longer than its lease is aborted; a beat renews the
        lease.
        """
        self.wait(20)
        self.producer.send(type="stream_beat", stream="a1", epoch=1, id=1)
        self.assertEqual(self.answer()["lease"], 30000)
        self.wait(29)
        self.early.take()
        self.assertEqual(self.early.ends, {})
        self.wait(2)
        self.early.take()
        end = self.early.ends["a1"]
        self.assertEqual((end["state"], end["reason"]), ("aborted", "lease"))

    def test_moment(self) -> None:
        """
        A stream ends when its lease ends, and not with the next look after that; one whose producer
        gives a sign just before goes on.
        """
        self.start("a2")
        self.world.clock.advance(0.3)
        for stream in ("a1", "a2"):
            self.producer.send(type="stream_beat", stream=stream, epoch=1)
        self.wait(29)
        self.world.clock.advance(0.9)
        self.producer.send(type="stream_beat", stream="a2", epoch=1)
        self.early.take()
        self.assertEqual(self.early.ends, {})
        self.world.clock.advance(0.11)
        self.early.take()
        self.assertEqual(
            {name: e["reason"] for name, e in self.early.ends.items()}, {"a1": "lease"}
        )

    def test_stopped(self) -> None:
        """
        A daemon that stops ends no more streams: its next run does.
        """
        self.wait(29)
        self.world.streams.stop()
        self.world.clock.advance(2)
        self.early.take()
        self.assertEqual(self.early.ends, {})

    def test_connectionLost(self) -> None:
        """
        If the producer's connection breaks, the stream goes on for ten seconds at the most; a
        producer that is back by then goes on with it.
        """
        self.start("a2", producer="run")
        self.producer.die()
        self.wait(5)
        self.producer = self.world.connect(key="sk_0123456789abcdef")
        self.assertEqual(self.start("a2", producer="run")["epoch"], 1)
        self.wait(7)
        self.early.take()
        self.assertEqual(
            {name: e["reason"] for name, e in self.early.ends.items()}, {"a1": "lease"}
        )

    def test_connectedAgain(self) -> None:
        """
        A producer that has connected anew, before its old connection is known to be gone, keeps its
        lease, and is told when a user cancels the stream.
        """
        self.start("b1", producer="run", owner="ann", lease=60_000)
        old, self.producer = self.producer, self.world.connect(key=SECRET_KEY)
        self.start("b1", producer="run")
        old.die()
        self.wait(30)
        self.producer.take()
        self.world.connect(key=SECRET_KEY).send(type="stream_cancel", stream="b1")
        self.world.advance(0.1)
        (stop,) = self.producer.take()
        self.assertEqual((stop["type"], stop["state"]), ("stream_stop", "cancelled"))

    def test_stalled(self) -> None:
        """
        A stream whose producer sends nothing but beats is aborted at last.
        """
        for _ in range(31):
            self.producer.send(type="stream_beat", stream="a1", epoch=1)
            self.wait(20)
        self.early.take()
        self.assertEqual(self.early.ends["a1"]["reason"], "stalled")
        self.assertEqual(self.producer.take()[-1]["code"], "stream_ended")

    def test_maxAge(self) -> None:
        """
        No stream runs for ever.
        """
        for _ in range(361):
            self.append("x")
            self.wait(10)
        self.early.take()
        self.assertEqual(self.early.ends["a1"]["reason"], "limit")


class UnwatchedTests(StreamCase):
    """
    Tests for streams that are cancelled when nobody watches.
    """

    def setUp(self) -> None:
        super().setUp()
        self.stops: list[Stop] = []

    def run_(self, unwatched: float | None = 10.0) -> None:
        """
        Let a stream begin.
        """
        terms = Terms(lease=10_000.0, unwatched=unwatched)
        request = StartRequest(terms, "a1", None)
        started = self.world.streams.start(topicOf(CANONICAL), request, self.stops.append)
        self.successResultOf(started)

    def state(self) -> str:
        """
        The stream's state.
        """
        answer: Any = self.world.streams.answers.get("p", "a1")
        return str(answer.state)

    def test_watched(self) -> None:
        """
        A stream goes on while it has a subscriber, and for the time after the last has gone.
        """
        self.run_()
        self.wait(30)
        self.early.client.close()
        self.world.advance(9)
        self.assertEqual(self.state(), "streaming")
        # One who only looks in begins the time anew.
        late = Watcher(self.world.connect(userId="late"))
        late.subscribe()
        self.world.advance(1)
        late.client.close()
        self.world.advance(9)
        self.assertEqual((self.state(), self.stops), ("streaming", []))
        self.world.advance(2)
        self.assertEqual(self.state(), "cancelled")
        (stop,) = self.stops
        self.assertEqual((stop.state, stop.reason, stop.by), ("cancelled", "unwatched", None))
        (kept,) = self.world.history.messages
        self.assertIn(b'"reason":"unwatched"', kept.message.data)

    def test_never(self) -> None:
        """
        Without that setting a stream goes on that nobody watches; one that was never watched has
        the time from its beginning.
        """
        self.early.client.close()
        self.run_(None)
        self.world.advance(60)
        self.assertEqual(self.state(), "streaming")
        self.successResultOf(self.world.streams.cancel("p", "a1", None))
        self.world.advance(400)
        self.run_()
        self.world.advance(9)
        self.assertEqual(self.state(), "streaming")
        self.world.advance(2)
        self.assertEqual(self.state(), "cancelled")
