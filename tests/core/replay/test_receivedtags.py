"""
Tests for L{aerostack.core.replay.receivedtags}.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from aerostack.core.replay.positions import Position
from aerostack.core.replay.receivedtags import ReceivedTags


class ReceivedTagsTests(SynchronousTestCase):
    """
    Tests for L{ReceivedTags}.
    """

    def setUp(self) -> None:
        self.tags = ReceivedTags(10.0, 4)
        for tag in "abc":
            self.tags.note("one", Position("e1", 1, 0, tag=tag), 0.0)

    def had(self, topic: str, epoch: str, now: float = 0.0) -> str:
        """
        Which of some tags were in an earlier log.
        """
        return "".join(tag for tag in "abcdef" if self.tags.had(topic, tag, epoch, now))

    def test_epoch(self) -> None:
        """
        A publication is known once the topic has another log, and on its topic alone.
        """
        self.assertEqual(self.had("one", "e1"), "")
        self.assertEqual(self.had("one", "e2"), "abc")
        self.assertEqual(self.had("other", "e2"), "")

    def test_window(self) -> None:
        """
        A publication is known for as long as its publisher sends it again.
        """
        self.tags.note("one", Position("e1", 1, 0, tag="b"), 5.0)
        self.assertEqual(self.had("one", "e2", 10.0), "abc")
        self.assertEqual(self.had("one", "e2", 11.0), "b")

    def test_limit(self) -> None:
        """
        The newest are remembered.
        """
        self.tags.note("one", Position("e1", 1, 0, tag="a"), 1.0)
        for tag in "de":
            self.tags.note("one", Position("e2", 1, 0, tag=tag), 1.0)
        self.assertEqual((self.had("one", "e3", 1.0), len(self.tags)), ("acde", 4))
