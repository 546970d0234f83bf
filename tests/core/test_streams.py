"""
Tests for L{aerostack.core.streams}.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from aerostack.core.stream import OVERHEAD, Depth
from aerostack.core.streams import Streams

FRAME = b"x" * (1000 - OVERHEAD)
"""A frame that takes a thousand bytes with what it costs beside."""


class StreamsTests(SynchronousTestCase):
    """
    Tests for L{Streams}.
    """

    def setUp(self) -> None:
        epochs = iter(f"e{n}" for n in range(100))
        self.streams = Streams(lambda topic: Depth(100, 100_000, 60.0), lambda: next(epochs), 5000)

    def append(self, topic: str, count: int = 1, now: float = 0.0) -> None:
        """
        Add entries to a topic's stream.
        """
        stream = self.streams.open(topic, 0, now)
        for _ in range(count):
            self.streams.append(topic, stream, FRAME, None, None, now)

    def lengths(self, *topics: str) -> list[int | None]:
        """
        How many entries the streams have; L{None} where there is no stream.
        """
        found = [self.streams.get(topic) for topic in topics]
        return [None if stream is None else len(stream) for stream in found]

    def test_open(self) -> None:
        """
        A topic keeps the stream that it has, and no two have the same epoch.
        """
        first = self.streams.open("a", 5, 0.0, "j")
        self.assertIs(self.streams.open("a", 9, 1.0, "k"), first)
        self.assertIs(self.streams.get("a"), first)
        self.assertEqual((first.mark, first.lineage), (5, "j"))
        self.assertNotEqual(self.streams.open("b", 0, 0.0).epoch, first.epoch)
        self.assertEqual(len(self.streams), 2)

    def test_topics(self) -> None:
        """
        The topics that have a stream can be had, however they stand.
        """
        self.append("a", 1)
        self.append("b", 1)
        self.append("a", 1)
        self.streams.open("c", 0, 0.0)
        self.streams.drop("b")
        self.assertEqual(set(self.streams.topics()), {"a", "c"})

    def test_budget(self) -> None:
        """
        Together they never hold more than they may; those quiet for longest give first.
        """
        self.append("a", 2)
        self.append("b", 2)
        self.append("a", 1)
        self.append("c", 1)
        self.assertEqual(self.lengths("a", "b", "c"), [3, 1, 1])
        self.append("c", 3)
        self.assertEqual(self.lengths("a", "b", "c"), [1, 0, 4])
        self.assertEqual(self.streams.size, 5000)

    def test_oneAlone(self) -> None:
        """
        One topic alone does not hold more than all may either.
        """
        self.append("a", 20)
        self.assertEqual(self.lengths("a"), [5])
        self.assertEqual(self.streams.size, 5000)

    def test_drop(self) -> None:
        """
        What is dropped is counted no more.
        """
        self.append("a", 2)
        self.append("b", 1)
        self.streams.drop("a")
        self.assertIsNone(self.streams.drop("never there"))
        self.assertEqual((self.lengths("a", "b"), self.streams.size), ([None, 1], 1000))

    def test_restart(self) -> None:
        """
        A stream that leads no further makes room for a new one of the same lineage.
        """
        old = self.streams.open("a", 5, 0.0, "j")
        self.append("a", 2)
        self.streams.restart("a", 9, 1.0)
        new = self.streams.get("a")
        assert new is not None
        self.assertNotEqual(new.epoch, old.epoch)
        self.assertEqual((len(new), new.mark, new.lineage, self.streams.size), (0, 9, "j", 0))

    def test_restartNothing(self) -> None:
        """
        Where there is no stream, none is made.
        """
        self.streams.restart("a", 9, 1.0)
        self.assertEqual(len(self.streams), 0)

    def test_expire(self) -> None:
        """
        What is too old goes everywhere; a stream goes with it where nobody needs it.
        """
        self.append("needed", 1, 0.0)
        self.append("idle", 1, 0.0)
        self.append("young", 1, 30.0)
        self.streams.expire(60.0, lambda topic: topic == "needed")
        self.assertEqual(self.lengths("needed", "idle", "young"), [1, 1, 1])
        self.streams.expire(61.0, lambda topic: topic == "needed")
        self.assertEqual(self.lengths("needed", "idle", "young"), [0, None, 1])
        self.assertEqual(self.streams.size, 1000)
