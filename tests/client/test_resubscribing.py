"""
Tests for how L{aerostack.client.subscription} goes on over another connection.
"""

from __future__ import annotations

from tests.client.subscriptions import NO, SubscriptionTestCase


class ResubscribingTests(SubscriptionTestCase):
    """
    Tests for L{Subscription} when the connection is closed.
    """

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
