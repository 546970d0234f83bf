"""
Tests for L{aerostack.workers.worker.watches}.
"""

from __future__ import annotations

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from aerostack.errors import RealtimeError
from aerostack.workers.messages.tables import Watched
from aerostack.workers.worker.watches import GRACE, Watches

REFUSED = RealtimeError("unknown_table", "No.")


class WatchesTests(SynchronousTestCase):
    """
    Tests for L{Watches}.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.asked: list[str] = []
        self.left: list[str] = []
        self.watches = Watches(self.clock, self.asked.append, self.left.append)

    def answer(self, table: str, name: str | None = None) -> None:
        """
        Let the hub answer.
        """
        self.watches.answered(table, Watched(name or table, "l", 3, 9, False))

    def watched(self, table: str) -> None:
        """
        Watch a table, and let the hub answer if it is asked.
        """
        watching = self.watches.ask(table)
        if not watching.called:
            self.answer(table)
        self.successResultOf(watching)

    def test_once(self) -> None:
        """
        The hub is asked once for all subscriptions, also for those that come meanwhile.
        """
        some = [self.watches.ask("a") for _ in range(3)]
        self.answer("a")
        self.watched("a")
        self.assertEqual([self.successResultOf(each) for each in some], ["a"] * 3)
        self.assertEqual(self.asked, ["a"])
        self.assertEqual(self.watches.tables["a"].count, 4)
        self.assertEqual(self.watches.tables["a"].reshapedAt, 3)

    def test_order(self) -> None:
        """
        Callers get their answers in the order of the calls, also one for a table that is known.
        """
        self.watched("known")
        order: list[str] = []
        for table in ("a", "known", "b"):
            self.watches.ask(table).addCallback(order.append)
        self.answer("b")
        self.assertEqual(order, [])
        self.answer("a")
        self.assertEqual(order, ["a", "known", "b"])

    def test_refused(self) -> None:
        """
        All who wait for the same get the hub's refusal; who comes later has it asked again.
        """
        some = [self.watches.ask("a") for _ in range(2)]
        self.watches.failed("a", Failure(REFUSED))
        for each in some:
            self.assertIs(self.failureResultOf(each).value, REFUSED)
        self.watches.ask("a")
        self.assertEqual(self.asked, ["a", "a"])

    def test_spelling(self) -> None:
        """
        A table is counted by the database's spelling.
        """
        watching = self.watches.ask("A")
        self.answer("A", "a")
        self.assertEqual(self.successResultOf(watching), "a")
        self.watches.leave("a")
        self.assertRaises(ValueError, self.watches.leave, "a")
        self.assertRaises(ValueError, self.watches.leave, "A")

    def test_lost(self) -> None:
        """
        For a table that is lost, the hub is asked again.
        """
        self.watched("a")
        self.watches.tables["a"].isLost = True
        watching = self.watches.ask("a")
        self.assertNoResult(watching)
        self.answer("a")
        self.successResultOf(watching)
        self.assertFalse(self.watches.tables["a"].isLost)
        self.assertEqual(self.asked, ["a", "a"])

    def test_grace(self) -> None:
        """
        A table without subscriptions stays for a while, and one that gets a subscription again
        stays.
        """
        self.watched("a")
        self.watches.leave("a")
        self.clock.advance(GRACE - 1)
        self.watched("a")
        self.clock.advance(GRACE)
        self.assertEqual((self.asked, self.left), (["a"], []))
        self.watches.leave("a")
        self.clock.advance(GRACE)
        self.assertEqual(self.left, ["a"])
        self.watched("a")
        self.assertEqual(self.asked, ["a", "a"])

    def test_cancelled(self) -> None:
        """
        A table for which nobody waits any more when the hub answers is left after a while, and the
        next caller need not wait for it.
        """
        first, second = self.watches.ask("a"), self.watches.ask("b")
        self.answer("b")
        first.cancel()
        self.failureResultOf(first, CancelledError)
        self.assertEqual(self.successResultOf(second), "b")
        self.answer("a")
        self.clock.advance(GRACE)
        self.assertEqual(self.left, ["a"])

    def test_again(self) -> None:
        """
        A caller may watch and leave from its callback.
        """
        found: list[Deferred[str]] = []

        def again(name: str) -> None:
            self.watches.leave(name)
            found.append(self.watches.ask(name))

        self.watches.ask("a").addCallback(again)
        self.answer("a")
        self.assertEqual(self.successResultOf(found[0]), "a")
        self.clock.advance(GRACE)
        self.assertEqual(self.left, [])

    def test_refuse(self) -> None:
        """
        At the stop all callers are refused, and no grace period goes on.
        """
        self.watched("a")
        self.watches.leave("a")
        watching = self.watches.ask("b")
        self.watches.refuse(REFUSED)
        self.failureResultOf(watching, RealtimeError)
        self.assertEqual(self.clock.getDelayedCalls(), [])
