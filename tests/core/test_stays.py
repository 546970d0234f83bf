"""
Tests for L{aerostack.core.stays}.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from aerostack.core.stays import Stays


class StaysTests(SynchronousTestCase):
    """
    Tests for L{Stays}.
    """

    def setUp(self) -> None:
        self.stays = Stays()

    def test_asked(self) -> None:
        """
        A connection is on a topic from its first request until it leaves.
        """
        stay = self.stays.ask("chat/a/p", "c1")
        self.assertEqual(self.stays.topicsOf("c1"), ("chat/a/p",))
        self.stays.answered("chat/a/p", "c1", stay, True)
        self.assertEqual(self.stays.topicsOf("c1"), ("chat/a/p",))
        self.stays.end("chat/a/p", "c1")
        self.assertEqual((self.stays.topicsOf("c1"), len(self.stays)), ((), 0))

    def test_refused(self) -> None:
        """
        A connection is no longer on a topic when its last request there is refused.
        """
        first, second = (self.stays.ask("chat/a/p", "c1") for _ in range(2))
        self.stays.answered("chat/a/p", "c1", first, False)
        self.assertEqual(self.stays.topicsOf("c1"), ("chat/a/p",))
        self.stays.answered("chat/a/p", "c1", second, False)
        self.assertEqual((self.stays.topicsOf("c1"), len(self.stays)), ((), 0))

    def test_changeRefused(self) -> None:
        """
        A present connection stays when another state of it is refused.
        """
        self.stays.answered("chat/a/p", "c1", self.stays.ask("chat/a/p", "c1"), True)
        self.stays.answered("chat/a/p", "c1", self.stays.ask("chat/a/p", "c1"), False)
        self.assertEqual(self.stays.topicsOf("c1"), ("chat/a/p",))

    def test_leftMeanwhile(self) -> None:
        """
        An answer that comes after the connection has left, or has asked anew, changes nothing.
        """
        before = self.stays.ask("chat/a/p", "c1")
        self.stays.end("chat/a/p", "c1")
        again = self.stays.ask("chat/a/p", "c1")
        self.stays.answered("chat/a/p", "c1", before, False)
        self.assertEqual(self.stays.topicsOf("c1"), ("chat/a/p",))
        self.stays.endAll("c1")
        self.stays.answered("chat/a/p", "c1", again, True)
        self.assertEqual((self.stays.topicsOf("c1"), len(self.stays)), ((), 0))
