"""
Tests for what producers may not send.
"""

from __future__ import annotations

from typing import Any

from aerostack.core.access.permissions import Identity, Role
from aerostack.core.answers.answer import Terms
from aerostack.core.answers.requests import StartRequest
from aerostack.core.topics.topics import topicOf
from aerostack.errors import RealtimeError
from aerostack.protocol.codec import encodeValue
from aerostack.testing import SECRET_KEY
from tests.streams.watching import TOPIC, StreamCase

SERVER = Identity("p", Role.SECRET)

HUGE = 10**30
"""A number that JSON can say, and that no other encoding of the daemon's can."""


class BadInputTests(StreamCase):
    """
    Tests with a stream that goes on whatever comes.
    """

    def setUp(self) -> None:
        super().setUp()
        self.start(producer="run")
        self.append("Hello")
        self.world.advance(0.1)
        self.early.take()

    def tearDown(self) -> None:
        self.append("!", at=5)
        self.world.advance(0.1)
        self.early.take()
        self.assertEqual(self.early.texts, {("a1", "0"): "Hello!"})

    def code(self, **fields: Any) -> str:
        """
        The code of the error for a frame about the stream.
        """
        self.producer.send(**{"stream": "a1", "epoch": 1, "id": "n", **fields})
        error = self.answer()
        self.assertEqual((error["type"], error["id"]), ("error", "n"), fields)
        self.assertIn(" ", error["message"])
        code: str = error["code"]
        return code

    def refusal(self, method: str, *args: Any) -> str:
        """
        The code of the error for a call.
        """
        body = encodeValue({"method": method, "args": args})
        called = self.world.rpc.call(SERVER, body)
        error = self.failureResultOf(called, RealtimeError).value
        code: str = error.code
        return code

    def test_epochs(self) -> None:
        """
        An epoch is a whole number of JSON's, and that of the producer.
        """
        append = {"type": "stream_append", "part": "0", "at": 5, "text": "x"}
        for epoch, code in (
            (0, "stream_fenced"),
            (2, "stream_fenced"),
            (-1, "invalid_arguments"),
            (HUGE, "invalid_arguments"),
            ("1", "invalid_frame"),
            (1.5, "invalid_frame"),
            (True, "invalid_frame"),
            (None, "invalid_frame"),
            ([1], "invalid_frame"),
        ):
            self.assertEqual(self.code(**append, epoch=epoch), code, epoch)
            operation = {"part": "0", "at": 5, "text": "x"}
            code = code.replace("invalid_frame", "invalid_arguments")
            self.assertEqual(self.refusal("ai.append", "a1", epoch, [operation]), code, epoch)
            for other in ({"type": "stream_beat"}, {"type": "stream_end"}):
                expected = ("stream_fenced", "invalid_arguments", "invalid_frame")
                self.assertIn(self.code(**other, epoch=epoch), expected)

    def test_places(self) -> None:
        """
        A place is a whole number that is not negative.
        """
        for at, code in (
            (6, "stream_gap"),
            (2**53 - 1, "stream_gap"),
            (-1, "invalid_arguments"),
            (HUGE, "invalid_arguments"),
            ("5", "invalid_frame"),
            (5.5, "invalid_frame"),
            (False, "invalid_frame"),
        ):
            self.assertEqual(self.code(type="stream_append", part="0", at=at, text="x"), code, at)

    def test_texts(self) -> None:
        """
        A text is a string without half a character.
        """
        append = {"type": "stream_append", "part": "0", "at": 5}
        self.assertEqual(self.code(**append, text=5), "invalid_frame")
        self.assertEqual(self.code(**append, text=None), "invalid_frame")
        self.producer.sendRaw(
            b'{"type":"stream_append","stream":"a1","epoch":1,"part":"0","at":5,"text":"\\ud83d"}'
        )
        self.assertEqual(self.answer()["code"], "invalid_json")
        self.assertEqual(self.code(**append, text="x", kind="data"), "invalid_arguments")
        self.assertEqual(self.code(**append, text="x", kind="reasoning"), "stream_mismatch")

    def test_nothing(self) -> None:
        """
        A text without a character is acknowledged.  It is no sign that the stream grows, and makes
        no part.
        """
        for part in ("0", "new"):
            self.append("", at=5 if part == "0" else 0, part=part, id="n")
            self.assertEqual(self.answer()["length"], {"0": 5})
        self.wait(1)
        self.assertEqual(self.early.take(), [])

    def test_nothingForLong(self) -> None:
        """
        A stream whose producer sends texts without a character ends as one that sends beats.
        """
        self.start("b1")
        for _ in range(61):
            self.append("", "b1")
            self.append("", at=5)
            self.wait(10)
        self.early.take()
        self.assertEqual(self.early.ends["b1"]["reason"], "stalled")
        # Both have ended.
        self.setUp()

    def test_names(self) -> None:
        """
        A part's id is a short word; one that means something in JavaScript means nothing here.
        """
        for part in ("", "a b", "x" * 65, "a\n", "\x00", "é", "a/b"):
            append = {"type": "stream_append", "part": part, "at": 0, "text": "x"}
            self.assertEqual(self.code(**append), "invalid_arguments", part)
            put = {"type": "stream_put", "part": part, "kind": "data", "value": {"value": 1}}
            self.assertEqual(self.code(**put), "invalid_arguments", part)
        self.start("__proto__")
        for part in ("__proto__", "constructor"):
            self.append("x", "__proto__", part=part, id="n")
            self.assertEqual(self.answer()["length"][part], 1)
        self.world.advance(0.1)
        self.early.take()
        self.assertEqual(self.early.texts.pop(("__proto__", "__proto__")), "x")
        self.assertEqual(self.early.texts.pop(("__proto__", "constructor")), "x")

    def test_streams(self) -> None:
        """
        A stream that cannot be is unknown, whatever its id; an error repeats little of it.
        """
        for stream in ("", "a\x00b", "a\nb", "x" * 10_000, "../a1"):
            for fields in (
                {"type": "stream_append", "part": "0", "at": 0, "text": "x"},
                {"type": "stream_beat"},
                {"type": "stream_end"},
                {"type": "stream_cancel"},
            ):
                self.producer.send(**{"epoch": 1, "id": "n", **fields, "stream": stream})
                error = self.answer()
                self.assertEqual(error["code"], "stream_unknown", (stream[:20], fields))
                self.assertLess(len(str(error)), 500)
            for method, args in (("ai.get", []), ("ai.cancel", []), ("ai.beat", [1])):
                self.assertEqual(self.refusal(method, stream, *args), "stream_unknown")

    def test_anothersProject(self) -> None:
        """
        A stream of the same id in another project is another stream.
        """
        request = StartRequest(Terms(), "a1", "run")
        started = self.successResultOf(self.world.streams.start(topicOf("ai-chat/7/q"), request))
        self.assertEqual((started.topic, started.length), ("ai-chat/7/q", {}))
        self.successResultOf(self.world.streams.cancel("q", "a1", None))

    def test_anothersTopic(self) -> None:
        """
        A stream does not move to another topic.
        """
        self.producer.send(type="stream_start", topic="ai-chat/8", stream="a1", producer="run")
        self.assertEqual(self.answer()["code"], "stream_mismatch")

    def test_values(self) -> None:
        """
        What a producer says of a stream is JSON that all parsers read, not too deep and not too
        large.
        """
        deep: Any = 1
        for _ in range(70):
            deep = [deep]
        start = {"type": "stream_start", "topic": TOPIC, "id": "n"}
        self.producer.send(**start, meta={"x": deep})
        self.assertEqual(self.answer()["code"], "too_deep")
        for meta in ([], "x", 1):
            self.producer.send(**start, meta=meta)
            self.assertEqual(self.answer()["code"], "invalid_frame", meta)
        for usage in (b"NaN", b"Infinity", b"1e999", b'"\\udc00"'):
            self.producer.sendRaw(
                b'{"type":"stream_end","stream":"a1","epoch":1,"usage":{"n":%b}}' % usage
            )
            self.assertEqual(self.answer()["code"], "invalid_json", usage)
        self.assertEqual(self.code(type="stream_end", usage={"n": "x" * 20_000}), "too_large")
        self.assertEqual(self.code(type="stream_end", error="x" * 1001), "too_large")
        self.assertEqual(self.code(type="stream_end", state="cancelled"), "invalid_frame")
        put = {"type": "stream_put", "part": "v", "kind": "data"}
        self.assertEqual(self.code(**put, value={"value": "x" * 70_000}), "too_large")
        self.assertEqual(self.code(**put, value={"strange": 1}), "invalid_arguments")
        self.assertEqual(self.code(**put, value={}), "invalid_arguments")

    def test_manyParts(self) -> None:
        """
        A stream has a thousand parts, and no more.
        """
        operations = [{"part": f"p{n}", "at": 0, "text": "x"} for n in range(999)]
        body = encodeValue({"method": "ai.append", "args": ["a1", 1, operations]})
        self.successResultOf(self.world.rpc.call(SERVER, body))
        self.assertEqual(self.code(type="stream_append", part="more", at=0, text="x"), "too_large")
        self.world.advance(0.1)
        self.early.take()
        self.assertEqual(len(self.early.texts), 1000)
        self.early.texts = {("a1", "0"): "Hello"}

    def test_manyOperations(self) -> None:
        """
        A call has a thousand operations, and none of a call with more is done.
        """
        operations = [{"part": "0", "at": 5, "text": "x"}] * 1001
        self.assertEqual(self.refusal("ai.append", "a1", 1, operations), "too_large")

    def test_operations(self) -> None:
        """
        An operation has a text or a value.
        """
        for operation in (
            {"part": "0"},
            {"part": "0", "at": 5},
            {"part": "0", "text": "x"},
            {"part": "0", "at": 5, "text": "x", "value": {}},
            {"part": "v", "value": {"value": 1}},
            {"part": "v", "kind": "data", "value": {"value": 1}, "edition": 1},
            {"part": "0", "at": 5, "text": "x", "stream": "b1"},
            [],
            None,
        ):
            found = self.refusal("ai.append", "a1", 1, [operation])
            self.assertEqual(found, "invalid_arguments", operation)

    def test_sameProducer(self) -> None:
        """
        Two connections under the name of one producer are one producer: what both send counts once.
        """
        other = self.world.connect(key=SECRET_KEY)
        other.send(type="stream_start", topic=TOPIC, stream="a1", producer="run")
        self.assertEqual(other.take()[-1]["epoch"], 1)
        for client in (self.producer, other):
            client.send(
                type="stream_append", stream="a1", epoch=1, part="0", at=5, text="!", id="n"
            )
            self.assertEqual(client.take()[-1]["length"], {"0": 6})
