"""
Tests for L{aerostack.client.session} and L{aerostack.client.channel}, with a daemon in
memory.
"""

from __future__ import annotations

import gc
import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from aerostack.client.errors import ClientError
from aerostack.client.topic import pathOf
from aerostack.core.changes import Change
from aerostack.errors import RealtimeError
from aerostack.settings import LimitsConfig
from aerostack.testing import PUBLIC_KEY, World
from tests.client.worlds import AWAY, WorldTestCase
from tests.live.clients import makeToken


class PathTests(SynchronousTestCase):
    """
    Tests for L{pathOf}.
    """

    def test_forms(self) -> None:
        """
        Every form of a topic has one path.
        """
        for topic, path in (
            ("orders", "table/orders"),
            ("table/orders", "table/orders"),
            ("table/orders/p", "table/orders"),
            ("chat/general", "chat/general"),
            ("chat/general/p", "chat/general"),
            ("chat/p", "chat"),
            ("p", "table/p"),
        ):
            self.assertEqual(pathOf(topic, "p"), path)
        self.assertEqual(pathOf("orders", None), "table/orders")
        self.assertEqual(pathOf("chat/general/p", None), "chat/general/p")


class SubscribingTests(WorldTestCase):
    """
    Tests for subscriptions.
    """

    def test_events(self) -> None:
        """
        Callbacks are called by the name of the event, and those of C{*} with all.
        """
        channel = self.client().channel("chat/a")
        one, every = self.heard(channel, "one"), self.heard(channel)
        self.result(channel.subscribe())
        for event in ("one", "two"):
            self.result(channel.publish(event, event))
        self.assertEqual((one, every), (["one"], ["one", "two"]))

    def test_changes(self) -> None:
        """
        Changes of a table are called by their operation.
        """
        channel = self.client().channel("orders")
        frames: list[Any] = []
        channel.on("INSERT", frames.append).on("DELETE", frames.append)
        answer = self.result(channel.subscribe())
        self.assertEqual(answer["topic"], "table/orders/p")
        for n, operation in enumerate(("INSERT", "UPDATE", "DELETE"), 1):
            self.world.tracker.change(Change(n, "orders", operation, {"id": 1}, {"id": 1}, 5))
        self.world.turn()
        self.assertEqual([frame["operation"] for frame in frames], ["INSERT", "DELETE"])

    def test_chat(self) -> None:
        """
        What is said with C{chat} is the event C{message}.
        """
        channel = self.client().channel("chat/a")
        heard = self.heard(channel, "message")
        self.result(channel.subscribe())
        self.world.connect(userId="bob").ask(type="chat", roomId="a", text="hi")
        self.world.turn()
        self.assertEqual(heard[0]["text"], "hi")

    def test_beforeStart(self) -> None:
        """
        What was asked for before there was a connection is done when there is one.
        """
        client = self.world.realtime(userId="ann")
        channel = client.channel("chat/a")
        heard = self.heard(channel, "e")
        subscribed, published = channel.subscribe(), channel.publish("e", 1)
        channel.track({"a": 1})
        self.world.turn()
        self.assertNoResult(subscribed)
        client.startService()
        self.result(subscribed)
        self.result(published)
        self.assertEqual(heard, [1])
        self.assertEqual([m["state"] for m in channel.presence.members], [{"a": 1}])

    def test_options(self) -> None:
        """
        What a subscription is to be like reaches the daemon.
        """
        client = self.client()
        sent: list[Any] = []
        wire = self.world.wires[0]
        self.patch(wire, "send", lambda payload: sent.append(payload.decode()))
        client.channel("orders", filter={"a": 1}).subscribe(
            since="x",
            snapshot=True,
            order=[["id", "desc"]],
            limit=5,
            columns=["id"],
            event=["INSERT"],
        )
        for part in (
            '"filter":{"a":1}',
            '"snapshot":true',
            '"order":[["id","desc"]]',
            '"limit":5',
            '"columns":["id"]',
            '"event":["INSERT"]',
            '"since":"x"',
        ):
            self.assertIn(part, sent[0])
        self.assertNotIn("null", sent[0])

    def test_refused(self) -> None:
        """
        A subscription that is refused fails, whatever the topic was called.
        """
        client = self.client(projectId=None, apiKey=PUBLIC_KEY, userId=None)
        for topic, code in (
            ("nothing", "unknown_table"),
            ("chat/a;b", "invalid_topic"),
            ("chat/", "invalid_topic"),
            ("table/a/b", "invalid_topic"),
        ):
            self.assertEqual(self.refusal(client.channel(topic).subscribe()), code, topic)
        self.assertEqual(self.errors, [])

    def test_filterRefused(self) -> None:
        """
        A topic of one's own cannot be filtered, and goes on as it was.
        """
        channel = self.client().channel("chat/a")
        heard = self.heard(channel)
        self.result(channel.subscribe())
        self.assertEqual(self.refusal(channel.subscribe(filter={"a": 1})), "invalid_frame")
        self.result(channel.publish("e", 1))
        self.assertEqual(heard, [1])

    def test_unsubscribe(self) -> None:
        """
        Who unsubscribes hears no more, and its callbacks are gone.
        """
        channel = self.client().channel("chat/a")
        heard = self.heard(channel)
        self.result(channel.subscribe())
        self.result(channel.unsubscribe())
        self.assertEqual(self.subscribers("chat/a/p"), 0)
        self.result(channel.publish("e", 1))
        self.result(channel.subscribe())
        self.result(channel.publish("e", 2))
        self.assertEqual(heard, [])

    def test_topics(self) -> None:
        """
        Any form of a topic is the same channel, and hears it.
        """
        for options in ({"projectId": "p"}, {"projectId": None, "apiKey": PUBLIC_KEY}):
            client = self.client(None, **options)
            for topic in ("chat/a", "orders"):
                channel = client.channel(topic)
                self.assertIs(client.channel(topic), channel)
                self.result(channel.subscribe())
            self.result(client.channel("table/orders").subscribe())
            heard = self.heard(client.channel("table/orders"), "e")
            self.world.sdk().socket.emit("e", 1, "orders")
            self.world.turn()
            self.assertEqual(heard, [1])

    def test_canonical(self) -> None:
        """
        A topic with its project is heard, whether or not the client knows the project.
        """
        for options in ({"projectId": "p"}, {"projectId": None, "apiKey": PUBLIC_KEY}):
            channel = self.client(None, **options).channel("chat/a/p")
            heard = self.heard(channel)
            self.result(channel.subscribe())
            self.result(channel.publish("e", 1))
            self.assertEqual(heard, [1])

    def test_wrongTopic(self) -> None:
        """
        What can be no topic is refused at once.
        """
        client = self.client()
        for topic in ("", None, 1):
            self.assertRaises(ValueError, client.channel, topic)

    def test_unencodable(self) -> None:
        """
        What is no JSON is refused at once, and nothing is sent.
        """
        channel = self.client().channel("chat/a")
        self.assertRaises(TypeError, channel.publish, "e", object())
        self.assertRaises(TypeError, channel.publish, 1, "e")
        self.assertRaises(TypeError, channel.track, {"a": object()})
        self.assertRaises(TypeError, channel.track, [1])
        self.assertRaises(TypeError, channel.subscribe, filter=object())
        self.world.turn()
        self.assertFalse(channel.isSubscribed)

    def test_raisingCallback(self) -> None:
        """
        A callback that raises costs the others, and the client, nothing.
        """
        channel = self.client().channel("chat/a").on("e", lambda frame: 1 / 0)
        heard = self.heard(channel)
        self.result(channel.subscribe())
        for n in range(2):
            self.result(channel.publish("e", n))
        self.assertEqual(heard, [0, 1])
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 2)

    def test_doneWith(self) -> None:
        """
        A channel that the application has done with is let go of; one that it holds is the
        same when it is used again.
        """
        client = self.client()
        channel = client.channel("chat/a")
        self.result(channel.subscribe())
        self.result(channel.unsubscribe())
        self.assertIs(client.channel("chat/a"), channel)
        self.result(channel.unsubscribe())
        self.result(channel.subscribe())
        self.assertIs(client.channel("chat/a"), channel)
        self.result(channel.unsubscribe())
        number = id(channel)
        del channel
        gc.collect()
        self.assertNotIn(number, [id(each) for each in gc.get_objects()])

    def test_sentAway(self) -> None:
        """
        A subscription that another token does not allow ends, and this is told.
        """
        token = makeToken("ann", topics={"subscribe": ["chat/*"]})
        client = self.client(None, token=makeToken("ann"))
        news, chat = client.channel("news/a"), client.channel("chat/a")
        refused: list[str] = []
        news.onError(lambda error: refused.append(error.code))
        heard = self.heard(chat)
        self.result(news.subscribe())
        self.result(chat.subscribe())
        client.setToken(token)
        self.world.turn()
        self.assertEqual(
            (refused, news.isSubscribed, chat.isSubscribed), (["forbidden"], False, True)
        )
        self.away()
        self.assertEqual((self.subscribers("news/a/p"), self.subscribers("chat/a/p")), (0, 1))
        self.world.sdk().socket.emit("e", 1, "chat/a")
        self.world.turn()
        self.assertEqual(heard, [1])


