"""
Clients that send too much, read too little, or vanish.
"""

from __future__ import annotations

import random
import socket

from aerostack.errors import (
    CLOSE_FLOOD,
    CLOSE_SILENT,
    CLOSE_SLOW,
)
from tests.live.campaign import SECONDS
from tests.live.hostile import (
    OPENING,
    HostileTests,
    compact,
)
from tests.live.wire import CLOSE, PING, Wire, maskedFrame

timeout = SECONDS


class FloodTests(HostileTests):
    """
    Tests for clients that send too much.
    """

    limits = {"framesBurst": 400}  # noqa: RUF012

    async def test_messages(self) -> None:
        """
        Messages beyond the rate are answered with C{rate_limited}, and a client that goes on is
        closed with 4029.
        """
        client = await self.client("mallory")
        frame = b'{"type":"publish","topic":"a/b","event":"e","id":1}'
        client.write(maskedFrame(frame) * 10_000)
        await self.beat()
        await self.flood(client, maskedFrame(frame) * 10_000)
        self.assertEqual(client.closeCode, CLOSE_FLOOD)
        answers = await client.frames(client.waitingFrames())
        self.assertEqual(answers[0], {"type": "ack", "id": 1})
        refused = next(answer for answer in answers if answer["type"] == "error")
        self.assertEqual(refused["code"], "rate_limited")
        self.assertGreater(refused["retryAfter"], 0)

    async def test_pings(self) -> None:
        """
        Pings count like frames.
        """
        client = await self.client("mallory")
        client.write(maskedFrame(b"", PING) * 10_000)
        await self.beat()
        await self.flood(client, maskedFrame(b"", PING) * 10_000)
        self.assertEqual(client.closeCode, CLOSE_FLOOD)

    async def test_steadilyTooFast(self) -> None:
        """
        A client that floods steadily is closed, although its rate limit refills meanwhile.
        """
        client = await self.client("mallory")
        gone = []
        client.lost.addCallback(gone.append)
        while not gone:
            client.write(maskedFrame(b"junk") * 100)
            await self.sleep(0.02)
        self.assertEqual(client.closeCode, CLOSE_FLOOD)


class SubscriptionFloodTests(HostileTests):
    """
    Tests for endless subscriptions.
    """

    limits = {"framesBurst": 100_000}  # noqa: RUF012

    async def test_subscriptions(self) -> None:
        """
        Of 10,000 subscriptions, those beyond the limit are refused, and all end with the client.
        """
        client = await self.client("mallory")
        client.write(
            b"".join(
                maskedFrame(compact({"type": "subscribe", "topic": f"odd/{n}"}))
                for n in range(10_000)
            )
        )
        await self.beat()
        answers = await client.frames(10_000)
        # Workers wait for the hub before they answer the others.
        first = [a["topic"] for a in answers if a["type"] == "subscribed"]
        self.assertEqual(first, [f"odd/{n}/p" for n in range(1000)])
        refused = [a for a in answers if a["type"] != "subscribed"]
        self.assertEqual({a["code"] for a in refused}, {"too_many_subscriptions"})
        self.assertEqual([a["topic"] for a in refused], [f"odd/{n}/p" for n in range(1000, 10_000)])

    async def test_presence(self) -> None:
        """
        Presence counts like subscriptions.
        """
        client = await self.client("mallory")
        for n in range(1500):
            client.tell({"type": "track", "topic": f"odd/{n}", "state": {}})
        answers = await client.barrier()
        self.assertEqual(
            [a["code"] for a in answers if a["type"] == "error"], ["too_many_subscriptions"] * 500
        )
        await client.closeCleanly()


