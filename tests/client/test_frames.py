"""
Tests for L{aerostack.client.frames}.
"""

from __future__ import annotations

import json
import time

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from aerostack.client.frames import Head, Unreadable, readFrame


class ReadFrameTests(SynchronousTestCase):
    """
    Tests for L{readFrame}.
    """

    def test_frame(self) -> None:
        """
        The application gets all fields of a frame, the client those that it uses.
        """
        sent = {"type": "event", "topic": "chat/a/p", "event": "e", "data": [1], "new": {}}
        head, frame = readFrame(json.dumps(sent).encode())
        self.assertEqual(frame, sent)
        self.assertEqual((head.type, head.topic, head.event), ("event", "chat/a/p", "e"))
        self.assertIsNone(head.pos)

    def test_nonsense(self) -> None:
        """
        A message that cannot be read is shown, and its head has the fields that can be read.
        """
        for payload in (
            *(b"", b"hello", b"[]", b"1", b"null", b"{}", b'{"type": 1}', b"\xff"),
            b'{"type": "event", "topic": 1}',
            b'{"type": "error", "retryAfter": "soon"}',
            b"[" * 100_000,
        ):
            error = self.assertRaises(Unreadable, readFrame, payload)
            self.assertIn("sent a frame that cannot be read: ", str(error))
            self.assertIn(error.head, (Head(""), Head("event"), Head("error")))

    def test_found(self) -> None:
        """
        The head of a frame is found although another field cannot be read.
        """
        for data in (
            *(b'{"n": 1e999}', b"9" * 5000, b'"half \\ud83d"', b"nope", b'"\xff"'),
            *(b'{"topic": "x", "pos": 1e999}', b'"half \\ud83d \\"pos\\":\\"y\\""'),
            # More levels than any version of Python takes.
            b"[" * 100_000 + b"]" * 100_000,
        ):
            payload = b'{"type": "event", "pos": "p1", "topic": "chat/a/p", "data": ' + data
            for end in (b"}", b', "id": "7"}', b""):
                error = self.assertRaises(Unreadable, readFrame, payload + end)
                self.assertEqual(
                    (error.head.type, error.head.topic, error.head.pos),
                    ("event", "chat/a/p", "p1"),
                    payload[:100],
                )
                self.assertIn("(topic chat/a/p, pos p1)", str(error))
                self.assertLess(len(str(error)), 500)

    def test_foundInTime(self) -> None:
        """
        The time to find the head grows no faster than the frame.
        """
        for piece in (b'"', b'"\\', b'{"a":"', b"[", b'"a"\\', b"\\"):
            times = [self.least(piece * count) for count in (20_000, 160_000)]
            self.assertLess(times[1], 32 * max(times[0], 0.005), piece)

    def least(self, payload: bytes) -> float:
        """
        The least time that it takes to refuse a frame, in seconds.  The garbage collector may run
        meanwhile, and search what other tests have left.
        """
        times = []
        for _ in range(3):
            begun = time.process_time()
            self.assertRaises(Unreadable, readFrame, payload)
            times.append(time.process_time() - begun)
        return min(times)

    @given(st.binary())
    def test_anything(self, payload: bytes) -> None:
        """
        Every message is a frame or raises Unreadable.
        """
        try:
            head, frame = readFrame(payload)
        except Unreadable:
            return
        self.assertEqual(frame["type"], head.type)
