"""
Tests for L{aerostack.tracker.dispatch}.
"""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from aerostack.core.rows.changes import INSERT, Change
from aerostack.core.rows.journal import Loss
from aerostack.errors import RealtimeError
from aerostack.tracker.dispatch import TURN, ChangeDispatcher
from aerostack.tracker.watched import WatchedTables
from tests.delivery.test_fanout import Turning
from tests.tracker.fakes import Listener


class HeraldTests(SynchronousTestCase):
    """
    Tests for L{ChangeDispatcher}, of a table C{a}.
    """

    def setUp(self) -> None:
        self.clock = Turning()
        self.listener = Listener()
        interests = WatchedTables(60, str.lower)
        interests.add("a", "a", "")
        self.herald = ChangeDispatcher(self.clock, self.listener, interests)

    def tell(self, *events: Change | Loss, after: int = 10_000) -> Deferred[None]:
        """
        Begin to tell.
        """
        return Deferred.fromCoroutine(self.herald.tell(events, after))

    def changes(self, count: int, first: int = 1) -> list[Change]:
        """
        Changes, numbered on.
        """
        return [Change(n, "a", INSERT, {"n": n}, None, 0) for n in range(first, first + count)]

    def lengths(self) -> list[int]:
        """
        How many changes were told at a time.
        """
        return [len(changes) for changes in self.listener.heard]

    def test_turns(self) -> None:
        """
        A flood is told in pieces, one in each turn of the reactor, and the position goes
        along with what was told.
        """
        told = self.tell(*self.changes(2 * TURN + 1))
        self.assertEqual((self.lengths(), self.herald.position), ([TURN], TURN))
        self.clock.turn()
        self.assertEqual((self.lengths(), self.herald.position), ([TURN, TURN], 2 * TURN))
        self.assertNoResult(told)
        self.clock.turn()
        self.assertEqual(self.lengths(), [TURN, TURN, 1])
        self.successResultOf(told)
        self.assertEqual(self.herald.position, 10_000)

    def test_room(self) -> None:
        """
        While the listener has its hands full nothing more is told.
        """
        self.listener.room = Deferred()
        told = self.tell(*self.changes(TURN + 1))
        for _ in range(10):
            self.clock.turn()
        self.assertEqual((self.lengths(), self.herald.position), ([TURN], TURN))
        room, self.listener.room = self.listener.room, None
        room.callback(None)
        self.clock.turn()
        self.assertEqual(self.lengths(), [TURN, 1])
        self.successResultOf(told)

    def test_roomBeforeLoss(self) -> None:
        """
        A loss waits for its place behind the changes before it, and the position with it.
        """
        self.listener.room = Deferred()
        loss = Loss("a", RealtimeError("table_lost", "gone"), 2)
        told = self.tell(*self.changes(1), loss, *self.changes(1, 3))
        self.assertEqual((self.listener.heard, self.herald.position), ([[("a", 1)]], 1))
        room, self.listener.room = self.listener.room, None
        room.callback(None)
        self.assertEqual(self.listener.heard[1:], [("a", "table_lost"), [("a", 3)]])
        self.successResultOf(told)

    def test_failing(self) -> None:
        """
        A listener that fails hears what comes after.
        """
        self.listener.fault = ValueError("cannot bear it")
        told = self.tell(*self.changes(TURN + 1))
        self.clock.turn()
        self.assertEqual(self.lengths(), [TURN, 1])
        self.successResultOf(told)
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 2)

    def test_nothing(self) -> None:
        """
        Where there is nothing to tell the position moves on all the same.
        """
        self.successResultOf(self.tell(after=7))
        self.assertEqual((self.listener.heard, self.herald.position), ([], 7))
