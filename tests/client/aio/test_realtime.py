"""
Tests for L{aerostack.client.aio.realtime}.
"""

from __future__ import annotations

import asyncio
from functools import partial

from aerostack.client.aio.realtime import RealtimeClient
from aerostack.testing.aio import AsyncWorld
from tests.client.aio.loops import LoopTestCase, until


class RealtimeClientTests(LoopTestCase):
    """
    Tests for L{RealtimeClient}.
    """

    def test_again(self) -> None:
        """
        A client that was made without an event loop works in one after the other, with its
        channels.
        """
        client = AsyncWorld().client()
        chat = client.channel("chat/a")

        async def story() -> str:
            daemon = AsyncWorld()
            client._inner._session.connection._openTransport = daemon.world.openTransport
            async with daemon, client:
                await chat.subscribe()
                return client.status

        self.assertEqual([self.run_(story()) for _ in range(2)], ["connected", "connected"])
        self.assertEqual(client.status, "disconnected")

    def test_leftOpen(self) -> None:
        """
        A client that was left open on a loop says so on the next one.
        """
        client = AsyncWorld().client()

        async def leave() -> None:
            client._start()

        asyncio.run(leave())

        async def story() -> None:
            with self.assertRaisesRegex(RuntimeError, "left open on another event loop"):
                await client.connect()
            with self.assertRaisesRegex(RuntimeError, "belongs to another event loop"):
                await client.ping()

        self.run_(story())

    def test_unused(self) -> None:
        """
        A call without a connection says how to get one, and closing changes nothing.
        """
        client = AsyncWorld().client()

        async def story() -> None:
            board = client.channel("state/a")
            for call in (
                board.subscribe,
                board.presence.known,
                board.sharedState.known,
                partial(board.sharedState.set, "a", 1),
                partial(board.sharedState.update, "a", str),
                partial(board.sharedState.delete, "a"),
            ):
                with self.assertRaisesRegex(RuntimeError, "use it within async with"):
                    await call()
            await client.aclose()

        self.run_(story())

    def test_connect(self) -> None:
        """
        C{connect} waits for the connection, or raises why the client has given up.
        """

        async def story() -> tuple[str, str]:
            async with AsyncWorld() as daemon:
                client = daemon.client()
                await client.connect()
                await client.connect()
                status = client.status
                await client.aclose()
                refused = daemon.client(apiKey="pk_unknown")
                error = await self.refusal(refused.connect())
                await refused.aclose()
                return status, error.code

        self.assertEqual(self.run_(story()), ("connected", "unauthorized"))

    def test_handlers(self) -> None:
        """
        The application hears how the connection is, and of errors; a handler that runs at the end
        is cancelled.
        """
        heard: list[str] = []

        async def forever(status: str) -> None:
            heard.append(f"began {status}")
            try:
                await asyncio.Event().wait()
            finally:
                heard.append(f"cancelled {status}")

        async def story() -> None:
            async with AsyncWorld() as daemon:
                client = daemon.client()
                client.onStatusChange(heard.append)
                client.onError(lambda error: heard.append(error.code))
                async with client:
                    await until(lambda: "connected" in heard)
                    client.onStatusChange(forever)
                    daemon.world.cut()
                    await until(lambda: "began reconnecting" in heard)

        self.run_(story())
        self.assertEqual(heard[:4], ["connecting", "connected", "reconnecting", "unreachable"])
        self.assertIn("cancelled reconnecting", heard)

    def test_closedInside(self) -> None:
        """
        A handler may close the client.
        """

        async def story() -> str:
            async with AsyncWorld() as daemon:
                client = daemon.client()

                async def close(status: str) -> None:
                    if status == "connected":
                        await client.aclose()

                client.onStatusChange(close)
                async with client:
                    await until(lambda: client.status == "disconnected")
                return client.status

        self.assertEqual(self.run_(story()), "disconnected")

    def test_mistakes(self) -> None:
        """
        A malformed address, transport or handler is refused at once.
        """
        for options in ({"url": "nowhere"}, {"url": "ws://a", "transport": "pigeon"}):
            self.assertRaises(ValueError, RealtimeClient, **options)
        self.assertRaises(TypeError, RealtimeClient("ws://a").onError, None)
