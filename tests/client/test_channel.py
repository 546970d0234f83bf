"""
Tests for L{aerostack.client.channel}, with a daemon in memory.
"""

from __future__ import annotations

import gc
from typing import Any

from aerostack.core.rows.changes import Change
from aerostack.testing import PUBLIC_KEY
from tests.client.worlds import WorldTestCase
from tests.live.clients import makeToken


class SubscribingTests(WorldTestCase):
    """
    Tests for subscriptions.
    """

    def test_events(self) -> None:
        """
        Callbacks get the events of their name, and those of C{*} get all events.
        """
        channel = self.client().channel("chat/a")
        one, every = self.heard(channel, "one"), self.heard(channel)
        self.result(channel.subscribe())
        for event in ("one", "two"):
            self.result(channel.publish(event, event))
        self.assertEqual((one, every), (["one"], ["one", "two"]))

    def test_changes(self) -> None:
        """
        Callbacks get the changes of a table by the operation.
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
        A C{chat} message is the event C{message}.
        """
        channel = self.client().channel("chat/a")
        heard = self.heard(channel, "message")
        self.result(channel.subscribe())
        self.world.connect(userId="bob").ask(type="chat", roomId="a", text="hi")
        self.world.turn()
        self.assertEqual(heard[0]["text"], "hi")

    def test_beforeStart(self) -> None:
        """
        The client does what the application asked before there was a connection.
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
        The arguments of a subscription reach the daemon.
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
        A refused subscription fails, for any form of the topic.
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
        A refused filter leaves the subscription as it was.
        """
        channel = self.client().channel("chat/a")
        heard = self.heard(channel)
        self.result(channel.subscribe())
        self.assertEqual(self.refusal(channel.subscribe(filter={"a": 1})), "invalid_frame")
        self.result(channel.publish("e", 1))
        self.assertEqual(heard, [1])

    def test_unsubscribe(self) -> None:
        """
        A channel that unsubscribes gets no more frames, and loses its callbacks.
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
        All forms of a topic give the same channel.
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
        A topic with its project gets frames, even if the client does not know the project.
        """
        for options in ({"projectId": "p"}, {"projectId": None, "apiKey": PUBLIC_KEY}):
            channel = self.client(None, **options).channel("chat/a/p")
            heard = self.heard(channel)
            self.result(channel.subscribe())
            self.result(channel.publish("e", 1))
            self.assertEqual(heard, [1])

    def test_wrongTopic(self) -> None:
        """
        A value that can be no topic is refused at once.
        """
        client = self.client()
        for topic in ("", None, 1):
            self.assertRaises(ValueError, client.channel, topic)

    def test_unencodable(self) -> None:
        """
        A value that is not in JSON is refused at once, and nothing is sent.
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
        After an exception of a callback the other callbacks and the client go on.
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
        The client forgets a channel that the application no longer uses; a channel that the
        application holds stays the same.
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
        A subscription that another token does not allow ends with an error.
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
