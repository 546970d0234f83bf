"""
WebSocket frames, as far as clients usually send them: a whole text message in one frame.

Most of what clients send is a short text in one frame that arrives whole.  Autobahn's parser takes
every frame that RFC 6455 knows, with any cut between bytes, and needs a quarter of the time of a
publication for it.  So the usual frame is read here, and all other bytes go to Autobahn from the
same place.
"""

from __future__ import annotations

_FIN_TEXT = 0x81
_MASKED = 0x80
_LONG = 126


def readText(data: bytes, at: int, most: int) -> tuple[bytes, int] | None:
    """
    Read a text message that is one masked frame (RFC 6455, 5.2 and 5.3), and is all there.

    @param at: Where the frame begins.
    @param most: How many bytes a message may have.
    @return: The message, UTF-8, and where the next frame begins; L{None} if it is another frame, is
        not all there, is too long, or breaks a rule of the RFC.
    """
    if len(data) - at < 6 or data[at] != _FIN_TEXT:
        return None
    length = data[at + 1] - _MASKED
    begin = at + 6
    if length == _LONG:
        length = data[at + 2] << 8 | data[at + 3]
        begin = at + 8
        if length < _LONG:
            # The RFC wants the shortest form.
            return None
    elif not 0 <= length < _LONG:
        return None
    end = begin + length
    if end > len(data) or length > most:
        return None
    # As one large number, the bytes are unmasked at C's speed.
    mask = data[begin - 4 : begin] * (length // 4 + 1)
    masks = int.from_bytes(mask[:length], "little")
    message = (int.from_bytes(data[begin:end], "little") ^ masks).to_bytes(length, "little")
    if not message.isascii():
        try:
            message.decode()
        except UnicodeDecodeError:
            return None
    return message, end
