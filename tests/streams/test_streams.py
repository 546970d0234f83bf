"""
Tests for L{aerostack.streams.streams}, by the frames of producers.
"""

from __future__ import annotations

from typing import Any

from aerostack.core.answers.answers import Budget
from tests.answers import codes
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


class EndTests(StreamCase):
    """
    Tests for the end of a stream.
    """

    def setUp(self) -> None:
        super().setUp()
        self.start(owner="ann")
        self.append("Hel")
        self.append("lo")

    def last(self) -> dict[str, Any]:
        """
        The last frame that came to the watcher.
        """
        frame: dict[str, Any] = self.early.take()[-1]
        return frame

    def test_done(self) -> None:
        """
        All text comes before C{ai:done}, which has no text; the history has one message with the
        text.
        """
        answer = self.end(usage={"tokens": 2}, id="e")
        self.assertEqual(
            answer, {"type": "stream_ack", "stream": "a1", "id": "e", "state": "done", "kept": True}
        )
        done = self.last()
        self.assertEqual(self.early.texts["a1", "0"], "Hello")
        self.assertEqual((done["event"], done["state"], done["stream"]), ("ai:done", "done", "a1"))
        self.assertEqual(done["data"]["usage"], {"tokens": 2})
        self.assertNotIn("text", done["data"])
        (kept,) = self.world.history.messages
        self.assertIn(b'"text":"Hello"', kept.message.data)
        self.assertEqual(kept.createdAt, done["timestamp"])

    def test_afterCommit(self) -> None:
        """
        C{ai:done} and the answer come after the commit.
        """
        self.world.history.held = []
        self.producer.send(type="stream_end", stream="a1", epoch=1)
        self.assertEqual(self.producer.take(), [])
        self.early.take()
        self.assertNotIn("ai:done", self.early.events)
        self.world.history.release()
        self.assertEqual(self.answer()["kept"], True)
        self.early.take()
        self.assertEqual(self.early.events[-1], "ai:done")

    def test_databaseGone(self) -> None:
        """
        If the database takes too long, watchers get an end that says so; the message is there
        later, once.
        """
        self.world.history.held = []
        self.producer.send(type="stream_end", stream="a1", epoch=1)
        self.wait(5)
        self.assertEqual(self.answer()["kept"], False)
        self.assertEqual(self.last()["data"]["kept"], False)
        self.world.history.release()
        self.wait(60)
        self.assertEqual(len(self.world.history.messages), 1)
        self.assertEqual(self.early.take(), [])

    def test_notKept(self) -> None:
        """
        The history does not keep a stream whose producer does not want it.
        """
        self.start("a2", persist=False)
        self.append("x", "a2")
        self.assertEqual(self.end("a2")["kept"], False)
        self.assertEqual(self.world.history.messages, [])

    def test_failed(self) -> None:
        """
        A producer may say that it has failed, and why.
        """
        self.end(state="failed", error="no more tokens")
        done = self.last()
        self.assertEqual((done["state"], done["data"]["reason"]), ("failed", "no more tokens"))

    def test_again(self) -> None:
        """
        The same end again gets the same answer; text behind it is refused with the state.
        """
        first = self.end()
        self.assertEqual(self.end(), first)
        error = self.refused("x")
        self.assertEqual((error["code"], error["state"]), ("stream_ended", "done"))
        self.early.take()
        self.assertEqual(self.early.events.count("ai:done"), 1)

    def test_lease(self) -> None:
        """
        A stream whose producer is silent for longer than its lease is aborted; a beat renews the
        lease.
        """
        self.wait(20)
        self.producer.send(type="stream_beat", stream="a1", epoch=1, id=1)
        self.assertEqual(self.answer()["lease"], 30000)
        self.wait(29)
        self.early.take()
        self.assertEqual(self.early.ends, {})
        self.wait(2)
        self.early.take()
        end = self.early.ends["a1"]
        self.assertEqual((end["state"], end["reason"]), ("aborted", "lease"))

    def test_connectionLost(self) -> None:
        """
        If the producer's connection breaks, the stream goes on for ten seconds at the most; a
        producer that is back by then goes on with it.
        """
        self.start("a2", producer="run")
        self.producer.die()
        self.wait(5)
        self.producer = self.world.connect(key="sk_0123456789abcdef")
        self.assertEqual(self.start("a2", producer="run")["epoch"], 1)
        self.wait(7)
        self.early.take()
        self.assertEqual(
            {name: e["reason"] for name, e in self.early.ends.items()}, {"a1": "lease"}
        )

    def test_stalled(self) -> None:
        """
        A stream whose producer sends nothing but beats is aborted at last.
        """
        for _ in range(31):
            self.producer.send(type="stream_beat", stream="a1", epoch=1)
            self.wait(20)
        self.early.take()
        self.assertEqual(self.early.ends["a1"]["reason"], "stalled")
        self.assertEqual(self.producer.take()[-1]["code"], "stream_ended")

    def test_maxAge(self) -> None:
        """
        No stream runs for ever.
        """
        for _ in range(361):
            self.append("x")
            self.wait(10)
        self.early.take()
        self.assertEqual(self.early.ends["a1"]["reason"], "limit")


