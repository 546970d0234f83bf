"""
The client that applications use.
"""

from __future__ import annotations

import aerostack.client.extra  # noqa: F401

# What it looks for is imported after it.
# isort: split
from collections.abc import Callable
from secrets import token_urlsafe
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.interfaces import IStreamClientEndpoint
from twisted.web.iweb import IAgent

from aerostack.client.address import Address
from aerostack.client.callbacks import Callback
from aerostack.client.channel import Channel
from aerostack.client.errors import ClientError
from aerostack.client.eventstream import eventStreams
from aerostack.client.frames import Frame
from aerostack.client.http import HttpClient
from aerostack.client.interfaces import OpenTransport
from aerostack.client.outgoing import requireText
from aerostack.client.pending import checkReactor
from aerostack.client.requests import history, readStream
from aerostack.client.session import ERROR, EXHAUSTED, STATUS, Session
from aerostack.client.transport import clientEndpoint, webSockets


class RealtimeClient(Service):
    """
    A client of the daemon: a service that keeps one connection open.  When the connection is lost,
    the client opens another one and resumes its subscriptions.
    """

    def __init__(
        self,
        reactor: Any,
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
        endpoint: IStreamClientEndpoint | None = None,
        agent: IAgent | None = None,
        openTransport: OpenTransport | None = None,
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
        @param endpoint: The endpoint to connect to instead of the URL's: through a proxy
            perhaps, or with other certificates.
        @param agent: The agent that makes HTTP requests, for the same reason.
        @param openTransport: Makes the transports; for tests.
        @raise ValueError: The URL or a credential is malformed, or there is no such transport.
        """
        if transport not in ("websocket", "sse"):
            raise ValueError(f"transport is websocket or sse, not {transport!r}")
        # By this secret the daemon knows a client that comes back, and closes its old connection.
        session = token_urlsafe(24)
        self._reactor = reactor
        address = Address(url, projectId, userId, apiKey, token, session)
        self._http = HttpClient(reactor, address, timeout, agent)
        way = endpoint or clientEndpoint(reactor, address)
        usual = (
            eventStreams(reactor, way, agent) if transport == "sse" else webSockets(reactor, way)
        )
        self._session = Session(
            reactor,
            openTransport or usual,
            address,
            self._history,
            self._readStream,
            maxReconnectAttempts,
            maxQueue,
            timeout,
        )

    @property
    def status(self) -> str:
        """
        C{idle}, C{connecting}, C{connected}, C{reconnecting} or C{disconnected}.
        """
        return self._session.connection.status

    @property
    def fault(self) -> ClientError | None:
        """
        Why the client has given up, if it has.
        """
        return self._session.connection.fault

    def startService(self) -> None:
        """
        Connect, and stay connected.

        @raise RuntimeError: An event loop of asyncio runs, and not for the reactor.
        """
        checkReactor(self._reactor)
        super().startService()
        self._session.start()

    def stopService(self) -> Deferred[None]:
        """
        Disconnect.  Deferreds that wait for an answer fail.

        @return: Fires when the connection has ended.
        """
        super().stopService()
        gone = gatherResults([self._session.stop(), self._http.close()])
        return gone.addCallback(lambda _: None)

    def connect(self) -> None:
        """
        Connect now, also during a pause between attempts and after the client has given up.
        """
        if self.running:
            self._session.start()
        else:
            self.startService()

    def disconnect(self) -> Deferred[None]:
        """
        As L{stopService}.
        """
        return self.stopService()

    def channel(self, topic: str, filter: Any = None, *, view: str = "") -> Channel:
        """
        The channel of a topic.

        @param topic: C{orders} for a table, C{chat/general} for a topic of your own.
        @param filter: Which rows of a table.
        @param view: Names a channel of a table that has a subscription of its own beside those of
            other channels: 1 to 64 letters, digits and C{._:-}.
        @return: The same channel for the same topic and view, as long as it is in use.
        """
        return self._session.channel(topic, filter, view)

    def chatRoom(self, roomId: str) -> Channel:
        """
        The channel of a chat room: C{chat/} and its id.

        @raise TypeError: The id is no text.
        """
        return self.channel(f"chat/{requireText(roomId, 'roomId')}")

    def sendChat(self, roomId: str, text: str, metadata: Any = None) -> Deferred[None]:
        """
        Send a message to a chat room; its subscribers get a C{chat_message}.

        @param metadata: More about the message: an object in JSON.
        @return: Fires when the daemon has stored it.  Fails with
            L{aerostack.client.errors.ClientError}.
        """
        return self._session.chat(roomId, text, metadata)

    def setToken(self, token: str) -> None:
        """
        Use another token from now on.  If the daemon refused the one before, connect again.

        @raise ValueError: The token is malformed.
        """
        self._session.setToken(token)
        self._http.address = self._session.connection.address

    def ping(self) -> Deferred[None]:
        """
        Send a ping behind all frames that wait to go out.

        @return: Fires when the daemon has answered.  By then it has read all frames before the
            ping, and all that it sent before the answer has come.  What other processes do (the
            database, or the daemon of a worker) may come later.  Fails when the connection is
            closed.
        """
        return self._session.ping()

    def onStatusChange(self, callback: Callback) -> Callable[[], None]:
        """
        Call a function with each new L{status}.

        @return: Takes the callback back.
        """
        return self._session.notices.add(STATUS, callback)

    def onError(self, callback: Callback) -> Callable[[], None]:
        """
        Call a function with the errors that are about no channel: why a connection was lost or
        refused, and what the daemon says about the whole connection.

        @param callback: Gets a L{aerostack.client.errors.ClientError}.
        @return: Takes the callback back.
        """
        return self._session.notices.add(ERROR, callback)

    def onMaxRetriesExceeded(self, callback: Callback) -> Callable[[], None]:
        """
        Call a function when the client has given up after C{maxReconnectAttempts}.

        @return: Takes the callback back.
        """
        return self._session.notices.add(EXHAUSTED, callback)

    def _history(self, topic: str, limit: int, before: int | None) -> Deferred[list[Frame]]:
        return self._http.send(history(self._http.address, topic, limit, before))

    def _readStream(self, stream: str) -> Deferred[Frame]:
        return self._http.send(readStream(self._http.address, stream))
