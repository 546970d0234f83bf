"""
Tests of the lag that L{aerostack.tracker.tracker} reports.
"""

from __future__ import annotations

from tests.tracker.fakes import LOCKED, TrackerCase


class LagTests(TrackerCase):
    """
    How old the delivered changes are.
    """

    def test_lag(self) -> None:
        """
        The lag grows from the last moment at which the journal had nothing more, and is zero
        while no table is watched.
        """
        self.assertEqual(self.tracker.lag(), 0)
        self.tick(10)
        self.assertEqual(self.tracker.lag(), 0)
        self.watch("a")
        self.tick(10)
        self.clock.advance(0.1)
        self.assertLess(self.tracker.lag(), 0.2)
        self.tracker.poke()
        self.turn()
        self.assertEqual(self.tracker.lag(), 0)
        self.database.fault = LOCKED
        self.tick(50)
        self.assertAlmostEqual(self.tracker.lag(), 10, places=3)
        self.logged()

    def test_flood(self) -> None:
        """
        In the middle of a flood the lag counts from before it.
        """
        self.watch("a")
        self.journal.write(*"aaaa")
        self.database.holding = True
        self.tick()
        self.database.release()
        self.turn()
        self.clock.advance(1)
        self.assertAlmostEqual(self.tracker.lag(), 1.2, places=3)
        self.database.release()
        self.assertAlmostEqual(self.tracker.lag(), 1, places=3)
