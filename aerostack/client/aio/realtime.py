"""
The client of applications on asyncio.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from typing import Any

from twisted.web.iweb import IAgent

from aerostack.client import channel, realtime
from aerostack.client.address import Address
from aerostack.client.aio.channel import Channel
from aerostack.client.aio.clock import settle
from aerostack.client.aio.handlers import Callback, Handler, Tasks, useLogging
from aerostack.client.aio.inbox import Inbox
from aerostack.client.aio.network import Network
from aerostack.client.connection import CONNECTED, DISCONNECTED
from aerostack.client.errors import ClientError
from aerostack.client.interfaces import OpenTransport

_GIVEN_UP = ClientError("stopped", "The client was stopped.")


class RealtimeClient:
    """
    A client of the daemon.  It keeps one connection open from C{async with} to its end::

        async with RealtimeClient("wss://rt.example.com", token=token) as client:
            async for frame in client.channel("chat/general"):
                print(frame["data"])

    It may be made before an event loop runs.  It belongs to the event loop in which it connects,
    and is used in no other thread.
    """

    def __init__(
        self,
        url: str,
        *,
        projectId: str | None = None,
        apiKey: str | None = None,
        token: str | None = None,
        userId: str | None = None,
        maxReconnectAttempts: int | None = None,
        maxQueue: int = 1000,
        timeout: float = 10.0,
        transport: str = "websocket",
        context: ssl.SSLContext | None = None,
        openTransport: OpenTransport | None = None,
        agent: IAgent | None = None,
    ) -> None:
        """
        @param url: The daemon: C{ws://host:8787}, C{wss://host}, or C{ws+unix://} and the
            path of a socket.
        @param projectId: The project; not needed if the key or the token names it.
        @param apiKey: The project's public key, or on a server the secret one.
        @param token: A JWT.
        @param userId: The user to be, if the project trusts clients to say so.
        @param maxReconnectAttempts: How many attempts in a row may fail after the first;
            L{None} for any number.
        @param maxQueue: How many publications may wait for an acknowledgement.
        @param timeout: Seconds that a read of the history, and the answer to a subscription, may
            take.
        @param transport: C{websocket}; or C{sse} for server-sent events, where no WebSocket
            passes.
        @param context: How to verify the daemon's certificate; L{None} to trust the authorities
            that the machine trusts.
        @param openTransport: Makes the transports; for tests.
        @param agent: Makes HTTP requests; for tests.
        @raise ValueError: The URL or a credential is malformed, or there is no such transport.
        """
        self.tasks = Tasks()
        self.inboxes: list[tuple[channel.Channel, Inbox]] = []
        self._network = Network(Address(url), context, "RealtimeClient")
        self._inner = realtime.RealtimeClient(
            self._network.clock,
            url,
            projectId=projectId,
            apiKey=apiKey,
            token=token,
            userId=userId,
            maxReconnectAttempts=maxReconnectAttempts,
            maxQueue=maxQueue,
            timeout=timeout,
            transport=transport,
            endpoint=self._network.endpoint,
            agent=agent or self._network.agent,
            openTransport=openTransport,
        )
        self._inner.onStatusChange(self._changed)
        self._loop: asyncio.AbstractEventLoop | None = None
        useLogging()

    @property
    def status(self) -> str:
        """
        C{idle}, C{connecting}, C{connected}, C{reconnecting} or C{disconnected}.
        """
        return self._inner.status

    # Beginning and end

    async def __aenter__(self) -> RealtimeClient:
        self._start()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.aclose()

    def _start(self) -> None:
        """Connect, in the event loop that runs."""
        loop = asyncio.get_running_loop()
        if self._loop not in (None, loop):
            raise RuntimeError(
                "this client was left open on another event loop: end it there, with async with or"
                " aclose(), or make another client"
            )
        self._loop = loop
        self._inner.connect()

    async def connect(self) -> None:
        """
        Connect, and wait for the connection; also after the client has given up.

        C{async with} does not wait: the application then starts although the daemon is down, and
        its calls say so.

        @raise ClientError: The client has given up, because the daemon refuses it.
        """
        if self._inner.status == CONNECTED:
            return
        came: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def changed(status: str) -> None:
            if came.done():
                return
            if status == CONNECTED:
                came.set_result(None)
            elif status == DISCONNECTED:
                came.set_exception(self._inner.fault or _GIVEN_UP)

        forget = self._inner.onStatusChange(changed)
        try:
            self._start()
            await came
        finally:
            forget()

    async def aclose(self) -> None:
        """
        Disconnect.  Calls that wait for an answer fail, loops over frames end, and handlers that
        run are cancelled.
        """
        for _, inbox in self.inboxes:
            inbox.end()
        if self._loop is None:
            return
        self.check()
        try:
            await settle(self._inner.stopService())
            await self.tasks.close()
            await self._network.close()
        finally:
            self._loop = None

    def check(self) -> None:
        """
        Make sure that the event loop is the client's.

        @raise RuntimeError: It is another one.
        """
        if self._loop is None:
            raise RuntimeError("the client is not connected: use it within async with")
        if self._loop is not asyncio.get_running_loop():
            raise RuntimeError("the client belongs to another event loop; make one for each loop")

    def _changed(self, status: str) -> None:
        if status == DISCONNECTED and self.inboxes and self._loop is not None:
            # The application may set a token first, in a handler of onError.
            self._loop.call_soon(self._endLoops)

    def _endLoops(self) -> None:
        if self.status == DISCONNECTED:
            for _, inbox in self.inboxes:
                inbox.end(self._inner.fault)

    # Topics

    def channel(self, topic: str, filter: Any = None, *, view: str = "") -> Channel:
        """
        The channel of a topic.

        @param topic: C{orders} for a table, C{chat/general} for a topic of your own.
        @param filter: Which rows of a table.
        @param view: Names a channel of a table that has a subscription of its own beside those of
            other channels: 1 to 64 letters, digits and C{._:-}.
        """
        return Channel(self, self._inner.channel(topic, filter, view=view))

    def chatRoom(self, roomId: str) -> Channel:
        """
        The channel of a chat room: C{chat/} and its id.

        @raise TypeError: The id is no text.
        """
        return Channel(self, self._inner.chatRoom(roomId))

    async def sendChat(self, roomId: str, text: str, metadata: Any = None) -> None:
        """
        Send a message to a chat room, and wait until the daemon has stored it.

        @param metadata: More about the message: an object in JSON.
        @raise ClientError: The daemon refused it.
        """
        self.check()
        await settle(self._inner.sendChat(roomId, text, metadata))

    def setToken(self, token: str) -> None:
        """
        Use another token from now on.  If the daemon refused the one before, connect again.

        @raise ValueError: The token is malformed.
        """
        self._inner.setToken(token)

    async def ping(self) -> None:
        """
        Send a ping behind all frames that wait to go out, and wait for the answer.

        @raise ClientError: The connection was closed.
        """
        self.check()
        await settle(self._inner.ping())

    # Handlers

    def onStatusChange(self, callback: Callback) -> Callable[[], None]:
        """
        Call a function with each new L{status}.

        @return: Takes the callback back.
        """
        return self._inner.onStatusChange(Handler(callback, self.tasks))

    def onError(self, callback: Callback) -> Callable[[], None]:
        """
        Call a function with the errors that are about no channel.

        @param callback: Gets a L{ClientError}.
        @return: Takes the callback back.
        """
        return self._inner.onError(Handler(callback, self.tasks))

    def onMaxRetriesExceeded(self, callback: Callback) -> Callable[[], None]:
        """
        Call a function when the client has given up after C{maxReconnectAttempts}.

        @return: Takes the callback back.
        """
        return self._inner.onMaxRetriesExceeded(Handler(callback, self.tasks))
