"""
A proxy in front of the daemon that sends the PROXY protocol.
"""

from __future__ import annotations

from dataclasses import replace

from aerostack.settings.settings import Config
from tests.live.daemon import DaemonTests
from tests.live.hostile import OPENING
from tests.live.wire import Wire


class ProxiedTests(DaemonTests):
    """
    Tests for a listener with C{haproxy:}.
    """

    def listen(self) -> str:
        """The endpoint string of L{port}."""
        return f"haproxy:tcp:{self.port}:interface=127.0.0.1"

    def config(self) -> Config:
        """The configuration, with a low limit for the connections of an address."""
        config = super().config()
        return replace(config, limits=replace(config.limits, connectionsPerAddress=2))

    async def open(self, header: bytes) -> Wire:
        """Open a WebSocket after a PROXY header."""
        wire = await self.wire()
        wire.keepRaw()
        wire.write(header + OPENING)
        await self.until(lambda: b"\r\n\r\n" in wire.received)
        return wire

    async def test_counted(self) -> None:
        """
        The daemon counts clients by the addresses in the PROXY headers.
        """
        statuses = []
        for number in (1, 1, 1, 2, 2, 2):
            header = b"PROXY TCP4 192.0.2.%d 198.51.100.1 1 443\r\n" % number
            statuses.append(int((await self.open(header)).received.split()[1]))
        self.assertEqual(statuses, [101, 101, 429, 101, 101, 429])

    async def test_live(self) -> None:
        """
        A client works as usual after the header.
        """
        wire = await self.wire()
        wire.write(b"PROXY TCP6 2001:db8::1 2001:db8::2 1 443\r\n")
        await wire.upgrade("/api/realtime?projectId=p")
        wire.tell({"type": "subscribe", "topic": "chat/a"})
        self.assertEqual((await wire.frame())["type"], "subscribed")

    async def test_without(self) -> None:
        """
        The daemon drops a connection without the header.
        """
        wire = await self.wire()
        wire.keepRaw()
        wire.write(OPENING)
        await wire.lost
        self.assertEqual(wire.received, b"")

    async def test_notHere(self) -> None:
        """
        A client whose PROXY header has an address of the loopback interface is not local.
        """
        wire = await self.wire()
        wire.keepRaw()
        wire.write(
            b"PROXY TCP4 127.0.0.1 127.0.0.1 1 2\r\n"
            b"GET /metrics HTTP/1.0\r\nHost: localhost\r\n\r\n"
        )
        await wire.lost
        self.assertEqual(wire.received.split()[1], b"401")
