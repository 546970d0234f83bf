"""
Tests for L{aerostack.protocol.codec}.
"""

from __future__ import annotations

import json
import math
from time import process_time
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw
from twisted.trial.unittest import SynchronousTestCase

from aerostack.errors import RealtimeError
from aerostack.protocol import frames
from aerostack.protocol.codec import (
    MAX_DEPTH,
    Reference,
    decode,
    decodeValue,
    encode,
    encodeValue,
    findUnreadable,
    isDeep,
    reference,
)

# JSON has no surrogates outside a pair (RFC 8259, 8.2).
texts = st.text(st.characters(codec="utf-8"), max_size=8)
numbers = st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False)
values = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=10,
)
objects = st.dictionaries(texts, values, max_size=3)

TYPES = {
    "subscribe": frames.Subscribe,
    "unsubscribe": frames.Unsubscribe,
    "publish": frames.Publish,
    "track": frames.Track,
    "untrack": frames.Untrack,
    "chat": frames.Chat,
    "auth": frames.Auth,
    "ping": frames.Ping,
}
REQUIRED: dict[str, dict[str, Any]] = {
    "subscribe": {"topic": texts},
    "unsubscribe": {"topic": texts},
    "publish": {"topic": texts, "event": texts},
    "track": {"topic": texts, "state": objects},
    "untrack": {"topic": texts},
    "chat": {"roomId": texts, "text": texts},
    "auth": {"token": texts},
    "ping": {},
}
OPTIONAL: dict[str, dict[str, Any]] = {
    "subscribe": {
        "filter": st.none() | objects,
        "event": st.none() | texts | st.lists(texts),
        "columns": st.none() | st.lists(texts),
        "since": st.none() | texts,
    },
    "publish": {
        "data": values,
        "persist": st.none() | st.booleans(),
        "id": st.none() | texts | st.integers(0, 2**53),
    },
    "chat": {"metadata": st.none() | objects},
}
good = st.sampled_from(sorted(TYPES)).flatmap(
    lambda name: st.fixed_dictionaries(
        {"type": st.just(name), **REQUIRED[name]}, optional=OPTIONAL.get(name, {})
    )
)
# Any JSON where the protocol wants something else.
FIELDS = ("topic", "filter", "event", "data", "persist", "id", "state", "roomId", "text", "token")
odd = st.fixed_dictionaries(
    {"type": st.sampled_from(sorted(TYPES)) | values},
    optional=dict.fromkeys(FIELDS, values),
)


def plain(value: Any) -> Any:
    """
    What a decoded field holds, with what was left encoded decoded by the standard
    library.
    """
    if isinstance(value, Raw):
        return json.loads(bytes(value))
    if isinstance(value, dict):
        return {name: plain(inner) for name, inner in value.items()}
    return value


class Refusing(SynchronousTestCase):
    """
    What tests of refusals have in common.
    """

    def refused(self, payload: bytes | Any, code: str) -> str:
        if not isinstance(payload, bytes):
            payload = json.dumps(payload).encode()
        error = self.assertRaises(RealtimeError, decode, payload)
        self.assertEqual(error.code, code, payload[:100])
        return error.message


