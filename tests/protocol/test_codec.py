"""
Tests for L{aerostack.protocol.codec}: what the daemon decodes, and what it refuses.
"""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from aerostack.errors import RealtimeError
from aerostack.protocol import clientframes
from aerostack.protocol.codec import (
    MAX_DEPTH,
    decode,
    decodeValue,
    findUnreadable,
    isDeep,
    reference,
)
from tests.protocol.samples import (
    HALVES,
    REQUIRED,
    TYPES,
    Refusing,
    good,
    odd,
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


class DecodeTests(Refusing):
    """
    Tests for L{decode}.
    """

    @given(good, st.booleans())
    def test_good(self, frame: dict[str, Any], escaped: bool) -> None:
        """
        The daemon reads each valid frame as the standard library does, in whichever way it is
        written.
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
        Optional fields are empty by default, and missing data is null.
        """
        publish = decode(b'{"type":"publish","topic":"a","event":"e"}')
        self.assertEqual((bytes(publish.data), publish.persist, publish.id), (b"null", None, None))
        self.assertIsNone(decode(b'{"type":"subscribe","topic":"a"}').filter)
        self.assertIsNone(decode(b'{"type":"chat","roomId":"a","text":""}').metadata)

    def test_unknownFields(self) -> None:
        """
        The daemon ignores unknown fields, which a newer protocol may have.
        """
        self.assertEqual(decode(b'{"type":"ping","since":"x","v":[{}]}'), clientframes.Ping())

    def test_untouched(self) -> None:
        """
        The daemon passes data on byte for byte, so that no number changes.
        """
        data = b'[1.10, 12345678901234567890123, 1e2, "\\u00e9"]'
        payload = b'{"type":"publish","topic":"a","event":"e","data":' + data + b"}"
        self.assertEqual(bytes(decode(payload).data), data)

    def test_notJSON(self) -> None:
        """
        The daemon refuses a payload that is not JSON, and the message has the place of the fault.
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
        The daemon refuses JSON that is not an object, and the message says what a frame is.
        """
        for payload in ([], None, 1, "ping", True, [{"type": "ping"}]):
            self.assertIn("object", self.refused(payload, "invalid_frame"))

    def test_unknownType(self) -> None:
        """
        The error for a missing or unknown type has the list of all types.
        """
        for payload in ({}, {"type": 5}, {"type": None}, {"type": "Ping"}, {"type": ""}):
            message = self.refused(payload, "unknown_type")
            for name in TYPES:
                self.assertIn(name, message)
        self.refused({"type": "subscribed", "topic": "a"}, "unknown_type")

    def test_missing(self) -> None:
        """
        The error names a missing field.
        """
        for name, fields in REQUIRED.items():
            for missing in fields:
                frame: dict[str, Any] = {field: "x" for field in fields if field != missing}
                if "state" in frame:
                    frame["state"] = {}
                self.assertIn(missing, self.refused({"type": name, **frame}, "invalid_frame"))

    def test_wrongTypes(self) -> None:
        """
        The error names a field of the wrong type, and the right type.
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
        The daemon counts nesting exactly, and ignores brackets and quotes in strings.
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
        The daemon refuses nesting that is too deep in every field, also in unknown ones.
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
        The daemon refuses numbers that are too large, and does not compute them.
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
        For any bytes the daemon gives a frame or a L{RealtimeError}.
        """
        self.survives(payload)

    @given(good, st.data())
    def test_damaged(self, frame: dict[str, Any], data: st.DataObject) -> None:
        """
        For a valid frame that was cut or changed in one byte the daemon gives a frame or a
        L{RealtimeError}.
        """
        payload = json.dumps(frame, ensure_ascii=False).encode()
        place = data.draw(st.integers(0, len(payload) - 1))
        byte = data.draw(st.binary(min_size=1, max_size=1))
        self.survives(payload[:place])
        self.survives(payload[:place] + byte + payload[place + 1 :])

    @given(odd)
    def test_oddObjects(self, frame: dict[str, Any]) -> None:
        """
        For any JSON in any field the daemon gives a frame or a L{RealtimeError}.
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
            # The daemon passes these bytes on undecoded, so every subscriber must be able to
            # read them as JSON.  The WebSocket layer has checked that they are UTF-8.
            try:
                payload.decode()
            except UnicodeDecodeError:
                return
            for name in type(decoded).__struct_fields__:
                plain(getattr(decoded, name))
        reference(payload)


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
        The daemon refuses a number that a double cannot hold, in every frame and body, but not the
        same characters in a string.
        """
        for isReadable, values in ((True, self.readable), (False, self.unreadable)):
            for value in values:
                for frame in (
                    f'{{"type":"publish","topic":"a/b","event":"e","data":{value}}}',
                    f'{{"type":"chat","roomId":"a","text":"","metadata":{{"x":{value}}}}}',
                    f'{{"type":"track","topic":"a/b","state":{{"x":{value}}}}}',
                    f'{{"type":"ping","new":{value}}}',
                ):
                    if isReadable:
                        decode(frame.encode())
                    else:
                        message = self.refused(frame.encode(), "invalid_json")
                        self.assertIn("too large for a double; send it as a string", message)
                        self.assertLess(len(message), 120)
                if isReadable:
                    decodeValue(value.encode())
                else:
                    error = self.assertRaises(RealtimeError, decodeValue, value.encode())
                    self.assertEqual(error.code, "invalid_json")

    def test_halves(self) -> None:
        """
        The daemon refuses half of a surrogate pair, and the message names it.
        """
        for half in HALVES:
            payload = b'{"type":"publish","topic":"a/b","event":"e","data":' + half + b"}"
            self.assertIn("half of a surrogate pair", self.refused(payload, "invalid_json"))
            error = self.assertRaises(RealtimeError, decodeValue, payload)
            self.assertEqual(error.code, "invalid_json")
            self.assertIn("half of a surrogate pair", str(error))

    @given(st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(10**308), 10**308))
    def test_everyNumber(self, number: float) -> None:
        """
        The daemon accepts every double.
        """
        self.assertIsNone(findUnreadable(json.dumps({"a": [number]}).encode()))