class ResumeTests(WorldTestCase):
    """
    Tests for coming back.
    """

    def setUp(self) -> None:
        super().setUp()
        self.subscriber = self.client()
        self.chat = self.subscriber.channel("chat/a")
        self.gaps: list[Any] = []
        self.chat.onGap(self.gaps.append)
        self.begun: list[Any] = []
        self.chat.onSubscribed(self.begun.append)
        self.got = self.heard(self.chat)
        self.result(self.chat.subscribe())
        self.sdk = self.world.sdk()

    def emit(self, *data: Any, **options: Any) -> None:
        """
        Emit events.
        """
        for each in data:
            self.successResultOf(self.sdk.socket.emit("e", each, "chat/a", **options))
        self.world.turn()

    def test_missed(self) -> None:
        """
        What happened meanwhile comes when the client is back, in order and once.
        """
        self.emit(1, 2)
        self.world.reachable = False
        self.world.cut()
        self.emit(3, 4)
        self.world.advance(2)
        self.emit(5)
        self.world.reachable = True
        self.world.advance(AWAY)
        self.emit(6)
        self.away()
        self.emit(7)
        self.assertEqual(self.got, [1, 2, 3, 4, 5, 6, 7])
        self.assertEqual([frame.get("recovered") for frame in self.begun], [None, True, True])
        self.assertEqual(self.gaps, [])

    def test_cutAgain(self) -> None:
        """
        Who is cut off while it catches up goes on from there.
        """
        self.world.reachable = False
        self.world.cut()
        self.emit(*range(200))
        self.world.reachable = True
        for _ in range(20):
            for _ in range(400):
                if not self.world.wires:
                    self.world.clock.advance(0.1)
            self.world.step()
            self.world.cut()
        self.world.advance(AWAY)
        self.assertEqual(self.got, list(range(200)))

    def test_gap(self) -> None:
        """
        Where the past is gone, that is told before anything new.
        """
        order: list[Any] = []
        self.chat.onGap(order.append)
        self.chat.on("e", lambda frame: order.append(frame["data"]))
        self.emit(1)
        self.world.reachable = False
        self.world.cut()
        self.emit(2)
        self.world.advance(400)
        for _ in self.world.hub.expireStreams():
            pass
        self.world.reachable = True
        self.world.advance(AWAY)
        self.emit(3)
        self.assertEqual(order, [1, self.gaps[0], 3])
        self.assertEqual(self.gaps[0]["topic"], "chat/a")
        self.assertIn(self.gaps[0]["reason"], ("expired", "unknown"))

    def test_gapUnheard(self) -> None:
        """
        A gap that nobody wants to hear of is logged.
        """
        channel = self.subscriber.channel("chat/b")
        self.result(channel.subscribe(since="nonsense"))
        # It is no error, and trial shows only those.
        self.assertTrue(channel.isSubscribed)

    def test_restart(self) -> None:
        """
        After a restart of the daemon what was kept comes, and what is live.
        """
        self.emit(1, persist=True)
        self.world.cut()
        self.world.restart()
        self.sdk = self.world.sdk()
        self.emit(2, persist=True)
        self.world.advance(AWAY)
        self.emit(3)
        self.assertEqual(self.got, [1, 2, 3])
        self.assertTrue(self.begun[-1]["keptOnly"])

    def test_tableLost(self) -> None:
        """
        A table that is lost is an error and a gap, and its subscription stays.
        """
        told: list[Any] = []
        orders = self.subscriber.channel("orders")
        orders.onError(lambda error: told.append(error.code))
        orders.onGap(told.append)
        self.result(orders.subscribe())
        lost = RealtimeError("table_lost", "It was dropped.")
        self.world.tracker.listener.tableLost("orders", lost, 5)
        self.world.turn()
        self.assertEqual(told, ["table_lost", {"topic": "orders", "reason": "table_lost"}])
        self.assertTrue(orders.isSubscribed)

    def test_since(self) -> None:
        """
        A position of an earlier run is where a later one goes on.
        """
        self.emit(1)
        position = self.chat.position
        self.result(self.subscriber.stopService())
        self.emit(2)
        other = self.client("bob").channel("chat/a")
        heard = self.heard(other)
        self.result(other.subscribe(since=position))
        self.assertEqual(heard, [2])

    def test_stopAndStart(self) -> None:
        """
        A client that is stopped and started again goes on where it was.
        """
        self.emit(1)
        self.result(self.subscriber.stopService())
        self.emit(2)
        self.subscriber.startService()
        self.world.turn()
        self.assertEqual(self.got, [1, 2])

    def test_table(self) -> None:
        """
        Changes of tables are resumed as well.
        """
        orders = self.subscriber.channel("orders")
        heard = self.heard(orders, "INSERT")
        self.result(orders.subscribe())
        for n in (1, 2, 3):
            self.world.tracker.change(Change(n, "orders", "INSERT", {"id": n}, None, 5))
            self.away()
        self.assertEqual(heard, [{"id": n} for n in (1, 2, 3)])