class DecodeTests(Refusing):
    """
    Tests for L{decode}.
    """

    @given(good, st.booleans())
    def test_good(self, frame: dict[str, Any], escaped: bool) -> None:
        """
        Every frame that the protocol allows is read as the standard library would read
        it, however it is written.
        """
        for payload in (
            json.dumps(frame, ensure_ascii=escaped).encode(),
            json.dumps(dict(reversed(frame.items())), indent=1).encode(),
        ):
            decoded = decode(payload)
            self.assertIs(type(decoded), TYPES[frame["type"]])
            for name, value in frame.items():
                if name != "type":
                    self.assertEqual(plain(getattr(decoded, name)), value)

    def test_defaults(self) -> None:
        """
        What a frame may leave out is nothing, and data that is left out is null.
        """
        publish = decode(b'{"type":"publish","topic":"a","event":"e"}')
        self.assertEqual((bytes(publish.data), publish.persist, publish.id), (b"null", None, None))
        self.assertIsNone(decode(b'{"type":"subscribe","topic":"a"}').filter)
        self.assertIsNone(decode(b'{"type":"chat","roomId":"a","text":""}').metadata)

    def test_unknownFields(self) -> None:
        """
        Fields of a newer protocol are ignored.
        """
        self.assertEqual(decode(b'{"type":"ping","since":"x","v":[{}]}'), frames.Ping())

    def test_untouched(self) -> None:
        """
        Data is passed on byte for byte, so that no number changes on the way.
        """
        data = b'[1.10, 12345678901234567890123, 1e2, "\\u00e9"]'
        payload = b'{"type":"publish","topic":"a","event":"e","data":' + data + b"}"
        self.assertEqual(bytes(decode(payload).data), data)

    def test_notJSON(self) -> None:
        """
        What is not JSON is refused, and the message says where it breaks.
        """
        for payload in (
            *(b"", b" ", b"{", b"nonsense", b'{"type":"ping"', b'{"type":"ping"} x', b"\x00"),
            *(b'{"type":"ping",}', b"{'type':'ping'}", b'\xef\xbb\xbf{"type":"ping"}'),
            *(b'{"type":"p\xffng"}', b'\xff\xfe{"type":"ping"}', b'{"type":"a\nb"}'),
            b'{"type":"subscribe","topic":"\\ud800"}',
            b'{"type":"publish","topic":"a","event":"e","data":NaN}',
            b'{"type":"publish","topic":"a","event":"e","data":01}',
            b'{"type":"publish","topic":"a","event":"e","data":"\x01"}',
        ):
            self.refused(payload, "invalid_json")
        self.assertIn("byte 7", self.refused(b'{"type"x}', "invalid_json"))

    def test_notAnObject(self) -> None:
        """
        JSON that is no object is told what a frame is.
        """
        for payload in ([], None, 1, "ping", True, [{"type": "ping"}]):
            self.assertIn("object", self.refused(payload, "invalid_frame"))

    def test_unknownType(self) -> None:
        """
        Whoever sends no type, or none that there is, is told all that there are.
        """
        for payload in ({}, {"type": 5}, {"type": None}, {"type": "Ping"}, {"type": ""}):
            message = self.refused(payload, "unknown_type")
            for name in TYPES:
                self.assertIn(name, message)
        self.refused({"type": "subscribed", "topic": "a"}, "unknown_type")

    def test_missing(self) -> None:
        """
        A missing field is named.
        """
        for name, fields in REQUIRED.items():
            for missing in fields:
                frame: dict[str, Any] = {field: "x" for field in fields if field != missing}
                if "state" in frame:
                    frame["state"] = {}
                self.assertIn(missing, self.refused({"type": name, **frame}, "invalid_frame"))

    def test_wrongTypes(self) -> None:
        """
        A field of the wrong type is named, and so is what it must be.
        """
        for frame, field in (
            ({"type": "subscribe", "topic": 5}, "topic"),
            ({"type": "subscribe", "topic": None}, "topic"),
            ({"type": "subscribe", "topic": ["a"]}, "topic"),
            ({"type": "subscribe", "topic": "a", "filter": "x=1"}, "filter"),
            ({"type": "publish", "topic": "a", "event": {}}, "event"),
            ({"type": "publish", "topic": "a", "event": "e", "persist": "yes"}, "persist"),
            ({"type": "publish", "topic": "a", "event": "e", "persist": 1}, "persist"),
            ({"type": "publish", "topic": "a", "event": "e", "id": True}, "id"),
            ({"type": "publish", "topic": "a", "event": "e", "id": 1.5}, "id"),
            ({"type": "publish", "topic": "a", "event": "e", "id": [1]}, "id"),
            ({"type": "track", "topic": "a", "state": []}, "state"),
            ({"type": "track", "topic": "a", "state": None}, "state"),
            ({"type": "chat", "roomId": 5, "text": "t"}, "roomId"),
            ({"type": "chat", "roomId": "a", "text": None}, "text"),
            ({"type": "chat", "roomId": "a", "text": "t", "metadata": []}, "metadata"),
            ({"type": "auth", "token": 1}, "token"),
        ):
            self.assertIn(f"$.{field}", self.refused(frame, "invalid_frame"))

    @given(
        st.recursive(
            st.none() | st.booleans() | st.text(st.sampled_from('[]{}"\\a'), max_size=8),
            lambda inner: (
                st.lists(inner, max_size=3)
                | st.dictionaries(
                    st.text(st.sampled_from('[]{}"\\'), max_size=4), inner, max_size=3
                )
            ),
        ),
        st.integers(0, 2 * MAX_DEPTH),
    )
    def test_depth(self, value: Any, wraps: int) -> None:
        """
        Nesting is counted exactly, whatever brackets and quotes stand in strings.
        """

        def depth(value: Any) -> int:
            if isinstance(value, dict):
                value = list(value.values())
            return 1 + max(map(depth, value), default=0) if isinstance(value, list) else 0

        for n in range(wraps):
            value = [value] if n % 2 else {"a": value, '"[': "]"}
        payload = json.dumps(value).encode()
        self.assertEqual(isDeep(payload), depth(value) > MAX_DEPTH)

    def test_deep(self) -> None:
        """
        Nesting without end is refused wherever it stands, even in fields that nobody
        reads.
        """
        for depth in (10_000, 400_000):
            for opening, closing in ((b"[", b"]"), (b'{"a":', b"}")):
                nested = opening * depth + b"1" + closing * depth
                for payload in (
                    b'{"type":"publish","topic":"a","event":"e","data":%b}' % nested,
                    b'{"type":"subscribe","topic":"a","filter":{"a":%b}}' % nested,
                    b'{"type":"track","topic":"a","state":{"a":%b}}' % nested,
                    b'{"type":"ping","ignored":%b}' % nested,
                ):
                    self.refused(payload, "too_deep")
            self.refused(b"[" * depth, "invalid_frame")

    def test_hugeNumbers(self) -> None:
        """
        Numbers that no client could have meant are refused, not computed.
        """
        digits = b"9" * 100_000
        for payload in (
            b'{"type":"publish","topic":"a","event":"e","id":%b}' % digits,
            b'{"type":"subscribe","topic":"a","filter":{"a":%b}}' % digits,
            b'{"type":"subscribe","topic":"a","filter":{"a":1e999}}',
        ):
            self.refused(payload, "invalid_frame")

    @given(st.binary(max_size=200))
    def test_anyBytes(self, payload: bytes) -> None:
        """
        Any bytes are a frame or are refused, and nothing else happens.
        """
        self.survives(payload)

    @given(good, st.data())
    def test_damaged(self, frame: dict[str, Any], data: st.DataObject) -> None:
        """
        A good frame that was cut, or of which a byte was changed, is a frame or refused.
        """
        payload = json.dumps(frame, ensure_ascii=False).encode()
        place = data.draw(st.integers(0, len(payload) - 1))
        byte = data.draw(st.binary(min_size=1, max_size=1))
        self.survives(payload[:place])
        self.survives(payload[:place] + byte + payload[place + 1 :])

    @given(odd)
    def test_oddObjects(self, frame: dict[str, Any]) -> None:
        """
        Any JSON in any field is a frame or is refused.
        """
        self.survives(json.dumps(frame).encode())

    def survives(self, payload: bytes) -> None:
        try:
            decoded = decode(payload)
        except RealtimeError as error:
            self.assertIn(error.code, ("invalid_json", "invalid_frame", "unknown_type", "too_deep"))
            self.assertTrue(error.message.endswith("."), error.message)
        else:
            self.assertIn(type(decoded), TYPES.values())
            # What is passed on undecoded must be JSON to whoever gets it; that it is
            # UTF-8 is the WebSocket layer's promise.
            try:
                payload.decode()
            except UnicodeDecodeError:
                return
            for name in type(decoded).__struct_fields__:
                plain(getattr(decoded, name))
        reference(payload)


