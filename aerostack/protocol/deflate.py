"""
permessage-deflate (RFC 7692), without context takeover on either side.

A context that is carried over from message to message compresses better, but is
another one for each connection: it would cost every one of them a compressor's memory,
and every delivery a compression.  Without it a publication is compressed once, and its
bytes are the same for every subscriber who agreed to it.
"""

from __future__ import annotations

import zlib

from aerostack.protocol.framing import Frame, frameHeader

# What is agreed on, whichever of an offer's parameters brought us here.
AGREED = "permessage-deflate; server_no_context_takeover; client_no_context_takeover"

_FIN_TEXT = 0x81
_COMPRESSED = 0x40
# Every flush ends in this empty block, and a message goes without it (7.2.1).
_TAIL = b"\x00\x00\xff\xff"
_WINDOW_BITS = 15


def compressFrame(frame: bytes) -> bytes:
    """
    Compress the message in a frame.

    @param frame: A single one, from L{aerostack.protocol.framing.textFrame}.
    @return: A frame of the same message; the same frame where compression gains
        nothing.
    """
    length = frame[1]
    payload = memoryview(frame)[2 if length < 126 else 4 if length == 126 else 10 :]
    compressor = zlib.compressobj(wbits=-_WINDOW_BITS)
    data = compressor.compress(payload) + compressor.flush(zlib.Z_SYNC_FLUSH)
    data = data.removesuffix(_TAIL)
    compressed = frameHeader(_FIN_TEXT | _COMPRESSED, len(data)) + data
    return compressed if len(compressed) < len(frame) else frame


class Compressor:
    """
    Compresses each frame once, for however many it is sent to.

    It knows a frame again by identity, as long as it is among the last.

    @ivar kept: How many bytes of frames are remembered.
    """

    def __init__(self, threshold: int, most: int) -> None:
        """
        @param threshold: Frames with fewer bytes are left as they are.
        @param most: How many bytes of frames to remember, the last one aside.
        """
        self.kept = 0
        self._threshold = threshold
        self._most = most
        # By id, which is a frame's own as long as the frame is held here.
        self._done: dict[int, tuple[Frame, bytes]] = {}

    def compress(self, frame: Frame) -> bytes:
        """
        What to send instead of a frame, or of frames that go out together.
        """
        if len(frame) < self._threshold:
            return frame
        done = self._done.get(id(frame))
        if done is not None:
            return done[1]
        compressed = b"".join(
            part if len(part) < self._threshold else compressFrame(part) for part in frame.parts
        )
        self.kept += len(frame) + len(compressed)
        self._done[id(frame)] = frame, compressed
        while self.kept > self._most and len(self._done) > 1:
            oldest = self._done.pop(next(iter(self._done)))
            self.kept -= len(oldest[0]) + len(oldest[1])
        return compressed
