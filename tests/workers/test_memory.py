"""
Tests for L{aerostack.workers.memory}.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from aerostack.workers.memory import APART, BEATS, MemoryWatch, boundOf

MiB = 1024 * 1024


class BoundTests(SynchronousTestCase):
    """
    Tests for L{boundOf}.
    """

    def test_setting(self) -> None:
        """
        A number is the bound, and no number is none.
        """
        self.assertEqual(boundOf(100 * MiB, 4096 * MiB, 2), 100 * MiB)
        self.assertIsNone(boundOf(None, 4096 * MiB, 2))

    def test_auto(self) -> None:
        """
        All workers together may have four fifths of what the system lets the daemon have; where
        that is unknown, there is no bound.
        """
        self.assertEqual(boundOf("auto", 4000 * MiB, 2), 1600 * MiB)
        self.assertEqual(boundOf("auto", 4000 * MiB, 4), 800 * MiB)
        self.assertIsNone(boundOf("auto", None, 2))


class WatchTests(SynchronousTestCase):
    """
    Tests for L{MemoryWatch}.
    """

    def setUp(self) -> None:
        self.watch = MemoryWatch(100)

    def beat(self, **memory: int) -> None:
        """
        Take a heartbeat of some workers.
        """
        for name, size in memory.items():
            self.watch.note(name, size)

    def test_stays(self) -> None:
        """
        A worker that stays beyond the bound is replaced; one that was beyond it for a moment is
        not, and neither is one that has just as much.
        """
        for size in (100, 101, 100, 101):
            self.beat(a=size, b=101, c=100)
        self.assertEqual(self.watch.beyond, ["b"])
        self.assertEqual(self.watch.due(10.0), "b")

    def test_apart(self) -> None:
        """
        Workers are replaced one at a time, the one first that is beyond the bound for longest, and
        with a pause.
        """
        self.beat(b=101)
        for _ in range(BEATS):
            self.beat(a=200, b=101)
        self.assertEqual(self.watch.due(10.0), "b")
        self.watch.ended("b")
        self.assertIsNone(self.watch.due(9.9 + APART))
        self.assertEqual(self.watch.beyond, ["a"])
        self.assertEqual(self.watch.due(10.0 + APART), "a")

    def test_successor(self) -> None:
        """
        The heartbeats of a worker that has died do not count for the next one.
        """
        for _ in range(BEATS - 1):
            self.beat(a=101)
        self.watch.ended("a")
        self.beat(a=101)
        self.assertEqual(self.watch.beyond, [])

    def test_boundless(self) -> None:
        """
        Without a bound no worker has too much.
        """
        self.watch.bound = None
        for _ in range(BEATS):
            self.beat(a=10**15)
        self.assertIsNone(self.watch.due(10.0))
