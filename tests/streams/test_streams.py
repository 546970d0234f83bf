"""
Tests for L{aerostack.streams.streams}, by the frames of producers: beginnings.
"""

from __future__ import annotations

from aerostack.core.answers.answers import Budget
from aerostack.errors import RealtimeError
from tests.streams.watching import CANONICAL, TOPIC, StreamCase


class StartTests(StreamCase):
    """
    Tests for the beginning of a stream.
    """

    def test_started(self) -> None:
        """
        The producer gets the number by which it sends, and watchers get C{ai:start}.
        """
        answer = self.start(owner="ann", meta={"n": 1}, id="s")
        self.assertEqual(
            answer,
            {
                "type": "stream_ack",
                "stream": "a1",
                "topic": CANONICAL,
                "id": "s",
                "epoch": 1,
                "length": {},
                "lease": 30000,
            },
        )
        (frame,) = self.early.take()
        self.assertEqual(frame["event"], "ai:start")
        self.assertEqual(
            frame["data"], {"id": "a1", "owner": "ann", "cancel": "owner", "meta": {"n": 1}}
        )

    def test_ownId(self) -> None:
        """
        The daemon makes an id for a stream that the producer gives none.
        """
        self.producer.send(type="stream_start", topic=TOPIC)
        self.assertTrue(self.answer()["stream"])

    def test_retried(self) -> None:
        """
        The same producer that starts again gets the same number, and the length of its text.
        """
        self.start(producer="run 1")
        self.append("abc")
        answer = self.start(producer="run 1")
        self.assertEqual((answer["epoch"], answer["length"]), (1, {"0": 3}))
        self.assertEqual(self.early.take()[0]["event"], "ai:start")
        self.assertEqual(self.early.events.count("ai:start"), 1)

    def test_busy(self) -> None:
        """
        Another producer is refused while the lease of the first runs, and says for how long.
        """
        self.start(producer="run 1")
        self.world.advance(10)
        error = self.start(producer="run 2")
        self.assertEqual((error["code"], error["retryAfter"]), ("stream_busy", 20000))
        self.assertEqual(self.start()["code"], "stream_busy")

    def test_takeover(self) -> None:
        """
        A producer that takes a stream over gets the next number and writes on; the one before is
        told, and its late text changes nothing.
        """
        self.start(producer="run 1")
        self.append("abc")
        answer = self.start(producer="run 2", takeover=True)
        self.assertEqual((answer["epoch"], answer["length"]), (2, {"0": 3}))
        late = self.refused("XYZ", at=3, epoch=1)
        self.assertEqual((late["code"], late["stream"]), ("stream_fenced", "a1"))
        self.append("def", at=3, epoch=2)
        self.world.advance(0.1)
        self.early.take()
        self.assertEqual(self.early.texts["a1", "0"], "abcdef")

    def test_toldOfTakeover(self) -> None:
        """
        The connection of the earlier producer is told to stop.
        """
        self.start(producer="run 1")
        other = self.world.connect(key="sk_0123456789abcdef")
        other.ask(type="stream_start", topic=TOPIC, stream="a1", producer="run 2", takeover=True)
        (stop,) = self.producer.take()
        self.assertEqual(
            stop,
            {
                "type": "stream_stop",
                "stream": "a1",
                "topic": CANONICAL,
                "epoch": 1,
                "state": "streaming",
            },
        )

    def test_rights(self) -> None:
        """
        A client without the secret key needs a token that names the topic.
        """
        client = self.world.connect(userId="ann")
        (error,) = client.ask(type="stream_start", topic=TOPIC, id=1)
        self.assertEqual((error["code"], error["id"]), ("forbidden", 1))

    def test_anothersStream(self) -> None:
        """
        A client that has not started a stream can neither feed nor end it.
        """
        self.start()
        client = self.world.connect(userId="ann")
        for frame in (
            {"type": "stream_append", "part": "0", "at": 0, "text": "x"},
            {"type": "stream_end"},
            {"type": "stream_beat"},
        ):
            (error,) = client.ask(stream="a1", epoch=1, **frame)
            self.assertEqual(error["code"], "stream_unknown")

    def test_unknown(self) -> None:
        """
        A producer is told to start a stream that does not run; those who read or cancel it are not.
        """
        error = self.refused("x", stream="none")
        self.assertIn("start it first", error["message"])
        (error,) = self.early.client.ask(type="stream_cancel", stream="none", id="c")
        self.assertEqual(error["code"], "stream_unknown")
        self.assertIn("has ended and was not kept", error["message"])
        failure = self.failureResultOf(self.world.streams.get("p", "none"), RealtimeError)
        self.assertNotIn("start", str(failure.value))

    def test_badInput(self) -> None:
        """
        What a producer cannot ask for is refused with a sentence about it.
        """
        for fields in (
            {"stream": "a b"},
            {"cancel": "all"},
            {"lease": 1},
            {"owner": ""},
            {"producer": "x" * 129},
            {"producer": "relay:1"},
        ):
            self.producer.send(**{"type": "stream_start", "topic": TOPIC, **fields})
            self.assertEqual(self.answer()["code"], "invalid_arguments", fields)
        self.producer.send(type="stream_start", topic="orders")
        self.assertEqual(self.answer()["code"], "invalid_arguments")
        self.assertEqual(self.start(meta={"x": "y" * 20000})["code"], "too_large")

    def test_tooMany(self) -> None:
        """
        A topic has a bounded number of streams.
        """
        answers = self.world.backbone.sequencer.answers
        answers.budget = Budget(perTopic=2)
        self.start("a1")
        self.start("a2")
        self.assertEqual(self.start("a3")["code"], "too_many_streams")
        self.end("a1")
        self.assertEqual(self.start("a3")["type"], "stream_ack")
