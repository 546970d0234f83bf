"""
The client that applications use.
"""

from __future__ import annotations

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
from aerostack.client.frames import Frame
from aerostack.client.http import HttpClient
from aerostack.client.interfaces import OpenTransport
from aerostack.client.requests import history
from aerostack.client.session import ERROR, EXHAUSTED, STATUS, Session
from aerostack.client.transport import clientEndpoint, webSockets


class RealtimeClient(Service):
    """
    A client of the daemon's: a service that keeps one WebSocket, comes back by itself when
    it is lost, and goes on where it left off.
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
        endpoint: IStreamClientEndpoint | None = None,
        agent: IAgent | None = None,
        openTransport: OpenTransport | None = None,
    ) -> None:
        """
        @param url: The daemon: C{ws://host:8787}, C{wss://host}, or C{ws+unix://} and the
            path of a socket.
        @param projectId: The project; may be left out where the key or the token names it.
        @param apiKey: The project's public key, or on a server the secret one.
        @param token: A JWT.
        @param userId: Who to be, where the project believes it.
        @param maxReconnectAttempts: How many attempts in a row may fail after the first;
            L{None} for any number.
        @param maxQueue: How many publications may wait to be acknowledged.
        @param timeout: Seconds that reading the history may take.
        @param endpoint: Where to connect, if not where the URL says: through a proxy
            perhaps, or with other certificates.
        @param agent: What makes HTTP requests, in the same way.
        @param openTransport: What makes connections; for tests.
        @raise ValueError: The URL or a credential cannot be one.
        """
        # By it the daemon ends the connection of before when a new one is there.
        session = token_urlsafe(24)
        address = Address(url, projectId, userId, apiKey, token, session)
        self._http = HttpClient(reactor, address, timeout, agent)
        self._session = Session(
            reactor,
            openTransport or webSockets(reactor, endpoint or clientEndpoint(reactor, address)),
            address,
            self._history,
            maxReconnectAttempts,
            maxQueue,
        )

    @property
    def status(self) -> str:
        """
        C{idle}, C{connecting}, C{connected}, C{reconnecting} or C{disconnected}.
        """
        return self._session.connection.status

    def startService(self) -> None:
        """
        Connect, and stay connected.
        """
        super().startService()
        self._session.start()

    def stopService(self) -> Deferred[None]:
        """
        Disconnect.  Whoever waits for an answer is told that none will come.

        @return: Fires when the connection is gone.
        """
        super().stopService()
        gone = gatherResults([self._session.stop(), self._http.close()])
        return gone.addCallback(lambda _: None)

    def connect(self) -> None:
        """
        Connect now: also where it waits to come back, or has given up.
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

    def channel(self, topic: str, filter: Any = None) -> Channel:
        """
        The channel of a topic.

        @param topic: C{orders} for a table, C{chat/general} for a topic of your own.
        @param filter: Which rows of a table.
        @return: The same one for the same topic, as long as it is used.
        """
        return self._session.channel(topic, filter)

    def chatRoom(self, roomId: str) -> Channel:
        """
        The channel of a chat room: C{chat/} and its id.
        """
        return self.channel(f"chat/{roomId}")

    def sendChat(self, roomId: str, text: str, metadata: Any = None) -> Deferred[None]:
        """
        Say something in a chat room; its subscribers get a C{chat_message}.

        @param metadata: Anything else about it: what becomes a JSON object.
        @return: Fires when it is kept.  Fails with L{aerostack.client.errors.ClientError}.
        """
        return self._session.chat(roomId, text, metadata)

    def setToken(self, token: str) -> None:
        """
        Go on under another token; where the last one was refused, connect again.

        @raise ValueError: It cannot be one.
        """
        self._session.setToken(token)
        self._http.address = self._session.connection.address

    def ping(self) -> Deferred[None]:
        """
        Ask the daemon for an answer.

        @return: Fires when it is there: by then the daemon has heard what it was told before,
            and all that it sent before has come.  Fails when the connection is gone.
        """
        return self._session.ping()

    def onStatusChange(self, callback: Callback) -> Callable[[], None]:
        """
        Call somebody with each new L{status}.

        @return: Takes the callback back.
        """
        return self._session.notices.add(STATUS, callback)

    def onError(self, callback: Callback) -> Callable[[], None]:
        """
        Call somebody with what goes wrong and is no channel's: why the connection is gone
        or refused, what the daemon says about all of it.

        @param callback: Gets a L{aerostack.client.errors.ClientError}.
        @return: Takes the callback back.
        """
        return self._session.notices.add(ERROR, callback)

    def onMaxRetriesExceeded(self, callback: Callback) -> Callable[[], None]:
        """
        Call somebody when it has given up after C{maxReconnectAttempts}.

        @return: Takes the callback back.
        """
        return self._session.notices.add(EXHAUSTED, callback)

    def _history(self, topic: str, limit: int, before: int | None) -> Deferred[list[Frame]]:
        asked: Deferred[Any] = self._http.send(history(self._http.address, topic, limit, before))
        return asked.addCallback(lambda answer: answer["messages"])