class EncodeTests(SynchronousTestCase):
    """
    Tests for L{encode} and L{encodeValue}.
    """

    @given(values)
    def test_agree(self, value: Any) -> None:
        """
        What we write, the standard library reads, and we read what it writes.
        """
        self.assertEqual(json.loads(encodeValue(value)), value)
        self.assertEqual(decodeValue(json.dumps(value).encode()), value)
        self.assertEqual(decodeValue(encodeValue(value)), value)

    def test_compact(self) -> None:
        """
        No byte is spent on spaces or on escapes that UTF-8 does not need.
        """
        self.assertEqual(encodeValue({"a": [1, "é/"], "b": {}}), '{"a":[1,"é/"],"b":{}}'.encode())

    def test_notFinite(self) -> None:
        """
        JSON has no infinity: it is never written as something that no client can read.
        """
        for value in (math.inf, -math.inf, math.nan):
            self.assertEqual(encodeValue([value]), b"[null]")

    def test_frames(self) -> None:
        """
        Each of the daemon's frames is written as the protocol has it.
        """
        for frame, expected in (
            (frames.Subscribed("a/p"), {"type": "subscribed", "topic": "a/p"}),
            (frames.Unsubscribed("a/p"), {"type": "unsubscribed", "topic": "a/p"}),
            (frames.Ack("x"), {"type": "ack", "id": "x"}),
            (frames.Ack(7), {"type": "ack", "id": 7}),
            (frames.Pong(), {"type": "pong"}),
            (
                frames.DbChange("table/t/p", "INSERT", {"id": 1}, 5),
                {
                    "type": "db_change",
                    "topic": "table/t/p",
                    "operation": "INSERT",
                    "data": {"id": 1},
                    "timestamp": 5,
                },
            ),
            (
                frames.DbChange("table/t/p", "UPDATE", {"id": 1}, 5, {"id": 2}, True),
                {
                    "type": "db_change",
                    "topic": "table/t/p",
                    "operation": "UPDATE",
                    "data": {"id": 1},
                    "old": {"id": 2},
                    "moved": True,
                    "timestamp": 5,
                },
            ),
            (
                frames.Event("a/p", "e", Raw(b'{"n":1.0}'), 5),
                {"type": "event", "topic": "a/p", "event": "e", "data": {"n": 1}, "timestamp": 5},
            ),
            (
                frames.ChatMessage("chat/r/p", "message", {"id": "m"}, 5, "ann"),
                {
                    "type": "chat_message",
                    "topic": "chat/r/p",
                    "event": "message",
                    "data": {"id": "m"},
                    "userId": "ann",
                    "timestamp": 5,
                },
            ),
            (
                frames.Error("forbidden", "No."),
                {"type": "error", "code": "forbidden", "message": "No."},
            ),
            (
                frames.Error("rate_limited", "Wait.", "x", "a/p", 50),
                {
                    "type": "error",
                    "code": "rate_limited",
                    "message": "Wait.",
                    "id": "x",
                    "topic": "a/p",
                    "retryAfter": 50,
                },
            ),
        ):
            self.assertEqual(json.loads(encode(frame)), expected)