class SnapshotTests(WorldTestCase):
    """
    Tests for frames that the daemon in memory does not send.
    """

    def setUp(self) -> None:
        super().setUp()
        self.channel = self.client().channel("orders")

    def hear(self, **frame: Any) -> None:
        """
        Let the client hear a frame.
        """
        payload = json.dumps({"topic": "table/orders/p", **frame}).encode()
        self.world.wires[0]._user.received(payload)

    def test_pages(self) -> None:
        """
        The pages of a snapshot come as C{snapshot}, the first marked, before what is live;
        then there is a position to resume from.
        """
        pages: list[Any] = []
        self.channel.on("snapshot", pages.append)
        self.patch(self.world.wires[0], "send", lambda payload: None)
        self.channel.subscribe(snapshot=True)
        self.hear(type="subscribed")
        self.hear(type="snapshot", rows=[{"id": 1}], more=True)
        self.assertIsNone(self.channel.position)
        self.hear(type="snapshot", rows=[{"id": 2}], more=False, pos="x")
        self.assertEqual(
            [(page["rows"], page["first"]) for page in pages],
            [([{"id": 1}], True), ([{"id": 2}], False)],
        )
        self.assertEqual(self.channel.position, "x")

    def test_others(self) -> None:
        """
        The feed's status and the ends of transactions are told; what is unknown is not
        looked at.
        """
        told: list[Any] = []
        self.channel.onFeedChange(lambda feed, message: told.append((feed, message)))
        self.channel.on("commit", told.append).on("*", told.append)
        self.result(self.channel.subscribe())
        self.hear(type="status", feed="down", message="The database is gone.")
        self.hear(type="commit", tx="7", pos="y")
        self.hear(type="new", topic="table/orders/p")
        self.hear(type="event", event="e", topic="chat/unknown/p")
        self.hear(type="new", topic=None)
        self.assertEqual(told[0], ("down", "The database is gone."))
        self.assertEqual([frame["type"] for frame in told[1:]], ["commit"])
        self.assertEqual(self.channel.position, "y")


