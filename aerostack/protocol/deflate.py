"""
permessage-deflate (RFC 7692), without context takeover on either side.

A context that is carried over from message to message compresses better, but is
another one for each connection: it would cost every one of them a compressor's memory,
and every delivery a compression.  Without it a publication is compressed once, and its
bytes are the same for every subscriber who agreed to it.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator, Sequence

from aerostack.protocol.framing import Frame, frameHeader

# What is agreed on, whichever of an offer's parameters brought us here.
AGREED = "permessage-deflate; server_no_context_takeover; client_no_context_takeover"

_FIN_TEXT = 0x81
_COMPRESSED = 0x40
# Every flush ends in this empty block, and a message goes without it (7.2.1).
_TAIL = b"\x00\x00\xff\xff"
_WINDOW_BITS = 15

# A list of extensions (RFC 6455, 9.1), cut into its tokens, quoted strings and marks.
_PARTS = re.compile(
    r"""[ \t]*(?:([A-Za-z0-9!#$%&'*+.^_`|~-]+)|"((?:[^"\\]|\\.)*)"|([;,=]))[ \t]*"""
)


def agree(offers: Sequence[str]) -> bool:
    """
    Whether one of a client's offers can be taken up, with what L{AGREED} says.

    An offer that breaks the grammar or the extension's rules is as good as none
    (RFC 7692, 7.1).

    @param offers: The values of C{Sec-WebSocket-Extensions}.
    """
    return any(
        name == "permessage-deflate" and _acceptable(parameters)
        for name, parameters in _extensions(",".join(offers))
    )


def _acceptable(parameters: Sequence[tuple[str, str | None]]) -> bool:
    names = [name for name, _ in parameters]
    if len(set(names)) != len(names):
        return False
    for name, value in parameters:
        if name in ("server_no_context_takeover", "client_no_context_takeover"):
            if value is not None:
                return False
        elif name == "client_max_window_bits":
            # We can read whatever window it uses.
            if value is not None and not _isWindow(value):
                return False
        else:
            # With server_max_window_bits it asks for a smaller window; bytes that all
            # share cannot be made for that.
            return False
    return True


def _isWindow(value: str) -> bool:
    return re.fullmatch(r"[89]|1[0-5]", value) is not None


def _extensions(header: str) -> Iterator[tuple[str, list[tuple[str, str | None]]]]:
    """
    Read a list of extensions.  What breaks the grammar ends it.
    """
    parts: list[tuple[str, str]] = []
    place = 0
    while place < len(header):
        found = _PARTS.match(header, place)
        if found is None:
            return
        token, quoted, mark = found.groups()
        if mark is not None:
            parts.append(("mark", mark))
        else:
            parts.append(("word", re.sub(r"\\(.)", r"\1", quoted) if token is None else token))
        place = found.end()
    for extension in _split(parts, ","):
        (name, *parameters) = _split(extension, ";")
        if not extension:
            continue
        read = [_parameter(parameter) for parameter in parameters]
        if len(name) != 1 or name[0][0] != "word":
            return
        known = [parameter for parameter in read if parameter is not None]
        if len(known) == len(read):
            yield name[0][1], known


def _split(parts: list[tuple[str, str]], mark: str) -> list[list[tuple[str, str]]]:
    split: list[list[tuple[str, str]]] = [[]]
    for part in parts:
        if part == ("mark", mark):
            split.append([])
        else:
            split[-1].append(part)
    return split


def _parameter(parts: list[tuple[str, str]]) -> tuple[str, str | None] | None:
    kinds = [kind for kind, _ in parts]
    if kinds == ["word"]:
        return parts[0][1], None
    if kinds == ["word", "mark", "word"] and parts[1][1] == "=":
        return parts[0][1], parts[2][1]
    return None


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
