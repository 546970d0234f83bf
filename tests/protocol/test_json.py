"""
Tests for L{aerostack.protocol.codec}: the frames that the daemon encodes, and JSON values
outside of frames.
"""

from __future__ import annotations

import json
import math
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw
from twisted.trial.unittest import SynchronousTestCase

from aerostack.errors import RealtimeError
from aerostack.protocol import serverframes
from aerostack.protocol.codec import (
    decodeValue,
    encode,
    encodeValue,
)
from tests.protocol.samples import (
    values,
)


class EncodeTests(SynchronousTestCase):
    """
    Tests for L{encode} and L{encodeValue}.
    """

    @given(values)
    def test_agree(self, value: Any) -> None:
        """
        The standard library reads what the daemon encodes, and the daemon reads what the standard
        library encodes.
        """
        self.assertEqual(json.loads(encodeValue(value)), value)
        self.assertEqual(decodeValue(json.dumps(value).encode()), value)
        self.assertEqual(decodeValue(encodeValue(value)), value)

    def test_compact(self) -> None:
        """
        The daemon writes no spaces, and no escapes that UTF-8 does not need.
        """
        self.assertEqual(encodeValue({"a": [1, "é/"], "b": {}}), '{"a":[1,"é/"],"b":{}}'.encode())

    def test_notFinite(self) -> None:
        """
        The daemon never writes infinity or not-a-number, which JSON does not have.
        """
        for value in (math.inf, -math.inf, math.nan):
            self.assertEqual(encodeValue([value]), b"[null]")

    def test_frames(self) -> None:
        """
        The daemon writes each of its frames as the protocol defines it.
        """
        for frame, expected in (
            (serverframes.Subscribed("a/p"), {"type": "subscribed", "topic": "a/p"}),
            (serverframes.Unsubscribed("a/p"), {"type": "unsubscribed", "topic": "a/p"}),
            (serverframes.Ack("x"), {"type": "ack", "id": "x"}),
            (serverframes.Ack(7), {"type": "ack", "id": 7}),
            (serverframes.Pong(), {"type": "pong"}),
            (
                serverframes.DbChange("table/t/p", "INSERT", {"id": 1}, 5),
                {
                    "type": "db_change",
                    "topic": "table/t/p",
                    "operation": "INSERT",
                    "data": {"id": 1},
                    "timestamp": 5,
                },
            ),
            (
                serverframes.DbChange("table/t/p", "UPDATE", {"id": 1}, 5, {"id": 2}, True),
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
                serverframes.Event("a/p", "e", Raw(b'{"n":1.0}'), 5),
                {"type": "event", "topic": "a/p", "event": "e", "data": {"n": 1}, "timestamp": 5},
            ),
            (
                serverframes.ChatMessage("chat/r/p", "message", {"id": "m"}, 5, "ann"),
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
                serverframes.Error("forbidden", "No."),
                {"type": "error", "code": "forbidden", "message": "No."},
            ),
            (
                serverframes.Error("rate_limited", "Wait.", "x", "a/p", 50),
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
        The daemon refuses a value that is not JSON or is nested too deep.
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
        For any bytes the daemon gives the value that the standard library reads, or a
        L{RealtimeError}.
        """
        try:
            value = decodeValue(payload)
        except RealtimeError as error:
            self.assertEqual(error.code, "invalid_json")
        else:
            self.assertEqual(value, json.loads(payload))
