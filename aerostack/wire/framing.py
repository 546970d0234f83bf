"""
WebSocket frames, as far as the daemon sends them: whole, unmasked, uncompressed.

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
    length = len(payload)
    if length < 126:
        header = pack("!BB", _FIN_TEXT, length)
    elif length < 65536:
        header = pack("!BBH", _FIN_TEXT, 126, length)
    else:
        header = pack("!BBQ", _FIN_TEXT, 127, length)
    return header + payload
