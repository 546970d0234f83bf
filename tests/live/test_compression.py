"""
permessage-deflate, end to end.
"""

from __future__ import annotations

import zlib
from dataclasses import replace
from typing import Any

from aerostack.settings.settings import Config
from tests.live.daemon import DaemonTests, gather
from tests.live.hostile import CONTINUATION, INVALID_PAYLOAD, PROTOCOL_ERROR, TOO_BIG, compact
from tests.live.wire import PING, TEXT, Wire, maskedFrame

OFFER = {"Sec-WebSocket-Extensions": "permessage-deflate; client_max_window_bits"}
COMPRESSED = TEXT | 0x40


def deflate(payload: bytes) -> bytes:
    """
    Compress a message as a client does.
    """
    compressor = zlib.compressobj(wbits=-15)
    data = compressor.compress(payload) + compressor.flush(zlib.Z_SYNC_FLUSH)
    return data.removesuffix(b"\x00\x00\xff\xff")


class OffTests(DaemonTests):
    """
    Tests for a daemon without compression.
    """

    async def test_notOffered(self) -> None:
        """
        The daemon does not accept an offer of compression, and closes after a compressed message.
        """
        wire = await self.wire()
        await wire.upgrade("/api/realtime?projectId=p", OFFER)
        self.assertNotIn("sec-websocket-extensions", wire.headers)
        wire.write(maskedFrame(deflate(b'{"type":"ping"}'), COMPRESSED))
        await wire.lost
        self.assertEqual(wire.closeCode, PROTOCOL_ERROR)


class CompressionTests(DaemonTests):
    """
    Tests for a daemon with compression.
    """

    limits = {"frameBytes": 100_000}  # noqa: RUF012

    def config(self) -> Config:
        config = super().config()
        server = replace(config.server, compression=True, compressionThreshold=100)
        return replace(config, server=server)

    async def compressed(self) -> Wire:
        """
        Connect and negotiate compression.
        """
        wire = await self.wire()
        await wire.upgrade("/api/realtime?projectId=p", OFFER)
        self.assertEqual(
            wire.headers["sec-websocket-extensions"],
            "permessage-deflate; server_no_context_takeover; client_no_context_takeover",
        )
        return wire

    async def test_both(self) -> None:
        """
        Subscribers with compression get a publication compressed, others get it plain, and the
        content is the same.  The daemon does not compress a small frame.
        """
        plain = await self.client()
        wires: list[Any] = [plain, *await gather(*(self.compressed() for _ in range(3)))]
        for wire in wires:
            wire.tell({"type": "subscribe", "topic": "chat/a"})
            await wire.frame()
        for n in range(5):
            await self.emit("e", {"n": n, "text": "again and " * 100}, "chat/a")
        received = [await wire.frames(5) for wire in wires]
        self.assertEqual(received, [received[0]] * 4)
        self.assertEqual([wire.compressed for wire in wires], [0, 5, 5, 5])

    async def test_fromClient(self) -> None:
        """
        A client may compress its messages, fragment them, and send some without compression.
        """
        wire = await self.compressed()
        wire.tell({"type": "subscribe", "topic": "chat/a"})
        await wire.frame()
        for n in range(3):
            frame = {"type": "publish", "topic": "chat/a", "event": "e", "data": [n, "äx" * 9999]}
            message = deflate(compact(frame))
            wire.write(maskedFrame(message[:10], COMPRESSED, fin=False))
            wire.write(maskedFrame(b"", PING))
            wire.write(maskedFrame(message[10:], CONTINUATION))
            wire.tell({"type": "ping"})
            found = {frame["type"]: frame for frame in await wire.frames(2)}
            self.assertEqual(found["event"]["data"], [n, "äx" * 9999])
            self.assertEqual(found["pong"], {"type": "pong"})

    async def test_bomb(self) -> None:
        """
        A small message that inflates beyond the limit closes with 1009, one that cannot be
        inflated with 1007.
        """
        for message, code in (
            (deflate(b" " * 100_001), TOO_BIG),
            (deflate(b" " * 100_300), TOO_BIG),
            (deflate(b" " * 50_000_000), TOO_BIG),
            (b"\xff" * 50, INVALID_PAYLOAD),
            (deflate(b'{"\xff'), INVALID_PAYLOAD),
        ):
            wire = await self.compressed()
            wire.write(maskedFrame(message, COMPRESSED))
            # The daemon may wait for the end of the connection as long as its limit says.
            await wire.closing
            self.assertEqual(wire.closeCode, code)

    async def test_largest(self) -> None:
        """
        A message that inflates to exactly the limit is accepted.
        """
        wire = await self.compressed()
        wire.write(maskedFrame(deflate(b" " * 99_985 + b'{"type":"ping"}'), COMPRESSED))
        self.assertEqual(await wire.frame(), {"type": "pong"})

    async def test_close(self) -> None:
        """
        The daemon does not compress pings and closes.
        """
        wire = await self.compressed()
        wire.write(maskedFrame(b"x" * 120, PING))
        await wire.barrier()
        self.assertEqual(wire.pongs, [b"x" * 120])
        await wire.closeCleanly()
        self.assertEqual((wire.closeCode, wire.compressed), (1000, 0))
