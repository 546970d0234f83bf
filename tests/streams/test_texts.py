"""
Tests for L{aerostack.streams.texts}, by the frames of producers and watchers.
"""

from __future__ import annotations

from aerostack.hub.measuring import MAX_BACKLOG
from tests.streams.watching import TOPIC, StreamCase


class TextsTests(StreamCase):
    """
    Tests for when text is published.
    """

    def setUp(self) -> None:
        super().setUp()
        self.start()

    def test_firstAtOnce(self) -> None:
        """
        The first text goes out at once, what follows with the next tick.
        """
        self.append("a")
        self.early.take()
        self.assertEqual(self.early.texts["a1", "0"], "a")
        self.append("b")
        self.append("c")
        self.assertEqual(self.early.take(), [])
        self.world.advance(0.02)
        (frame,) = self.early.take()
        self.assertEqual((frame["data"], frame["at"]), ({"token": "bc"}, 1))

    def test_noOvertaking(self) -> None:
        """
        An event on the topic does not overtake text that came before it.
        """
        self.append("a")
        self.append("b")
        self.early.client.send(type="publish", topic=TOPIC, event="hi", data=1)
        self.append("c")
        self.early.take()
        self.world.advance(0.1)
        self.early.take()
        self.assertEqual(self.early.events, ["ai:start", "ai:token", "ai:token", "hi", "ai:token"])
        self.assertEqual(self.early.texts["a1", "0"], "abc")

    def test_waitsForCommit(self) -> None:
        """
        While a message of the topic is being kept, text is put together and goes out behind it.
        """
        self.append("a")
        self.world.history.held = []
        self.early.client.send(type="publish", topic=TOPIC, event="hi", data=1, persist=True)
        for each in "bcd":
            self.append(each)
            self.world.advance(0.05)
        self.early.take()
        self.assertEqual(self.early.texts["a1", "0"], "a")
        self.world.history.release()
        self.world.advance(0.05)
        self.early.take()
        self.assertEqual(self.early.events, ["ai:start", "ai:token", "hi", "ai:token"])
        self.assertEqual(self.early.texts["a1", "0"], "abcd")

    def test_waitsForSubscribers(self) -> None:
        """
        While subscribers are behind with what they were sent, text is put together; the producer is
        not refused.
        """
        self.append("a")
        receiver = self.world.backbone.publisher._receiver
        backlog = [MAX_BACKLOG + 1]
        self.patch(receiver, "backlog", lambda topic: backlog[0])
        for each in "bcd":
            self.append(each, id="n")
            self.assertEqual(self.answer()["type"], "stream_ack")
            self.world.advance(0.3)
        self.early.take()
        self.assertEqual(self.early.texts["a1", "0"], "a")
        backlog[0] = 0
        self.world.advance(0.3)
        self.early.take()
        self.assertEqual(self.early.texts["a1", "0"], "abcd")
        self.assertEqual(self.early.events, ["ai:start", "ai:token", "ai:token"])

    def test_waitsInOrder(self) -> None:
        """
        Nothing overtakes text that waits for the database: no event, and not the end.
        """
        self.world.history.held = []
        self.early.client.send(type="publish", topic=TOPIC, event="kept", data=1, persist=True)
        self.append("a")
        self.append("b")
        self.early.client.send(type="publish", topic=TOPIC, event="hi", data=1)
        self.append("c")
        self.producer.send(type="stream_end", stream="a1", epoch=1)
        self.world.history.release()
        self.early.take()
        token = "ai:token"
        self.assertEqual(
            self.early.events, ["ai:start", "kept", token, token, "hi", token, "ai:done"]
        )
        self.assertEqual(self.early.texts["a1", "0"], "abc")
