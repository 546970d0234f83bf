"""
Tests for L{aerostack.protocol.masking}.
"""

from __future__ import annotations

from autobahn.websocket.xormasker import create_xor_masker
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from aerostack.protocol.masking import readText

MASK = b"\x01\xfe\x00\x80"


def frame(payload: bytes, first: int = 0x81, mask: bytes = MASK) -> bytes:
    """
    A masked frame.
    """
    length = len(payload)
    if length < 126:
        head = bytes([first, 0x80 | length])
    elif length < 65536:
        head = bytes([first, 0xFE]) + length.to_bytes(2, "big")
    else:
        head = bytes([first, 0xFF]) + length.to_bytes(8, "big")
    masked = create_xor_masker(mask, length).process(payload) if payload else b""
    return head + mask + masked


class ReadTextTests(SynchronousTestCase):
    """
    Tests for L{readText}.
    """

    @given(st.text(max_size=400), st.binary(min_size=4, max_size=4), st.binary(max_size=8))
    def test_whole(self, text: str, mask: bytes, before: bytes) -> None:
        """
        A text in one frame is read, wherever it begins and whatever comes behind it.
        """
        payload = text.encode()
        data = before + frame(payload, mask=mask)
        for behind in (b"", b"\x81", frame(b"{}")):
            self.assertEqual(readText(data + behind, len(before), 4096), (payload, len(data)))

    def test_cut(self) -> None:
        """
        A frame of which a byte is missing is not read.
        """
        for size in (0, 1, 125, 126, 300):
            data = frame(b"x" * size)
            for end in range(len(data)):
                self.assertIsNone(readText(data[:end], 0, 4096))

    def test_long(self) -> None:
        """
        A message of more bytes than are allowed is not read, and one of 64 KiB is left to others.
        """
        self.assertIsNotNone(readText(frame(b"x" * 200), 0, 200))
        self.assertIsNone(readText(frame(b"x" * 201), 0, 200))
        self.assertIsNone(readText(frame(b"x" * 65_536), 0, 100_000))

    def test_others(self) -> None:
        """
        Other frames than a whole, masked text are not read.
        """
        for first in range(256):
            if first != 0x81:
                self.assertIsNone(readText(frame(b"{}", first), 0, 4096))
        self.assertIsNone(readText(b"\x81\x02{}    ", 0, 4096))

    def test_lengthened(self) -> None:
        """
        A length that is not in its shortest form is left to the parser that refuses it.
        """
        self.assertIsNone(readText(b"\x81\xfe\x00\x02" + MASK + b"{}", 0, 4096))
        self.assertIsNone(readText(b"\x81\xff" + bytes(7) + b"\x02" + MASK + b"{}", 0, 4096))

    def test_notUTF8(self) -> None:
        """
        Text that is not UTF-8 is left to the parser that refuses it.
        """
        for payload in (b"\xff", b"\xc0\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xc3"):
            self.assertIsNone(readText(frame(payload), 0, 4096))
