"""
Tests for L{aerostack.workers.worker.tables}, at a hub in the same process.
"""

from __future__ import annotations

from twisted.internet.defer import Deferred
from zope.interface.verify import verifyObject

from aerostack.core.rows.columns import ColumnType
from aerostack.core.rows.journal import Lag
from aerostack.errors import RealtimeError
from aerostack.interfaces.messaging import IKeptMessages
from aerostack.interfaces.tracking import IChangeTracker
from aerostack.workers.channel import MAX_UNREAD, MAX_WAITING
from aerostack.workers.hub.window import AHEAD, STRIDE
from aerostack.workers.messages.tables import INTERVAL
from aerostack.workers.worker.watches import GRACE
from tests.workers.worker.trackercase import ALL, BOUNDS, TrackerCase, change


class TrackerTests(TrackerCase):
    """
    Tests for L{RemoteTracker}.
    """

    def test_interface(self) -> None:
        """
        The tracker is one for its listener, and the history one for its readers.
        """
        verifyObject(IChangeTracker, self.remote)
        verifyObject(IKeptMessages, self.workers[0].history)

    def test_changes(self) -> None:
        """
        The listener gets the changes, and the position moves with them.
        """
        self.watched()
        self.tracker.change(change(1), change(2))
        self.assertEqual((self.listener.heard, self.remote.position), ([], 0))
        self.turn()
        self.assertEqual((self.listener.heard, self.remote.position), ([1, 2], 2))
        self.assertEqual(self.listeners[1].heard, [])
        self.assertEqual(self.remote.watchedTables(), ["a"])

    def test_entered(self) -> None:
        """
        A listener learns that it enters a table within a transaction, before the watch fires.
        """
        self.watched()
        self.tracker.change(change(1), last=False)
        self.watched(number=1)
        self.assertEqual(self.listeners[1].heard, [("a", "entered")])
        self.assertEqual(self.workers[1].tracker.position, 1)

    def test_snapshot(self) -> None:
        """
        Rows come after every change that they include, also when the listener is slow.
        """
        self.watched()
        self.listener.room = Deferred()
        self.tracker.change(change(1))
        self.tracker.change(change(2))
        reading = self.remote.snapshot("a", ALL, BOUNDS)
        self.turn()
        self.assertNoResult(reading)
        self.assertEqual(self.listener.heard, [1])
        self.listener.room.callback(None)
        snapshot = self.answer(reading)
        self.assertEqual(self.listener.heard, [1, 2])
        self.assertEqual([row["n"] for row in snapshot.rows], [1, 2])
        self.assertEqual((snapshot.position, snapshot.lineage), (2, "j1"))

    def test_manyRows(self) -> None:
        """
        Many rows go in pieces, no faster than the worker reads, and other messages go between.
        """
        self.watched()
        for n in range(1, 101):
            self.tracker.change(change(n, text="x" * 100_000))
        self.turn()
        channel = self.workers[0].channel
        channel._pipe.pause()
        reading = self.remote.snapshot("a", ALL, BOUNDS)
        self.turn()
        self.assertLess(self.workers[0].link.unread, MAX_WAITING + 200_000)
        channel._pipe.resume()
        self.assertEqual(len(self.answer(reading).rows), 100)

    def test_altered(self) -> None:
        """
        Changes wait until the listener has judged its subscribers by the new columns.
        """
        self.watched()
        self.listener.judged = Deferred()
        self.tracker.alter({"n": ColumnType.TEXT})
        self.tracker.change(change(1))
        self.turn()
        self.assertEqual(self.listener.heard, [("altered", "a", "n")])
        self.listener.judged.callback(None)
        self.turn()
        self.assertEqual(self.listener.heard[1:], [1])

    def test_columns(self) -> None:
        """
        Columns are asked for once, and again when the table was altered.
        """
        self.watched()
        for shape in ({"n": ColumnType.NUMBER}, {"n": ColumnType.TEXT}):
            self.tracker.alter(shape)
            self.turn()
            self.assertEqual(self.answer(self.remote.columns("a")), shape)
            self.assertEqual(self.successResultOf(self.remote.columns("a")), shape)

    def test_events(self) -> None:
        """
        What is known of a table follows what happens to it.
        """
        self.watched()
        self.tracker.change(change(5))
        self.tracker.reshape()
        self.turn()
        self.assertEqual(self.remote.reshapedAt("a"), 5)
        self.relay.tableLost("a", RealtimeError("table_lost", "Gone."), 5)
        self.patch(self.tracker, "lineage", lambda table: "j2")
        self.relay.tableBack("a")
        self.relay.feedDown("No.")
        self.relay.feedUp()
        self.turn()
        self.assertEqual(
            self.listener.heard, [5, ("a", "reshaped"), ("a", "table_lost"), ("a", "back")]
        )
        self.assertEqual(self.listener.down, ["No.", None])
        self.assertEqual((self.remote.lineage("a"), self.remote.lineage("b")), ("j2", ""))
        self.assertEqual(self.remote.reshapedAt("b"), -1)

    def test_lost(self) -> None:
        """
        For a table that was lost, the hub is asked, so that it tries to follow the table again.
        """
        self.watched()
        self.relay.tableLost("a", RealtimeError("table_lost", "Gone."), 5)
        self.turn()
        self.tracker.tables = ()
        watching = self.remote.watch("a")
        self.turn()
        self.failureResultOf(watching, RealtimeError)

    def test_leave(self) -> None:
        """
        A table without subscribers is left after a while.  Changes that are on their way then are
        dropped.
        """
        self.watched()
        self.remote.unwatch("a")
        self.clock.advance(GRACE - 0.1)
        self.workers[0].channel._pipe.pause()
        self.tracker.change(change(1))
        self.clock.advance(0.1)
        self.workers[0].channel._pipe.resume()
        self.turn()
        self.assertEqual((self.listener.left, self.listener.heard), (["a"], []))
        self.assertEqual(self.tracker.watched, {})
        self.watched()
        self.assertEqual(self.remote.position, 1)

    def test_reach(self) -> None:
        """
        A position that the worker has is reached at once; for another, the hub is asked.
        """
        self.successResultOf(self.remote.reach(0, 1.0))
        reaching = self.remote.reach(7, 1.0)
        self.turn()
        self.assertNoResult(reaching)
        self.tracker.position = 7
        self.tracker.reached.callback(None)
        self.answer(reaching)
        self.assertEqual(self.remote.position, 7)

    def test_state(self) -> None:
        """
        The worker knows how the hub's tracker does, and counts on when it hears nothing.
        """
        self.patch(self.tracker, "lag", lambda: 0.25)
        self.patch(self.tracker, "health", lambda: "slow")
        self.tracker.waiting = Lag(1.5, None)
        self.relay.start()
        self.turn()
        self.assertEqual(self.remote.lag(), 0.0)
        self.watched()
        self.assertEqual((self.remote.lag(), self.remote.health()), (0.25, "slow"))
        self.assertEqual(self.remote.waiting, Lag(1.5, None))
        self.relay.stop()
        self.clock.advance(INTERVAL + 3)
        self.assertEqual(self.remote.lag(), 3.25)

    def test_stop(self) -> None:
        """
        A worker that stops refuses those who wait, and its end lets the hub go on.
        """
        self.watched()
        watching = self.remote.watch("b")
        self.workers[0].die()
        self.failureResultOf(watching, RealtimeError)
        self.turn()
        self.assertEqual(self.tracker.watched, {})


