"""
Tests for L{aerostack.protocol.codec.reference}: what a refused frame is about.
"""

from __future__ import annotations

import json
from time import process_time
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from aerostack.protocol.codec import (
    Reference,
    reference,
)
from tests.protocol.samples import (
    BROKEN,
    good,
)


def referred(frame: dict[str, Any]) -> Reference:
    """What a frame is about."""
    topic = f"chat/{frame['roomId']}" if frame["type"] == "chat" else frame.get("topic")
    return Reference(frame.get("id"), topic, frame["type"])


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
        A C{id} or C{topic} that is not valid or not readable is not repeated.
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
        L{reference} finds in a valid frame what L{decode} finds.
        """
        found = reference(json.dumps(frame).encode())
        self.assertEqual(found, referred(frame))

    @given(good, st.sampled_from(BROKEN), st.booleans())
    def test_broken(self, frame: dict[str, Any], broken: bytes, first: bool) -> None:
        """
        An unreadable value in any place does not hide what the frame is about.
        """
        rest = json.dumps(frame).encode()[1:-1]
        # What stands behind a bracket that has no partner is no field of the frame.
        first = first and broken not in (b"[1,", b"}")
        parts = (b'"x":' + broken, rest) if first else (rest, b'"x":' + broken)
        self.assertEqual(reference(b"{" + b",".join(parts) + b"}"), referred(frame), broken)

    def test_cutOff(self) -> None:
        """
        In a frame that ends too soon the fields before the end are found.
        """
        whole = b'{"type":"publish","id":"k","topic":"a/b","event":"e","data":[{"id":5'
        for end in range(40, len(whole)):
            self.assertEqual(reference(whole[:end]), Reference("k", "a/b", "publish"))

    def test_inner(self) -> None:
        """
        Fields inside the data do not count as fields of the frame.
        """
        for inner in (b'{"id":2,"topic":"x/y"', b'["id", 2', b'"\\",\\"id\\":3', b'"\\\\"'):
            found = reference(b'{"type":"publish","id":1,"data":' + inner + b"")
            self.assertEqual(found, Reference(1, None, "publish"), inner)

    def test_long(self) -> None:
        """
        An error repeats no type that is too long, and no part of an id.
        """
        payload = {"type": "t" * 5000, "id": "i" * 5000, "topic": "a/b"}
        found = reference(json.dumps(payload).encode())
        self.assertEqual(found, Reference(None, "a/b", "t" * 64))
        self.assertEqual(reference(b'{"id":"' + b"i" * 4096 + b'"}').id, "i" * 4096)

    def test_growth(self) -> None:
        """
        The time grows with the size of the payload, not with its square.
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
    """Measure L{reference} three times, and give the shortest time in seconds."""
    times = []
    for _ in range(3):
        began = process_time()
        reference(payload)
        times.append(process_time() - began)
    return min(times)