class PublishingTests(WorldTestCase):
    """
    Tests for publications.
    """

    def setUp(self) -> None:
        super().setUp()
        self.publisher = self.client("ann")
        self.watched = self.client("bob").channel("chat/a")
        self.got = self.heard(self.watched)
        self.result(self.watched.subscribe())
        self.channel = self.publisher.channel("chat/a")

    def test_acknowledged(self) -> None:
        """
        A publication is acknowledged when it is kept, and not before.
        """
        self.world.history.held = []
        waiting = self.channel.publish("e", 1, persist=True)
        self.world.turn()
        self.assertNoResult(waiting)
        self.world.history.release()
        self.result(waiting)
        self.assertEqual(self.got, [1])

    def test_refused(self) -> None:
        """
        One that is refused fails, and the others do not.
        """
        codes = [
            self.refusal(self.channel.publish("presence:join", 1)),
            self.refusal(self.publisher.channel("orders").publish("e", 1)),
            self.refusal(self.publisher.channel("chat/;").publish("e", 1)),
        ]
        self.assertEqual(codes, ["invalid_event", "forbidden", "invalid_topic"])
        self.result(self.channel.publish("e", 2))
        self.assertEqual((self.got, self.errors), ([2], []))

    def test_chat(self) -> None:
        """
        What is said in a room comes to those who are there, is kept once however often it
        had to be sent, and fails where it may not be said.
        """
        room = self.publisher.chatRoom("a")
        self.assertIs(room, self.channel)
        waiting = self.publisher.sendChat("a", "hello", {"mood": "fine"})
        # The daemon gets it, and its answer gets lost.
        self.world.step()
        self.away()
        self.successResultOf(waiting)
        self.result(self.publisher.sendChat("a", "bye"))
        self.assertEqual(
            [(said["text"], said["metadata"]) for said in self.got],
            [("hello", {"mood": "fine"}), ("bye", None)],
        )
        self.assertEqual(self.refusal(self.publisher.sendChat("a;", "hello")), "invalid_topic")
        self.assertEqual(self.refusal(self.publisher.sendChat("a", "x", [1])), "invalid_frame")
        self.assertRaises(TypeError, self.publisher.sendChat, "a", None)

    def test_again(self) -> None:
        """
        What was not acknowledged is sent again after a reconnect, and counts once, whether
        the daemon had it or not.
        """
        for lost in ("before", "after"):
            waiting = [self.channel.publish("e", f"{lost} {n}") for n in range(3)]
            if lost == "after":
                # The daemon gets them, and its answers get lost.
                self.world.step()
            self.away()
            for each in waiting:
                self.successResultOf(each)
        self.assertEqual(
            self.got, [f"{lost} {n}" for lost in ("before", "after") for n in range(3)]
        )

    def test_offline(self) -> None:
        """
        What is published while there is no connection waits for one, in its order, as much
        as may.
        """
        client = self.client("carl", maxQueue=3)
        self.world.reachable = False
        self.world.cut()
        self.world.turn()
        channel = client.channel("chat/a")
        waiting = [channel.publish("e", n) for n in range(4)]
        self.assertEqual(self.refusal(waiting.pop()), "queue_full")
        self.world.reachable = True
        self.world.advance(AWAY)
        for each in waiting:
            self.successResultOf(each)
        self.assertEqual(self.got, [0, 1, 2])

    def test_stopped(self) -> None:
        """
        Who waits when the client is stopped is told, and so is who asks later.
        """
        self.world.history.held = []
        waiting = self.channel.publish("e", 1, persist=True)
        self.world.turn()
        self.result(self.publisher.stopService())
        self.assertEqual(self.refusal(waiting), "stopped")
        self.assertEqual(self.refusal(self.channel.publish("e", 2)), "stopped")
        self.assertEqual(self.refusal(self.channel.subscribe()), "stopped")

    def test_passing(self) -> None:
        """
        One that is refused for a while is published when it is over.
        """
        self.world.history.held = []
        waiting = self.channel.publish("e", 1, persist=True)
        self.world.turn()
        self.world.history.refuse()
        self.world.turn()
        self.assertNoResult(waiting)
        self.world.advance(2)
        self.successResultOf(waiting)
        self.assertEqual(self.got, [1])

    def test_stoppedMeanwhile(self) -> None:
        """
        Stopped while something waits for its time, nothing is left behind.
        """
        self.world.history.held = []
        waiting = self.channel.publish("e", 1, persist=True)
        self.world.turn()
        self.world.history.refuse()
        self.world.turn()
        self.result(self.publisher.stopService())
        self.assertEqual(self.refusal(waiting), "stopped")
        for wire in self.world.wires:
            wire._user._user.stop()
        self.world.turn()
        self.assertEqual(self.world.clock.getDelayedCalls(), [])

    def test_strange(self) -> None:
        """
        An error about a publication that nobody knows is none of a subscription's.
        """
        self.world.tracker.asked = []
        client = self.client("carl")
        subscribed = client.channel("orders").subscribe()
        self.world.turn()
        error = {"type": "error", "code": "forbidden", "message": "No.", "topic": "table/orders/p"}
        self.world.wires[-1]._user.received(json.dumps({**error, "id": "strange"}).encode())
        self.assertNoResult(subscribed)
        self.assertEqual(self.errors, ["forbidden"])
        self.world.wires[-1]._user.received(json.dumps(error).encode())
        self.assertEqual(self.refusal(subscribed), "forbidden")

    def test_history(self) -> None:
        """
        What was kept can be read, a page at a time.
        """
        for n in range(5):
            self.result(self.channel.publish("e", n, persist=True))
        first = self.result(self.channel.getHistory(2))
        self.assertEqual([message["data"] for message in first], [4, 3])
        rest = self.result(self.channel.getHistory(before=first[-1]["created_at"]))
        self.assertEqual([message["data"] for message in rest], [2, 1, 0])


