"""
Tests for L{aerostack.tracker.attaching}.
"""

from __future__ import annotations

from itertools import groupby
from typing import Any

from twisted.internet.defer import Deferred

from aerostack.errors import RealtimeError
from aerostack.tracker.attaching import ANSWERS, LOCKED_LONGEST, QUESTIONS, REMEMBERED, SECONDS
from tests.tracker.fakes import TrackerCase


class AttachingTests(TrackerCase):
    """
    Tests for L{Attaching<aerostack.tracker.attaching.Attaching>}, through the tracker.
    """

    def setUp(self) -> None:
        super().setUp()
        self.watch("a")
        self.tick()
        del self.database.calls[:]

    def ask(self, *tables: str) -> list[Deferred[str]]:
        """
        Ask for tables, and let the tracker answer.
        """
        waiting = [self.tracker.watch(table) for table in tables]
        self.turn()
        return waiting

    def questions(self) -> list[str]:
        """
        The order in which tables were attached and changes were read.
        """
        return [name for name in self.database.calls if name in ("attach", "poll")]

    def codes(self, waiting: list[Deferred[str]]) -> set[str]:
        """
        The error codes that the callers got.
        """
        return {self.failureResultOf(each, RealtimeError).value.code for each in waiting}

    def test_turns(self) -> None:
        """
        The daemon reads the journal after every few tables, without a pause, however many clients
        ask for.
        """
        waiting = self.ask(*(f"unknown{n}" for n in range(40)))
        self.assertEqual(self.codes(waiting), {"unknown_table"})
        runs = [(name, len(list(run))) for name, run in groupby(self.database.calls)]
        attaches = [count for name, count in runs if name == "attach"]
        self.assertEqual((sum(attaches), max(attaches)), (40, QUESTIONS))
        self.assertEqual(len([name for name, _ in runs if name == "poll"]), len(attaches))

    def test_slow(self) -> None:
        """
        When it takes long to attach a table, the daemon reads the journal before the next one,
        and leaves the database to others for a while.
        """
        attach = self.journal.attach

        def slowly(cursor: Any, table: str) -> str:
            self.clock.rightNow += 0.1
            return attach(cursor, table)

        slowly.__name__ = "attach"
        self.patch(self.journal, "attach", slowly)
        self.ask("b", "c")
        self.assertEqual(self.questions(), ["attach", "poll"])
        self.clock.advance(SECONDS / 2)
        self.turn()
        self.assertEqual(self.questions(), ["attach", "poll"])
        self.clock.advance(SECONDS / 2)
        self.turn()
        self.assertEqual(self.questions()[:4], ["attach", "poll"] * 2)

    def test_known(self) -> None:
        """
        Callers for which the database need not be asked are also answered some at a time.
        """
        waiting = self.ask(*"a" * (3 * ANSWERS - 1))
        for each in waiting:
            self.successResultOf(each)
        self.assertEqual(self.database.calls, ["poll"] * 3)

    def test_remembered(self) -> None:
        """
        The daemon tries to follow an unknown table once a second, however many callers ask for
        it, and at once when the schema has changed.
        """
        for _ in range(10):
            self.assertEqual(self.codes(self.ask("x", "x", "x")), {"unknown_table"})
        self.assertEqual(self.database.calls.count("attach"), 1)
        self.journal.altered = frozenset("a")
        self.tick()
        self.journal.altered = frozenset()
        self.ask("x")[0].addErrback(lambda _: None)
        self.assertEqual(self.database.calls.count("attach"), 2)
        self.clock.advance(REMEMBERED)
        self.ask("x")[0].addErrback(lambda _: None)
        self.assertEqual(self.database.calls.count("attach"), 3)

    def test_locked(self) -> None:
        """
        All callers share one attempt to follow a locked table.  After each failure the pause is
        longer, and the error gives it.  Other tables do not wait.
        """
        attach = self.journal.attach
        isLocked = True

        def held(cursor: Any, table: str) -> str:
            if isLocked and table.lower() == "b":
                raise RealtimeError("database_unavailable", "Held.", 1000)
            return attach(cursor, table)

        held.__name__ = "attach"
        self.patch(self.journal, "attach", held)
        pages = 20
        for _ in range(120):
            waiting = self.ask(*["b", "B"] * pages)
            for each in waiting:
                error = self.failureResultOf(each, RealtimeError).value
                self.assertEqual(error.code, "database_unavailable")
                self.assertTrue(0 < error.retryAfter <= 1000 * LOCKED_LONGEST)
            self.clock.advance(1.0)
        # The attempts are at 0, 2, 6, 14, 30, 60 and 90 seconds.
        self.assertLess(self.database.calls.count("attach"), 9)
        self.assertEqual(self.successResultOf(self.ask("c")[0]), "c")
        isLocked = False
        self.clock.advance(LOCKED_LONGEST)
        self.assertEqual([self.successResultOf(each) for each in self.ask("b", "b")], ["b", "b"])
        self.assertEqual(self.successResultOf(self.ask("b")[0]), "b")
