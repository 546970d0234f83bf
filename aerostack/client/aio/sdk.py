"""
The SDK for servers on asyncio.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any
from weakref import WeakKeyDictionary

from twisted.web.iweb import IAgent

from aerostack.client import stream
from aerostack.client.address import Address
from aerostack.client.aio.clock import settle
from aerostack.client.aio.network import Network
from aerostack.client.aio.stream import AI
from aerostack.client.calls import Calls, Database, Socket, Users
from aerostack.client.http import HttpClient
from aerostack.client.requests import Request
from aerostack.client.results import (
    EmitAllResult,
    EmitResult,
    ExplainResult,
    HealthResult,
    Message,
    QueryResult,
    RemovalResult,
)
from aerostack.client.streams import StreamCalls


class _Loop:
    """
    What an SDK has on one event loop.
    """

    def __init__(
        self,
        address: Address,
        timeout: float | None,
        context: ssl.SSLContext | None,
        agent: IAgent | None,
    ) -> None:
        self.network = network = Network(address, context, "AsyncSDK")
        self.http = HttpClient(network.clock, address, timeout, agent or network.agent)
        self.ai = stream.AI(network.clock, StreamCalls(address, self.http.send))


class _Loops:
    """
    What an SDK has on all event loops.  It does not know the SDK: an SDK that the application lets
    go is collected at once, and its connections with it.
    """

    def __init__(self, make: Callable[[], _Loop]) -> None:
        self._make = make
        self._loops: WeakKeyDictionary[asyncio.AbstractEventLoop, _Loop] = WeakKeyDictionary()

    @property
    def here(self) -> _Loop:
        """What there is on the event loop that runs."""
        loop = asyncio.get_running_loop()
        here = self._loops.get(loop)
        if here is None:
            # Their open connections hold event loops that have ended without aclose().  Event
            # loops of other threads may come and go meanwhile, so this goes through a copy.
            for held in self._loops.keyrefs():
                if (ended := held()) is not None and ended.is_closed():
                    self._loops.pop(ended, None)
            here = self._loops[loop] = self._make()
        return here

    async def send(self, request: Request) -> Any:
        """Make a request on the event loop that runs."""
        return await settle(self.here.http.send(request))

    async def close(self) -> None:
        """Close the connections on the event loop that runs."""
        here = self._loops.pop(asyncio.get_running_loop(), None)
        if here is not None:
            await here.network.close()


_Messages = Coroutine[Any, Any, list[Message]]
_Health = Coroutine[Any, Any, HealthResult]
_Explanation = Coroutine[Any, Any, ExplainResult]


class AsyncSDK(Calls[_Messages, _Health, _Explanation]):
    """
    Sends events to users, streams tokens to them, removes users, and queries the database.  Each
    method is a coroutine, and raises L{aerostack.client.errors.ClientError}.

    One object serves any number of event loops, one after the other or at once: on each it has
    connections of its own.

    @ivar socket: See L{Socket}.
    @ivar db: See L{Database}.
    @ivar user: See L{Users}.
    @ivar ai: See L{AI}.
    """

    def __init__(
        self,
        url: str,
        secretKey: str,
        *,
        projectId: str | None = None,
        timeout: float | None = None,
        context: ssl.SSLContext | None = None,
        agent: IAgent | None = None,
    ) -> None:
        """
        @param url: The daemon, such as C{https://rt.example.com}.
        @param secretKey: The project's secret key.
        @param projectId: The project; not needed, because the key names it.
        @param timeout: Seconds that a call may take in all; L{None} for 3 of an C{emit}, 35 of a
            query, 30 of those about token streams and 10 of any other.
        @param context: The TLS context; L{None} to trust the machine's certificates.
        @param agent: Makes the requests; for tests.
        @raise ValueError: The URL or the key is malformed.
        """
        address = Address(url, projectId, key=secretKey)
        self._loops = loops = _Loops(partial(_Loop, address, timeout, context, agent))
        send = loops.send
        super().__init__(address, send)
        self.socket: Socket[Coroutine[Any, Any, EmitResult], Coroutine[Any, Any, EmitAllResult]] = (
            Socket(address, send)
        )
        self.db: Database[Coroutine[Any, Any, QueryResult]] = Database(address, send)
        self.user: Users[Coroutine[Any, Any, RemovalResult]] = Users(address, send)
        self.ai = AI(StreamCalls(address, send), lambda: loops.here.ai)

    async def aclose(self) -> None:
        """
        Close the connections that are kept for the next call on this event loop.
        """
        await self._loops.close()

    async def __aenter__(self) -> AsyncSDK:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.aclose()
