"""
Tests for L{aerostack.protocol.events}.
"""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from aerostack.protocol.events import EventEncoder, FrameHead, splitFrames
from aerostack.protocol.framing import joinFrames, textFrame
from aerostack.protocol.sse import EventReader


class EventTests(SynchronousTestCase):
    """
    Tests for frames as events.
    """

    @given(st.lists(st.integers(0, 70_000), max_size=5))
    def test_split(self, sizes: list[int]) -> None:
        """
        Frames of any size are taken apart as they were put together.
        """
        payloads = [b"x" * size for size in sizes]
        self.assertEqual(list(splitFrames(b"".join(map(textFrame, payloads)))), payloads)

    @given(st.lists(st.text(), min_size=1, max_size=5))
    def test_events(self, texts: list[str]) -> None:
        """
        A reader of events gets each frame whole, whatever its text has.
        """
        payloads = [json.dumps({"a": text}, ensure_ascii=False).encode() for text in texts]
        events = EventEncoder().encode(joinFrames([textFrame(each) for each in payloads]))
        read = EventReader().feed(b"".join(event.data for event in events))
        self.assertEqual([json.loads(event.data)["a"] for event in read], texts)

    @given(
        st.lists(st.sampled_from(["\n", "\r\n", "\r", "\n\n", " ", "\t"]), min_size=7, max_size=7)
    )
    def test_lines(self, spaces: list[str]) -> None:
        """
        A reader of events gets a frame whole, also if a client has written its data on several
        lines.
        """
        tokens = ["{", '"a"', ":", "[1", ",", '"data: x"', "]", "}"]
        text = "".join(token + space for token, space in zip(tokens, [*spaces, ""], strict=True))
        (event,) = EventEncoder().encode(textFrame(text.encode()))
        (read,) = EventReader().feed(event.data)
        self.assertEqual(json.loads(read.data), {"a": [1, "data: x"]})

    def test_head(self) -> None:
        """
        An event knows the topic and the position of its frame, and a frame may have neither.
        """
        frame = joinFrames(
            [
                textFrame(b'{"type":"event","topic":"t/p","data":[1],"pos":"1-2"}'),
                textFrame(b'{"type":"pong"}'),
            ]
        )
        heads = [event.head for event in EventEncoder().encode(frame)]
        self.assertEqual(heads, [FrameHead("event", "t/p", "1-2"), FrameHead("pong")])

    def test_once(self) -> None:
        """
        A frame for several clients is made an event once.
        """
        encoder, frame = EventEncoder(), textFrame(b'{"type":"pong"}')
        self.assertIs(encoder.encode(frame), encoder.encode(frame))
        self.assertIsNot(encoder.encode(frame), encoder.encode(textFrame(b'{"type":"pong"}')))
