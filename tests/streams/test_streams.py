"""
Tests for L{aerostack.streams.streams}, by the frames of producers: beginnings and texts.
"""

from __future__ import annotations

from aerostack.core.answers.answers import Budget
from aerostack.hub.measuring import MAX_BACKLOG
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


class AppendTests(StreamCase):
    """
    Tests for text that grows.
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

    def test_acknowledged(self) -> None:
        """
        A frame with an id gets the length of the text; one without gets no answer.
        """
        self.append("a")
        self.assertEqual(self.producer.take(), [])
        self.append("😀", id=7)
        answer = self.answer()
        self.assertEqual((answer["id"], answer["length"]), (7, {"0": 3}))

    def test_repeated(self) -> None:
        """
        The same text for the same place is acknowledged again, and folded once.
        """
        for _ in range(2):
            self.append("abc", at=0, id=1)
            self.assertEqual(self.answer()["length"], {"0": 3})
        self.world.advance(0.1)
        self.early.take()
        self.assertEqual(self.early.texts["a1", "0"], "abc")

    def test_mismatch(self) -> None:
        """
        Other text for the same place is refused.
        """
        self.append("abc")
        self.assertEqual(self.refused("abX", at=0)["code"], "stream_mismatch")
        self.assertEqual(self.refused("x", part="0", kind="reasoning")["code"], "stream_mismatch")

    def test_gap(self) -> None:
        """
        Text behind a gap is refused with the length, however much comes behind it; none is taken
        out of order.
        """
        self.append("abc")
        for at in (5, 7, 9):
            error = self.refused("de", at=at)
            self.assertEqual((error["code"], error["length"]), ("stream_gap", {"0": 3}))
        self.append("d", at=3, id=1)
        self.assertEqual(self.answer()["length"], {"0": 4})

    def test_unknown(self) -> None:
        """
        Text of a stream that does not run is refused.
        """
        error = self.refused("abc", stream="other")
        self.assertEqual((error["code"], error["stream"]), ("stream_unknown", "other"))

    def test_otherParts(self) -> None:
        """
        Reasoning and the arguments of tools are no tokens.
        """
        self.append("hm", part="r0", kind="reasoning")
        self.append('{"ci', part="c1", kind="tool")
        self.append("Hello")
        self.world.advance(0.02)
        frames = self.early.take()
        self.assertEqual(
            [(f["event"], f["data"]) for f in frames[1:]],
            [
                ("ai:reasoning", {"token": "hm"}),
                ("ai:tool", {"call": "c1", "args": '{"ci'}),
                ("ai:token", {"token": "Hello"}),
            ],
        )
        self.assertEqual(self.early.plain, {"a1": "Hello"})

    def test_values(self) -> None:
        """
        A value is sent at once, behind the text before it.  What is known of a tool's call grows;
        the same again is sent to nobody.
        """
        self.append("a")
        self.append("b")
        for value in ({"name": "w", "input": {"x": 1.50}}, {"output": [1]}, {"output": [1]}):
            self.producer.send(
                type="stream_put", stream="a1", epoch=1, part="c1", kind="tool", value=value
            )
        frames = self.early.take()[2:]
        self.assertEqual(
            [f["data"] for f in frames],
            [
                {"token": "b"},
                {"call": "c1", "name": "w", "input": {"x": 1.5}},
                {"call": "c1", "name": "w", "input": {"x": 1.5}, "output": [1]},
            ],
        )

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
        receiver = self.world.streams._publisher._receiver
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

    def test_tooLarge(self) -> None:
        """
        A stream that becomes too large ends as aborted, and the history keeps what it has.
        """
        self.world.backbone.sequencer.answers.budget = Budget(text=10_000)
        self.append("a" * 6000)
        error = self.refused("b" * 6000)
        self.assertEqual((error["code"], error["state"]), ("stream_ended", "aborted"))
        self.early.take()
        self.assertEqual(self.early.ends["a1"]["reason"], "limit")
        self.assertEqual(len(self.world.history.messages), 1)

    def test_rate(self) -> None:
        """
        Text is counted by its bytes, and not by its frames.
        """
        for _ in range(3000):
            self.append("a")
        self.assertEqual(self.producer.take(), [])
        self.world.advance(0.1)
        self.early.take()
        self.assertEqual(self.early.texts["a1", "0"], "a" * 3000)

    def test_halfCharacter(self) -> None:
        """
        Half of a surrogate pair is refused.
        """
        self.producer.sendRaw(
            b'{"type":"stream_append","stream":"a1","epoch":1,"part":"0","at":0,"text":"\\ud83d"}'
        )
        self.assertEqual(self.answer()["code"], "invalid_json")
