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
from tests.tracker.fakes import FakeListener


class DispatcherTests(SynchronousTestCase):
    """
    Tests for L{ChangeDispatcher}, with one watched table C{a}.
    """

    def setUp(self) -> None:
        self.clock = Turning()
        self.listener = FakeListener()
        watched = WatchedTables(60, str.lower)
        watched.add("a", "a", "")
        self.dispatcher = ChangeDispatcher(self.clock, watched)
        self.dispatcher.listener = self.listener

    def dispatch(self, *events: Change | Loss, after: int = 10_000) -> Deferred[None]:
        """
        Begin to dispatch.
        """
        return Deferred.fromCoroutine(self.dispatcher.dispatch(events, after))

    def changes(self, count: int, first: int = 1) -> list[Change]:
        """
        Make changes with consecutive numbers.
        """
        return [Change(n, "a", INSERT, {"n": n}, None, 0) for n in range(first, first + count)]

    def lengths(self) -> list[int]:
        """
        How many changes the listener got at a time.
        """
        return [len(changes) for changes in self.listener.heard]

    def test_turns(self) -> None:
        """
        The listener gets a flood in pieces, one in each turn of the reactor, and the position
        follows.
        """
        dispatched = self.dispatch(*self.changes(2 * TURN + 1))
        self.assertEqual((self.lengths(), self.dispatcher.position), ([TURN], TURN))
        self.clock.turn()
        self.assertEqual((self.lengths(), self.dispatcher.position), ([TURN, TURN], 2 * TURN))
        self.assertNoResult(dispatched)
        self.clock.turn()
        self.assertEqual(self.lengths(), [TURN, TURN, 1])
        self.successResultOf(dispatched)
        self.assertEqual(self.dispatcher.position, 10_000)

    def test_room(self) -> None:
        """
        The dispatcher delivers nothing more while the listener is busy.
        """
        self.listener.room = Deferred()
        dispatched = self.dispatch(*self.changes(TURN + 1))
        for _ in range(10):
            self.clock.turn()
        self.assertEqual((self.lengths(), self.dispatcher.position), ([TURN], TURN))
        room, self.listener.room = self.listener.room, None
        room.callback(None)
        self.clock.turn()
        self.assertEqual(self.lengths(), [TURN, 1])
        self.successResultOf(dispatched)

    def test_roomBeforeLoss(self) -> None:
        """
        A loss waits behind the changes before it, and so does the position.
        """
        self.listener.room = Deferred()
        loss = Loss("a", RealtimeError("table_lost", "gone"), 2)
        dispatched = self.dispatch(*self.changes(1), loss, *self.changes(1, 3))
        self.assertEqual((self.listener.heard, self.dispatcher.position), ([[("a", 1)]], 1))
        room, self.listener.room = self.listener.room, None
        room.callback(None)
        self.assertEqual(self.listener.heard[1:], [("a", "table_lost"), [("a", 3)]])
        self.successResultOf(dispatched)

    def test_failing(self) -> None:
        """
        A listener that fails still gets the changes that follow.
        """
        self.listener.fault = ValueError("cannot bear it")
        dispatched = self.dispatch(*self.changes(TURN + 1))
        self.clock.turn()
        self.assertEqual(self.lengths(), [TURN, 1])
        self.successResultOf(dispatched)
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 2)

    def test_nothing(self) -> None:
        """
        The position moves on where there is nothing to deliver.
        """
        self.successResultOf(self.dispatch(after=7))
        self.assertEqual((self.listener.heard, self.dispatcher.position), ([], 7))