class FloodTests(WorldTestCase):
    """
    Tests for a client that has more to say than it may.  What is refused for that may be
    overtaken by what comes behind it.
    """

    limits = LimitsConfig(framesPerSecond=20.0, framesBurst=30)

    def test_flood(self) -> None:
        """
        A client that comes back with hundreds of subscriptions and publications gets all of
        them done, at the pace that is allowed, and is not closed for flooding.
        """
        client = self.world.realtime(userId="ann")
        channels = [client.channel(f"chat/{n}") for n in range(150)]
        waiting: list[Deferred[Any]] = []
        for channel in channels:
            waiting.append(channel.subscribe())
            waiting.append(channel.publish("e", 1))
            channel.track({})
        statuses: list[str] = []
        client.onStatusChange(statuses.append)
        client.startService()
        for _ in range(2000):
            self.world.clock.advance(0.05)
            self.world.turn()
            if all(each.called for each in waiting):
                break
        for each in waiting:
            self.successResultOf(each)
        self.assertEqual(statuses, ["connecting", "connected"])
        self.world.advance(30)
        for channel in channels:
            self.assertEqual(self.subscribers(f"{channel.topic}/p"), 1)
            self.assertEqual(len(channel.presence.members), 1, channel.topic)


class PresenceTests(WorldTestCase):
    """
    Tests for presence.
    """

    def setUp(self) -> None:
        super().setUp()
        self.ann, self.bob = (self.client(name).channel("doc/1") for name in ("ann", "bob"))
        self.result(self.ann.subscribe())

    def there(self) -> list[tuple[str, Any]]:
        """
        Whom C{ann} sees.
        """
        self.world.turn()
        return [
            (member["userId"].removeprefix("anonymous:"), member["state"])
            for member in self.ann.presence.members
        ]

    def test_set(self) -> None:
        """
        The set is always the present one.
        """
        self.assertEqual(self.there(), [])
        self.bob.track({"n": 1})
        self.assertEqual(self.there(), [("bob", {"n": 1})])
        self.bob.track({"n": 2})
        self.ann.track({})
        self.assertEqual(self.there(), [("bob", {"n": 2}), ("ann", {})])
        self.bob.untrack()
        self.assertEqual(self.there(), [("ann", {})])

    def test_away(self) -> None:
        """
        Who is tracked is so on the next connection too, and nobody sees it leave.
        """
        events: list[str] = []
        self.bob.track({"n": 1})
        self.world.turn()
        self.ann.on("*", lambda frame: events.append(frame["event"]))
        wire = self.world.wires[1]
        wire.cut()
        self.world.advance(5)
        self.assertEqual(self.there(), [("bob", {"n": 1})])
        self.assertEqual(events, [])
        self.bob.untrack()
        self.away()
        self.assertEqual(self.there(), [])

    def test_leftMeanwhile(self) -> None:
        """
        Who left while one was away is gone when one is back, even if nobody is left; the
        application hears of it as of any other set.
        """
        self.bob.track({"n": 1})
        self.assertEqual(len(self.there()), 1)
        sets: list[Any] = []
        self.ann.on("presence:sync", lambda frame: sets.append(frame["data"]["members"]))
        self.world.reachable = False
        self.world.wires[0].cut()
        self.bob.untrack()
        self.world.advance(2)
        self.world.reachable = True
        self.world.advance(AWAY)
        self.assertEqual((self.there(), sets), ([], [[]]))

    def test_stillThere(self) -> None:
        """
        Who is still there when one is back never was gone.
        """
        self.bob.track({"n": 1})
        self.there()
        sets: list[Any] = []
        self.ann.on("presence:sync", lambda frame: sets.append(len(frame["data"]["members"])))
        self.away()
        self.assertEqual((len(self.there()), sets), (1, [1]))

    def test_refused(self) -> None:
        """
        A state that is refused is told.
        """
        codes: list[str] = []
        self.bob.onError(lambda error: codes.append(error.code))
        self.bob.track({"a": "x" * 100_000})
        self.world.turn()
        self.assertEqual(codes, ["too_large"])

    def test_refusedWithSubscription(self) -> None:
        """
        The refusal of a subscription is that, and not one of the presence.
        """
        token = makeToken("ann", topics={"presence": ["doc/*"]})
        channel = self.client(None, token=token).channel("doc/1")
        codes: list[str] = []
        channel.onError(lambda error: codes.append(error.code))
        waiting = channel.subscribe()
        channel.track({})
        self.assertEqual(self.refusal(waiting), "forbidden")
        self.assertEqual((codes, [name for name, _ in self.there()]), ([], ["ann"]))

    def test_refusedMeanwhile(self) -> None:
        """
        A state that is refused while a subscription takes its time is not taken for that.
        """
        self.world.tracker.asked = []
        channel = self.client().channel("orders")
        codes: list[str] = []
        channel.onError(lambda error: codes.append(error.code))
        waiting = channel.subscribe()
        channel.track({"a": "x" * 100_000})
        self.world.turn()
        self.assertNoResult(waiting)
        for watch in self.world.tracker.asked:
            watch()
        self.result(waiting)
        self.assertEqual(codes, ["too_large"])

    def test_otherUser(self) -> None:
        """
        Under another user's token one is present as that.
        """
        client = self.client(None, token=makeToken("carl"))
        channel = client.channel("doc/1")
        channel.track({"n": 1})
        self.assertEqual(self.there(), [("carl", {"n": 1})])
        client.setToken(makeToken("dora"))
        self.assertEqual(self.there(), [("dora", {"n": 1})])


