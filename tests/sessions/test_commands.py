"""
Tests for L{aerostack.sessions.commands}: what a client's frames do.
"""

from __future__ import annotations

import json
from typing import Any

import jwt
from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from aerostack.core.rows.changes import INSERT, Change
from aerostack.errors import CLOSE_TOKEN, RealtimeError
from aerostack.settings.limits import LimitsConfig
from aerostack.settings.projects import JWTConfig
from aerostack.testing import TOKEN_SECRET, Frame, World, makeProject


def types(frames: list[Frame]) -> list[str]:
    return [frame["type"] for frame in frames]


def codes(frames: list[Frame]) -> list[str]:
    return [frame["code"] for frame in frames if frame["type"] == "error"]


class SubscribeTests(SynchronousTestCase):
    """
    Tests for subscribing and unsubscribing.
    """

    def setUp(self) -> None:
        self.world = World()
        self.client = self.world.connect(userId="ann")

    def test_answersCanonical(self) -> None:
        """
        Whatever form a topic was asked in, C{subscribed} names it canonically.
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
        A table's C{subscribed} waits until the tracker really watches the table.
        """
        self.world.tracker.asked = []
        self.assertEqual(self.client.ask(type="subscribe", topic="orders"), [])
        self.world.tracker.asked.pop()()
        self.assertEqual(types(self.client.take()), ["subscribed"])

    def test_unsubscribedWhileWaiting(self) -> None:
        """
        A client that unsubscribes before the table is watched is not subscribed
        afterwards, and the table is let go.
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
        A table that was asked for by a client that is gone is let go.
        """
        self.world.tracker.asked = []
        self.client.send(type="subscribe", topic="orders")
        self.client.close()
        self.world.tracker.asked.pop()()
        self.assertEqual(self.world.tracker.watched, {})
        self.assertEqual(len(self.world.hub.registry), 0)

    def test_askedTwiceWhileWaiting(self) -> None:
        """
        A client that asks twice for a table holds one interest in it.
        """
        self.world.tracker.asked = waiting = []
        self.client.send(type="subscribe", topic="orders")
        self.client.send(type="subscribe", topic="orders", filter={"id": 1})
        for fire in waiting:
            fire()
        self.assertIn("subscribed", types(self.client.take()))
        self.assertEqual(self.world.tracker.watched, {"orders": 1})

    def test_interestEndsWithConnection(self) -> None:
        """
        A table is watched as long as somebody is subscribed to it.
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
        A table that is not there is an error that names it, and no subscription.
        """
        (error,) = self.client.ask(type="subscribe", topic="nothing")
        self.assertEqual((error["code"], error["topic"]), ("unknown_table", "table/nothing/p"))
        self.assertIn("nothing", error["message"])
        self.assertEqual(len(self.world.hub.registry), 0)

    def test_tableNotAllowed(self) -> None:
        """
        A table outside C{tracker.tables} is refused without asking the database.
        """
        self.world.feeds.allowed = type(self.world.feeds.allowed)(["shop_*"])
        (error,) = self.client.ask(type="subscribe", topic="orders")
        self.assertEqual(error["code"], "table_not_allowed")
        self.assertEqual(self.world.tracker.watched, {})

    def test_otherSpelling(self) -> None:
        """
        A table in another case is refused with its right name, because no client
        would find the frames of a topic that it did not ask for.
        """
        (error,) = self.client.ask(type="subscribe", topic="ORDERS")
        self.assertEqual(error["code"], "unknown_table")
        self.assertIn("orders", error["message"])
        self.assertEqual(self.world.tracker.watched, {})

    def test_otherProject(self) -> None:
        """
        Another project's topic is refused.
        """
        self.world.authenticator.reload({"p": makeProject(), "q": makeProject(id="q")})
        self.assertEqual(
            codes(self.client.ask(type="subscribe", topic="chat/x/q")), ["wrong_project"]
        )

    def test_tooMany(self) -> None:
        """
        A connection holds as many topics as the limit says, those with presence included; one
        counts once, whatever the client does on it, and also while it is asked for.
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
        Topics that wait for their tables count as well.
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
        Of a topic that the client has left nothing is told any more, not even that it could not
        have been subscribed to.
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
        A filter on a topic that is no table's is an error rather than ignored; an
        empty one filters nothing.
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
        A change reaches a subscriber as a C{db_change}, once.
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
        A filter keeps other rows out, and asking again replaces it.
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
        Each project sees a table under a topic of its own.
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


class PublishTests(SynchronousTestCase):
    """
    Tests for C{publish} and C{chat}.
    """

    def setUp(self) -> None:
        self.world = World()
        self.ann = self.world.connect(userId="ann")
        self.bob = self.world.connect(userId="bob")
        for client in (self.ann, self.bob):
            client.ask(type="subscribe", topic="chat/x")

    def test_echoedAndAcknowledged(self) -> None:
        """
        An event reaches every subscriber, the publisher among them, who also gets
        an C{ack} with the id.
        """
        mine = self.ann.ask(type="publish", topic="chat/x", event="hi", data=[1], id="k")
        (theirs,) = self.bob.take()
        self.assertEqual(mine, [theirs, {"type": "ack", "id": "k"}])
        self.assertEqual(
            theirs,
            {
                "type": "event",
                "topic": "chat/x/p",
                "event": "hi",
                "data": [1],
                "userId": "ann",
                "timestamp": 1_000_000_000_000,
            },
        )

    def test_noIdNoAck(self) -> None:
        """
        Without an id there is no C{ack}.
        """
        frames = self.ann.ask(type="publish", topic="chat/x", event="hi", data=None)
        self.assertEqual(types(frames), ["event"])

    def test_ackAfterCommit(self) -> None:
        """
        With C{persist} neither the event nor the C{ack} goes out before it is kept.
        """
        self.world.history.held = []
        frames = self.ann.ask(
            type="publish", topic="chat/x", event="hi", data=1, persist=True, id=3
        )
        self.assertEqual(frames + self.bob.take(), [])
        self.world.history.release()
        self.assertEqual(types(self.ann.take()), ["event", "ack"])
        self.assertEqual(types(self.bob.take()), ["event"])

    def test_orderAcrossPersistence(self) -> None:
        """
        An event that need not be kept does not overtake one on the same topic that
        must; one on another topic does not wait.
        """
        self.bob.ask(type="subscribe", topic="chat/y")
        self.world.history.held = []
        self.ann.send(type="publish", topic="chat/x", event="1", data=0, persist=True)
        self.ann.send(type="publish", topic="chat/x", event="2", data=0)
        self.ann.send(type="publish", topic="chat/y", event="other", data=0)
        self.assertEqual([f["event"] for f in self.bob.take()], ["other"])
        self.world.history.release()
        self.assertEqual([f["event"] for f in self.bob.take()], ["1", "2"])
        self.assertEqual([f["event"] for f in self.ann.take()], ["1", "2"])

    def test_notKept(self) -> None:
        """
        An event that could not be kept is told to its publisher with its id, and
        to nobody else; what waited behind it goes on.
        """
        self.world.history.held = []
        self.ann.send(type="publish", topic="chat/x", event="1", data=0, persist=True, id="k")
        self.ann.send(type="publish", topic="chat/x", event="2", data=0)
        self.world.history.refuse()
        error, event = self.ann.take()
        self.assertEqual((error["code"], error["id"]), ("database_unavailable", "k"))
        self.assertEqual(error["retryAfter"], 1000)
        self.assertEqual([f["event"] for f in self.bob.take()], ["2"])
        self.assertEqual(event["event"], "2")

    def test_chat(self) -> None:
        """
        C{chat} becomes a C{chat_message} on the room's topic, and is kept.
        """
        (message,) = self.ann.ask(type="chat", roomId="x", text="hello", metadata={"a": 1})
        self.assertEqual(
            message,
            {
                "type": "chat_message",
                "topic": "chat/x/p",
                "event": "message",
                "data": {"id": "m1", "text": "hello", "metadata": {"a": 1}},
                "userId": "ann",
                "timestamp": 1_000_000_000_000,
            },
        )
        self.assertEqual(self.bob.take(), [message])
        (kept,) = self.world.history.messages
        self.assertEqual(json.loads(kept.message.data), message["data"])
        self.assertEqual(kept.message.id, "m1")

    def test_chatAcknowledged(self) -> None:
        """
        What is said under an id is acknowledged once it is kept, or refused by that id.
        """
        said = {"type": "chat", "roomId": "x", "text": "hello", "id": "k"}
        self.world.history.held = []
        self.assertEqual(self.ann.ask(**said), [])
        self.world.history.release()
        message, ack = self.ann.take()
        self.assertEqual((message["data"]["text"], ack), ("hello", {"type": "ack", "id": "k"}))
        self.world.history.held = []
        self.ann.send(**{**said, "id": 2})
        self.world.history.refuse()
        (error,) = self.ann.take()
        self.assertEqual((error["code"], error["id"]), ("database_unavailable", 2))
        (error,) = self.ann.ask(type="chat", roomId="x", text=3, id="n")
        self.assertEqual((error["code"], error["id"]), ("invalid_frame", "n"))
        (error,) = self.ann.ask(type="chat", roomId="", text="t", id="n")
        self.assertEqual((error["code"], error["id"]), ("invalid_topic", "n"))

    def test_chatAgain(self) -> None:
        """
        What comes again under its id is acknowledged again and said once; other words
        under the same id are another message.
        """
        said = {"type": "chat", "roomId": "x", "text": "hello", "metadata": {"a": [1]}, "id": 1}
        first, _ = self.ann.ask(**said)
        self.assertEqual(self.ann.ask(**said), [{"type": "ack", "id": 1}])
        self.assertEqual(self.bob.take(), [first])
        for other in ({"text": "bye"}, {"metadata": {"a": [2]}}, {"metadata": None}, {"id": 2}):
            self.ann.ask(**{**said, **other})
            self.assertEqual(len(self.bob.take()), 1, other)

    def test_chatAfterRestart(self) -> None:
        """
        What an earlier run kept under an id is not said again.
        """
        said = {"type": "chat", "roomId": "x", "text": "h\u00e9", "metadata": {"a": 1.50}, "id": 1}
        self.ann.ask(**said)
        (kept,) = self.world.history.messages
        later = World()
        later.hub.publisher.remember(kept)
        ann = later.connect(userId="ann")
        self.assertEqual(ann.ask(**said), [{"type": "ack", "id": 1}])
        self.assertEqual(later.history.messages, [])

    def test_tableTopic(self) -> None:
        """
        A client cannot publish on a table's topic.
        """
        frames = self.ann.ask(type="publish", topic="orders", event="x", data=1, id="k")
        self.assertEqual([(f["code"], f["id"]) for f in frames], [("forbidden", "k")])

    def test_reservedEvent(self) -> None:
        """
        A client cannot publish the daemon's own C{presence:} events; C{ai:} is free.
        """
        frames = self.ann.ask(type="publish", topic="chat/x", event="presence:join", data={})
        self.assertEqual(codes(frames), ["invalid_event"])
        self.assertEqual(self.bob.take(), [])
        self.ann.send(type="publish", topic="chat/x", event="ai:token", data="a")
        self.assertEqual([f["event"] for f in self.bob.take()], ["ai:token"])

    def test_dataUntouched(self) -> None:
        """
        Data passes through as it was written, large integers included.
        """
        self.ann.sendRaw(
            b'{"type":"publish","topic":"chat/x","event":"n","data":{"n":12345678901234567890123}}'
        )
        (event,) = self.bob.take()
        self.assertEqual(event["data"], {"n": 12345678901234567890123})


class PresenceTests(SynchronousTestCase):
    """
    Tests for C{track} and C{untrack}.
    """

    def setUp(self) -> None:
        self.world = World(grace=10)
        self.watcher = self.world.connect(userId="watcher")
        self.watcher.ask(type="subscribe", topic="doc/1")

    def events(self) -> list[tuple[str, str, Any]]:
        return [(f["event"], f["data"]["userId"], f["data"]["state"]) for f in self.watcher.take()]

    def test_joinUpdateLeave(self) -> None:
        """
        Subscribers see a member join, change and leave.
        """
        ann = self.world.connect(userId="ann")
        (sync,) = ann.ask(type="track", topic="doc/1", state={"x": 1})
        self.assertEqual(sync["event"], "presence:sync")
        self.assertEqual([m["userId"] for m in sync["data"]["members"]], ["ann"])
        self.assertEqual(self.events(), [("presence:join", "ann", {"x": 1})])
        self.assertEqual(ann.ask(type="track", topic="doc/1", state={"x": 2}), [])
        self.assertEqual(self.events(), [("presence:update", "ann", {"x": 2})])
        ann.send(type="track", topic="doc/1", state={"x": 2})
        self.assertEqual(self.events(), [])
        ann.send(type="untrack", topic="doc/1")
        self.assertEqual(self.events(), [("presence:leave", "ann", {"x": 2})])

    def test_tooMuch(self) -> None:
        """
        A connection that says too much on all of its topics together is refused what is too
        much, also on a table's topic, and goes on.
        """
        ann = self.world.connect(userId="ann")
        state = {"text": "x" * (LimitsConfig().stateBytes - 20)}
        for number in range(16):
            ann.send(type="track", topic=f"doc/{number}", state=state)
        ann.take()
        for topic in ("doc/17", "orders"):
            (error,) = ann.ask(type="track", topic=topic, state=state)
            self.assertEqual((error["code"], error["request"]), ("too_large", "track"))
        ann.ask(type="untrack", topic="doc/3")
        (sync,) = ann.ask(type="track", topic="doc/17", state=state)
        self.assertEqual(sync["event"], "presence:sync")

    def test_syncOnSubscribe(self) -> None:
        """
        Who subscribes is told who is there, and nothing where nobody is.
        """
        ann = self.world.connect(userId="ann")
        ann.send(type="track", topic="doc/1", state={})
        late = self.world.connect()
        confirmed, sync = late.ask(type="subscribe", topic="doc/1")
        self.assertEqual(confirmed["type"], "subscribed")
        self.assertEqual([m["userId"] for m in sync["data"]["members"]], ["ann"])
        self.assertEqual(types(late.ask(type="subscribe", topic="doc/2")), ["subscribed"])

    def test_twoTabs(self) -> None:
        """
        Two connections of one user are two members; one leaves, one stays.
        """
        tabs = [self.world.connect(userId="ann") for _ in range(2)]
        for tab in tabs:
            tab.send(type="track", topic="doc/1", state={})
        joined = [f["data"]["connectionId"] for f in self.watcher.take()]
        self.assertEqual(joined, [tab.connectionId for tab in tabs])
        tabs[0].close()
        (left,) = self.watcher.take()
        self.assertEqual(left["event"], "presence:leave")
        self.assertEqual(left["data"]["connectionId"], tabs[0].connectionId)

    def test_cleanCloseLeavesAtOnce(self) -> None:
        """
        A clean close is a leave, at once.
        """
        ann = self.world.connect(userId="ann")
        ann.send(type="track", topic="doc/1", state={})
        self.events()
        ann.close()
        self.assertEqual([e[0] for e in self.events()], ["presence:leave"])

    def test_deathLeavesAfterGrace(self) -> None:
        """
        A connection that dies leaves when the grace period is over, not before.
        """
        ann = self.world.connect(userId="ann")
        ann.send(type="track", topic="doc/1", state={})
        self.events()
        ann.die()
        self.world.advance(9)
        self.assertEqual(self.events(), [])
        self.world.advance(2)
        self.assertEqual([e[0] for e in self.events()], ["presence:leave"])

    def test_backWithinGrace(self) -> None:
        """
        Nobody sees a user leave who comes back within the grace period, and the
        member keeps its connection id.
        """
        ann = self.world.connect(userId="ann")
        ann.send(type="track", topic="doc/1", state={"x": 1})
        (joined,) = self.watcher.take()
        ann.die()
        self.world.advance(5)
        again = self.world.connect(userId="ann")
        (sync,) = again.ask(type="track", topic="doc/1", state={"x": 1})
        self.assertEqual(
            [m["connectionId"] for m in sync["data"]["members"]], [joined["data"]["connectionId"]]
        )
        self.world.advance(30)
        self.assertEqual(self.watcher.take(), [])
        again.close()
        (left,) = self.watcher.take()
        self.assertEqual(left["data"]["connectionId"], joined["data"]["connectionId"])

    def test_stateTooLarge(self) -> None:
        """
        A state larger than the limit is refused.
        """
        ann = self.world.connect(userId="ann")
        frames = ann.ask(type="track", topic="doc/1", state={"x": "y" * 20_000})
        self.assertEqual(codes(frames), ["too_large"])
        self.assertEqual(self.events(), [])

    def test_stateNoObject(self) -> None:
        """
        A state that is no object is refused.
        """
        ann = self.world.connect(userId="ann")
        self.assertEqual(codes(ann.ask(type="track", topic="doc/1", state=[1])), ["invalid_frame"])


class TokenTests(SynchronousTestCase):
    """
    Tests for tokens on a live connection.
    """

    def setUp(self) -> None:
        project = makeProject(
            jwt=JWTConfig("HS256", TOKEN_SECRET, None), defaultRead=("anonymous", "token")
        )
        self.world = World({"p": project}, LimitsConfig(pingInterval=3600))

    def token(self, lasts: float | None = 60, **claims: Any) -> str:
        if lasts is not None:
            claims["exp"] = self.world.clock.seconds() + lasts
        return jwt.encode({"sub": "ann", **claims}, TOKEN_SECRET, "HS256")

    def connect(self, **claims: Any) -> Any:
        return self.world.connect(projectId="p", token=self.token(**claims))

    def test_expires(self) -> None:
        """
        When its token expires a connection is told so and closed.
        """
        client = self.connect()
        self.world.advance(58)
        self.assertIsNone(client.connection.closing)
        self.world.advance(3)
        self.assertEqual(codes(client.take()), ["token_expired"])
        self.assertEqual(client.connection.closing, (CLOSE_TOKEN, "token_expired"))

    def test_refreshed(self) -> None:
        """
        C{auth} with a fresh token keeps the connection beyond the old one's end.
        """
        client = self.connect()
        client.send(type="subscribe", topic="chat/x")
        self.world.advance(50)
        client.take()
        self.assertEqual(client.ask(type="auth", token=self.token(600)), [])
        self.world.advance(200)
        self.assertIsNone(client.connection.closing)
        self.assertIn(client.session, self.world.hub.registry.subscribers("chat/x/p"))

    def test_badToken(self) -> None:
        """
        C{auth} with a bad token is an error and a close.
        """
        client = self.connect()
        frames = client.ask(type="auth", token="nonsense")
        self.assertEqual(codes(frames), ["invalid_token"])
        self.assertEqual(client.connection.closing, (CLOSE_TOKEN, "invalid_token"))

    def test_narrowedByClaims(self) -> None:
        """
        Claims narrow what may be subscribed, published and tracked.
        """
        client = self.connect(
            topics={"subscribe": ["chat/*"], "publish": ["chat/a"], "presence": []}
        )
        self.assertEqual(types(client.ask(type="subscribe", topic="chat/b")), ["subscribed"])
        self.assertEqual(codes(client.ask(type="subscribe", topic="orders")), ["forbidden"])
        self.assertEqual(codes(client.ask(type="chat", roomId="b", text="x")), ["forbidden"])
        self.assertEqual(codes(client.ask(type="chat", roomId="a", text="x")), [])
        self.assertEqual(codes(client.ask(type="track", topic="chat/b", state={})), ["forbidden"])

    def test_narrowedWhileSubscribed(self) -> None:
        """
        A new token that allows less ends the subscriptions and presence that it
        does not allow, and says so.
        """
        client = self.connect()
        for topic in ("chat/a", "chat/b", "orders"):
            client.send(type="subscribe", topic=topic)
        client.send(type="track", topic="chat/b", state={})
        client.take()
        frames = client.ask(type="auth", token=self.token(topics={"subscribe": ["chat/a"]}))
        self.assertEqual(
            sorted(f["topic"] for f in frames if f["type"] == "unsubscribed"),
            ["chat/b/p", "table/orders/p"],
        )
        self.assertEqual(set(self.world.hub.registry), {"chat/a/p"})
        self.assertEqual(self.world.tracker.watched, {})
        self.assertEqual(list(self.world.hub.presence.topicsOf(client.connectionId)), [])

    def test_otherUser(self) -> None:
        """
        Under another user's token the first user's presence ends.
        """
        watcher = self.world.connect()
        watcher.ask(type="subscribe", topic="doc/1")
        client = self.connect()
        client.send(type="track", topic="doc/1", state={})
        watcher.take()
        client.send(type="auth", token=self.token(sub="bob"))
        self.assertEqual([f["event"] for f in watcher.take()], ["presence:leave"])
        client.send(type="track", topic="doc/1", state={})
        self.assertEqual([f["data"]["userId"] for f in watcher.take()], ["bob"])

    def test_narrowedWhileWaiting(self) -> None:
        """
        A table that was asked for under a better token is not given under a worse.
        """
        client = self.connect()
        self.world.tracker.asked = []
        client.send(type="subscribe", topic="orders")
        client.send(type="auth", token=self.token(topics={"subscribe": []}))
        self.world.tracker.asked.pop()()
        self.assertEqual(codes(client.take()), ["forbidden"])
        self.assertEqual(self.world.tracker.watched, {})
