"""
L{aerostack.tracker.tracker} when something is wrong, and over time.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import Any

from twisted.internet.defer import CancelledError
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from aerostack.errors import RealtimeError
from aerostack.tracker.sqlite import SQLiteJournal
from aerostack.tracker.tracker import ChangeTracker
from tests.tracker.fakes import FakeDatabase, Listener, TrackerCase

from .support import connect


class TroubleTests(TrackerCase):
    """
    A database that does not answer.
    """

    fault = sqlite3.OperationalError("database is locked")

    def logged(self) -> int:
        return len(self.flushLoggedErrors(sqlite3.OperationalError))

    def test_locked(self) -> None:
        """
        A locked database delays the changes and loses none; the log has one line, not one
        a tick.
        """
        self.watch("a")
        self.database.fault = self.fault
        self.journal.write("a")
        self.tick(20)
        self.assertEqual(self.listener.heard, [])
        self.assertEqual(self.logged(), 1)
        self.database.fault = None
        self.tick()
        self.assertEqual(self.listener.heard, [[("a", 1)]])
        self.database.fault = self.fault
        self.tick()
        self.assertEqual(self.logged(), 1)

    def test_lockedWatch(self) -> None:
        """
        Who asks for a table of a locked database waits, and is answered in order.
        """
        self.database.fault = self.fault
        watching = [self.tracker.watch(table) for table in ("a", "x", "b")]
        self.tick(10)
        for deferred in watching:
            self.assertNoResult(deferred)
        self.database.fault = None
        self.tick()
        self.assertEqual(self.successResultOf(watching[0]), "a")
        self.failureResultOf(watching[1], RealtimeError)
        self.assertEqual(self.successResultOf(watching[2]), "b")
        self.logged()

    def test_health(self) -> None:
        """
        A feed that has stood still for five seconds is unhealthy, with the reason, until
        it moves again.
        """
        self.watch("a")
        self.database.fault = self.fault
        self.tick(24)
        self.assertIsNone(self.tracker.health())
        self.tick(3)
        health = self.tracker.health()
        assert health is not None
        self.assertIn("database is locked", health)
        self.assertIn("5 s", health)
        self.database.fault = None
        self.tick()
        self.assertIsNone(self.tracker.health())
        self.logged()

    def test_silent(self) -> None:
        """
        So is one whose database does not answer at all.
        """
        self.watch("a")
        self.database.holding = True
        self.tick(50)
        self.assertIn("does not answer", str(self.tracker.health()))

    def test_neverAnswered(self) -> None:
        """
        So is one that could not be begun, counted from when somebody wanted it, until
        nobody does.
        """
        self.database.fault = self.fault
        self.tick(100)
        watching = self.tracker.watch("a")
        self.tick(20)
        self.assertIsNone(self.tracker.health())
        self.tick(20)
        self.assertIn("locked", str(self.tracker.health()))
        watching.cancel()
        self.failureResultOf(watching, CancelledError)
        self.tick()
        self.assertIsNone(self.tracker.health())
        self.logged()

    def test_slowInterval(self) -> None:
        """
        With a long interval more patience is had.
        """
        tracker = ChangeTracker(self.clock, self.database, self.journal, self.listener, 2.0)
        tracker.start()
        tracker.watch("a")
        self.turn()
        self.database.fault = self.fault
        self.clock.pump([2.0] * 10)
        self.assertIsNone(tracker.health())
        self.clock.advance(1)
        self.assertIsNotNone(tracker.health())
        self.logged()


class HousekeepingTests(TrackerCase):
    """
    What is done now and then.
    """

    def test_grace(self) -> None:
        """
        A table that nobody watches any more is detached after the grace period, so that
        its writers need not pay; one that is watched again in time is not.
        """
        self.watch("a", "b")
        self.tracker.unwatch("a")
        self.tracker.unwatch("b")
        self.tick(290)
        self.assertEqual(self.journal.followed, ["a", "b"])
        del self.database.calls[:]
        self.watch("b")
        self.assertNotIn("attach", self.database.calls)
        self.tick(20)
        self.assertEqual(self.journal.followed, ["b"])
        self.assertEqual(self.watch("a"), ["a"])
        self.assertEqual(self.journal.followed, ["b", "a"])

    def test_nothingLeft(self) -> None:
        """
        When the last table is detached the database is left alone again.
        """
        self.watch("a")
        self.tracker.unwatch("a")
        self.tick(302)
        self.assertEqual(self.journal.followed, [])
        del self.database.calls[:]
        self.tick(100)
        self.assertEqual(self.database.calls, [])

    def test_earlierRun(self) -> None:
        """
        What an earlier run followed is detached after the grace period as well, unless it
        is watched by then.
        """
        self.journal.followed = ["b", "c"]
        self.watch("a", "c")
        self.tick(302)
        self.assertEqual(self.journal.followed, ["c", "a"])

    def test_earlierSpelling(self) -> None:
        """
        A table that an earlier run knew by another spelling is the same table.
        """
        self.journal.followed = ["a"]
        self.patch(self.journal, "attached", self.named("attached", lambda cursor: ["A"]))
        self.watch("a")
        self.tick(302)
        self.assertEqual(self.journal.followed, ["a"])

    def named(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        function.__name__ = name
        return function

    def test_prune(self) -> None:
        """
        Once a minute what is older than the retention and was told is forgotten; where
        there is more than one step takes, the next ticks go on.
        """
        self.watch("a")
        self.journal.write("a", "a")
        self.tick()
        now = self.clock.seconds()
        first = self.journal.prunings[0]
        self.assertEqual(first[0], 0)
        self.assertEqual(first[2], 3)
        self.assertAlmostEqual(first[1], (now - 3600.2) * 1000, delta=2)
        self.tick(280)
        self.assertEqual(len(self.journal.prunings), 1)
        self.journal.pruned = [3, 3, 1]
        self.tick(30)
        self.assertEqual(len(self.journal.prunings), 4)
        self.assertEqual(self.journal.prunings[-1][0], 2)

    def test_lease(self) -> None:
        """
        The journal hears at the start, and then once an hour, that somebody reads it.
        """
        self.watch("a")
        self.assertEqual(self.journal.leases, [1_000_000_000])
        self.tick(3 * 5 * 3600 + 10)
        self.assertEqual(len(self.journal.leases), 4)


class WholeTests(SynchronousTestCase):
    """
    The tracker on a real database.
    """

    def test_whole(self) -> None:
        """
        What another connection commits is told at the next tick, also after a lock.
        """
        path = self.mktemp()
        writer = connect(path)
        self.addCleanup(writer.close)
        reader = connect(path)
        self.addCleanup(reader.close)
        writer.execute("CREATE TABLE t (n UNIQUE)")
        clock = Clock()
        listener = Listener()
        tracker = ChangeTracker(clock, FakeDatabase(reader.cursor()), SQLiteJournal(), listener)
        tracker.start()
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
        clock.advance(0.2)
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
        self.assertEqual(listener.heard[3:], [[("t", 3)]])
        self.successResultOf(tracker.stop())
