"""
Tests for L{aerostack.tracker.tracker}.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import CancelledError
from zope.interface.verify import verifyObject

from aerostack.core.rows.selection import Bounds, Selection, Snapshot
from aerostack.errors import RealtimeError
from aerostack.interfaces import IChangeListener, IChangeTracker, IDatabase, IJournal
from tests.tracker.fakes import FakeDatabase, TrackerCase


class WatchTests(TrackerCase):
    """
    Who is told what.
    """

    def test_interfaces(self) -> None:
        """
        It is an L{IChangeTracker}; so are the fakes what they stand for.
        """
        verifyObject(IChangeTracker, self.tracker)
        verifyObject(IJournal, self.journal)
        verifyObject(IDatabase, self.database)
        verifyObject(IChangeListener, self.listener)

    def test_idle(self) -> None:
        """
        While no table is watched the database is not asked anything.
        """
        self.tick(100)
        self.assertEqual(self.database.calls, [])
        self.assertIsNone(self.tracker.health())

    def test_changes(self) -> None:
        """
        What is written after C{watch} fired is told at the next tick, what was written
        before is not.
        """
        self.journal.write("a")
        self.assertEqual(self.watch("a"), ["a"])
        self.journal.write("a", "a")
        self.tick()
        self.assertEqual(self.listener.heard, [[("a", 2), ("a", 3)]])
        self.tick()
        self.assertEqual(len(self.listener.heard), 1)

    def test_notBeforeAttached(self) -> None:
        """
        C{watch} fires only once the journal has attached the table.
        """
        self.database.holding = True
        watching = self.tracker.watch("a")
        self.turn()
        for call in ("prepare", "attached", "attach", "lineage", "reshapedAt"):
            self.assertEqual(self.database.calls[-1], call)
            self.assertNoResult(watching)
            self.database.release()
        self.assertEqual(self.successResultOf(watching), "a")

    def test_beforeStart(self) -> None:
        """
        A table asked for before the start is watched once there is one.
        """
        tracker = self.makeTracker()
        watching = tracker.watch("a")
        self.turn()
        self.assertNoResult(watching)
        tracker.start()
        self.turn()
        self.assertEqual(self.successResultOf(watching), "a")

    def test_order(self) -> None:
        """
        Calls of C{watch} fire in their order, be the table known, unknown or watched.
        """
        fired: list[str] = []

        def remember(_: object, table: str) -> None:
            fired.append(table)

        self.watch("b")
        for table in ("a", "x", "b", "A", "c"):
            self.tracker.watch(table).addBoth(remember, table)
        self.database.holding = True
        self.turn()
        self.assertEqual(fired, [])
        self.database.holding = False
        self.database.release()
        self.turn()
        self.assertEqual(fired, ["a", "x", "b", "A", "c"])

    def test_unknown(self) -> None:
        """
        A table that cannot be watched fails the call that asked for it, and nothing else.
        """
        watching = self.tracker.watch("x")
        self.assertEqual(self.watch("a"), ["a"])
        self.assertEqual(self.failureResultOf(watching, RealtimeError).value.code, "unknown_table")
        self.assertIsNone(self.tracker.health())

    def test_counted(self) -> None:
        """
        Everybody who watches a table has to take that back, once.
        """
        self.assertEqual(self.watch("a", "A"), ["a", "a"])
        self.tracker.unwatch("a")
        self.tick(302)
        self.assertEqual(self.journal.followed, ["a"])
        self.tracker.unwatch("a")
        self.assertRaises(ValueError, self.tracker.unwatch, "a")
        self.assertRaises(ValueError, self.tracker.unwatch, "b")
        self.tick(302)
        self.assertEqual(self.journal.followed, [])

    def test_nobodyForTheMoment(self) -> None:
        """
        What happens to a table between the leaving of the last who watched it and the
        coming of the next is told, as long as it is followed.
        """
        self.watch("a")
        self.tracker.unwatch("a")
        self.journal.write("a")
        self.tick()
        self.journal.lose("a")
        self.tick()
        self.watch("a")
        self.assertEqual(self.listener.heard, [[("a", 1)], ("a", "table_lost"), ("a", "back")])

    def test_onlyWatched(self) -> None:
        """
        Of other tables in the journal nothing is told, and the order stays.
        """
        self.watch("a", "c")
        self.journal.write("a", "b", "c", "a")
        self.tick()
        self.turn()
        self.assertEqual(self.listener.heard, [[("a", 1), ("c", 3)], [("a", 4)]])

    def test_lost(self) -> None:
        """
        A loss is told in its place among the changes; who watches the table next has it
        attached anew.
        """
        self.watch("a", "b")
        self.journal.write("a")
        self.journal.lose("a")
        self.journal.write("b")
        self.tick()
        self.assertEqual(self.listener.heard, [[("a", 1)], ("a", "table_lost"), [("b", 3)]])
        del self.database.calls[:]
        self.watch("b", "a", "a")
        self.assertEqual(self.database.calls.count("attach"), 1)

    def test_cancelled(self) -> None:
        """
        Who cancels the waiting is not counted, even if the table is being attached.
        """
        waiting = self.tracker.watch("b")
        self.database.holding = True
        watching = self.tracker.watch("a")
        waiting.cancel()
        self.failureResultOf(waiting, CancelledError)
        self.turn()
        for _ in range(2):
            self.database.release()
        watching.cancel()
        self.failureResultOf(watching, CancelledError)
        self.database.holding = False
        self.database.release()
        self.tick()
        self.assertEqual(self.journal.followed, ["a"])
        self.tick(400)
        self.assertEqual(self.journal.followed, [])

    def test_listenerFails(self) -> None:
        """
        A listener that fails is logged, and hears what comes after.
        """
        self.watch("a")
        self.listener.fault = ValueError("cannot bear it")
        self.journal.write("a")
        self.journal.lose("a")
        self.journal.write("a")
        self.tick()
        self.assertEqual(self.listener.heard, [[("a", 1)], ("a", "table_lost"), [("a", 3)]])
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 3)
        self.assertIsNone(self.tracker.health())


class TickTests(TrackerCase):
    """
    When the database is asked.
    """

    def test_interval(self) -> None:
        """
        An idle database is asked once in each interval.
        """
        self.watch("a")
        del self.database.calls[:]
        self.tick(10)
        self.assertEqual(self.database.calls, ["poll"] * 10)

    def test_neverOverlaps(self) -> None:
        """
        While a tick waits for the database no other begins, poked or not.
        """
        self.watch("a")
        del self.database.calls[:]
        self.database.holding = True
        self.tick(10)
        for _ in range(5):
            self.tracker.poke()
            self.tick()
        self.assertEqual(self.database.calls, ["poll"])
        self.database.release()
        self.turn()
        self.assertEqual(self.database.calls, ["poll", "poll"])

    def test_steps(self) -> None:
        """
        A flood is read in batches, and the reactor turns between them.
        """
        self.watch("a")
        self.journal.write(*"aaaaaaaa")
        del self.database.calls[:]
        self.database.holding = True
        self.tick()
        for count in (1, 2, 3):
            self.database.release()
            self.assertEqual(len(self.listener.heard), count)
            self.assertEqual(self.database.calls, ["poll"] * count)
            self.turn()
        self.assertEqual([len(changes) for changes in self.listener.heard], [3, 3, 2])

    def test_watchDuringFlood(self) -> None:
        """
        Who asks for a table during a flood need not wait for its end.
        """
        self.watch("a")
        self.journal.write(*"a" * 30)
        self.database.holding = True
        self.tick()
        watching = self.tracker.watch("b")
        self.database.release()
        self.turn()
        for _ in ("attach", "lineage", "reshapedAt"):
            self.database.release()
        self.assertEqual(self.successResultOf(watching), "b")
        self.assertEqual(len(self.listener.heard), 1)

    def test_poke(self) -> None:
        """
        A poke has the journal read in the same moment, many no more than one.
        """
        self.watch("a")
        self.journal.write("a")
        del self.database.calls[:]
        for _ in range(5):
            self.tracker.poke()
        self.assertEqual(self.listener.heard, [])
        self.turn()
        self.assertEqual(self.listener.heard, [[("a", 1)]])
        self.assertEqual(self.database.calls, ["poll"])

    def test_pokeDuringTick(self) -> None:
        """
        A poke while a tick is under way is not forgotten.
        """
        self.watch("a")
        self.database.holding = True
        self.tick()
        self.database.release()
        self.tracker.poke()
        self.turn()
        self.journal.write("a")
        self.database.release()
        self.assertEqual(self.listener.heard, [[("a", 1)]])

    def test_snapshot(self) -> None:
        """
        Rows are there once everything that they have seen was told; others' conversations
        with the database are not waited for.
        """
        self.watch("a")
        reads = FakeDatabase()
        self.tracker = self.makeTracker(reads=reads)
        self.tracker.start()
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

    def test_reach(self) -> None:
        """
        Who waits for a number goes on when everything up to it was told, or after a while;
        no one waits any more after the end.
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

    def test_snapshotLocked(self) -> None:
        """
        The rows of a table that others hold are read by one attempt for all, after pauses that
        grow; those of other tables are read.
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
        Rows that have seen no more than was told are there at once.
        """
        self.watch("a")
        self.journal.write("a")
        self.tick()
        reading = self.tracker.snapshot("a", Selection(), Bounds(10, 1000, 1.0))
        self.assertEqual(self.successResultOf(reading).position, 1)

    def test_stop(self) -> None:
        """
        C{stop} waits for the tick in flight, whose changes are still told, and refuses
        those who wait.
        """
        self.watch("a")
        self.journal.write("a")
        self.database.holding = True
        self.tick()
        watching = self.tracker.watch("b")
        stopping = self.tracker.stop()
        late = self.tracker.watch("c")
        self.failureResultOf(late, RealtimeError)
        self.turn()
        self.assertNoResult(stopping)
        self.database.holding = False
        self.database.release()
        self.turn()
        self.successResultOf(stopping)
        self.assertEqual(self.failureResultOf(watching).value.code, "shutting_down")
        self.assertEqual(self.listener.heard, [[("a", 1)]])
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.tracker.poke()
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_stopAtOnce(self) -> None:
        """
        What was not started, or was just poked, stops at once.
        """
        self.successResultOf(self.makeTracker().stop())
        watching = self.tracker.watch("a")
        self.successResultOf(self.tracker.stop())
        self.failureResultOf(watching, RealtimeError)
        self.assertEqual(self.clock.getDelayedCalls(), [])