class TokenTests(WorldTestCase):
    """
    Tests for tokens.
    """

    def token(self, seconds: float, sub: str = "ann") -> str:
        return makeToken(sub, exp=self.world.clock.seconds() + seconds)

    def test_expired(self) -> None:
        """
        A token that expires ends the client, which says so, and waits for another one
        without asking; under that it goes on where it was.
        """
        client = self.client(None, token=self.token(5))
        channel = client.channel("chat/a")
        heard = self.heard(channel)
        self.result(channel.subscribe())
        self.world.advance(10)
        self.assertEqual(client.status, "disconnected")
        self.assertEqual(set(self.errors), {"token_expired"})
        self.assertEqual(self.refusal(channel.publish("e", 1)), "token_expired")
        self.world.sdk().socket.emit("e", 2, "chat/a")
        self.world.advance(120)
        self.assertEqual(self.world.wires, [])
        client.setToken(self.token(60))
        self.world.turn()
        self.assertEqual((client.status, heard), ("connected", [2]))

    def test_renewed(self) -> None:
        """
        A token that is renewed in time is used from then on.
        """
        client = self.client(None, token=self.token(5))
        client.setToken(self.token(600))
        self.world.advance(20)
        self.assertEqual((client.status, self.errors), ("connected", []))
        self.away()
        self.assertEqual(client.status, "connected")

    def test_renewedRightThere(self) -> None:
        """
        Who answers the error with another token is let in again.
        """
        client = self.client(None, token=self.token(5))
        client.onError(
            lambda error: error.code == "token_expired" and client.setToken(self.token(600))
        )
        self.world.history.held = []
        waiting = client.channel("chat/a").publish("e", 1, persist=True)
        self.world.advance(AWAY)
        self.assertEqual(client.status, "connected")
        # Whoever waited goes on waiting.
        self.world.history.release()
        self.result(waiting)

    def test_refusedAndRenewed(self) -> None:
        """
        Who answers the refusal to be let in with another token is let in, and what waited
        is done.
        """
        client = self.world.realtime(token=self.token(-5), projectId="p")
        client.onError(lambda error: client.setToken(self.token(600)))
        waiting = client.channel("chat/a").publish("e", 1)
        client.startService()
        self.result(waiting)
        self.assertEqual(client.status, "connected")

    def test_bad(self) -> None:
        """
        A token that is no good ends the client; it is tried once more, and no more.
        """
        client = self.client(None, token=self.token(60))
        client.setToken("a.b.c")
        self.world.advance(AWAY)
        self.assertEqual(client.status, "disconnected")
        self.assertEqual(self.errors[-1], "invalid_token")
        tries = len(self.errors)
        self.world.advance(AWAY)
        self.assertEqual(len(self.errors), tries)

    def test_impossible(self) -> None:
        """
        What can be no token is refused at once.
        """
        client = self.client()
        self.assertRaises(ValueError, client.setToken, "two words")


