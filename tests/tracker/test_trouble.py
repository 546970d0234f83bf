"""
L{aerostack.tracker.tracker} when something is wrong, and over time.
"""

from __future__ import annotations

import sqlite3

from twisted.enterprise.adbapi import ConnectionLost
from twisted.internet.defer import CancelledError
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from aerostack.databases.sqlite.journal import SQLiteJournal
from aerostack.errors import GivenUp, RealtimeError
from aerostack.tracker.tracker import ChangeTracker
from tests.databases.support import connect
from tests.tracker.fakes import FULL, LOCKED, FakeDatabase, Listener, TrackerCase, sqliteError


class TroubleCase(TrackerCase):
    """
    What the tests of trouble share.
    """

    def logged(self) -> int:
        return len(self.flushLoggedErrors(sqlite3.OperationalError))


class TroubleTests(TroubleCase):
    """
    A database that does not answer.
    """

    def test_locked(self) -> None:
        """
        A locked database delays the changes and loses none; the log has one line, not one
        a tick, and the listener hears of its beginning and of its end.
        """
        self.watch("a")
        self.database.fault = LOCKED
        self.journal.write("a")
        self.tick(20)
        self.assertEqual(self.listener.heard, [])
        self.assertEqual(self.logged(), 1)
        reason = "The database is locked by another program; changes come late, none is lost."
        self.assertEqual(self.listener.down, [reason])
        self.database.fault = None
        self.tick(10)
        self.assertEqual(self.listener.heard, [[("a", 1)]])
        self.assertEqual(self.listener.down, [reason, None])
        self.database.fault = LOCKED
        self.tick()
        self.assertEqual(self.logged(), 1)
        self.assertEqual(self.listener.down, [reason, None, reason])

    def test_givenUp(self) -> None:
        """
        That the daemon stops, and gives up what it asked, is no fault: the log says nothing, and
        the listener hears of nothing.
        """
        given = GivenUp("database_unavailable", "The daemon stopped meanwhile.")
        for name in ("attach", "poll", "prune"):
            self.watch("a")
            self.database.faults = {name: given}
            asked = self.tracker.watch("b")
            self.journal.write("a")
            self.tick(400)
            if name == "attach":
                self.assertIs(self.failureResultOf(asked).value, given)
            self.database.faults = {}
            self.tick(400)
        self.assertEqual((self.logged(), self.listener.down), (0, []))
        self.assertEqual(self.flushLoggedErrors(), [])

    def test_everyFault(self) -> None:
        """
        Whatever it fails with, what was told is not told again and what was not is.
        """
        self.watch("a")
        faults = [
            FULL,
            sqliteError("SQLITE_CANTOPEN", "unable to open database file"),
            sqliteError("SQLITE_LOCKED", "database schema is locked: main"),
            sqlite3.ProgrammingError("Cannot operate on a closed database."),
            ConnectionLost(),
        ]
        for fault in faults:
            self.journal.write("a")
            self.tick()
            self.database.fault = fault
            self.journal.write("a")
            self.tick(20)
            self.database.fault = None
            self.tick(10)
        self.assertEqual(self.listener.heard, [[("a", n + 1)] for n in range(2 * len(faults))])
        self.assertEqual(len(self.flushLoggedErrors()), len(faults))
        self.assertEqual(len(self.listener.down), 2 * len(faults))

    def test_againAndAgain(self) -> None:
        """
        It is asked again after the poll interval, and then less and less often, down to
        every two seconds; once it answers, as often as ever.
        """
        self.watch("a")
        self.database.fault = LOCKED
        asked = []
        for _ in range(50):
            del self.database.calls[:]
            self.tick()
            asked.append(len(self.database.calls))
        tried = [n for n, count in enumerate(asked) if count]
        self.assertEqual(tried, [0, 1, 3, 7, 15, 25, 35, 45])
        self.database.fault = None
        self.tick(10)
        del self.database.calls[:]
        self.tick(10)
        self.assertEqual(self.database.calls, ["poll"] * 10)
        self.logged()

    def test_pokedWhileDown(self) -> None:
        """
        A poke has it asked at once, but not sooner than the poll interval after it failed.
        """
        self.watch("a")
        self.database.fault = LOCKED
        self.tick(10)
        del self.database.calls[:]
        for _ in range(30):
            self.tracker.poke()
            self.clock.advance(0.01)
        self.assertEqual(len(self.database.calls), 2)
        self.logged()

    def test_lockedWatch(self) -> None:
        """
        Who asks for a table of a locked database waits, and is answered in order.
        """
        self.database.fault = LOCKED
        watching = [self.tracker.watch(table) for table in ("a", "x", "b")]
        self.tick(10)
        for deferred in watching:
            self.assertNoResult(deferred)
        self.database.fault = None
        self.tick(10)
        self.assertEqual(self.successResultOf(watching[0]), "a")
        self.failureResultOf(watching[1], RealtimeError)
        self.assertEqual(self.successResultOf(watching[2]), "b")
        self.logged()

    def test_watchedWhileDown(self) -> None:
        """
        Who asks for a table that is followed already need not wait for the database.
        """
        self.watch("a")
        self.database.fault = LOCKED
        self.tick()
        watching = self.tracker.watch("a")
        self.tick(2)
        self.assertEqual(self.successResultOf(watching), "a")
        self.logged()

    def test_health(self) -> None:
        """
        A feed that has stood still for five seconds is unhealthy, with the reason, until
        it moves again.
        """
        self.watch("a")
        self.database.fault = LOCKED
        self.tick(24)
        self.assertIsNone(self.tracker.health())
        self.tick(3)
        health = self.tracker.health()
        assert health is not None
        self.assertIn("the database is locked by another program", health)
        self.assertIn("5 s", health)
        self.database.fault = None
        self.tick(10)
        self.assertIsNone(self.tracker.health())
        self.logged()

    def test_noDetails(self) -> None:
        """
        What a driver says is for the log alone: it may name addresses and accounts.
        """
        self.watch("a")
        self.database.fault = sqlite3.OperationalError('connection to "db.internal" refused')
        self.tick(30)
        said = f"{self.tracker.health()} {self.listener.down}"
        self.assertIn("the log says why", said)
        self.assertNotIn("internal", said)
        self.logged()

    def test_silent(self) -> None:
        """
        A database that does not answer at all is unhealthy too, and that is told before;
        it is well again with its answer.
        """
        self.watch("a")
        self.database.holding = True
        self.tick(10)
        self.assertEqual(self.listener.down, [])
        self.tick(3)
        self.assertEqual(len(self.listener.down), 1)
        self.assertIn("does not answer", str(self.listener.down))
        self.tick(40)
        self.assertIn("does not answer", str(self.tracker.health()))
        self.assertEqual(len(self.listener.down), 1)
        self.database.holding = False
        self.database.release()
        self.turn()
        self.assertEqual(self.listener.down[1:], [None])
        self.assertIsNone(self.tracker.health())

    def test_silentThenFails(self) -> None:
        """
        When it fails after a long silence the log has the reason, and nothing is told twice.
        """
        self.watch("a")
        self.database.holding = True
        self.tick(20)
        self.database.holding = False
        self.database.fault = LOCKED
        self.database.release()
        self.tick(20)
        self.assertEqual(self.logged(), 1)
        self.assertEqual(len(self.listener.down), 1)

    def test_failsThenSilent(self) -> None:
        """
        Nor is it worth another line when it is silent between two failures.
        """
        self.watch("a")
        self.database.fault = LOCKED
        self.tick()
        self.database.holding = True
        self.tick(20)
        self.database.holding = False
        self.database.release()
        self.tick(20)
        self.assertEqual(self.logged(), 1)
        self.assertEqual(len(self.listener.down), 1)

    def test_attachedWithTheFirstAnswer(self) -> None:
        """
        Who waited for a table need not wait any longer once the database answers.
        """
        self.watch("a")
        self.database.fault = LOCKED
        watching = self.tracker.watch("b")
        self.tick(30)
        self.database.fault = None
        self.journal.write("a")
        while not self.listener.heard:
            self.tick()
        self.assertEqual(self.successResultOf(watching), "b")
        self.logged()

    def test_nobodyLeft(self) -> None:
        """
        When the last one who waited has gone it is not asked any more, and it is over.
        """
        self.database.fault = LOCKED
        watching = self.tracker.watch("a")
        self.tick(3)
        watching.cancel()
        self.failureResultOf(watching, CancelledError)
        del self.database.calls[:]
        self.tick(30)
        self.assertEqual(self.database.calls, [])
        self.assertEqual(self.listener.down[1:], [None])
        self.logged()

    def test_neverAnswered(self) -> None:
        """
        So is one that could not be begun, counted from when somebody wanted it, until
        nobody does.
        """
        self.database.fault = LOCKED
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
        self.database.fault = LOCKED
        self.clock.pump([2.0] * 10)
        self.assertIsNone(tracker.health())
        self.clock.advance(1)
        self.assertIsNotNone(tracker.health())
        self.logged()


class WritingTests(TroubleCase):
    """
    A database that can be read, but not written to.
    """

    def test_attaching(self) -> None:
        """
        While a table cannot be attached the others are told of, and nothing is said to be
        wrong with them; those who wait for it are answered when it can, in their order.
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
        Whoever has waited for a table for five seconds is reason enough to be unhealthy.
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
        While old entries cannot be forgotten changes are told, nothing is said to be wrong,
        and it is tried again now and then.
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


class LagTests(TroubleCase):
    """
    How old what was told is.
    """

    def test_lag(self) -> None:
        """
        It grows from the moment at which there was nothing more to read, and is nothing
        while nobody waits for anything.
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
        In the middle of a flood the past counts from before it.
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
