"""
Tests for L{aerostack.workers.balance}.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from aerostack.workers.balance import LATE, Load, choose


class ChooseTests(SynchronousTestCase):
    """
    Tests for L{choose}.
    """

    def setUp(self) -> None:
        self.a, self.b = Load("a", 100.0), Load("b", 100.0)
        self.loads = [self.a, self.b]

    def chosen(self, now: float) -> str:
        """
        Give a connection to a worker, and say to which.
        """
        load = choose(self.loads, now)
        assert load is not None
        load.passed()
        return load.name

    def test_even(self) -> None:
        """
        Connections go to the workers in turn.
        """
        self.assertEqual([self.chosen(100.0) for _ in range(4)], ["a", "b", "a", "b"])

    def test_fewest(self) -> None:
        """
        A worker that has lost connections gets the next ones, until it has as many.
        """
        for _ in range(6):
            self.chosen(100.0)
        self.b.beat(101.0, 1, 3)
        self.a.beat(101.0, 3, 3)
        self.assertEqual([self.chosen(101.0) for _ in range(4)], ["b", "b", "a", "b"])

    def test_underway(self) -> None:
        """
        The balance counts connections that a worker had not received at its last heartbeat.
        """
        for _ in range(10):
            self.chosen(100.0)
        self.a.beat(101.0, 2, 2)
        self.assertEqual((self.a.connections, self.b.connections), (5, 5))
        self.a.beat(102.0, 5, 5)
        self.assertEqual(self.a.connections, 5)

    def test_late(self) -> None:
        """
        A worker that is late gets no connections, unless all are late.
        """
        self.b.beat(103.0, 50, 0)
        self.assertEqual(self.chosen(100.0 + LATE), "a")
        self.assertEqual(self.chosen(100.1 + LATE), "b")
        self.assertEqual(self.chosen(200.0), "a")

    def test_none(self) -> None:
        """
        Without workers there is nothing to choose.
        """
        self.assertIsNone(choose([], 0.0))
