"""
Tests for L{aerostack.tracker.tracker}.
"""

from __future__ import annotations

from twisted.internet.defer import CancelledError
from zope.interface.verify import verifyObject

from aerostack.errors import RealtimeError
from aerostack.interfaces.tracking import (
    IChangeListener,
    IChangeTracker,
    IDatabase,
    IJournal,
)
from tests.tracker.fakes import TrackerCase


class WatchTests(TrackerCase):
    """
    Which changes the listener gets.
    """

    def test_interfaces(self) -> None:
        """
        The tracker and the fakes implement their interfaces.
        """
        verifyObject(IChangeTracker, self.tracker)
        verifyObject(IJournal, self.journal)
        verifyObject(IDatabase, self.database)
        verifyObject(IChangeListener, self.listener)

    def test_idle(self) -> None:
        """
        While no table is watched, the tracker does not ask the database anything.
        """
        self.tick(100)
        self.assertEqual(self.database.calls, [])
        self.assertIsNone(self.tracker.health())

    def test_changes(self) -> None:
        """
        The listener gets what is written after C{watch} fired, at the next tick, and nothing that
        was written before.
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
        A table that was asked for before the start is watched after it.
        """
        tracker = self.makeTracker()
        watching = tracker.watch("a")
        self.turn()
        self.assertNoResult(watching)
        tracker.start(self.listener)
        self.turn()
        self.assertEqual(self.successResultOf(watching), "a")

    def test_order(self) -> None:
        """
        Calls of C{watch} fire in their order, whether the table is known, unknown or already
        watched.
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
        Each call of C{watch} needs one call of C{unwatch}.
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
        The listener hears of a table without subscribers as long as the table is followed.
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
        The listener hears nothing of other tables in the journal, and the order stays.
        """
        self.watch("a", "c")
        self.journal.write("a", "b", "c", "a")
        self.tick()
        self.turn()
        self.assertEqual(self.listener.heard, [[("a", 1), ("c", 3)], [("a", 4)]])

    def test_lost(self) -> None:
        """
        The listener hears of a loss in its place among the changes; the next subscriber has the
        table attached anew.
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
        A caller that cancels its wait is not counted, even while the table is being attached.
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
        A failure of the listener is logged, and the listener still gets what follows.
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
    When the tracker asks the database.
    """

    def test_interval(self) -> None:
        """
        The tracker asks an idle database once in each interval.
        """
        self.watch("a")
        del self.database.calls[:]
        self.tick(10)
        self.assertEqual(self.database.calls, ["poll"] * 10)

    def test_neverOverlaps(self) -> None:
        """
        While a tick waits for the database, no other tick begins, also after a poke.
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
        A caller that asks for a table during a flood does not wait for its end.
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
        A poke has the journal read in the same moment; many pokes have it read once.
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
        A poke during a tick has the journal read again.
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

    def test_stop(self) -> None:
        """
        C{stop} waits for the tick in flight, whose changes are still delivered, and refuses
        callers that wait.
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
        A tracker that was not started, or was just poked, stops at once.
        """
        self.successResultOf(self.makeTracker().stop())
        watching = self.tracker.watch("a")
        self.successResultOf(self.tracker.stop())
        self.failureResultOf(watching, RealtimeError)
        self.assertEqual(self.clock.getDelayedCalls(), [])
