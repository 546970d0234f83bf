"""
Tests for L{aerostack.net.proxyheader}.
"""

from __future__ import annotations

import contextlib
import socket

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from aerostack.net.proxyheader import LONGEST, MOST, readHeader

SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"


def binary(source: str, more: bytes = b"", command: int = 1) -> bytes:
    """
    A header of version 2.
    """
    family = socket.AF_INET6 if ":" in source else socket.AF_INET
    packed = socket.inet_pton(family, source)
    body = packed + packed + bytes(4) + more
    kind = 0x21 if family == socket.AF_INET6 else 0x11
    return SIGNATURE + bytes([0x20 | command, kind]) + len(body).to_bytes(2, "big") + body


GOOD = (
    (b"PROXY TCP4 192.0.2.1 198.51.100.1 56324 443\r\n", "192.0.2.1"),
    (b"PROXY TCP6 2001:db8::1 2001:db8::2 1 2\r\n", "2001:db8::1"),
    (b"PROXY UNKNOWN\r\n", None),
    (b"PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n", None),
    (binary("192.0.2.1"), "192.0.2.1"),
    (binary("2001:db8::1", b"\x03\x00\x04abcd"), "2001:db8::1"),
    (binary("192.0.2.1", command=0), None),
    (SIGNATURE + b"\x21\x00\x00\x00", None),
    (SIGNATURE + b"\x21\x31" + (216).to_bytes(2, "big") + bytes(216), None),
)


class HeaderTests(SynchronousTestCase):
    """
    Tests for L{readHeader}.
    """

    def test_good(self) -> None:
        """
        Each header is read when it is complete, and the bytes after it are not part of it.
        """
        for header, source in GOOD:
            for end in range(len(header)):
                self.assertIsNone(readHeader(header[:end]), header[:end])
            for rest in (b"", b"GET / HTTP/1.1\r\n"):
                self.assertEqual(readHeader(header + rest), (source, len(header)))

    def test_bad(self) -> None:
        """
        Bytes that are not a header are refused.
        """
        for data in (
            b"GET / HTTP/1.1\r\n",
            b"\x16\x03\x01",
            b"proxy TCP4",
            b"PROXY TCP4\r\n",
            b"PROXY TCP5 192.0.2.1 192.0.2.1 1 2\r\n",
            b"PROXY TCP4 999.0.2.1 192.0.2.1 1 2\r\n",
            b"PROXY TCP4 \xff 192.0.2.1 1 2\r\n",
            b"PROXY " + b"x" * LONGEST,
            b"PROXY\r\n",
            SIGNATURE + b"\x31\x11\x00\x0c" + bytes(12),
            SIGNATURE + b"\x22\x11\x00\x0c" + bytes(12),
            SIGNATURE + b"\x21\x11\x00\x03abc",
            SIGNATURE + b"\x21\x11" + MOST.to_bytes(2, "big"),
        ):
            self.assertRaises(ValueError, readHeader, data)

    @given(st.sampled_from([b"", b"PROXY ", b"PROXY TCP4 ", SIGNATURE]), st.binary(max_size=200))
    def test_anything(self, begins: bytes, rest: bytes) -> None:
        """
        Any bytes give an address or a ValueError, and a header is bounded.
        """
        with contextlib.suppress(ValueError):
            found = readHeader(begins + rest + bytes(MOST))
            self.assertIsNotNone(found)
