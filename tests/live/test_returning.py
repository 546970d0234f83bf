"""
Clients that reconnect, and messages that are too large, over real sockets.
"""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.logger import capturedLogs, formatEvent

from aerostack.errors import CLOSE_SUPERSEDED
from aerostack.testing import PUBLIC_KEY
from tests.live.daemon import DaemonTests
from tests.live.wire import Refused, Wire, maskedFrame

SECRET = "a-secret-that-is-long-enough"


class ReturningTests(DaemonTests):
    """
    Tests for what ends a connection.
    """

    limits = {"frameBytes": 4096, "messageBytes": 2048}  # noqa: RUF012

    async def come(self, secret: str) -> Wire:
        """
        Open a WebSocket with a session secret.
        """
        wire = await self.wire()
        offered = f"aerostack-session.{secret}, aerostack-key.{PUBLIC_KEY}, aerostack-v1"
        await wire.upgrade("/api/realtime", {"Sec-WebSocket-Protocol": offered})
        self.assertEqual(wire.headers["sec-websocket-protocol"], "aerostack-v1")
        return wire

    async def test_superseded(self) -> None:
        """
        A client that reconnects ends its previous connection, and its secret is in no line of the
        log.
        """
        with capturedLogs() as logs:
            first, other = await self.come(SECRET), await self.come(SECRET[::-1])
            second = await self.come(SECRET)
            await first.lost
            self.assertEqual(first.closeCode, CLOSE_SUPERSEDED)
            for wire in (second, other):
                wire.tell({"type": "ping"})
                self.assertEqual(await wire.frame(), {"type": "pong"})
        self.assertNotIn(SECRET, "".join(formatEvent(event) + str(event) for event in logs))

    async def test_short(self) -> None:
        """
        A secret that is too short is refused at the opening.
        """
        refused = await self.assertFailure(Deferred.fromCoroutine(self.come("short")), Refused)
        self.assertEqual(refused.status, 400)

    async def test_tooLarge(self) -> None:
        """
        A message beyond C{message_bytes} is refused with its id.  A message beyond C{frame_bytes}
        closes with a reason that has the limit.
        """
        wire = await self.come(SECRET)
        frame = b'{"type":"publish","topic":"a/b","event":"e","data":"%b","id":"k"}'
        wire.write(maskedFrame(frame % (b"x" * 3000)))
        error = await wire.frame()
        self.assertEqual((error["code"], error["id"]), ("too_large", "k"))
        wire.write(maskedFrame(frame % (b"x" * 5000)))
        await wire.lost
        self.assertEqual(wire.closeCode, 1009)
        self.assertIn("at most 4096 bytes", wire.closeReason)