class CancelTests(StreamCase):
    """
    Tests for a stream that is cancelled.
    """

    def setUp(self) -> None:
        super().setUp()
        self.ann = self.world.connect(userId="ann")

    def cancel(self, client: Any = None, stream: str = "a1") -> Any:
        """
        Cancel a stream, and give the last frame that came.
        """
        return (client or self.ann).ask(type="stream_cancel", stream=stream, id="c")[-1]

    def test_owner(self) -> None:
        """
        The owner cancels: text that was not sent yet is not sent, the producer is told, and the end
        comes to watchers before the answer.
        """
        self.start(owner="ann")
        self.append("a")
        self.ann.ask(type="subscribe", topic=TOPIC)
        self.append("unsent")
        frames = self.ann.ask(type="stream_cancel", stream="a1", id="c")
        self.assertEqual([f.get("event") for f in frames], ["ai:done", None])
        self.assertEqual(
            frames[-1], {"type": "stream_ack", "stream": "a1", "id": "c", "state": "cancelled"}
        )
        self.wait(1)
        self.early.take()
        self.assertEqual(self.early.texts["a1", "0"], "a")
        self.assertEqual(self.early.ends["a1"]["by"], "ann")
        (stop,) = self.producer.take()
        self.assertEqual(
            (stop["type"], stop["state"], stop["by"]), ("stream_stop", "cancelled", "ann")
        )
        error = self.refused("more")
        self.assertEqual((error["code"], error["by"]), ("stream_ended", "ann"))

    def test_again(self) -> None:
        """
        A stream that is cancelled already is cancelled again with the same answer; one that has
        ended otherwise is not.
        """
        self.start(owner="ann")
        self.assertEqual(self.cancel(), self.cancel())
        self.start("a2", owner="ann")
        self.end("a2")
        self.assertEqual(self.cancel(stream="a2")["code"], "stream_ended")

    def test_refused(self) -> None:
        """
        Who may not cancel is told so, with the id of the frame.
        """
        self.start("a1", owner="bob")
        self.start("a2")
        self.start("a3", cancel="nobody", owner="ann")
        for stream in ("a1", "a2", "a3"):
            error = self.cancel(stream=stream)
            self.assertEqual((error["code"], error["id"]), ("forbidden", "c"))
        self.assertEqual(self.cancel(stream="a4")["code"], "stream_unknown")

    def test_publishers(self) -> None:
        """
        Everyone who may publish on the topic cancels a stream that says so; the secret key cancels
        any.
        """
        self.start("a1", cancel="publishers")
        self.assertEqual(self.cancel()["state"], "cancelled")
        self.start("a2", cancel="nobody")
        self.assertEqual(self.cancel(self.producer, "a2")["state"], "cancelled")

    def test_kept(self) -> None:
        """
        The history keeps what a cancelled stream has.
        """
        self.start(owner="ann")
        self.append("Hel")
        self.cancel()
        (kept,) = self.world.history.messages
        self.assertIn(b'"text":"Hel"', kept.message.data)

    def test_disconnecting(self) -> None:
        """
        A watcher who goes cancels nothing.
        """
        self.start(owner="ann")
        self.ann.ask(type="subscribe", topic=TOPIC)
        self.ann.close()
        self.wait(5)
        self.assertEqual(codes(self.producer.take()), [])
        self.early.take()
        self.assertEqual(self.early.ends, {})