class EndsTests(WorldTestCase):
    """
    Tests for the ends of a client.
    """

    def test_refused(self) -> None:
        """
        A client that is not let in fails everything that waits, with the reason.
        """
        client = self.world.realtime(apiKey="pk_wrong_wrong_wrong")
        client.onError(lambda error: self.errors.append(error.code))
        channel = client.channel("chat/a")
        waiting = [channel.subscribe(), channel.publish("e", 1)]
        client.startService()
        for each in waiting:
            self.assertEqual(self.refusal(each), "unauthorized")
        self.assertEqual((client.status, self.errors), ("disconnected", ["unauthorized"]))
        self.world.advance(AWAY)
        self.assertEqual(self.errors, ["unauthorized"])

    def test_retries(self) -> None:
        """
        After so many retries it gives up and says so; asked to connect, it does.
        """
        told: list[Any] = []
        self.world.reachable = False
        client = self.world.realtime(maxReconnectAttempts=2)
        client.onStatusChange(told.append)
        client.onMaxRetriesExceeded(lambda: told.append("exceeded"))
        client.startService()
        self.world.advance(AWAY)
        self.assertEqual(told, ["connecting", "reconnecting", "disconnected", "exceeded"])
        self.world.reachable = True
        self.world.advance(AWAY)
        self.assertEqual(client.status, "disconnected")
        client.connect()
        self.world.turn()
        self.assertEqual(client.status, "connected")

    def test_connect(self) -> None:
        """
        Asked to connect, a client does not wait.
        """
        client = self.client()
        self.world.cut()
        client.connect()
        self.world.turn()
        self.assertEqual(client.status, "connected")
        self.result(client.disconnect())
        client.connect()
        self.world.turn()
        self.assertEqual((client.status, client.running), ("connected", True))

    def test_stopClean(self) -> None:
        """
        A client that is stopped leaves at once, and leaves nothing behind.
        """
        client = self.client()
        channel = client.channel("chat/a")
        channel.track({})
        self.result(channel.subscribe())
        self.result(client.stopService())
        self.assertEqual(self.subscribers("chat/a/p"), 0)
        self.assertEqual(list(self.world.hub.attendance.presence.members("chat/a/p")), [])
        self.assertEqual(self.world.clock.getDelayedCalls(), [])

    def test_ping(self) -> None:
        """
        A ping is answered, and fails with the connection.
        """
        client = self.client()
        self.result(client.ping())
        waiting = client.ping()
        self.world.cut()
        self.assertEqual(self.refusal(waiting), "unreachable")

    def test_unsubscribing(self) -> None:
        """
        Who waits to have left has left with the connection.
        """
        client = self.client()
        channel = client.channel("chat/a")
        self.result(channel.subscribe())
        left = channel.unsubscribe()
        self.world.cut()
        self.successResultOf(left)

    def test_callbacksThatCome(self) -> None:
        """
        What an application does while it is told that all is over is done.
        """
        client = self.client()
        channel = client.channel("chat/a")
        self.result(channel.subscribe())
        left = channel.unsubscribe()
        left.addCallback(lambda _: client.channel("chat/b").subscribe())
        self.world.cut()
        self.world.advance(AWAY)
        self.assertEqual(self.subscribers("chat/b/p"), 1)


