"""
Tests for L{aerostack.client.subscription}.
"""

from __future__ import annotations

from tests.client.subscriptions import NO, SubscriptionTestCase


class SubscriptionTests(SubscriptionTestCase):
    """
    Tests for L{Subscription} on one connection.
    """

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
        If the application changes its wish several times before the first frame, the frame has the
        last one.
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
        A refused change leaves the subscription as it was, and fails once, also if the client gives
        up later.
        """
        self.begin()
        waiting = self.subscription.want({"filter": "?"})
        self.ask()
        self.subscription.refused(NO)
        self.failureResultOf(waiting)
        self.assertEqual((self.ask(), self.subscription.wanted), (None, True))
        self.subscription.fail(NO)

    def test_unasked(self) -> None:
        """
        An answer before the client has asked changes nothing.
        """
        self.assertFalse(self.answer())
        self.assertIsNone(self.subscription.position)

    def test_again(self) -> None:
        """
        If the daemon answers a subscription again, the client goes on from the new position.
        """
        self.begin()
        self.assertTrue(self.answer("p9"))
        self.assertEqual(self.subscription.position, "p9")

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

    def test_over(self) -> None:
        """
        When the client gives up the deferreds fail, and the application still wants the
        subscription.
        """
        waiting = self.subscription.want({})
        self.subscription.fail(NO)
        self.failureResultOf(waiting)
        self.assertEqual(self.ask(), {"type": "subscribe"})

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
