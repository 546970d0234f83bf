"""
A daemon in memory, for tests on asyncio.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from typing import Any

from aerostack.client.aio.realtime import RealtimeClient
from aerostack.client.aio.sdk import AsyncSDK
from aerostack.testing.world import SECRET_KEY, URL, World

_PAUSE = 0.001
"""Seconds between two turns of the daemon."""


class AsyncWorld:
    """
    A whole daemon without sockets and database, which runs within C{async with}::

        async with AsyncWorld() as daemon, daemon.client(userId="ann") as client:
            await client.channel("chat/general").subscribe()

    @ivar world: The daemon.
    """

    def __init__(self, **options: Any) -> None:
        """
        @param options: Those of L{World}.
        """
        self.world = World(**options)
        self._running: asyncio.Task[None] | None = None

    async def __aenter__(self) -> AsyncWorld:
        self._running = asyncio.create_task(self._run())
        return self

    async def __aexit__(self, *exc: object) -> None:
        running, self._running = self._running, None
        if running is not None:
            running.cancel()
            with suppress(asyncio.CancelledError):
                await running

    async def _run(self) -> None:
        before = time.monotonic()
        while True:
            self.world.turn()
            now = time.monotonic()
            self.world.advance(now - before)
            before = now
            await asyncio.sleep(_PAUSE)

    def client(self, **options: Any) -> RealtimeClient:
        """
        A client as applications use it.

        @param options: Those of L{RealtimeClient}; the project is C{p} if nothing else
            names one.
        """
        if not options.keys() & {"projectId", "apiKey", "token"}:
            options["projectId"] = "p"
        return RealtimeClient(
            URL, openTransport=self.world.openTransport, agent=self.world.agent(), **options
        )

    def sdk(self, secretKey: str = SECRET_KEY, **options: Any) -> AsyncSDK:
        """
        An SDK as servers use it.

        @param options: Those of L{AsyncSDK}.
        """
        return AsyncSDK(URL, secretKey, agent=self.world.agent(), **options)
