"""
Tests for L{aerostack.tracker.monitor}, through the tracker: a database that does not answer.
"""

from __future__ import annotations

import sqlite3

from twisted.enterprise.adbapi import ConnectionLost
from twisted.internet.defer import CancelledError

from aerostack.errors import GivenUp, RealtimeError
from aerostack.tracker.tracker import ChangeTracker
from tests.tracker.fakes import FULL, LOCKED, TrackerCase, sqliteError


class TroubleTests(TrackerCase):
    """
    A database that does not answer.
    """

    def test_locked(self) -> None:
        """
        A locked database delays the changes and loses none.  The log has one entry, not one a
        tick, and the listener hears of the beginning and the end of the fault.
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
        When the daemon stops and gives up its questions, that is no fault: the log and the
        listener hear nothing.
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
        Whatever fault the database has, the listener gets each change exactly once.
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
        The tracker asks again after the poll interval, and then less and less often, down to
        every two seconds.  Once the database answers, it asks at the usual rate.
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
        A poke has the database asked at once, but not sooner than the poll interval after a
        failure.
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
        A caller that asks for a table of a locked database waits, and callers are answered in
        order.
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
        A caller that asks for a table that is already followed does not wait for the database.
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
        A feed that has stood still for five seconds is unhealthy, with the reason, until it moves
        again.
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
        The driver's message goes to the log only, because it may name addresses and accounts.
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
        A database that does not answer is unhealthy; the listener hears of it first.  It is
        healthy again with its answer.
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
        When the database fails after a long silence, the log has the reason, and the listener
        hears of one fault.
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
        A silence between two failures adds no entry to the log.
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
        A caller that waits for a table is answered as soon as the database answers.
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
        After the last caller has cancelled its wait, the tracker asks nothing more, and the fault
        is over.
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
        A database that has never answered is unhealthy too, counted from the first request for a
        table, until no caller waits.
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
        With a long interval the tracker is unhealthy later.
        """
        tracker = ChangeTracker(self.clock, self.database, self.journal, 2.0)
        tracker.start(self.listener)
        tracker.watch("a")
        self.turn()
        self.database.fault = LOCKED
        self.clock.pump([2.0] * 10)
        self.assertIsNone(tracker.health())
        self.clock.advance(1)
        self.assertIsNotNone(tracker.health())
        self.logged()