class DecodeValueTests(SynchronousTestCase):
    """
    Tests for L{decodeValue}.
    """

    def test_bad(self) -> None:
        """
        What is not JSON, or nested without end, is refused.
        """
        for payload, code in (
            (b"", "invalid_json"),
            (b"{", "invalid_json"),
            (b'"\xff"', "invalid_json"),
            (b"1e999", "invalid_json"),
            (b"9" * 100_000, "invalid_json"),
            (b"[" * 100_000, "too_deep"),
            (b'{"a":' * 100_000, "too_deep"),
        ):
            error = self.assertRaises(RealtimeError, decodeValue, payload)
            self.assertEqual(error.code, code, payload[:20])

    @given(st.binary(max_size=100))
    def test_anyBytes(self, payload: bytes) -> None:
        """
        Any bytes are a value that the standard library reads too, or are refused.
        """
        try:
            value = decodeValue(payload)
        except RealtimeError as error:
            self.assertEqual(error.code, "invalid_json")
        else:
            self.assertEqual(value, json.loads(payload))


HALVES = (
    *(b'"\\ud83d"', b'"nice \\ud83d\\n"', b'"\\udc00"', b'"\\ude00\\ud83d"', b'"\\ud83d\\ud83d"'),
    *(b'"\\uD83D\\u0041"', b'{"\\ud83d":1}', b'"\\\\\\ud83d"', b'"\\ud83d\\ud83d\\ude00"'),
)
"""JSON with half of a surrogate pair."""

