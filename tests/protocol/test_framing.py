"""
Tests for L{aerostack.protocol.framing}.
"""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from aerostack.protocol.framing import payloadOf, textFrame


def parseFrame(data: bytes) -> tuple[bytes, bytes]:
    """
    Read one frame as a strict client does (RFC 6455, 5.2).

    @return: Its payload, and what came behind it.
    """
    assert data[0] & 0x80, "the frame is not final"
    assert not data[0] & 0x70, "a reserved bit is set"
    assert data[0] & 0x0F == 1, "the frame is not text"
    assert not data[1] & 0x80, "a server must not mask"
    length, start = data[1] & 0x7F, 2
    if length == 126:
        length, start = int.from_bytes(data[2:4], "big"), 4
        assert length > 125, "the length is not in its shortest form"
    elif length == 127:
        length, start = int.from_bytes(data[2:10], "big"), 10
        assert 0xFFFF < length < 2**63, "the length is not in its shortest form"
    payload = data[start : start + length]
    assert len(payload) == length, "the frame is cut off"
    return payload, data[start + length :]


class TextFrameTests(SynchronousTestCase):
    """
    Tests for L{textFrame}.
    """

    def test_lengths(self) -> None:
        """
        At every boundary of the three forms of a length, a strict client reads the
        payload back, and so do we.
        """
        for length in (0, 1, 124, 125, 126, 127, 128, 255, 256, 65534, 65535, 65536, 65537, 2**20):
            payload = bytes(number & 0x7F for number in range(length))
            self.assertEqual(parseFrame(textFrame(payload)), (payload, b""), length)
            self.assertEqual(payloadOf(textFrame(payload)), payload, length)

    def test_bytes(self) -> None:
        """
        The header is the one that RFC 6455, 5.7 gives as an example.
        """
        self.assertEqual(textFrame(b"Hello"), b"\x81\x05Hello")
        self.assertEqual(textFrame(bytes(256))[:4], b"\x81\x7e\x01\x00")
        self.assertEqual(textFrame(bytes(65536))[:10], b"\x81\x7f" + (65536).to_bytes(8, "big"))

    @given(st.lists(st.binary(max_size=300), max_size=5))
    def test_stream(self, payloads: list[bytes]) -> None:
        """
        Frames written one behind the other are read one by one.
        """
        data = b"".join(map(textFrame, payloads))
        found = []
        while data:
            payload, data = parseFrame(data)
            found.append(payload)
        self.assertEqual(found, payloads)
