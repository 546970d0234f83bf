"""
Tests for L{aerostack.client.head}.
"""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from aerostack.client.head import readFrame


class ReadFrameTests(SynchronousTestCase):
    """
    Tests for L{readFrame}.
    """

    def test_frame(self) -> None:
        """
        The application gets all of a frame, the client what it has to know.
        """
        sent = {"type": "event", "topic": "chat/a/p", "event": "e", "data": [1], "new": {}}
        head, frame = readFrame(json.dumps(sent).encode())
        self.assertEqual(frame, sent)
        self.assertEqual((head.type, head.topic, head.event), ("event", "chat/a/p", "e"))
        self.assertIsNone(head.pos)

    def test_nonsense(self) -> None:
        """
        What is no frame is shown.
        """
        for payload in (
            *(b"", b"hello", b"[]", b"1", b"null", b"{}", b'{"type": 1}', b"\xff"),
            b'{"type": "event", "topic": 1}',
            b'{"type": "error", "retryAfter": "soon"}',
            b"[" * 100_000,
        ):
            error = self.assertRaises(ValueError, readFrame, payload)
            self.assertIn("sends what is no frame: ", str(error))

    @given(st.binary())
    def test_anything(self, payload: bytes) -> None:
        """
        Whatever comes, it is a frame or it is told that it is none.
        """
        try:
            head, frame = readFrame(payload)
        except ValueError:
            return
        self.assertEqual(frame["type"], head.type)
