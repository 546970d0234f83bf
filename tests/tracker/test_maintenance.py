"""
Tests for L{aerostack.tracker.maintenance}.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from itertools import groupby
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from aerostack.core.rows.journal import Holder, Lag
from aerostack.tracker.maintenance import ASKING, DETACHED_AT_ONCE, SHORTEST, pauseFor
from tests.tracker.fakes import FULL, LOCKED, WALL, TrackerCase

HELD = Lag(1.5, Holder(60.0, "prepared transaction 'left'", "shop", "ROLLBACK", True))


class MaintenanceTests(TrackerCase):
    """
    The tracker's periodic work.
    """

    def test_grace(self) -> None:
        """
        A table without subscribers is detached after the grace period, so that its writers do not
        pay for it.  A table that is watched again in time stays attached.
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

    def test_graceOfMany(self) -> None:
        """
        However many tables lose their subscribers, changes are read after every few of them.
        """
        self.journal.followed = [f"t{number}" for number in range(3 * DETACHED_AT_ONCE)]
        self.watch("a")
        self.tick(320)
        self.assertEqual(self.journal.followed, ["a"])
        calls = [name for name in self.database.calls if name in ("detach", "poll")]
        runs = [len(list(run)) for name, run in groupby(calls) if name == "detach"]
        self.assertEqual(runs, [DETACHED_AT_ONCE] * 3)

    def test_nothingLeft(self) -> None:
        """
        After the last table is detached, the tracker asks the database nothing more.
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
        A table that an earlier run followed is detached after the grace period, unless it is
        watched by then.
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
        Once a minute the tracker prunes delivered changes that are older than the retention.
        Where one step is not enough, the next ticks continue.
        """
        self.watch("a")
        self.journal.write("a", "a")
        self.tick()
        now = self.clock.seconds()
        first = self.journal.prunings[0]
        self.assertEqual(first[0], 0)
        self.assertEqual(first[2], 3)
        self.assertAlmostEqual(first[1], (WALL + now - 3600.2) * 1000, delta=2)
        self.tick(280)
        self.assertEqual(len(self.journal.prunings), 1)
        self.journal.pruned = [3, 3, 1]
        self.tick(30)
        self.assertEqual(len(self.journal.prunings), 4)
        self.assertEqual(self.journal.prunings[-1][0], 2)

    def test_pruneMuch(self) -> None:
        """
        When many changes come, more are pruned than come, in steps of the same size with pauses
        between them.
        """
        self.watch("a")
        self.tick(300)
        self.journal.pruned = [3] * 10_000

        def steps() -> int:
            before = len(self.journal.prunings)
            for _ in range(50):
                self.journal.write(*"a" * 9)
                self.clock.pump([0.01] * 20)
            return len(self.journal.prunings) - before

        steps()
        self.assertGreater(3 * steps(), 1.5 * 450)
        self.assertLess(3 * steps(), 2.1 * 450)
        self.successResultOf(self.tracker.stop())
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.assertEqual({limit for _, _, limit in self.journal.prunings}, {3})

    def test_pruneInFlood(self) -> None:
        """
        A flood that does not end does not stop the pruning.
        """
        self.watch("a")
        self.database.holding = True
        self.clock.advance(61)
        for _ in range(10):
            self.journal.write(*"aaa")
            self.database.release()
            self.turn(2)
        self.assertEqual(len(self.journal.prunings), 2)
        self.assertEqual(len(self.journal.entries) - self.tracker.position, 3)

    def test_lease(self) -> None:
        """
        The tracker renews its lease at the journal at the start, and then once an hour.
        """
        self.watch("a")
        self.assertEqual(self.journal.leases, [(WALL + 1_000_000) * 1000])
        self.tick(3 * 5 * 3600 + 10)
        self.assertEqual(len(self.journal.leases), 4)

    def test_waiting(self) -> None:
        """
        The backlog is measured every five seconds.  It is unknown before the first measurement,
        after the last table was detached, and while nothing can be read.
        """
        self.assertIsNone(self.tracker.waiting)
        self.watch("a")
        self.assertEqual(self.tracker.waiting, Lag(0.0, None))
        self.journal.waiting = HELD
        self.tick(20)
        self.assertEqual(self.tracker.waiting, Lag(0.0, None))
        self.tick(10)
        self.assertEqual(self.tracker.waiting, HELD)
        self.assertEqual(self.database.calls.count("lag"), 2)
        self.database.fault = LOCKED
        self.tick()
        self.assertIsNone(self.tracker.waiting)
        self.database.fault = None
        self.tick(20)
        self.assertEqual(self.tracker.waiting, HELD)
        self.tracker.unwatch("a")
        self.tick(302)
        self.assertIsNone(self.tracker.waiting)
        self.flushLoggedErrors(sqlite3.OperationalError)

    def ask(self, answer: Lag, fault: Exception | None = None) -> Lag | None:
        """
        Have the backlog measured.

        @param fault: The exception that the question raises; L{None} for no exception.
        @return: The backlog that is known meanwhile.
        """
        self.database.holding = True
        self.clock.advance(ASKING)
        # The changes are read first.
        self.database.release()
        self.assertEqual(self.database.calls[-1], "lag")
        known = self.tracker.waiting
        self.journal.waiting = answer
        self.database.faults = {} if fault is None else {"lag": fault}
        self.database.release()
        self.database.holding = False
        self.tick()
        return known

    def test_asking(self) -> None:
        """
        While the backlog is measured, the answer before is known.  After a failed question the
        backlog is unknown.
        """
        none = Lag(0.0, None)
        self.watch("a")
        self.assertEqual(self.ask(HELD), none)
        self.assertEqual(self.ask(none), HELD)
        self.assertEqual(self.tracker.waiting, none)
        self.assertEqual(self.ask(HELD, fault=LOCKED), none)
        self.assertIsNone(self.tracker.waiting)
        self.assertEqual(len(self.flushLoggedErrors(sqlite3.OperationalError)), 1)

    def test_notTold(self) -> None:
        """
        A database that does not give the backlog is asked again, and the rest works: old entries
        are pruned, and changes are delivered.  A failure to prune does not stop the measurements.
        """
        self.database.faults["lag"] = LOCKED
        self.watch("a")
        self.journal.write("a")
        self.tick(61 * 5)
        self.assertIsNone(self.tracker.waiting)
        self.assertEqual((len(self.listener.heard), len(self.journal.prunings)), (1, 2))
        self.assertEqual(len(self.flushLoggedErrors(sqlite3.OperationalError)), 1)
        self.database.faults = {"prune": FULL}
        self.tick(60 * 5)
        self.assertIsNotNone(self.tracker.waiting)
        self.flushLoggedErrors(sqlite3.OperationalError)


class PauseTests(SynchronousTestCase):
    """
    Tests for L{pauseFor}.
    """

    def test_twice(self) -> None:
        """
        Twice as many changes are pruned as come.  The pause is never longer than the longest, and
        never shorter than the writers need.
        """
        for rate, pause in (
            (0, 0.2),
            (2500, 0.2),
            (5000, 0.1),
            (10_000, 0.05),
            (1_000_000, SHORTEST),
        ):
            self.assertAlmostEqual(pauseFor(1000, rate, 0.2), pause, msg=str(rate))
