"""
Tests for L{aerostack.sessions.commands}: C{publish} and C{chat}.
"""

from __future__ import annotations

import json

from twisted.trial.unittest import SynchronousTestCase

from aerostack.testing import World
from tests.answers import codes, types


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
        Every subscriber gets an event, also the publisher, which gets an C{ack} with the id as
        well.
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

    def test_replaces(self) -> None:
        """
        A kept event replaces the kept messages up to a time; an event that is not kept replaces
        none.
        """
        ask, history = self.ann.ask, self.world.history
        for number in (1, 2, 3):
            ask(type="publish", topic="chat/x", event="e", data=number, persist=True)
        until = history.messages[1].createdAt
        frames = ask(type="publish", topic="chat/x", event="e", data=4, replaces=until, id=1)
        self.assertEqual(codes(frames), ["invalid_arguments"])
        self.assertEqual(len(history.messages), 3)
        more = {"persist": True, "replaces": until, "id": 2}
        frames = ask(type="publish", topic="chat/x", event="e", data=4, **more)
        self.assertEqual(types(frames), ["event", "ack"])
        self.assertEqual([kept.message.data for kept in history.messages], [b"3", b"4"])

    def test_replacesOdd(self) -> None:
        """
        A C{replaces} that is no time is refused, and the connection goes on.
        """
        for odd in (-1, 2**53, 2**64, -(10**300)):
            more = {"persist": True, "replaces": odd}
            frames = self.ann.ask(type="publish", topic="chat/x", event="e", data=4, **more)
            self.assertEqual(codes(frames), ["invalid_arguments"])
        self.assertEqual(self.world.history.messages, [])

    def test_noIdNoAck(self) -> None:
        """
        Without an id there is no C{ack}.
        """
        frames = self.ann.ask(type="publish", topic="chat/x", event="hi", data=None)
        self.assertEqual(types(frames), ["event"])

    def test_ackAfterCommit(self) -> None:
        """
        With C{persist} the event and the C{ack} go out after the database has kept the event.
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
        An event without C{persist} does not overtake an earlier one with C{persist} on the same
        topic; events on other topics do not wait.
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
        If the database cannot keep an event, only its publisher gets an error, with the id, and
        later events go on.
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
        C{chat} becomes a C{chat_message} on the room's topic, and the database keeps it.
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
        The C{ack} or the error for a chat message has its id, and comes when the database has
        answered.
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
        A repeated chat message with the same id is acknowledged again and delivered once; another
        text with the same id is another message.
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
        A chat message that the database kept before a restart is not delivered again.
        """
        said = {"type": "chat", "roomId": "x", "text": "h\u00e9", "metadata": {"a": 1.50}, "id": 1}
        self.ann.ask(**said)
        (kept,) = self.world.history.messages
        later = World()
        later.hub.publisher.outcomes.restore(kept)
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
        A client cannot publish C{presence:} events, which are the daemon's; it can publish C{ai:}
        events.
        """
        frames = self.ann.ask(type="publish", topic="chat/x", event="presence:join", data={})
        self.assertEqual(codes(frames), ["invalid_event"])
        self.assertEqual(self.bob.take(), [])
        self.ann.send(type="publish", topic="chat/x", event="ai:token", data="a")
        self.assertEqual([f["event"] for f in self.bob.take()], ["ai:token"])

    def test_dataUntouched(self) -> None:
        """
        The daemon passes data on as the client wrote it, also large integers.
        """
        self.ann.sendRaw(
            b'{"type":"publish","topic":"chat/x","event":"n","data":{"n":12345678901234567890123}}'
        )
        (event,) = self.bob.take()
        self.assertEqual(event["data"], {"n": 12345678901234567890123})
