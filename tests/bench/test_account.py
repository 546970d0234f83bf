"""
Tests for C{bench/account.py}.
"""

from __future__ import annotations

from account import Account, Stream, Totals
from twisted.trial.unittest import SynchronousTestCase

KEPT = Stream("a/b", 0, True)
OTHER = Stream("a/b", 0, False)


class AccountTests(SynchronousTestCase):
    """
    Tests for L{Account}.
    """

    def setUp(self) -> None:
        self.account = Account(2)

    def publish(self, count: int, stream: Stream = KEPT) -> None:
        """
        Publish, and get the acknowledgements.
        """
        for _ in range(count):
            self.account.acknowledged(stream, self.account.publish(stream))

    def receive(self, subscriber: int, *numbers: int, stream: Stream = KEPT) -> None:
        """
        Let a subscriber get events.
        """
        for number in numbers:
            self.account.received(subscriber, stream, number)

    def test_whole(self) -> None:
        """
        Where each subscriber gets each event once, nothing is counted as a fault.
        """
        self.publish(3)
        for subscriber in (0, 1):
            self.receive(subscriber, 1, 2, 3)
        self.assertEqual(self.account.totals(), Totals(published=3, acknowledged=3, received=6))

    def test_faults(self) -> None:
        """
        Events that are missing, come twice or come late are counted for each subscriber.
        """
        self.publish(4)
        self.receive(0, 1, 1, 3, 2, 4)
        self.receive(1, 1, 2, 4)
        found = self.account.totals()
        self.assertEqual((found.lost, found.doubled, found.reordered), (1, 1, 1))
        self.assertEqual((found.untold, found.received), (1, 7))

    def test_told(self) -> None:
        """
        An event that is missing where the daemon has told of a gap is lost, and not untold.
        """
        self.publish(2)
        for subscriber in (0, 1):
            self.receive(subscriber, 1)
            self.account.told(subscriber, "a/b", True)
        self.publish(2)
        self.receive(0, 3, 4)
        self.receive(1, 4)
        found = self.account.totals()
        self.assertEqual((found.lost, found.untold), (3, 1))

    def test_keptOnly(self) -> None:
        """
        Where the daemon tells that only kept events are whole, a missing kept event is untold.
        """
        for stream in (KEPT, OTHER):
            self.publish(1, stream)
        for subscriber in (0, 1):
            self.account.told(subscriber, "a/b", False)
        found = self.account.totals()
        self.assertEqual((found.lost, found.untold), (4, 2))

    def test_waiting(self) -> None:
        """
        A publication waits until it is acknowledged or refused.
        """
        self.account.publish(KEPT)
        self.account.publish(KEPT)
        self.account.acknowledged(KEPT, 1)
        self.assertEqual(self.account.waiting(), 1)
        self.account.refused()
        self.assertEqual(self.account.waiting(), 0)
