"""
Tests for L{aerostack.core.diagnosis.topiccounts}.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from aerostack.core.diagnosis import topiccounts
from aerostack.core.diagnosis.topiccounts import TopicCounts


class TopicCountsTests(SynchronousTestCase):
    """
    Tests for L{TopicCounts}.
    """

    def test_counted(self) -> None:
        """
        Each event counts once to the kind of its topic, however often the numbers are read.
        """
        counts = TopicCounts(lambda topic: topic[0])
        for topic in ("a1", "a2", "b", "a1"):
            counts.add(topic)
        for _ in range(2):
            self.assertEqual(counts.byKind(), {"a": 3, "b": 1})
        counts.add("a1")
        self.assertEqual(counts.byKind(), {"a": 4, "b": 1})

    def test_bounded(self) -> None:
        """
        A client that makes up topics without end does not fill the memory.
        """
        self.patch(topiccounts, "WAITING", 10)
        counts = TopicCounts(lambda topic: topic[0])
        for number in range(100):
            counts.add(f"a{number}")
            self.assertLessEqual(len(counts._waiting), 10)
        self.assertEqual(counts.byKind(), {"a": 100})
