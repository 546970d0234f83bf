"""
Tests for connections over server-sent events that come back, on a site without sockets.
"""

from __future__ import annotations

from aerostack.core.rows.changes import INSERT, Change
from tests.net.sse.events import EventsCase


class ResumeTests(EventsCase):
    """
    Tests for C{Last-Event-ID}.
    """

    def publish(self, topic: str, *data: int) -> None:
        """
        Publish events.
        """
        client = self.world.connect()
        for each in data:
            client.send(type="publish", topic=topic, event="e", data=each)
        self.site.turn()

    def test_resumed(self) -> None:
        """
        The id of the last event resumes all topics, from where the client was, without another
        word of it.
        """
        subscribe = b'[{"type":"subscribe","topic":"chat/a"},{"type":"subscribe","topic":"chat/b"}]'
        wire = self.open(body=subscribe)
        self.publish("chat/a", 1, 2)
        self.publish("chat/b", 3, 4)
        ids = self.ids(wire)
        self.site.lose(wire)
        self.publish("chat/a", 5)
        for number, missed in ((3, [2, 3, 4, 5]), (5, [4, 5]), (6, [5])):
            again = self.open(f"Last-Event-ID: {ids[number]}")
            frames = self.frames(again)
            answers = [each["recovered"] for each in frames if each["type"] == "subscribed"]
            self.assertEqual(answers, [True, True])
            data = [each["data"] for each in frames if each["type"] == "event"]
            self.assertEqual(sorted(data), missed, number)

    def test_brokenAgain(self) -> None:
        """
        A client whose connection breaks again before all of its topics are answered loses none of
        them.
        """
        subscribe = b'[{"type":"subscribe","topic":"chat/a"},{"type":"subscribe","topic":"chat/b"}]'
        wire = self.open(body=subscribe)
        self.publish("chat/b", 1)
        self.site.lose(wire)
        self.publish("chat/a", 2)
        self.publish("chat/b", 3)
        for body in (b"", subscribe):
            again = self.open(f"Last-Event-ID: {self.ids(wire)[-1]}", body=body)
            first = next(id for id in self.ids(again) if id)
            self.site.lose(again)
            last = self.open(f"Last-Event-ID: {first}", body=body)
            data = [each["data"] for each in self.frames(last) if each["type"] == "event"]
            self.assertEqual(sorted(data), [2, 3])
            self.site.lose(last)

    def test_foreignTopic(self) -> None:
        """
        The ids that follow have only topics of the client's project.
        """
        again = self.open("Last-Event-ID: chat/a/q=,chat/b/p=")
        self.assertNotIn("chat/a/q=", self.ids(again)[-1])

    def test_named(self) -> None:
        """
        A client that repeats its subscriptions gets what it has missed, once.
        """
        subscribe = b'{"type": "subscribe", "topic": "chat/a"}'
        wire = self.open(body=subscribe)
        self.publish("chat/a", 1)
        self.site.lose(wire)
        self.publish("chat/a", 2)
        again = self.open(f"Last-Event-ID: {self.ids(wire)[-1]}", body=subscribe)
        self.assertEqual(self.types(again), ["session", "subscribed", "event"])
        self.assertEqual(self.frames(again)[-1]["data"], 2)

    def test_filter(self) -> None:
        """
        A subscription goes on with its filter.
        """
        body = b'{"type": "subscribe", "topic": "orders", "filter": {"id": 1}}'
        wire = self.open(body=body)
        self.world.turn()
        again = self.open(f"Last-Event-ID: {self.ids(wire)[-1]}")
        self.world.turn()
        self.assertEqual(self.types(again), ["session", "subscribed"])
        for number in (2, 1):
            change = Change(number, "orders", INSERT, {"id": number}, None, 0)
            self.world.tracker.change(change)
        self.world.turn()
        rows = [each["data"]["id"] for each in self.frames(again) if each["type"] == "db_change"]
        self.assertEqual(rows, [1])

    def test_incomplete(self) -> None:
        """
        A client whose C{Last-Event-ID} lacks some of its topics gets an error that says so.
        """
        wire = self.open("Last-Event-ID: chat/a/p=,*")
        self.assertEqual(self.types(wire), ["session", "error", "subscribed"])

    def test_without(self) -> None:
        """
        A client that keeps positions itself gets no ids.
        """
        body = b'{"type": "subscribe", "topic": "chat/a"}'
        wire = self.open(body=body, query="projectId=p&ids=0")
        self.assertEqual(self.types(wire), ["session", "subscribed"])
        self.assertEqual(set(self.ids(wire)), {""})
