"""
Tests of L{aerostack.tracker.tracker} on a real SQLite database.
"""

from __future__ import annotations

import sqlite3

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from aerostack.databases.sqlite.journal import SQLiteJournal
from aerostack.tracker.tracker import ChangeTracker
from tests.databases.support import connect
from tests.tracker.fakes import FakeDatabase, FakeListener


class WholeTests(SynchronousTestCase):
    """
    The tracker on a real database.
    """

    def test_whole(self) -> None:
        """
        The listener gets what another connection commits at the next tick, also after a lock.
        """
        path = self.mktemp()
        writer = connect(path)
        self.addCleanup(writer.close)
        reader = connect(path)
        self.addCleanup(reader.close)
        writer.execute("CREATE TABLE t (n UNIQUE)")
        clock = Clock()
        listener = FakeListener()
        tracker = ChangeTracker(clock, FakeDatabase(reader.cursor()), SQLiteJournal())
        tracker.start(listener)
        watching = tracker.watch("T")
        clock.advance(0)
        self.assertEqual(self.successResultOf(watching), "t")
        writer.execute("INSERT INTO t VALUES (1), (2)")
        clock.advance(0.2)
        self.assertEqual(listener.heard, [[("t", 1), ("t", 2)]])
        writer.execute("BEGIN EXCLUSIVE")
        writer.execute("REPLACE INTO t VALUES (2)")
        clock.pump([0.2] * 20)
        self.assertEqual(len(self.flushLoggedErrors(sqlite3.OperationalError)), 1)
        writer.execute("COMMIT")
        clock.advance(2)
        self.assertEqual(listener.heard[1:], [[("t", 2), ("t", 2)]])
        writer.execute("DROP TABLE t")
        clock.advance(0.2)
        self.assertEqual(listener.heard[2:], [("t", "table_lost")])
        refused = tracker.watch("t")
        clock.advance(0)
        self.assertEqual(self.failureResultOf(refused).value.code, "unknown_table")
        writer.execute("CREATE TABLE t (n)")
        writer.execute("INSERT INTO t VALUES (3)")
        clock.advance(0.2)
        self.assertEqual(listener.heard[3:], [[("t", 3)], ("t", "back")])
        self.successResultOf(tracker.stop())