class SlowTests(HostileTests):
    """
    Tests for clients that do not read.
    """

    # The client reads the close once everything is published.
    limits = {"closeTimeout": 300.0}  # noqa: RUF012

    async def stalled(self) -> Wire:
        """
        Subscribe a client, and stop reading.
        """
        client = await self.subscribed("odd/a", "mallory")
        assert client.transport is not None
        client.transport.getHandle().setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        client.transport.pauseProducing()  # type: ignore[attr-defined]
        return client

    async def pour(self, megabytes: int) -> int:
        """
        Publish on the client's topic, and check that another subscriber gets everything.
        """
        reader = await self.subscribed("odd/a", "reader")
        count = megabytes * 5
        for n in range(count):
            await self.emit("e", {"n": n, "padding": "x" * 200_000}, "odd/a")
            if n % 10 == 0:
                await self.beat()
        frames = await reader.frames(count)
        self.assertEqual([frame["data"]["n"] for frame in frames], list(range(count)))
        return count

    async def test_tooSlow(self) -> None:
        """
        A client that does not read while 20 MB are published is closed with 4008, its outbox is
        bounded, and other subscribers get everything.
        """
        client = await self.stalled()
        count = await self.pour(20)
        assert client.transport is not None
        client.transport.resumeProducing()  # type: ignore[attr-defined]
        await client.lost
        self.assertEqual(client.closeCode, CLOSE_SLOW)
        # The bytes in the kernel's buffers, and those that the outbox may hold.
        self.assertLess(client.waitingFrames(), count * 3 // 4)


class StuckTests(SlowTests):
    """
    Tests for clients that never read again.
    """

    limits = {"closeTimeout": 0.5}  # noqa: RUF012

    async def test_tooSlow(self) -> None:
        """
        A client that is closed as too slow, and does not read the close, is dropped.
        """
        await self.stalled()
        await self.pour(20)
        await self.onlyTheReaderIsLeft()

    async def test_closesUnread(self) -> None:
        """
        A client that closes without reading what waits for it is dropped.
        """
        client = await self.stalled()
        await self.pour(3)
        client.write(maskedFrame(b"\x03\xe8", CLOSE))
        await self.onlyTheReaderIsLeft()

    async def onlyTheReaderIsLeft(self) -> None:
        """
        Wait until the daemon has dropped the client.
        """
        while self.connected > self.before[0] + 1:
            await self.sleep(0.05)


class SilentTests(HostileTests):
    """
    Tests for clients that are silent.
    """

    # Well-behaved clients must be in time for this timeout too.
    limits = {"pingInterval": 1.0, "pongTimeout": 3.0, "handshakeTimeout": 2.0}  # noqa: RUF012

    async def test_silent(self) -> None:
        """
        A client that does not answer pings is closed with 4002; one that answers stays.
        """
        client = await self.client("mallory")
        client.answerPings = False
        await client.lost
        self.assertEqual(client.closeCode, CLOSE_SILENT)
        await self.until(lambda: self.connected == self.before[0])

    async def test_halfAFrame(self) -> None:
        """
        A client that stops within a frame counts as silent.
        """
        client = await self.client("mallory")
        client.answerPings = False
        client.write(maskedFrame(b'{"type":"ping"}')[:9])
        await client.lost
        self.assertEqual(client.closeCode, CLOSE_SILENT)

    async def test_slowSender(self) -> None:
        """
        A client whose message takes longer than the pong timeout does not count as silent while
        its bytes arrive.
        """
        client = await self.client("slow")
        client.answerPings = False
        message = maskedFrame(b'{"type":"publish","topic":"beat/b","event":"e","data":1,"id":7}')
        for place in range(len(message)):
            client.write(message[place : place + 1])
            await self.sleep(0.07)
        self.assertEqual(await client.frame(), {"type": "ack", "id": 7})

    async def test_halfClosed(self) -> None:
        """
        A client that half-closes its connection has left.
        """
        client = await self.subscribed("odd/a", "mallory")
        assert client.transport is not None
        client.transport.loseWriteConnection()  # type: ignore[attr-defined]
        await client.lost

    async def test_endlessOpening(self) -> None:
        """
        A request must arrive completely within the timeout, also an opening; single bytes do not
        extend it.
        """
        post = b"POST /internal/hooks/rpc HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n"
        for opening in (OPENING[:-2], post, b""):
            raw = await self.raw()
            raw.write(opening)
            gone: list[None] = []
            raw.lost.addCallback(gone.append)
            while not gone:
                raw.write(b"x")
                await self.sleep(0.05)
            self.assertEqual(raw.received, b"")

    async def test_abandoned(self) -> None:
        """
        Two hundred clients that open and vanish at any point leave no state behind.
        """
        chance = random.Random(1)
        sent = OPENING + b"".join(
            maskedFrame(compact(frame))
            for frame in (
                {"type": "subscribe", "topic": "odd/a"},
                {"type": "subscribe", "topic": "beats"},
                {"type": "track", "topic": "odd/a", "state": {}},
                {"type": "chat", "roomId": "a", "text": "hi"},
            )
        )
        for n in range(200):
            raw = await self.raw()
            end = chance.randrange(len(sent) + 1)
            raw.write(sent[:end])
            if chance.random() < 0.7:
                await self.sleep(chance.random() / 100)
            if chance.random() < 0.5:
                raw.drop()
            elif raw.transport is not None:
                raw.transport.loseConnection()
            if n % 50 == 0:
                await self.beat()
