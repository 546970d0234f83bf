"""
Tests for L{aerostack.sessions.subscriptions}: subscribing, unsubscribing, and the changes that
follow.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from aerostack.core.rows.changes import INSERT, Change
from aerostack.errors import RealtimeError
from aerostack.settings.limits import LimitsConfig
from aerostack.testing import World, makeProject
from tests.answers import codes, types


class SubscribeTests(SynchronousTestCase):
    """
    Tests for subscribing and unsubscribing.
    """

    def setUp(self) -> None:
        self.world = World()
        self.client = self.world.connect(userId="ann")

    def test_answersCanonical(self) -> None:
        """
        C{subscribed} has the canonical topic for each form in which a client can write it.
        """
        for asked, canonical in (
            ("orders", "table/orders/p"),
            ("table/orders", "table/orders/p"),
            ("table/orders/p", "table/orders/p"),
            ("chat/general", "chat/general/p"),
            ("chat/general/p", "chat/general/p"),
        ):
            self.assertEqual(
                self.client.ask(type="subscribe", topic=asked),
                [{"type": "subscribed", "topic": canonical}],
            )

    def test_tableConfirmedOnceWatched(self) -> None:
        """
        The daemon sends C{subscribed} for a table when the tracker watches the table.
        """
        self.world.tracker.asked = []
        self.assertEqual(self.client.ask(type="subscribe", topic="orders"), [])
        self.world.tracker.asked.pop()()
        self.assertEqual(types(self.client.take()), ["subscribed"])

    def test_unsubscribedWhileWaiting(self) -> None:
        """
        A client that unsubscribes before the tracker watches the table is not subscribed, and the
        tracker stops watching.
        """
        self.world.tracker.asked = []
        self.client.send(type="subscribe", topic="orders")
        self.assertEqual(
            types(self.client.ask(type="unsubscribe", topic="orders")), ["unsubscribed"]
        )
        self.world.tracker.asked.pop()()
        self.assertEqual(self.client.take(), [])
        self.assertEqual(self.world.tracker.watched, {})
        self.assertEqual(len(self.world.hub.registry), 0)

    def test_goneWhileWaiting(self) -> None:
        """
        The tracker stops watching a table if the client has gone before the answer.
        """
        self.world.tracker.asked = []
        self.client.send(type="subscribe", topic="orders")
        self.client.close()
        self.world.tracker.asked.pop()()
        self.assertEqual(self.world.tracker.watched, {})
        self.assertEqual(len(self.world.hub.registry), 0)

    def test_askedTwiceWhileWaiting(self) -> None:
        """
        A client that asks twice for a table holds the table once.
        """
        self.world.tracker.asked = waiting = []
        self.client.send(type="subscribe", topic="orders")
        self.client.send(type="subscribe", topic="orders", filter={"id": 1})
        for fire in waiting:
            fire()
        self.assertIn("subscribed", types(self.client.take()))
        self.assertEqual(self.world.tracker.watched, {"orders": 1})

    def test_watchedUntilLast(self) -> None:
        """
        The tracker watches a table until the last subscriber has gone.
        """
        other = self.world.connect()
        for client in (self.client, other):
            client.send(type="subscribe", topic="orders")
        self.client.send(type="unsubscribe", topic="orders")
        self.assertEqual(self.world.tracker.watched, {"orders": 1})
        other.die()
        self.assertEqual(self.world.tracker.watched, {})

    def test_unknownTable(self) -> None:
        """
        An unknown table gets an error that names it, and no subscription.
        """
        (error,) = self.client.ask(type="subscribe", topic="nothing")
        self.assertEqual((error["code"], error["topic"]), ("unknown_table", "table/nothing/p"))
        self.assertIn("nothing", error["message"])
        self.assertEqual(len(self.world.hub.registry), 0)

    def test_tableNotAllowed(self) -> None:
        """
        The daemon refuses a table outside C{tracker.tables} without a query.
        """
        self.world.feeds.allowed = type(self.world.feeds.allowed)(["shop_*"])
        (error,) = self.client.ask(type="subscribe", topic="orders")
        self.assertEqual(error["code"], "table_not_allowed")
        self.assertEqual(self.world.tracker.watched, {})

    def test_otherSpelling(self) -> None:
        """
        The daemon refuses a table name in another case, and the error has the right name: the
        client would not recognize the frames.
        """
        (error,) = self.client.ask(type="subscribe", topic="ORDERS")
        self.assertEqual(error["code"], "unknown_table")
        self.assertIn("orders", error["message"])
        self.assertEqual(self.world.tracker.watched, {})

    def test_otherProject(self) -> None:
        """
        The daemon refuses a topic of another project.
        """
        self.world.authenticator.reload({"p": makeProject(), "q": makeProject(id="q")})
        self.assertEqual(
            codes(self.client.ask(type="subscribe", topic="chat/x/q")), ["wrong_project"]
        )

    def test_tooMany(self) -> None:
        """
        A connection holds as many topics as the limit allows; a topic with a subscription and
        presence counts once.
        """
        world = World(limits=LimitsConfig(subscriptions=2))
        client = world.connect()
        client.send(type="subscribe", topic="a/1")
        client.send(type="subscribe", topic="orders")
        client.send(type="track", topic="a/1", state={})
        client.send(type="track", topic="orders", state={})
        self.assertEqual(codes(client.take()), [])
        self.assertEqual(
            codes(client.ask(type="subscribe", topic="a/2")), ["too_many_subscriptions"]
        )
        self.assertEqual(
            codes(client.ask(type="track", topic="a/2", state={})), ["too_many_subscriptions"]
        )
        self.assertEqual(codes(client.ask(type="subscribe", topic="a/1")), [])
        client.send(type="unsubscribe", topic="a/1")
        self.assertEqual(
            codes(client.ask(type="subscribe", topic="a/2")), ["too_many_subscriptions"]
        )
        client.send(type="untrack", topic="a/1")
        client.take()
        self.assertEqual(types(client.ask(type="subscribe", topic="a/2")), ["subscribed"])

    def test_tooManyAsked(self) -> None:
        """
        Topics that wait for their tables count towards the limit.
        """
        world = World(limits=LimitsConfig(subscriptions=2), tables=("a", "b", "c"))
        client = world.connect()
        world.tracker.asked = []
        client.send(type="subscribe", topic="a")
        client.send(type="track", topic="b", state={})
        for frame in ({"type": "subscribe"}, {"type": "track", "state": {}}):
            self.assertEqual(codes(client.ask(topic="c", **frame)), ["too_many_subscriptions"])
            self.assertEqual(codes(client.ask(topic="a", **frame)), [])

    def test_refusedAfterwards(self) -> None:
        """
        After a client has unsubscribed from a topic, it gets no error for its earlier requests.
        """
        failing: list[Deferred[str]] = [Deferred() for _ in range(3)]
        watch = iter(failing)
        self.patch(self.world.tracker, "watch", lambda table: next(watch))
        self.client.send(type="subscribe", topic="orders")
        self.client.send(type="unsubscribe", topic="orders")
        self.client.send(type="subscribe", topic="orders")
        self.client.send(type="subscribe", topic="orders", event="INSERT")
        for each in failing:
            each.errback(RealtimeError("unknown_table", "It is gone."))
        frames = self.client.take()
        self.assertEqual(types(frames), ["unsubscribed", "error"])
        self.assertEqual(frames[1]["request"], "subscribe")

    def test_filterOnPathTopic(self) -> None:
        """
        A filter on a topic without a table is an error; an empty filter is not.
        """
        self.assertEqual(
            codes(self.client.ask(type="subscribe", topic="a/b", filter={"x": 1})),
            ["invalid_frame"],
        )
        self.assertEqual(
            types(self.client.ask(type="subscribe", topic="a/b", filter={})), ["subscribed"]
        )


class ChangeTests(SynchronousTestCase):
    """
    Tests for the delivery of changes.
    """

    def setUp(self) -> None:
        self.world = World()
        self.client = self.world.connect()

    def change(self, **row: Any) -> None:
        self.world.feeds.changed([Change(1, "orders", INSERT, row, None, 7)])

    def test_delivered(self) -> None:
        """
        A subscriber gets a change as one C{db_change}.
        """
        self.client.ask(type="subscribe", topic="orders")
        self.change(id=1)
        self.assertEqual(
            self.client.take(),
            [
                {
                    "type": "db_change",
                    "topic": "table/orders/p",
                    "operation": "INSERT",
                    "data": {"id": 1},
                    "timestamp": 7,
                }
            ],
        )

    def test_filtered(self) -> None:
        """
        A client gets only rows that match its filter, and can replace the filter by subscribing
        again.
        """
        self.client.ask(type="subscribe", topic="orders", filter={"id": 2})
        self.change(id=1)
        self.assertEqual(self.client.take(), [])
        self.change(id=2)
        self.assertEqual(types(self.client.take()), ["db_change"])
        self.client.ask(type="subscribe", topic="orders")
        self.change(id=1)
        self.assertEqual(types(self.client.take()), ["db_change"])

    def test_everyProject(self) -> None:
        """
        The clients of each project get a table's changes under a topic of their project.
        """
        world = World(
            {"p": makeProject(), "q": makeProject(id="q", publicKey=None, secretKey=None)}
        )
        clients = {name: world.connect(projectId=name) for name in "pq"}
        for client in clients.values():
            client.ask(type="subscribe", topic="orders")
        world.feeds.changed([Change(1, "orders", INSERT, {"id": 1}, None, 7)])
        for name, client in clients.items():
            self.assertEqual([f["topic"] for f in client.take()], [f"table/orders/{name}"])
