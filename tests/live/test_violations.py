"""
Clients that break the rules of WebSocket or HTTP, or use them in unusual ways.
"""

from __future__ import annotations

import re

from aerostack.errors import (
    CLOSE_FLOOD,
    CLOSE_UNSUPPORTED,
)
from tests.live.hostile import (
    CONTINUATION,
    INVALID_PAYLOAD,
    OPENING,
    PROTOCOL_ERROR,
    TOO_BIG,
    HostileTests,
    publish,
)
from tests.live.wire import BINARY, CLOSE, PING, PONG, TEXT, maskedFrame


class ViolationTests(HostileTests):
    """
    Tests for frames that break RFC 6455.
    """

    limits = {"closeTimeout": 0.1}  # noqa: RUF012

    async def test_headers(self) -> None:
        """
        Reserved bits and opcodes, unmasked frames and wasteful lengths close with 1002.
        """
        for reserved in (0x40, 0x20, 0x10, 0x70):
            await self.assertCloses(PROTOCOL_ERROR, maskedFrame(b"x", TEXT | reserved))
        for opcode in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15):
            await self.assertCloses(PROTOCOL_ERROR, maskedFrame(b"x", opcode))
        await self.assertCloses(PROTOCOL_ERROR, b'\x81\x0f{"type":"ping"}')
        await self.assertCloses(PROTOCOL_ERROR, b"\x81\xfe\x00\x05abcdhello")
        await self.assertCloses(PROTOCOL_ERROR, b"\x81\xff" + bytes(7) + b"\x05abcdhello")
        await self.assertCloses(PROTOCOL_ERROR, b"\x81\xff\x80" + bytes(11))

    async def test_fragments(self) -> None:
        """
        Fragments out of turn close with 1002.
        """
        await self.assertCloses(PROTOCOL_ERROR, maskedFrame(b"x", CONTINUATION))
        await self.assertCloses(
            PROTOCOL_ERROR, maskedFrame(b"x", TEXT, fin=False), maskedFrame(b"x", TEXT)
        )

    async def test_controls(self) -> None:
        """
        Control frames that are fragmented or too long close with 1002.
        """
        for opcode in (PING, PONG, CLOSE):
            await self.assertCloses(PROTOCOL_ERROR, maskedFrame(b"ab", opcode, fin=False))
            await self.assertCloses(PROTOCOL_ERROR, maskedFrame(b"x" * 126, opcode))

    async def test_closes(self) -> None:
        """
        A close frame that breaks the rules is answered with 1002, one whose reason is not UTF-8
        with 1007, a valid one with 1000.
        """
        for code in (0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65535):
            await self.assertCloses(PROTOCOL_ERROR, maskedFrame(code.to_bytes(2, "big"), CLOSE))
        await self.assertCloses(PROTOCOL_ERROR, maskedFrame(b"x", CLOSE))
        await self.assertCloses(INVALID_PAYLOAD, maskedFrame(b"\x03\xe8\xff", CLOSE))
        for good in (b"", b"\x03\xe8", b"\x03\xe9bye", b"\x0f\xa0"):
            await self.assertCloses(1000, maskedFrame(good, CLOSE), b"\xff" * 99)

    async def test_notText(self) -> None:
        """
        Text that is not UTF-8 closes with 1007, also across fragments; a binary frame
        closes with 1003.
        """
        for bad in (b"\xff", b"\xc0\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xf0\x9f\x98"):
            await self.assertCloses(INVALID_PAYLOAD, maskedFrame(publish(b'"' + bad + b'"')))
        await self.assertCloses(INVALID_PAYLOAD, maskedFrame(b'{"\xe2\x82'))
        await self.assertCloses(
            INVALID_PAYLOAD,
            maskedFrame(b'{"\xe2', TEXT, fin=False),
            maskedFrame(b"\x82", CONTINUATION, fin=False),
            maskedFrame(b'":1}', CONTINUATION),
        )
        await self.assertCloses(CLOSE_UNSUPPORTED, maskedFrame(b'{"type":"ping"}', BINARY))

    async def test_endlessMessage(self) -> None:
        """
        A message beyond the limit, in one frame or in many, closes with 1009 as soon as its size
        is known.  A message of endless empty frames closes with 4029.
        """
        await self.assertCloses(TOO_BIG, b"\x81\xff" + (2**40).to_bytes(8, "big") + b"abcd")
        more = maskedFrame(b"x" * 60_000, CONTINUATION, fin=False)
        await self.assertCloses(TOO_BIG, maskedFrame(b"x", TEXT, fin=False), more * 20)
        empty = maskedFrame(b"", CONTINUATION, fin=False)
        await self.assertCloses(CLOSE_FLOOD, maskedFrame(b"", TEXT, fin=False), empty * 2000)

    async def test_lingering(self) -> None:
        """
        A client that does not answer the close is dropped, whatever else it sends.
        """
        client = await self.client("mallory")
        client.answerClose = False
        client.write(b"\x81\xff" + (2**40).to_bytes(8, "big") + b"abcd")
        gone = []
        client.lost.addCallback(gone.append)
        while not gone:
            client.write(b"x" * 1000)
            await self.sleep(0.02)
        self.assertEqual(client.closeCode, TOO_BIG)

    async def test_pingingAfterTheClose(self) -> None:
        """
        Pings do not keep a closed connection open.
        """
        client = await self.client("mallory")
        client.answerClose = False
        client.write(maskedFrame(b"", 3))
        gone = []
        client.lost.addCallback(gone.append)
        while not gone:
            client.write(maskedFrame(b"", PING))
            await self.sleep(0.02)
        self.assertEqual(client.closeCode, PROTOCOL_ERROR)


