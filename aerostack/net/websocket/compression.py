"""
Compression of messages: whether the daemon accepts what a client offers, and the reading of
compressed messages.

L{aerostack.protocol.deflate} compresses what the daemon sends.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from autobahn.exception import PayloadExceededError
from autobahn.websocket.compress import PerMessageDeflate, PerMessageDeflateOffer
from autobahn.websocket.protocol import WebSocketProtocol

from aerostack.protocol.deflate import AGREED


def agree(offers: Sequence[str]) -> str | None:
    """
    Accept one of the client's offers of compression, if the daemon can.

    @param offers: The values of C{Sec-WebSocket-Extensions}.
    @return: The value of C{Sec-WebSocket-Extensions} in the answer; L{None} if the daemon accepts
        none of the offers.
    """
    # Autobahn's method uses nothing of the protocol that it belongs to.
    parse = WebSocketProtocol._parseExtensionsHeader
    for name, parameters in parse(cast(WebSocketProtocol, None), ",".join(offers)):
        if name == PerMessageDeflate.EXTENSION_NAME:
            try:
                offer = PerMessageDeflateOffer.parse(parameters)
            except Exception:
                # Autobahn raises no other type.  An offer that breaks the extension's rules
                # is declined (RFC 7692, 7.1).
                continue
            # All clients share the compressed bytes: none can have a smaller window.
            if not offer.request_max_window_bits:
                return AGREED
    return None


class Inflater(PerMessageDeflate):
    """
    Reads compressed messages, and keeps nothing between them.
    """

    _decompressor: Any

    def __init__(self) -> None:
        super().__init__(True, True, True, 0, 0, None)

    def decompress_message_data(self, data: bytes, max_output_len: int | None = None) -> bytes:
        inflated: bytes = super().decompress_message_data(data, max_output_len)
        # Autobahn does not see the bytes that zlib has read and not put out yet, and would lose
        # them.
        if len(inflated) == max_output_len and self._decompressor.decompress(b"", 1):
            raise PayloadExceededError(f"more than {max_output_len} bytes")
        return inflated

    def end_decompress_message(self) -> None:
        super().end_decompress_message()
        # The decompressor has a window of 32 KB.
        self._decompressor = None
