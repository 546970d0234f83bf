"""
Tests for L{aerostack.tracker.awaited}.
"""

from __future__ import annotations

from tests.tracker.fakes import TrackerCase


class AwaitedTests(TrackerCase):
    """
    Callers that wait for a position.
    """

    def test_reach(self) -> None:
        """
        A caller that waits for a position continues when the listener has all changes up to it,
        or after a while; after the end no timer is left.
        """
        self.watch("a")
        self.journal.write("a", "a")
        ready, waiting, later = (self.tracker.reach(n, 2.0) for n in (2, 3, 4))
        self.assertNoResult(ready)
        self.turn()
        self.successResultOf(ready)
        self.successResultOf(self.tracker.reach(2, 2.0))
        self.clock.advance(1.0)
        self.journal.write("a")
        self.tick()
        self.successResultOf(waiting)
        self.assertNoResult(later)
        self.clock.advance(1.0)
        self.successResultOf(later)
        self.assertNoResult(self.tracker.reach(5, 2.0))
        self.tracker.stop()
        self.assertEqual(self.clock.getDelayedCalls(), [])
