"""
Tests for L{aerostack.client.subscription}.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from aerostack.client.errors import ClientError
from aerostack.client.frames import Head
from aerostack.client.subscription import Subscription

NO = ClientError("forbidden", "No.")


class SubscriptionTests(SynchronousTestCase):
    """
    Tests for L{Subscription}.
    """

    def setUp(self) -> None:
        self.subscription = Subscription()

    def ask(self) -> Any:
        """
        The frame to send now, if there is one.
        """
        return self.subscription.ask() if self.subscription.pending else None

    def answer(self, pos: str | None = "p1", **fields: Any) -> bool:
        """
        Let the daemon confirm the subscription.
        """
        frame = {"type": "subscribed", "pos": pos, **fields}
        return self.subscription.subscribed(Head(type="subscribed", pos=pos), frame)

    def begin(self, **fields: Any) -> Deferred[Any]:
        """
        Subscribe, and let the daemon confirm.
        """
        waiting = self.subscription.want(fields)
        self.ask()
        self.answer()
        return waiting

    # Subscribing

    def test_answered(self) -> None:
        """
        The client asks once, and all waiting deferreds get the answer.
        """
        waiting = [self.subscription.want({"filter": {"a": 1}}) for _ in range(2)]
        self.assertEqual(self.ask(), {"type": "subscribe", "filter": {"a": 1}})
        self.assertIsNone(self.ask())
        self.assertTrue(self.answer())
        for each in waiting:
            self.assertEqual(self.successResultOf(each)["pos"], "p1")
        self.assertIsNone(self.ask())
        self.assertTrue(self.subscription.settled)

    def test_already(self) -> None:
        """
        A second subscribe() gets the answer of the first.
        """
        self.begin()
        self.assertEqual(self.successResultOf(self.subscription.want({}))["pos"], "p1")
        self.assertIsNone(self.ask())

    def test_refused(self) -> None:
        """
        A refusal fails the waiting deferreds, and the application wants nothing any more.
        """
        waiting = self.subscription.want({})
        self.ask()
        self.assertTrue(self.subscription.refused(NO))
        self.assertIs(self.failureResultOf(waiting).value, NO)
        self.assertEqual((self.ask(), self.subscription.wanted), (None, False))
        self.assertFalse(self.subscription.refused(NO))

    def test_changed(self) -> None:
        """
        A change is asked for after the answer that is under way, which answers earlier calls.
        """
        first = self.subscription.want({"event": "INSERT"})
        self.ask()
        second = self.subscription.want({"event": "UPDATE"})
        self.assertIsNone(self.ask())
        self.answer("p1")
        self.assertEqual(self.successResultOf(first)["pos"], "p1")
        self.assertNoResult(second)
        self.assertEqual(self.ask(), {"type": "subscribe", "event": "UPDATE"})
        self.answer("p2")
        self.assertEqual(self.successResultOf(second)["pos"], "p2")

    def test_changedBefore(self) -> None:
        """
        Of several changes before the first frame only the last is asked for.
        """
        first = self.subscription.want({"event": "INSERT"})
        second = self.subscription.want({})
        self.assertEqual(self.ask(), {"type": "subscribe"})
        self.answer()
        self.successResultOf(first)
        self.successResultOf(second)
        self.assertIsNone(self.ask())

    def test_changeRefused(self) -> None:
        """
        A refused change leaves the subscription as it was.
        """
        self.begin()
        waiting = self.subscription.want({"filter": "?"})
        self.ask()
        self.subscription.refused(NO)
        self.failureResultOf(waiting)
        self.assertEqual((self.ask(), self.subscription.wanted), (None, True))

    def test_unasked(self) -> None:
        """
        An answer without a request changes nothing.
        """
        self.assertFalse(self.answer())
        self.assertIsNone(self.subscription.position)
        self.begin()
        self.assertFalse(self.answer("p9"))
        self.assertEqual(self.subscription.position, "p1")

    # Leaving

    def test_left(self) -> None:
        """
        The client asks to unsubscribe, and gets an answer.
        """
        self.begin()
        left = self.subscription.leave()
        self.assertEqual(self.ask(), {"type": "unsubscribe"})
        self.assertIsNone(self.ask())
        self.assertNoResult(left)
        self.assertTrue(self.subscription.unsubscribed())
        self.successResultOf(left)
        self.assertTrue(self.subscription.settled)

    def test_leftBefore(self) -> None:
        """
        A subscription that was never asked for ends at once, and its deferreds fail.
        """
        waiting = self.subscription.want({})
        self.successResultOf(self.subscription.leave())
        self.assertEqual(self.failureResultOf(waiting).value.code, "unsubscribed")
        self.assertIsNone(self.ask())

    def test_leftMeanwhile(self) -> None:
        """
        A subscription that is under way is left after its answer.
        """
        waiting = self.subscription.want({})
        self.ask()
        left = self.subscription.leave()
        self.assertIsNone(self.ask())
        self.answer()
        self.successResultOf(waiting)
        self.assertEqual(self.ask(), {"type": "unsubscribe"})
        self.subscription.unsubscribed()
        self.successResultOf(left)

    def test_leftAndRefused(self) -> None:
        """
        A refused subscription need not be left.
        """
        waiting = self.subscription.want({})
        self.ask()
        left = self.subscription.leave()
        self.subscription.refused(NO)
        self.failureResultOf(waiting)
        self.successResultOf(left)
        self.assertIsNone(self.ask())

    def test_back(self) -> None:
        """
        A channel that subscribes again while it leaves is subscribed.
        """
        self.begin()
        left = self.subscription.leave()
        self.ask()
        waiting = self.subscription.want({})
        self.assertIsNone(self.ask())
        self.subscription.unsubscribed()
        self.successResultOf(left)
        self.assertEqual(self.ask(), {"type": "subscribe"})
        self.answer()
        self.successResultOf(waiting)

    def test_backAtOnce(self) -> None:
        """
        A channel that subscribes again before it has left is subscribed anew.
        """
        self.begin()
        left = self.subscription.leave()
        waiting = self.subscription.want({})
        self.assertEqual(self.ask(), {"type": "subscribe"})
        self.answer()
        self.successResultOf(left)
        self.successResultOf(waiting)
        self.assertIsNone(self.ask())

    def test_sentAway(self) -> None:
        """
        A subscription that the daemon ends is no longer wanted.
        """
        self.begin()
        self.assertFalse(self.subscription.unsubscribed())
        self.assertEqual((self.ask(), self.subscription.wanted), (None, False))

    # Positions

    def test_resumes(self) -> None:
        """
        On another connection the client resumes at the last position.
        """
        self.begin(filter=[])
        self.subscription.advance("p2")
        self.subscription.advance(None)
        self.subscription.closed()
        self.assertEqual(self.ask(), {"type": "subscribe", "filter": [], "since": "p2"})
        self.answer("p2", recovered=True)
        self.subscription.closed()
        self.assertEqual(self.ask()["since"], "p2")

    def test_since(self) -> None:
        """
        The position of an earlier run counts once, at the beginning.
        """
        self.subscription.want({"since": "p0"})
        self.assertEqual(self.ask(), {"type": "subscribe", "since": "p0"})
        self.answer("p5")
        self.subscription.closed()
        self.assertEqual(self.ask(), {"type": "subscribe", "since": "p5"})

    def test_forgotten(self) -> None:
        """
        A subscription after another one, or with other arguments, begins anew.
        """
        self.begin()
        self.subscription.want({"event": "INSERT"})
        self.assertEqual(self.ask(), {"type": "subscribe", "event": "INSERT"})
        self.answer()
        self.subscription.leave()
        self.ask()
        self.subscription.unsubscribed()
        self.subscription.want({})
        self.assertEqual(self.ask(), {"type": "subscribe"})

    def test_snapshot(self) -> None:
        """
        Before the last page of a snapshot there is no position to resume at.
        """
        self.subscription.want({"snapshot": True})
        self.ask()
        self.answer(None)
        self.assertTrue(self.subscription.page())
        self.assertFalse(self.subscription.page())
        self.subscription.advance("p3")
        self.assertIsNone(self.subscription.position)
        self.subscription.closed()
        self.assertEqual(self.ask(), {"type": "subscribe", "snapshot": True})
        self.answer(None)
        self.assertTrue(self.subscription.page())
        self.subscription.filled("p4")
        self.subscription.closed()
        self.assertEqual(self.ask(), {"type": "subscribe", "snapshot": True, "since": "p4"})

    def test_noSnapshot(self) -> None:
        """
        A daemon that could recover the past sends a position instead of a snapshot.
        """
        self.subscription.want({"snapshot": True, "since": "p0"})
        self.ask()
        self.answer("p1", recovered=True)
        self.subscription.advance("p2")
        self.assertEqual(self.subscription.position, "p2")

    def test_rowsOwed(self) -> None:
        """
        Rows of a table that is missing are asked for again on another connection.
        """
        for wanted, answer in (
            ({"snapshot": True}, {}),
            ({"snapshot": True, "since": "p0"}, {"recovered": False}),
        ):
            self.subscription.want(wanted)
            self.ask()
            self.answer("p1", **answer)
            self.subscription.advance("p2")
            self.subscription.closed()
            self.assertEqual(self.ask(), {"type": "subscribe", "snapshot": True})
            self.answer(None)
            self.subscription.filled("p3")
            self.assertEqual(self.subscription.position, "p3")

    # The connection

    def test_lost(self) -> None:
        """
        A request that is under way is made again, and its deferreds still wait.
        """
        waiting = self.subscription.want({})
        self.ask()
        self.subscription.closed()
        self.assertNoResult(waiting)
        self.assertEqual(self.ask(), {"type": "subscribe"})
        self.answer()
        self.successResultOf(waiting)

    def test_lostLeaving(self) -> None:
        """
        When the connection is closed there is nothing left to unsubscribe.
        """
        self.begin()
        left = self.subscription.leave()
        self.ask()
        self.subscription.closed()
        self.successResultOf(left)
        self.assertIsNone(self.ask())

    def test_lostChanging(self) -> None:
        """
        A deferred of a subscription that has changed since gets the answer to the change.
        """
        first = self.subscription.want({"event": "INSERT"})
        self.ask()
        second = self.subscription.want({})
        self.subscription.closed()
        self.assertEqual(self.ask(), {"type": "subscribe"})
        self.answer()
        self.successResultOf(first)
        self.successResultOf(second)

    def test_changedTwice(self) -> None:
        """
        A subscription that changes twice without a connection resumes where it was; a change on a
        connection begins anew.
        """
        self.begin()
        self.subscription.advance("p2")
        self.subscription.closed()
        for event in ("INSERT", "DELETE"):
            self.subscription.want({"event": event})
        self.assertEqual(self.ask()["since"], "p2")
        self.answer("p2")
        for event in ("UPDATE", "INSERT"):
            self.subscription.want({"event": event})
        self.assertNotIn("since", self.ask())
        self.subscription.advance("p3")
        self.subscription.closed()
        self.assertEqual(self.ask()["since"], "p3")

    def test_changedMeanwhile(self) -> None:
        """
        A change while the daemon resumes is asked for without a position, because frames under way
        would come twice; without an answer, with the position.
        """
        self.begin()
        self.subscription.closed()
        self.assertEqual(self.ask()["since"], "p1")
        self.subscription.want({"event": "INSERT"})
        self.answer("p1")
        self.subscription.advance("p2")
        self.assertNotIn("since", self.ask())
        self.answer("p2")
        for event, unanswered in (
            ("UPDATE", self.subscription.closed),
            ("DELETE", self.subscription.postpone),
            ("INSERT", lambda: self.subscription.refused(NO)),
        ):
            self.subscription.closed()
            self.assertEqual(self.ask()["since"], "p2")
            self.subscription.want({"event": event})
            unanswered()
            self.subscription.again()
            self.assertEqual(self.ask(), {"type": "subscribe", "event": event, "since": "p2"})
            self.answer("p2")

    def test_lostAndLeft(self) -> None:
        """
        A deferred of a subscription that was left since fails.
        """
        waiting = self.subscription.want({})
        self.ask()
        left = self.subscription.leave()
        self.subscription.closed()
        self.successResultOf(left)
        self.assertEqual(self.failureResultOf(waiting).value.code, "unsubscribed")

    def test_over(self) -> None:
        """
        When the client gives up the deferreds fail, and the application still wants the
        subscription.
        """
        waiting = self.subscription.want({})
        self.subscription.fail(NO)
        self.failureResultOf(waiting)
        self.assertEqual(self.ask(), {"type": "subscribe"})

    # Not now

    def test_postponed(self) -> None:
        """
        A subscription that is refused for a while is asked for again when it is time.
        """
        waiting = self.subscription.want({})
        self.ask()
        self.subscription.postpone()
        self.assertIsNone(self.ask())
        self.subscription.again()
        self.assertEqual(self.ask(), {"type": "subscribe"})
        self.answer()
        self.successResultOf(waiting)

    def test_leavingPostponed(self) -> None:
        """
        An unsubscribe frame can be refused for a while, too.
        """
        self.begin()
        left = self.subscription.leave()
        self.ask()
        self.subscription.postpone()
        self.subscription.again()
        self.assertEqual(self.ask(), {"type": "unsubscribe"})
        self.subscription.unsubscribed()
        self.successResultOf(left)

    def test_endedForAWhile(self) -> None:
        """
        A subscription that the daemon ends for a while is resumed.
        """
        self.begin()
        self.subscription.advance("p2")
        self.subscription.postpone()
        self.subscription.unsubscribed()
        self.assertIsNone(self.ask())
        self.subscription.again()
        self.assertEqual(self.ask(), {"type": "subscribe", "since": "p2"})

    def test_lostPostponed(self) -> None:
        """
        On another connection nothing is postponed.
        """
        self.subscription.want({})
        self.ask()
        self.subscription.postpone()
        self.subscription.closed()
        self.assertEqual(self.ask(), {"type": "subscribe"})
