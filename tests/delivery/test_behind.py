"""
Tests for L{aerostack.delivery.outbound}, with a client that is behind.
"""

from __future__ import annotations

from typing import Any

from aerostack.errors import CLOSE_SLOW
from aerostack.protocol.serverframes import Pong
from aerostack.recovery import logreader
from tests.delivery.slowreaders import OutboundCase


class EndTests(OutboundCase):
    """
    Tests for how a client that is behind goes on or ends.
    """

    def test_pruned(self) -> None:
        """
        A client is closed when the database has forgotten what it has not read.
        """
        self.subscribe("orders")
        self.write(60)
        self.patch(
            self.world.tracker,
            "surveyPast",
            lambda *_: self.world.tracker.columns("").addCallback(lambda _: "expired"),
        )
        self.read()
        assert self.client.connection.closing is not None
        self.assertEqual(self.client.connection.closing[0], CLOSE_SLOW)

    def test_unreadable(self) -> None:
        """
        While the database cannot be read, a client waits.  Then it goes on from the same place,
        with nothing lost and nothing twice.
        """
        self.subscribe("orders")
        self.write(60)
        tracker = self.world.tracker
        tracker.reading = []
        self.client.session.drained()
        # The question whether it is all there, and three pages.
        for _ in range(3):
            self.world.turn()
            tracker.reading.pop(0)()
            self.write(2)
        third = tracker.reading.pop(0)
        tracker.fault, tracker.reading = OSError("no"), None
        third()
        self.world.turn()
        self.assertEqual(self.seen(self.client), list(range(1, 31)))
        self.write(30)
        for _ in range(5):
            self.world.clock.advance(logreader.RETRY)
        self.assertEqual(self.seen(self.client), [])
        self.assertKept()
        tracker.fault = None
        self.world.clock.advance(logreader.RETRY)
        self.assertEqual(self.seen(self.client), list(range(31, 97)))
        self.assertGreater(len(self.flushLoggedErrors(OSError)), 2)

    def test_notAskedWhileDown(self) -> None:
        """
        While the feed is down, the daemon does not ask the database.
        """
        self.subscribe("orders")
        self.write(60)
        self.world.tracker.fault = OSError("no")
        self.world.feeds.feedDown("It is down.")
        self.read()
        self.assertEqual(len(self.flushLoggedErrors(OSError)), 1)
        for _ in range(10):
            self.world.clock.advance(logreader.RETRY)
        self.assertEqual(self.flushLoggedErrors(OSError), [])
        self.world.tracker.fault = None
        self.world.feeds.feedUp()
        self.world.clock.advance(logreader.RETRY)
        self.assertEqual(self.seen(self.client), [*range(1, 61), "status", "status"])

    def test_gone(self) -> None:
        """
        A client whose connection has closed meanwhile gets nothing and leaves nothing behind.
        """
        self.subscribe("orders")
        self.write(60)
        self.world.tracker.fault = OSError("no")
        self.read()
        self.client.die()
        self.world.advance(20)
        self.assertEqual(len(self.flushLoggedErrors(OSError)), 1)
        self.assertEqual(self.world.clock.getDelayedCalls(), [])

    def test_unsubscribed(self) -> None:
        """
        A client that leaves the topic gets nothing more of it.
        """
        self.subscribe("orders")
        self.write(60)
        self.client.send(type="unsubscribe", topic="orders")
        self.assertEqual(self.read(), ["unsubscribed"])
        self.write(1)
        self.assertEqual(self.seen(self.client), [])

    def test_subscribedAgain(self) -> None:
        """
        A client that subscribes again gets what comes from then on.
        """
        self.subscribe("orders")
        self.write(60)
        self.client.send(type="subscribe", topic="orders")
        self.write(1)
        self.assertEqual(self.read(), ["subscribed", 61])

    def test_leftWaiting(self) -> None:
        """
        Frames that wait of a topic that the client leaves are not sent, and take no room from other
        clients.
        """
        others = [self.world.connect() for _ in range(2)]
        for other in others:
            other.ask(type="subscribe", topic="orders")
            other.session.congested()
        self.subscribe("orders", "chat/a")
        self.write(8)
        self.client.send(type="unsubscribe", topic="orders")
        self.say(11)
        self.write(60)
        found = self.read()
        for other in others:
            other.session.drained()
        self.assertKept()
        self.assertEqual([each for each in found if each != "error"], ["unsubscribed", *range(11)])
        for other in others:
            self.assertEqual(self.seen(other), list(range(1, 69)))

    def test_subscribedAgainWaiting(self) -> None:
        """
        Frames that wait of a subscription are neither sent nor read again when a new subscription
        replaces it.
        """
        self.subscribe("orders", "chat/a")
        self.write(8)
        self.client.send(type="subscribe", topic="orders", filter={"side": 1})
        self.write(60)
        self.assertEqual(self.read(), ["subscribed", *range(9, 69, 2), "commit"])

    def test_oneFails(self) -> None:
        """
        A client that cannot get its past is closed, and the other clients get theirs.
        """
        others = [self.world.connect() for _ in range(3)]
        for other in others:
            other.ask(type="subscribe", topic="orders")
            other.session.congested()
        self.write(60)

        handOver = self.world.hub.delivery.fanout.handOver

        def broken(topic: str, subscriber: Any) -> None:
            if subscriber is others[0].session:
                raise ValueError("broken")
            handOver(topic, subscriber)

        self.patch(self.world.hub.delivery.fanout, "handOver", broken)
        for other in others:
            other.session.drained()
        self.world.turn()
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)
        self.assertEqual(others[0].connection.closing, (1011, "the daemon failed"))
        for other in others[1:]:
            self.assertEqual(self.seen(other), list(range(1, 61)))

    def test_shut(self) -> None:
        """
        After the close the daemon sends nothing, whatever the socket does.
        """
        self.subscribe("chat/a")
        self.client.session.close(1000, "bye")
        for socket in (self.client.session.drained, self.client.session.congested) * 2:
            socket()
            self.client.session.send(Pong())
        self.assertEqual(self.seen(self.client), [])
        self.assertEqual(self.client.session.queued, 0)

    def test_tableMadeAgain(self) -> None:
        """
        A client that is behind is closed when its table was made again.
        """
        self.subscribe("orders")
        self.write(60)
        self.patch(self.world.tracker, "lineage", lambda table: "j2")
        self.read()
        assert self.client.connection.closing is not None
        self.assertEqual(self.client.connection.closing[0], CLOSE_SLOW)
