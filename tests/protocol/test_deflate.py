"""
Tests for L{aerostack.protocol.deflate}.
"""

from __future__ import annotations

import os
import zlib

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from aerostack.protocol.deflate import Compressor, compressFrame
from aerostack.protocol.framing import joinFrames, textFrame
from tests.protocol.test_framing import parseFrame


def inflate(frame: bytes) -> bytes:
    """
    Read one frame as a client does that agreed to compression.
    """
    if not frame[0] & 0x40:
        return parseFrame(frame)[0]
    payload, rest = parseFrame(bytes([frame[0] & ~0x40]) + frame[1:])
    assert not rest, "more than one frame"
    assert not payload.endswith(b"\x00\x00\xff\xff"), "the empty block was left on (7.2.1)"
    return zlib.decompressobj(wbits=-15).decompress(payload + b"\x00\x00\xff\xff")


class CompressTests(SynchronousTestCase):
    """
    Tests for L{compressFrame} and L{Compressor}.
    """

    @given(st.binary(max_size=300), st.integers(0, 1000))
    def test_roundTrip(self, part: bytes, times: int) -> None:
        """
        What is compressed is read again as it was, and never becomes larger.
        """
        frame = textFrame(part * times)
        compressed = compressFrame(frame)
        self.assertEqual(inflate(compressed), part * times)
        self.assertLessEqual(len(compressed), len(frame))

    def test_shrinks(self) -> None:
        """
        What repeats itself becomes small; what does not stays as it is.
        """
        self.assertLess(len(compressFrame(textFrame(b'{"status":"open"}' * 100))), 100)
        noise = textFrame(os.urandom(1000))
        self.assertIs(compressFrame(noise), noise)

    def test_once(self) -> None:
        """
        A frame is compressed once, however many it is for.
        """
        compressor = Compressor(100, 1_000_000)
        frames = [textFrame(b"%d" % n * 500) for n in range(5)]
        once = [compressor.compress(frame) for frame in frames]
        for frame, first in zip(frames * 3, once * 3, strict=True):
            self.assertIs(compressor.compress(frame), first)

    def test_threshold(self) -> None:
        """
        Frames below the threshold are left alone.
        """
        compressor = Compressor(100, 1_000_000)
        small, large = textFrame(b"x" * 97), textFrame(b"x" * 98)
        self.assertIs(compressor.compress(small), small)
        self.assertLess(len(compressor.compress(large)), 100)
        self.assertEqual(compressor.kept, len(large) + len(compressor.compress(large)))

    def test_joined(self) -> None:
        """
        Frames that go out together are compressed each by itself, and once; the small
        ones among them are left alone.
        """
        compressor = Compressor(100, 1_000_000)
        small, large = textFrame(b"x" * 50), textFrame(b"y" * 500)
        frames = joinFrames([large, small, large])
        compressed = compressor.compress(frames)
        self.assertEqual(compressed, compressFrame(large) + small + compressFrame(large))
        self.assertIs(compressor.compress(frames), compressed)

    @given(st.lists(st.tuples(st.integers(0, 10), st.integers(0, 3000)), max_size=50))
    def test_bounded(self, sent: list[tuple[int, int]]) -> None:
        """
        Memory is bounded, and a frame that was forgotten is compressed again; two
        frames are never taken for each other.
        """
        compressor = Compressor(0, 5000)
        for letter, size in sent:
            payload = bytes([65 + letter]) * size
            self.assertEqual(inflate(compressor.compress(textFrame(payload))), payload)
            self.assertLessEqual(compressor.kept, 5000 + 6100)

    def test_large(self) -> None:
        """
        A frame larger than all that may be remembered is remembered while it is the
        last.
        """
        compressor = Compressor(0, 1000)
        frame = textFrame(b"x" * 5000)
        self.assertIs(compressor.compress(frame), compressor.compress(frame))
