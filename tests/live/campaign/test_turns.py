"""
Many clients that flood the daemon, and the effect on others.
"""

from __future__ import annotations

from aerostack.errors import CLOSE_FLOOD, CLOSE_GOING_AWAY
from aerostack.net import intake
from aerostack.sessions.session import Session
from tests.live.campaign import SECONDS
from tests.live.hostile import CONTINUATION, OPENING, HostileTests
from tests.live.program import ProgramTests
from tests.live.wire import PING, PONG, TEXT, Wire, maskedFrame

timeout = SECONDS

PUBLISH = maskedFrame(b'{"type":"publish","topic":"a/b","event":"e","data":1}')


class TurnTests(HostileTests):
    """
    Tests with turns that do almost nothing.
    """

    async def test_others(self) -> None:
        """
        The daemon answers a client that sends little before it has read the whole flood of others.
        """
        self.patch(intake, "BUDGET", 1e-9)
        self.patch(intake, "SHARE", 1e-9)
        floods = [await self.client(f"mallory{n}") for n in range(5)]
        ann = await self.client("ann")
        handled: list[str | None] = []
        received = Session.received

        def count(session: Session, payload: bytes, isBinary: bool) -> None:
            handled.append(session.identity.userId)
            received(session, payload, isBinary)

        self.patch(Session, "received", count)
        for flood in floods:
            flood.write(PUBLISH * 400)
        await self.until(lambda: handled)
        await ann.barrier()
        self.assertLess(len(handled), 5 * 400 + 1)
        await self.until(lambda: len(handled) == 5 * 400 + 1)

    async def test_order(self) -> None:
        """
        The frames of a client are handled in order, in however many shares.
        """
        self.patch(intake, "BUDGET", 1e-9)
        client = await self.client("ann")
        frames = [b'{"type":"publish","topic":"a/b","event":"e","id":%d}' % n for n in range(300)]
        large = b'{"type":"publish","topic":"a/b","event":"e","id":300,"data":"%s"}' % (
            b"x" * 99_999
        )
        client.write(b"".join(map(maskedFrame, [*frames, large, frames[0]])))
        answers = await client.frames(302)
        self.assertEqual([answer["id"] for answer in answers], [*range(301), 0])

    async def test_behindTheOpening(self) -> None:
        """
        The daemon keeps reading from a WebSocket that opened after other requests on the same
        connection.
        """
        raw = await self.raw()
        raw.write(b"GET /health HTTP/1.1\r\nHost: a\r\n\r\n" * 5 + OPENING)
        await self.until(lambda: b"HTTP/1.1 101" in raw.received)
        raw.write(maskedFrame(b'{"type":"ping"}'))
        await self.until(lambda: b'"pong"' in raw.received)


class FrameTests(HostileTests):
    """
    Tests for frames that are not messages.
    """

    limits = {"framesBurst": 300}  # noqa: RUF012

    async def flooded(self, client: Wire, data: bytes) -> None:
        """
        Check that the daemon closes a client that sends this as a flood.
        """
        await self.flood(client, data)
        self.assertEqual(client.closeCode, CLOSE_FLOOD)

    async def test_pongs(self) -> None:
        """
        Pongs without a ping count like frames.
        """
        await self.flooded(await self.client(), maskedFrame(b"", PONG) * 5000)

    async def test_fragments(self) -> None:
        """
        The fragments of messages count like frames, also if each message has few.
        """
        part = maskedFrame(b"", CONTINUATION, fin=False)
        message = (
            maskedFrame(b'{"type":', TEXT, fin=False)
            + part * 100
            + maskedFrame(b'"ping"}', CONTINUATION)
        )
        await self.flooded(await self.client(), message * 50)


class StopTests(ProgramTests):
    """
    Tests for a stop while clients send as fast as they can.
    """

    async def test_overload(self) -> None:
        """
        Every client gets its delay, and the daemon ends as soon as without load.
        """
        daemon = await self.serve(self.configure(more="[limits]\nclose_timeout = 2"))
        ping = maskedFrame(b"", PING)
        wires = [await self.client() for _ in range(30)]
        for wire in wires:
            wire.write(ping * 20_000)
        ann = await self.subscribed("chat/a")
        daemon.signal("TERM")
        for wire in wires:
            # The daemon may have closed some of them for the flood.
            if wire.transport is not None:
                wire.write(PUBLISH * 20_000)
        await ann.lost
        self.assertEqual(ann.closeCode, CLOSE_GOING_AWAY)
        self.assertEqual(await daemon.ended, 0)
