"""
Frames as the bytes that go to a socket.
"""

from __future__ import annotations

from collections.abc import Hashable

from aerostack.core.replay.positions import Position
from aerostack.protocol.codec import encode
from aerostack.protocol.framing import Frame, textFrame
from aerostack.protocol.serverframes import ServerFrame


def wireFrame(
    frame: ServerFrame,
    topic: str | None = None,
    key: Hashable = None,
    logPosition: Position | None = None,
) -> Frame:
    """
    Turn a frame into the bytes that go to a socket.

    @param topic: See L{Frame}.
    @param key: See L{Frame}.
    @param logPosition: See L{Frame}.
    """
    return textFrame(encode(frame), topic, key, logPosition)
