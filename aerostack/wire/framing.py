"""
WebSocket frames, as far as the daemon sends them: whole and unmasked.

A publication's bytes are the same for every subscriber, because a server does not
mask what it sends (RFC 6455, 5.1).  So the frame is built here once, and written to
every socket as it is.
"""

from __future__ import annotations

from struct import pack

_FIN_TEXT = 0x81


def textFrame(payload: bytes) -> bytes:
    """
    Wrap a text message into one final, unmasked frame (RFC 6455, 5.2).
    """
    return frameHeader(_FIN_TEXT, len(payload)) + payload


def frameHeader(first: int, length: int) -> bytes:
    """
    The header of an unmasked frame.

    @param first: Its first byte: FIN, the reserved bits and the opcode.
    @param length: Of its payload.
    """
    if length < 126:
        return pack("!BB", first, length)
    if length < 65536:
        return pack("!BBH", first, 126, length)
    return pack("!BBQ", first, 127, length)