class StoryTests(SynchronousTestCase):
    """
    Whatever an application does, and whatever happens to the network meanwhile, in the end
    the daemon has what the application wants, and nothing was lost or doubled.
    """

    TOPICS = ("chat/a", "orders")

    @settings(max_examples=60, deadline=None)
    @given(
        st.lists(
            st.one_of(
                st.tuples(st.just("subscribe"), st.sampled_from(TOPICS)),
                st.tuples(st.just("unsubscribe"), st.sampled_from(TOPICS)),
                st.tuples(st.just("track"), st.sampled_from(TOPICS)),
                st.tuples(st.just("untrack"), st.sampled_from(TOPICS)),
                st.tuples(st.just("publish"), st.booleans()),
                st.tuples(st.just("emit"), st.booleans()),
                st.tuples(st.just("cut"), st.none()),
                st.tuples(st.just("restart"), st.none()),
                st.tuples(st.just("unreachable"), st.none()),
                st.tuples(st.just("reachable"), st.none()),
                st.tuples(st.just("wait"), st.sampled_from([0, 1, 5])),
                st.tuples(st.just("step"), st.integers(1, 3)),
            ),
            max_size=40,
        )
    )
    def test_story(self, story: list[tuple[str, Any]]) -> None:
        """
        See above.
        """
        world = World()
        client, watcher = world.realtime(userId="ann"), world.realtime(userId="eve")
        got: list[Any] = []
        watcher.channel("chat/a").on("e", lambda frame: got.append(frame["data"])).subscribe()
        seen: list[Any] = []
        client.startService()
        watcher.startService()
        world.turn()
        channels = {topic: client.channel(topic) for topic in self.TOPICS}
        present: dict[str, Any] = dict.fromkeys(self.TOPICS)
        wanted = dict.fromkeys(self.TOPICS, False)
        published: list[Deferred[None]] = []
        # What is not kept does not outlive a restart.
        keep = ("restart", None) in story
        count = 0

        def step(action: str, what: Any) -> None:
            nonlocal count
            count += 1
            if action == "subscribe":
                wanted[what] = True
                channels[what].off("e").on("e", lambda frame: seen.append(frame["data"]))
                channels[what].subscribe().addErrback(lambda failure: failure.trap(ClientError))
            elif action == "unsubscribe":
                wanted[what] = False
                channels[what].unsubscribe()
            elif action == "track":
                present[what] = {"n": count}
                channels[what].track(present[what])
            elif action == "untrack":
                present[what] = None
                channels[what].untrack()
            elif action == "publish":
                published.append(channels["chat/a"].publish("e", count, what or keep))
            elif action == "emit":
                world.sdk().socket.emit("e", count, "chat/a", persist=what or keep)
            elif action in ("cut", "restart"):
                world.cut()
                if action == "restart":
                    world.restart()
            elif action == "wait":
                world.advance(what)
            elif action == "step":
                for _ in range(what):
                    world.step()
            else:
                world.reachable = action == "reachable"

        for action, what in story:
            step(action, what)
        world.reachable = True
        world.advance(AWAY)

        for each in published:
            self.successResultOf(each)
        for topic in self.TOPICS:
            canonical = "chat/a/p" if topic == "chat/a" else "table/orders/p"
            subscribers = len(world.hub.registry.subscribers(canonical))
            self.assertEqual(subscribers, wanted[topic] + (topic == "chat/a"), topic)
            self.assertEqual(channels[topic].isSubscribed, wanted[topic])
            states = [m.state for m in world.hub.attendance.presence.members(canonical)]
            self.assertEqual(len(states), present[topic] is not None)
        # The watcher was subscribed all the time: everything, once.  The order of what was
        # published is that in which the daemon got it, which is the order here.
        sent = [n for n, (action, _) in enumerate(story, 1) if action in ("publish", "emit")]
        self.assertEqual(sorted(got), sent)
        self.assertEqual(len(seen), len(set(seen)))
        mine = [n for n, (action, _) in enumerate(story, 1) if action == "publish"]
        self.assertEqual([n for n in got if n in mine], mine)
        for each in (client, watcher):
            each.stopService()
        world.advance(1)
        self.assertEqual(world.clock.getDelayedCalls(), [])


class ErrorTests(SynchronousTestCase):
    """
    Tests for what the fakes say.
    """

    def test_down(self) -> None:
        """
        A world that is not reachable says so.
        """
        world = World()
        world.reachable = False
        client = world.realtime(maxReconnectAttempts=0)
        client.startService()
        waiting = client.channel("chat/a").subscribe()
        world.turn()
        error = self.failureResultOf(waiting, ClientError).value
        self.assertEqual((error.code, error.message), ("unreachable", "Nobody is there."))
        self.assertNotIsInstance(error, RealtimeError)
