"""
What clients may send: good frames, odd ones, and values that no client could read.
"""

from __future__ import annotations

import json
from typing import Any

from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from aerostack.errors import RealtimeError
from aerostack.protocol import clientframes
from aerostack.protocol.codec import (
    decode,
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
    "subscribe": clientframes.Subscribe,
    "unsubscribe": clientframes.Unsubscribe,
    "publish": clientframes.Publish,
    "track": clientframes.Track,
    "untrack": clientframes.Untrack,
    "chat": clientframes.Chat,
    "auth": clientframes.Auth,
    "ping": clientframes.Ping,
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


HALVES = (
    *(b'"\\ud83d"', b'"nice \\ud83d\\n"', b'"\\udc00"', b'"\\ude00\\ud83d"', b'"\\ud83d\\ud83d"'),
    *(b'"\\uD83D\\u0041"', b'{"\\ud83d":1}', b'"\\\\\\ud83d"', b'"\\ud83d\\ud83d\\ude00"'),
)
"""JSON with half of a surrogate pair."""

BROKEN = (*HALVES, b"", b"nil", b'"\\x"', b'"\x01"', b"01", b"1e999", b"[1,", b"}", b"1 2", b"\xff")
"""What is no JSON, or has no value that a client could read."""
