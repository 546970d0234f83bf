"""
Tests for L{aerostack.tracker.rowreader}.
"""

from __future__ import annotations

from typing import Any

from aerostack.core.rows.selection import Bounds, Selection, Snapshot
from aerostack.errors import RealtimeError
from tests.tracker.fakes import FakeDatabase, TrackerCase


class SnapshotTests(TrackerCase):
    """
    Reads of rows through the tracker.
    """

    def test_snapshot(self) -> None:
        """
        Rows arrive once all changes that they contain are delivered.  Reading them does not wait
        for other conversations with the database.
        """
        self.watch("a")
        reads = FakeDatabase()
        self.tracker = self.makeTracker(reads=reads)
        self.tracker.start(self.listener)
        self.watch("a")
        self.journal.write("a", "a", "a", "a")
        self.database.holding = True
        reading = self.tracker.snapshot("a", Selection(), Bounds(10, 1000, 1.0))
        self.clock.advance(0)
        self.assertNoResult(reading)
        self.database.holding = False
        self.database.release()
        self.turn()
        snapshot = self.successResultOf(reading)
        self.assertEqual((len(snapshot.rows), snapshot.position), (4, 4))
        self.assertEqual(self.tracker.position, 4)

    def test_snapshotLocked(self) -> None:
        """
        All callers share one attempt to read a locked table, after pauses that grow; rows of
        other tables are read.
        """
        self.watch("a", "b")
        read = self.journal.snapshot
        isLocked = True

        def snapshot(cursor: Any, table: str, selection: Any, bounds: Any) -> Snapshot:
            if isLocked and table == "a":
                raise RealtimeError("database_unavailable", "Locked.", 1000)
            return read(cursor, table, selection, bounds)

        snapshot.__name__ = "snapshot"
        self.patch(self.journal, "snapshot", snapshot)
        bounds = Bounds(1, 1, 1.0)
        del self.database.calls[:]
        for _ in range(20):
            for _ in range(10):
                reading = self.tracker.snapshot("a", Selection(), bounds)
                error = self.failureResultOf(reading, RealtimeError).value
                self.assertEqual(error.code, "database_unavailable")
                self.assertLessEqual(error.retryAfter, 5000)
            self.clock.advance(1.0)
        self.assertLess(self.database.calls.count("snapshot"), 8)
        self.successResultOf(self.tracker.snapshot("b", Selection(), bounds))
        isLocked = False
        self.clock.advance(5.0)
        for _ in range(2):
            self.successResultOf(self.tracker.snapshot("a", Selection(), bounds))

    def test_snapshotToldAlready(self) -> None:
        """
        Rows that contain only delivered changes arrive at once.
        """
        self.watch("a")
        self.journal.write("a")
        self.tick()
        reading = self.tracker.snapshot("a", Selection(), Bounds(10, 1000, 1.0))
        self.assertEqual(self.successResultOf(reading).position, 1)
