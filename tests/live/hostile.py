"""
A client that behaves well, for tests of clients that do not.
"""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from twisted.internet.interfaces import ITCPTransport

from tests.live.daemon import DaemonTests
from tests.live.wire import Frame, Wire

CONTINUATION = 0x0
PROTOCOL_ERROR, INVALID_PAYLOAD, TOO_BIG = 1002, 1007, 1009

OPENING = (
    b"GET /api/realtime?projectId=p HTTP/1.1\r\n"
    b"Host: 127.0.0.1\r\n"
    b"Upgrade: websocket\r\n"
    b"Connection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    b"\r\n"
)


def compact(frame: Frame) -> bytes:
    return json.dumps(frame, separators=(",", ":"), ensure_ascii=False).encode()


def publish(data: bytes, **fields: Any) -> bytes:
    """
    Encode a C{publish} whose data is any bytes.
    """
    frame = {"type": "publish", "topic": "odd/a", "event": "e", **fields}
    return compact(frame)[:-1] + b',"data":' + data + b"}"


def encoded(*parts: bytes) -> str:
    """
    Encode parts in the form of a token.
    """
    return ".".join(urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts)


def examples(strategy: st.SearchStrategy[Any], count: int) -> list[Any]:
    """
    Generate examples outside of Hypothesis's decorator, for a test that is a coroutine.
    """
    found: list[Any] = []

    @settings(
        max_examples=count,
        database=None,
        deadline=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy)
    def collect(example: Any) -> None:
        found.append(example)

    collect()
    return found


class HostileTests(DaemonTests):
    """
    Runs a client that behaves well beside hostile ones.

    Before and after each test, and on each call of L{beat}, a client publishes and a program
    writes to the database.  A watcher must get both.  In the end the daemon must hold no more than
    at the beginning.
    """

    async def setUp(self) -> None:  # type: ignore[override]
        await super().setUp()
        self.execute("CREATE TABLE beats (n INTEGER PRIMARY KEY)")
        self.beats = 0
        self.watcher = await self.subscribed("beat/a", "watcher")
        self.watcher.tell({"type": "subscribe", "topic": "beats"})
        self.assertEqual((await self.watcher.frame())["type"], "subscribed")
        self.publisher = await self.client("publisher")
        self.behaving = len(self.wires)
        await self.beat()
        self.before = self.held()

    async def tearDown(self) -> None:  # type: ignore[override]
        try:
            await self.beat()
            for wire in self.wires[self.behaving :]:
                wire.drop()
            await self.until(self.isEmpty)
            await self.beat()
            self.assertEqual(await self.watcher.barrier(), [])
        finally:
            await super().tearDown()

    def isEmpty(self) -> bool:
        """
        Return whether the daemon holds no more than at the beginning.  Sockets of another test may
        have been there then, and be gone.
        """
        *counts, sockets = self.held()
        *before, most = self.before
        return bool(counts == before and sockets <= most)

    def held(self) -> Any:
        """
        Return the number of connections, subscriptions and sockets that the daemon holds.
        """
        # Other readers of the reactor do not belong to clients.
        sockets = [each for each in self.reactor.getReaders() if ITCPTransport.providedBy(each)]
        return self.connected, self.topics, len(sockets)

    async def beat(self) -> None:
        """
        Publish and insert the next number, and check that the watcher gets both as its next
        frames.
        """
        self.beats += 1
        self.publisher.tell(
            {"type": "publish", "topic": "beat/a", "event": "beat", "data": self.beats}
        )
        self.execute(f"INSERT INTO beats VALUES ({self.beats})")
        told = {frame["type"]: frame["data"] for frame in await self.watcher.frames(2)}
        self.assertEqual(told, {"event": self.beats, "db_change": {"n": self.beats}})

    async def raw(self) -> Wire:
        """
        Open a TCP connection on which the test parses nothing.
        """
        wire = await self.wire()
        wire.keepRaw()
        return wire

    async def flood(self, client: Wire, frames: bytes) -> None:
        """
        Send whole frames again and again, until the daemon has closed the connection.  The daemon
        begins to count anew where no frame has come for a moment, so one flood may be too short.
        """
        gone: list[None] = []
        client.lost.addCallback(gone.append)
        while not gone:
            client.write(frames)
            await self.sleep(0.1)

    async def assertCloses(self, code: int, *frames: bytes) -> None:
        """
        Check that the daemon closes a new client that sends this with a code.
        """
        wire = await self.client("mallory")
        wire.write(b"".join(frames))
        # The daemon may wait for the end of the connection as long as its limit says.
        await wire.closing
        self.assertEqual(wire.closeCode, code, frames[0][:40])
