"""
The daemon's frames as server-sent events, for clients that have no WebSocket.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from aerostack.protocol.framing import Frame
from aerostack.protocol.sse import writeEvent


class FrameHead(msgspec.Struct, frozen=True, gc=False):
    """
    The fields of a daemon's frame that tell how far a client is.

    @ivar topic: The canonical topic.
    @ivar pos: The position in the topic's log.
    @ivar request: The type of the client's frame that an error is about.
    @ivar view: The name of the subscription, if it has one.
    @ivar retryAfter: After how many milliseconds the client may ask again; L{None} if the answer
        stays.
    """

    type: str = ""
    topic: str | None = None
    pos: str | None = None
    request: str | None = None
    view: str | None = None
    retryAfter: int | None = None


class FrameEvent(msgspec.Struct, frozen=True, gc=False):
    """
    A frame as an event that has no id yet.

    @ivar data: The bytes of the event.
    """

    head: FrameHead
    data: bytes


_headDecoder = msgspec.json.Decoder(FrameHead)


def splitFrames(frames: bytes) -> Iterator[bytes]:
    """
    Take the JSON texts out of WebSocket frames, as L{aerostack.protocol.framing.textFrame} makes
    them.

    @param frames: One or more whole frames.
    """
    at = 0
    while at < len(frames):
        length, start = frames[at + 1], at + 2
        if length == 126:
            length, start = int.from_bytes(frames[at + 2 : at + 4], "big"), at + 4
        elif length == 127:
            length, start = int.from_bytes(frames[at + 2 : at + 10], "big"), at + 10
        at = start + length
        yield frames[start:at]


class EventEncoder:
    """
    Makes events of frames.

    The clients of one topic get the same frame one after the other, so the encoder remembers the
    last one.
    """

    def __init__(self) -> None:
        self._frame: Frame | None = None
        self._events: tuple[FrameEvent, ...] = ()

    def encode(self, frame: Frame) -> tuple[FrameEvent, ...]:
        """
        Make the events of one or more frames.
        """
        if frame is not self._frame:
            self._events = tuple(
                FrameEvent(_headDecoder.decode(payload), writeEvent(payload))
                for payload in splitFrames(frame)
            )
            self._frame = frame
        return self._events