BROKEN = (*HALVES, b"", b"nil", b'"\\x"', b'"\x01"', b"01", b"1e999", b"[1,", b"}", b"1 2", b"\xff")
"""What is no JSON, or has no value that a client could read."""


def referred(frame: dict[str, Any]) -> Reference:
    """What a frame is about."""
    topic = f"chat/{frame['roomId']}" if frame["type"] == "chat" else frame.get("topic")
    return Reference(frame.get("id"), topic, frame["type"])


class UnreadableTests(Refusing):
    """
    Tests for JSON that clients' parsers could not read.
    """

    readable = (
        *("0", "-1", "1.7976931348623157e308", "1" * 308, f"0.{'0' * 5000}1", "1e-999", "0e999"),
        *("1E+3", '"1e999"', f'"{"9" * 5000}"', '{"1e999":1}', '"\\"1e999"', "3.0e007"),
        f"{'0.' + '1' * 5000}",
    )
    unreadable = (
        *("1e999", "-1e999", "1E999", "1e+999", "1e309", "1.8e308", "0.1e400", "1" * 310),
        *("9" * 5000, f"{'1' * 250}e99", "1e00999", "[0,1e999]", '{"a":{"b":1e999}}'),
        '["\\"",1e999,"]"]',
    )

    def test_numbers(self) -> None:
        """
        A number that a double cannot hold is refused in each frame that passes JSON on, and in
        each body; one that it can hold is not, nor are a string's characters.
        """
        for good, values in ((True, self.readable), (False, self.unreadable)):
            for value in values:
                for frame in (
                    f'{{"type":"publish","topic":"a/b","event":"e","data":{value}}}',
                    f'{{"type":"chat","roomId":"a","text":"","metadata":{{"x":{value}}}}}',
                    f'{{"type":"track","topic":"a/b","state":{{"x":{value}}}}}',
                    f'{{"type":"ping","new":{value}}}',
                ):
                    if good:
                        decode(frame.encode())
                    else:
                        message = self.refused(frame.encode(), "invalid_json")
                        self.assertIn("too large for a double; send it as a string", message)
                        self.assertLess(len(message), 120)
                if good:
                    decodeValue(value.encode())
                else:
                    error = self.assertRaises(RealtimeError, decodeValue, value.encode())
                    self.assertEqual(error.code, "invalid_json")

    def test_halves(self) -> None:
        """
        Half of a surrogate pair is refused, and the message says what it is.
        """
        for half in HALVES:
            payload = b'{"type":"publish","topic":"a/b","event":"e","data":' + half + b"}"
            self.assertIn("half of a surrogate pair", self.refused(payload, "invalid_json"))

    @given(st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(10**308), 10**308))
    def test_everyNumber(self, number: float) -> None:
        """
        Whatever is a double passes.
        """
        self.assertIsNone(findUnreadable(json.dumps({"a": [number]}).encode()))


