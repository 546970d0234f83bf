"""
Tests for L{aerostack.workers.lives}.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from aerostack.workers.lives import SILENCE, STARTING, STEADY, Lives


class LivesTests(SynchronousTestCase):
    """
    Tests for L{Lives}.
    """

    def setUp(self) -> None:
        self.lives = Lives(["a", "b"], 100.0)

    def test_start(self) -> None:
        """
        All workers are due at first, until they are started.
        """
        self.assertEqual(self.lives.due(100.0), ["a", "b"])
        self.lives.started("a", 100.0)
        self.assertEqual(self.lives.due(100.0), ["b"])

    def test_pauses(self) -> None:
        """
        A worker that dies is started at once, and after longer and longer pauses if it dies again
        and again.
        """
        now = 100.0
        pauses = []
        for _ in range(7):
            self.lives.started("a", now)
            pauses.append(self.lives.ended("a", now + 1))
            self.assertNotIn("a", self.lives.due(now + 0.9 + pauses[-1]))
            now += 1 + pauses[-1]
            self.assertIn("a", self.lives.due(now))
        self.assertEqual(pauses, [0, 1, 2, 4, 8, 16, 30])

    def test_steady(self) -> None:
        """
        A worker that has lived for long is started at once again.
        """
        for _ in range(3):
            self.lives.started("a", 100.0)
            self.lives.ended("a", 101.0)
        self.lives.started("a", 200.0)
        self.assertEqual(self.lives.ended("a", 200.0 + STEADY), 0)

    def test_hung(self) -> None:
        """
        A worker that sends no heartbeat for too long has hung, and so has one that never begins.
        """
        self.lives.started("a", 100.0)
        self.lives.started("b", 100.0)
        self.lives.heard("a", 102.0)
        found = {
            second: self.lives.hung(float(second)) for second in range(100, int(103 + STARTING))
        }
        self.assertEqual(found[int(101 + SILENCE)], [])
        self.assertEqual(found[int(102 + SILENCE)], ["a"])
        self.assertEqual(found[int(99 + STARTING)], ["a"])
        self.assertEqual(found[int(100 + STARTING)], ["a", "b"])

    def test_suspended(self) -> None:
        """
        When the hub was held up itself, the workers have as much time more.
        """
        self.lives.started("a", 100.0)
        self.lives.heard("a", 100.0)
        self.assertEqual(self.lives.hung(1000.0), [])
        found = {second: self.lives.hung(float(second)) for second in range(1001, 1015)}
        self.assertEqual(found[1009], [])
        self.assertEqual(found[1010], ["a"])

    def test_hopeless(self) -> None:
        """
        Five deaths within a minute are too many, whichever workers die; five in a longer time are
        not.
        """
        for n in range(4):
            self.lives.ended("ab"[n % 2], 100.0 + n)
            self.assertFalse(self.lives.hopeless(100.0 + n))
        self.lives.ended("a", 161.0)
        self.assertFalse(self.lives.hopeless(161.0))
        self.lives.ended("a", 161.0)
        self.assertTrue(self.lives.hopeless(161.0))
