"""
Tests of L{aerostack.tracker.tracker.ChangeTracker}.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from typing import Any

from twisted.internet.defer import CancelledError, Deferred, succeed
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer
from zope.interface.verify import verifyObject

from aerostack.core.changes import INSERT, Change
from aerostack.errors import RealtimeError
from aerostack.interfaces import IChangeListener, IChangeTracker, IDatabase, IJournal
from aerostack.tracker.journal import Loss, Poll
from aerostack.tracker.sqlite import SQLiteJournal
from aerostack.tracker.tracker import ChangeTracker

from .support import connect


@implementer(IDatabase)
class FakeDatabase:
    """
    Runs interactions at once, or when told to.

    @ivar calls: The names of what was run.
    @ivar holding: Keep interactions until L{release}.
    @ivar fault: What interactions fail with, if anything.
    """

    def __init__(self, cursor: Any = None) -> None:
        self.calls: list[str] = []
        self.holding = False
        self.fault: Exception | None = None
        self._cursor = cursor
        self._held: list[tuple[Deferred[Any], Callable[..., Any], tuple[Any, ...]]] = []

    def run(self, interaction: Callable[..., Any], *args: Any) -> Deferred[Any]:
        self.calls.append(interaction.__name__)
        if self.holding:
            assert not self._held, "two conversations at a time"
            deferred: Deferred[Any] = Deferred()
            self._held.append((deferred, interaction, args))
            return deferred
        return succeed(None).addCallback(lambda _: self._run(interaction, args))

    def _run(self, interaction: Callable[..., Any], args: tuple[Any, ...]) -> Any:
        if self.fault is not None:
            raise self.fault
        return interaction(self._cursor, *args)

    def release(self) -> None:
        """
        Run what is held, one interaction.
        """
        deferred, interaction, args = self._held.pop()
        try:
            result = self._run(interaction, args)
        except Exception:
            deferred.errback(Failure())
        else:
            deferred.callback(result)


@implementer(IJournal)
class FakeJournal:
    """
    A journal in memory: the tables C{a}, C{b} and C{c} are there, in capitals if asked so.
    """

    def __init__(self) -> None:
        self.entries: list[Change | Loss] = []
        self.followed: list[str] = []
        self.leases: list[int] = []
        self.prunings: list[tuple[int, int, int]] = []
        self.pruned: list[int] = []

    def write(self, *tables: str) -> None:
        for table in tables:
            seq = len(self.entries) + 1
            self.entries.append(Change(seq, table, INSERT, {"n": seq}, None, 0))

    def lose(self, table: str) -> None:
        self.entries.append(Loss(table, RealtimeError("table_lost", "gone")))

    def prepare(self, cursor: Any) -> int:
        return len(self.entries)

    def attached(self, cursor: Any) -> list[str]:
        return list(self.followed)

    def attach(self, cursor: Any, table: str) -> str:
        name = table.lower()
        if name not in ("a", "b", "c"):
            raise RealtimeError("unknown_table", f"no {table}")
        if name not in self.followed:
            self.followed.append(name)
        return name

    def detach(self, cursor: Any, table: str) -> None:
        self.followed.remove(table)

    def poll(self, cursor: Any, after: int, limit: int) -> Poll:
        events = tuple(self.entries[after : after + limit])
        return Poll(events, after + len(events), len(events) == limit)

    def renew(self, cursor: Any, timestamp: int) -> None:
        self.leases.append(timestamp)

    def prune(self, cursor: Any, before: int, timestamp: int, limit: int) -> int:
        self.prunings.append((before, timestamp, limit))
        return self.pruned.pop(0) if self.pruned else 0

    def remove(self, cursor: Any) -> list[str]:
        return []


@implementer(IChangeListener)
class Listener:
    """
    Remembers what it was told.
    """

    def __init__(self) -> None:
        self.heard: list[Any] = []
        self.fault: Exception | None = None

    def changed(self, changes: Sequence[Change]) -> None:
        self.heard.append([(change.table, change.data["n"]) for change in changes])
        if self.fault is not None:
            raise self.fault

    def tableLost(self, table: str, error: RealtimeError) -> None:
        self.heard.append((table, error.code))
        if self.fault is not None:
            raise self.fault


class TrackerCase(SynchronousTestCase):
    """
    A tracker on a fake database.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.clock.advance(1_000_000)
        self.database = FakeDatabase()
        self.journal = FakeJournal()
        self.listener = Listener()
        self.tracker = self.makeTracker()
        self.tracker.start()

    def makeTracker(self, **more: Any) -> ChangeTracker:
        return ChangeTracker(
            self.clock, self.database, self.journal, self.listener, 0.2, batch=3, **more
        )

    def watch(self, *tables: str) -> list[str]:
        watching = [self.tracker.watch(table) for table in tables]
        self.clock.advance(0)
        return [self.successResultOf(deferred) for deferred in watching]

    def tick(self, count: int = 1) -> None:
        self.clock.pump([0.2] * count)

    def turn(self, count: int = 20) -> None:
        """
        Let the reactor turn, without time going by.
        """
        self.clock.pump([0] * count)


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
        for call in ("prepare", "attached", "attach"):
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
        A table is told until everybody who watched it has taken that back.
        """
        self.assertEqual(self.watch("a", "A"), ["a", "a"])
        self.tracker.unwatch("a")
        self.journal.write("a")
        self.tick()
        self.tracker.unwatch("a")
        self.journal.write("a")
        self.tick()
        self.assertEqual(self.listener.heard, [[("a", 1)]])
        self.assertRaises(ValueError, self.tracker.unwatch, "a")
        self.assertRaises(ValueError, self.tracker.unwatch, "b")

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
        self.journal.write("a")
        self.tick()
        self.assertEqual(self.listener.heard, [])
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
        self.journal.write("b", "c")
        self.tick(302)
        self.assertEqual(self.listener.heard, [[("c", 2)]])
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
