"""
Tests for L{aerostack.client.outgoing}.
"""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw
from twisted.trial.unittest import SynchronousTestCase

from aerostack.client.outgoing import LARGEST, encodeGiven
from aerostack.protocol.codec import MAX_DEPTH, encodeValue

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


def nest(depth: int) -> Any:
    """
    A list in a list, and so on.
    """
    value: Any = []
    for _ in range(depth - 1):
        value = [value]
    return value


class EncodeGivenTests(SynchronousTestCase):
    """
    Tests for L{encodeGiven}.
    """

    def test_refused(self) -> None:
        """
        A value that is not in JSON, or that common parsers cannot hold, is refused; the error says
        where it is.
        """
        for value, where in (
            (float("nan"), "data is nan"),
            ({"a": [1, float("inf")]}, "data['a'][1] is inf"),
            ([float("-inf")], "data[0] is -inf"),
            ([[10**309]], "data[0][0] is an integer"),
            (-(10**400), "data is an integer"),
            (10**5000, "data is an integer"),
            ("nice \ud83d", "data has \\ud83d in it"),
            ({"x": {"\ude00": 1}}, "a key of data['x'] has \\ude00 in it"),
            (nest(MAX_DEPTH + 1), "data is nested"),
            (nest(100_000), "data is nested"),
            ("x" * LARGEST, f"data has {LARGEST + 2} bytes"),
        ):
            error = self.assertRaises(ValueError, encodeGiven, value, "data")
            self.assertIn(where, str(error))
        self.assertRaises(TypeError, encodeGiven, object(), "data")
        self.assertRaises(TypeError, encodeGiven, {(1, 2): 3}, "data")

    def test_taken(self) -> None:
        """
        A value that all parsers can read is encoded.
        """
        for value in (10**308, 2**70, -1e308, "9" * 400, "\U0001f600", nest(MAX_DEPTH)):
            self.assertEqual(json.loads(encodeGiven(value, "data")), value)
        mixed = encodeGiven({1: b"x", "a": (1, None)}, "data")
        self.assertEqual(mixed, b'{"1":"eA==","a":[1,null]}')

    def test_written(self) -> None:
        """
        A Raw value stays as it is, if all parsers can read it.
        """
        self.assertEqual(encodeGiven(Raw(b'{"n": 1.10}'), "data"), b'{"n": 1.10}')
        for payload in (b"nope", b"1e999", b'"half \\ud83d"', b"[" * 65 + b"]" * 65, b'"\xff"'):
            error = self.assertRaises(ValueError, encodeGiven, Raw(payload), "data")
            self.assertIn("data cannot be sent: ", str(error))

    @given(JSON)
    def test_same(self, value: Any) -> None:
        """
        It says what the daemon's own encoder says.
        """
        self.assertEqual(json.loads(encodeGiven(value, "data")), json.loads(encodeValue(value)))
