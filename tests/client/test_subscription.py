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
        What is sent now, if anything.
        """
        return self.subscription.ask() if self.subscription.pending else None

    def answer(self, pos: str | None = "p1", **fields: Any) -> bool:
        """
        Let the daemon confirm.
        """
        frame = {"type": "subscribed", "pos": pos, **fields}
        return self.subscription.subscribed(Head(type="subscribed", pos=pos), frame)

    def begin(self, **fields: Any) -> Deferred[Any]:
        """
        Be subscribed.
        """
        waiting = self.subscription.want(fields)
        self.ask()
        self.answer()
        return waiting

    # Subscribing

    def test_answered(self) -> None:
        """
        It is asked once, and whoever waits gets the answer.
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
        Who is subscribed already gets the answer that there was.
        """
        self.begin()
        self.assertEqual(self.successResultOf(self.subscription.want({}))["pos"], "p1")
        self.assertIsNone(self.ask())

    def test_refused(self) -> None:
        """
        A refusal is told to who waits, and nothing is wanted any more.
        """
        waiting = self.subscription.want({})
        self.ask()
        self.assertTrue(self.subscription.refused(NO))
        self.assertIs(self.failureResultOf(waiting).value, NO)
        self.assertEqual((self.ask(), self.subscription.wanted), (None, False))
        self.assertFalse(self.subscription.refused(NO))

    def test_changed(self) -> None:
        """
        A subscription that is to be otherwise is asked for when what is under way was
        answered; the present answers who asked first.
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
        Where nothing was asked yet, only what is wanted last is.
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
        A change that is refused leaves the subscription as it was.
        """
        self.begin()
        waiting = self.subscription.want({"filter": "?"})
        self.ask()
        self.subscription.refused(NO)
        self.failureResultOf(waiting)
        self.assertEqual((self.ask(), self.subscription.wanted), (None, True))

    def test_unasked(self) -> None:
        """
        An answer to nothing changes nothing.
        """
        self.assertFalse(self.answer())
        self.assertIsNone(self.subscription.position)
        self.begin()
        self.assertFalse(self.answer("p9"))
        self.assertEqual(self.subscription.position, "p1")

    # Leaving

    def test_left(self) -> None:
        """
        Leaving is asked for and answered.
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
        What was never asked is left at once, and who waited for it is told.
        """
        waiting = self.subscription.want({})
        self.successResultOf(self.subscription.leave())
        self.assertEqual(self.failureResultOf(waiting).value.code, "unsubscribed")
        self.assertIsNone(self.ask())

    def test_leftMeanwhile(self) -> None:
        """
        What is under way is left when it was answered.
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
        What is refused need not be left.
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
        Who comes back while leaving is subscribed again.
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
        Who comes back before it was even told to the daemon is subscribed anew.
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
        A subscription that the daemon ends is wanted no more.
        """
        self.begin()
        self.assertFalse(self.subscription.unsubscribed())
        self.assertEqual((self.ask(), self.subscription.wanted), (None, False))

    # Positions

    def test_resumes(self) -> None:
        """
        On another connection it is asked for from the last position that was seen.
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
        A position of an earlier run is where it begins, once.
        """
        self.subscription.want({"since": "p0"})
        self.assertEqual(self.ask(), {"type": "subscribe", "since": "p0"})
        self.answer("p5")
        self.subscription.closed()
        self.assertEqual(self.ask(), {"type": "subscribe", "since": "p5"})

    def test_forgotten(self) -> None:
        """
        Who has left, or wants something else, begins anew.
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
        Until the last page of a snapshot was seen, there is nothing to resume.
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
        A daemon that sends none, because the past could be recovered, gives a position.
        """
        self.subscription.want({"snapshot": True, "since": "p0"})
        self.ask()
        self.answer("p1", recovered=True)
        self.subscription.advance("p2")
        self.assertEqual(self.subscription.position, "p2")

    def test_rowsOwed(self) -> None:
        """
        Where the daemon has no rows now, because the table is not there, they are asked for on
        another connection, too.
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
        What was under way is asked for again; who waits goes on waiting.
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
        With the connection went what was to be left on it.
        """
        self.begin()
        left = self.subscription.leave()
        self.ask()
        self.subscription.closed()
        self.successResultOf(left)
        self.assertIsNone(self.ask())

    def test_lostChanging(self) -> None:
        """
        Who asked for something that is to be otherwise by now gets the answer to that.
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
        What is changed, and changed again, while there is no connection begins where the
        subscription was; a change on a connection does not, until that is lost.
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
        What is changed while the daemon is asked to go on is asked for without a position, which
        would tell twice what comes meanwhile; where there is no answer, with the position.
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
        Who asked for something that was left by now is told.
        """
        waiting = self.subscription.want({})
        self.ask()
        left = self.subscription.leave()
        self.subscription.closed()
        self.successResultOf(left)
        self.assertEqual(self.failureResultOf(waiting).value.code, "unsubscribed")

    def test_over(self) -> None:
        """
        When nobody will answer, who waits is told; what is wanted stays wanted.
        """
        waiting = self.subscription.want({})
        self.subscription.fail(NO)
        self.failureResultOf(waiting)
        self.assertEqual(self.ask(), {"type": "subscribe"})

    # Not now

    def test_postponed(self) -> None:
        """
        What is refused for a while is asked for again when it is time.
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
        Leaving can be refused for a while as well.
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
        A subscription that the daemon ends for a while is asked for again, from where it
        was.
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
