"""
Tests of L{aerostack.tracker.tracker} on a database that can be read, but not written.
"""

from __future__ import annotations

from twisted.internet.defer import CancelledError

from tests.tracker.fakes import FULL, TrackerCase


class WritingTests(TrackerCase):
    """
    A database that can be read, but not written to.
    """

    def test_attaching(self) -> None:
        """
        While a table cannot be attached, the listener gets the changes of others and no word of a
        fault.  The callers are answered in their order when it works again.
        """
        self.watch("a")
        self.database.faults["attach"] = FULL
        waiting = [self.tracker.watch(table) for table in ("b", "a")]
        self.tick(5)
        for _ in range(10):
            self.journal.write("a")
            self.tick()
        self.assertEqual(self.listener.heard, [[("a", n + 1)] for n in range(10)])
        self.assertEqual(self.listener.down, [])
        self.assertEqual(self.logged(), 1)
        self.assertLess(self.database.calls.count("attach"), 8)
        for deferred in waiting:
            self.assertNoResult(deferred)
        del self.database.faults["attach"]
        self.tick(10)
        self.assertEqual([self.successResultOf(each) for each in waiting], ["b", "a"])

    def test_attachingHealth(self) -> None:
        """
        A caller that has waited for a table for five seconds makes the tracker unhealthy.
        """
        self.watch("a")
        self.database.faults["attach"] = FULL
        waiting = self.tracker.watch("b")
        self.tick(20)
        self.assertIsNone(self.tracker.health())
        self.tick(10)
        self.assertIn("has no room left", str(self.tracker.health()))
        waiting.cancel()
        self.failureResultOf(waiting, CancelledError)
        self.tick(11)
        self.assertIsNone(self.tracker.health())
        self.logged()

    def test_tidying(self) -> None:
        """
        While old entries cannot be pruned, changes are delivered, the listener hears of no fault,
        and pruning is tried again now and then.
        """
        self.database.faults["prune"] = FULL
        self.watch("a")
        for _ in range(60 * 5):
            self.journal.write("a")
            self.tick()
        self.assertEqual(len(self.listener.heard), 300)
        self.assertEqual(self.listener.down, [])
        self.assertIsNone(self.tracker.health())
        self.assertEqual(self.database.calls.count("prune"), 5)
        self.assertEqual(self.logged(), 1)
        del self.database.faults["prune"]
        self.tick(5 * 16)
        self.assertEqual(len(self.journal.prunings), 1)