class ReferenceTests(SynchronousTestCase):
    """
    Tests for L{reference}.
    """

    def test_found(self) -> None:
        """
        The C{id} and C{topic} of a refused frame are found, whatever else is wrong.
        """
        self.assertEqual(
            reference(b'{"type":"nope","topic":"a","id":7,"x":[]}'), Reference(7, "a", "nope")
        )
        self.assertEqual(reference(b'{"id":"x","event":5}'), Reference("x"))

    def test_unusable(self) -> None:
        """
        What could not be a C{id} or C{topic}, or cannot be read, is not repeated.
        """
        for payload in (
            *(b"", b"[]", b"{}", b"\xff", b'{"id":', b"[" * 10_000, b'{"id":' + b"[" * 10_000),
            *(b'{"id":null}', b'{"id":1.5}', b'{"id":{}}', b'{"topic":5}', b'{"id":true}'),
            b'{"id":' + b"9" * 100_000 + b"}",
        ):
            self.assertEqual(reference(payload), Reference(), payload[:20])

    @given(good)
    def test_agree(self, frame: dict[str, Any]) -> None:
        """
        Of a good frame it finds what L{decode} finds.
        """
        found = reference(json.dumps(frame).encode())
        self.assertEqual(found, referred(frame))

    @given(good, st.sampled_from(BROKEN), st.booleans())
    def test_broken(self, frame: dict[str, Any], broken: bytes, first: bool) -> None:
        """
        A value that spoils a frame does not hide what the frame is about, wherever it stands.
        """
        rest = json.dumps(frame).encode()[1:-1]
        # What stands behind a bracket that has no partner is no field of the frame.
        first = first and broken not in (b"[1,", b"}")
        parts = (b'"x":' + broken, rest) if first else (rest, b'"x":' + broken)
        self.assertEqual(reference(b"{" + b",".join(parts) + b"}"), referred(frame), broken)

    def test_cutOff(self) -> None:
        """
        Of a frame that ends too soon the fields before the end are found.
        """
        whole = b'{"type":"publish","id":"k","topic":"a/b","event":"e","data":[{"id":5'
        for end in range(40, len(whole)):
            self.assertEqual(reference(whole[:end]), Reference("k", "a/b", "publish"))

    def test_inner(self) -> None:
        """
        Fields of the data are not taken for the frame's.
        """
        for inner in (b'{"id":2,"topic":"x/y"', b'["id", 2', b'"\\",\\"id\\":3', b'"\\\\"'):
            found = reference(b'{"type":"publish","id":1,"data":' + inner + b"")
            self.assertEqual(found, Reference(1, None, "publish"), inner)

    def test_long(self) -> None:
        """
        No error repeats a type of any length, nor a part of an id.
        """
        payload = {"type": "t" * 5000, "id": "i" * 5000, "topic": "a/b"}
        found = reference(json.dumps(payload).encode())
        self.assertEqual(found, Reference(None, "a/b", "t" * 64))
        self.assertEqual(reference(b'{"id":"' + b"i" * 4096 + b'"}').id, "i" * 4096)

    def test_growth(self) -> None:
        """
        The work grows with the size of what was sent, and not with its square.
        """
        for part in (
            b'"',
            b'\\"',
            b"\\",
            b'"\\',
            b"[",
            b'{"id":',
            b"\\ud83d",
            b"1e9",
            b'"",',
            b"\\u",
        ):
            for opening in (b"", b'{"x":', b'{"x":"'):
                small, large = (opening + part * (n // len(part)) for n in (8000, 256_000))
                spent = [least(small), least(large)]
                self.assertLess(spent[1], 0.02 + spent[0] * 32 * 8, (opening, part, spent))


def least(payload: bytes) -> float:
    """The least time, in seconds, that it takes to look what a payload is about."""
    times = []
    for _ in range(3):
        began = process_time()
        reference(payload)
        times.append(process_time() - began)
    return min(times)