class UnusualTests(HostileTests):
    """
    Tests for clients that are unusual but valid.
    """

    async def test_fragmented(self) -> None:
        """
        A message may be fragmented, also within a character, with control frames between its
        parts.
        """
        client = await self.subscribed("odd/a")
        message = publish('"😀"'.encode())
        cut = message.index(b"\xf0") + 2
        client.write(
            maskedFrame(message[:cut], TEXT, fin=False)
            + maskedFrame(b"one", PING)
            + maskedFrame(b"", CONTINUATION, fin=False)
            + maskedFrame(b"nobody asked", PONG)
            + maskedFrame(b"two", PING)
            + maskedFrame(message[cut:], CONTINUATION)
        )
        self.assertEqual((await client.frame())["data"], "😀")
        self.assertEqual(client.pongs, [b"one", b"two"])

    async def test_byteByByte(self) -> None:
        """
        An opening and a frame may arrive byte by byte.
        """
        client = await self.wire()
        opened = client.open(OPENING[:1], b"dGhlIHNhbXBsZSBub25jZQ==")
        for n in range(1, len(OPENING)):
            client.write(OPENING[n : n + 1])
            await self.sleep(0)
        await opened
        await self.beat()
        for byte in maskedFrame(b'{"type":"ping"}'):
            client.write(bytes([byte]))
            await self.sleep(0)
        self.assertEqual(await client.frame(), {"type": "pong"})

    async def test_manyAtOnce(self) -> None:
        """
        Many frames may arrive in one segment; the answers are in order.
        """
        client = await self.client("ann")
        client.write(b"".join(maskedFrame(publish(b"1", id=n)) for n in range(500)))
        self.assertEqual([f["id"] for f in await client.frames(500)], list(range(500)))

    async def test_pipelined(self) -> None:
        """
        Requests before the opening, on the same connection, are answered first.
        """
        raw = await self.raw()
        history = b"GET /api/v1/public/realtime/history?room=a/b/p HTTP/1.1\r\nHost: a\r\n\r\n"
        raw.write(b"GET /health HTTP/1.1\r\nHost: a\r\n\r\n" + history + OPENING)
        while b"HTTP/1.1 101" not in raw.received:
            await self.sleep(0.01)
        statuses = re.findall(rb"HTTP/1\.1 (\d+)", raw.received)
        self.assertEqual(statuses, [b"200", b"200", b"101"])


class OpeningTests(HostileTests):
    """
    Tests for invalid openings.
    """

    async def test_notHTTP(self) -> None:
        """
        Bytes that are not HTTP are answered with 400, and the connection is closed.
        """
        for request in (
            b"hello\r\n\r\n",
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(100) + b"\r\n\r\n",
            b"GET\r\n\r\n",
            OPENING[:-2] + b"no colon\r\n\r\n",
            OPENING[:-2] + b"Bad Name: 1\r\n\r\n",
            OPENING[:-2] + b"Content-Length: -1\r\n\r\n",
            OPENING[:-2] + b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        ):
            raw = await self.raw()
            raw.write(request)
            await raw.lost
            self.assertTrue(raw.received.startswith(b"HTTP/1.1 400"), (request[:40], raw.received))

    async def test_hugeHeads(self) -> None:
        """
        A head that is too large is answered with 400 or 431, and the connection is closed.
        """
        for request in (
            b"\x00" * 17_000,
            OPENING[:-2] + b"X-Large: " + b"x" * 17_000,
            OPENING[:-2] + b"X-Many: 1\r\n" * 501 + b"\r\n",
        ):
            raw = await self.raw()
            raw.write(request)
            await raw.lost
            self.assertIn(raw.received[:12], (b"HTTP/1.1 400", b"HTTP/1.1 431"), request[:40])
        for request in (
            OPENING[:-2] + b"X-Large: " + b"x" * 100_000 + b"\r\n\r\n",
            OPENING[:-2] + b"X-Many: 1\r\n" * 5000 + b"\r\n",
        ):
            # Bytes that are still in flight when the daemon closes can discard the answer.
            raw = await self.raw()
            raw.write(request)
            await raw.lost

    async def test_oddHeaders(self) -> None:
        """
        Bytes that are not text in a header are refused or ignored.
        """
        for name in ("Origin", "Sec-WebSocket-Protocol", "Authorization", "X-Aerostack-Key"):
            for path in ("/api/realtime?projectId=p", "/api/v1/public/realtime/history?room=a/b/p"):
                raw = await self.raw()
                request = f"GET {path} HTTP/1.1\r\n{name}: ".encode() + b"\xff\x85\xa0\r\n"
                raw.write(request + OPENING.partition(b"\r\n")[2])
                while b"\r\n\r\n" not in raw.received:
                    await self.sleep(0.01)
                self.assertIn(raw.received[9:12], (b"101", b"200", b"400", b"401", b"403"), request)
                raw.drop()

    async def test_tooEarly(self) -> None:
        """
        Frames that arrive right behind the opening, before its answer, are handled as frames.
        """
        client = await self.wire()
        early = b"".join(maskedFrame(publish(b"1", id=n)) for n in range(900))
        await client.open(OPENING + early, b"dGhlIHNhbXBsZSBub25jZQ==")
        self.assertEqual([f["id"] for f in await client.frames(900)], list(range(900)))
        self.assertEqual(await client.barrier(), [])