class SlowTests(TrackerCase):
    """
    Tests for a worker that does not come along.
    """

    def fill(self) -> Deferred[None]:
        """
        Deliver changes until the hub has enough.

        @return: What the hub waits for.
        """
        for seq in range(1, 100):
            waiting = self.relay.changed([change(seq, text="x" * STRIDE)])
            self.turn()
            if waiting is not None:
                return waiting
        raise AssertionError("the hub never waits")

    def test_busy(self) -> None:
        """
        A worker whose subscribers are slow holds back the feed, with bounded memory, and nothing
        else: neither reads nor another worker's changes that were delivered.
        """
        self.watched()
        self.watched(number=1)
        self.listener.room = Deferred()
        waiting = self.fill()
        self.assertNoResult(waiting)
        self.assertEqual(self.listener.heard, [1])
        self.assertEqual(self.listeners[1].heard, list(range(1, AHEAD + 2)))
        self.assertEqual(self.answer(self.remote.surveyPast("a", "j1", 0, 9, None)), None)
        self.answer(self.workers[1].tracker.snapshot("a", ALL, BOUNDS))
        self.listener.room.callback(None)
        self.listener.room = None
        self.turn()
        self.successResultOf(waiting)
        self.assertEqual(self.listener.heard, self.listeners[1].heard)

    def test_hanging(self) -> None:
        """
        The hub sends little to a worker that reads nothing, and waits for it.  When that worker
        dies, the hub goes on.
        """
        self.watched()
        self.workers[0].channel._pipe.pause()
        waiting = self.fill()
        self.assertLess(self.workers[0].link.unread, MAX_UNREAD // 32)
        self.workers[0].die()
        self.turn()
        self.successResultOf(waiting)
