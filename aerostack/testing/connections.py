"""
A socket that remembers the frames that are sent on it.
"""

from __future__ import annotations

import json
from typing import Any

from zope.interface import implementer

from aerostack.interfaces.messaging import IConnection

Frame = dict[str, Any]


def readFrames(data: bytes) -> list[Frame]:
    """
    Read what the daemon wrote to a socket: whole, unmasked text frames
    (RFC 6455, 5.2).
    """
    frames = []
    while data:
        assert data[0] == 0x81, f"not a final text frame: {data[:20]!r}"
        length, start = data[1], 2
        if length == 126:
            length, start = int.from_bytes(data[2:4], "big"), 4
        elif length == 127:
            length, start = int.from_bytes(data[2:10], "big"), 10
        frames.append(json.loads(data[start : start + length]))
        data = data[start + length :]
    return frames


@implementer(IConnection)
class MemoryConnection:
    """
    A socket that remembers the frames that are sent on it.

    @ivar frames: The frames that the daemon sent, decoded.
    @ivar pings: How many pings the daemon sent.
    @ivar closing: The code and reason with which the daemon closes; L{None} if it does not.
    @ivar aborted: Whether the daemon dropped the connection.
    """

    def __init__(self, connectionId: str) -> None:
        self.connectionId = connectionId
        self.address: str | None = None
        self.client: str | None = None
        self.compressed = False
        self.kind = "websocket"
        self.frames: list[Frame] = []
        self.pings = 0
        self.closing: tuple[int, str] | None = None
        self.aborted = False

    def send(self, frame: bytes) -> None:
        self.frames.extend(readFrames(frame))

    def ping(self) -> None:
        self.pings += 1

    def close(self, code: int, reason: str) -> None:
        self.closing = (code, reason)

    def abort(self) -> None:
        self.aborted = True
