"""
The SDK for servers that run on Twisted.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from twisted.web.iweb import IAgent

from aerostack.client.address import Address
from aerostack.client.http import HttpClient
from aerostack.client.requests import Database, Socket, Users, explain, health, history
from aerostack.client.stream import AI
from aerostack.client.streams import StreamCalls


class TwistedSDK:
    """
    Sends events to users, streams tokens to them, removes users, and queries the database.  Each
    method gives a L{Deferred}, which fails with L{aerostack.client.errors.ClientError}.

    @ivar socket: See L{Socket}.
    @ivar db: See L{Database}.
    @ivar user: See L{Users}.
    @ivar ai: See L{AI}.
    """

    def __init__(
        self,
        reactor: Any,
        url: str,
        secretKey: str,
        *,
        projectId: str | None = None,
        timeout: float = 10.0,
        agent: IAgent | None = None,
    ) -> None:
        """
        @param url: The daemon, such as C{https://rt.example.com}.
        @param secretKey: The project's secret key.
        @param projectId: The project; not needed, because the key names it.
        @param timeout: Seconds that a call may take in all.
        @param agent: The agent that makes requests, if the usual one will not do.
        @raise ValueError: The URL or the key is malformed.
        """
        self._http = HttpClient(reactor, Address(url, projectId, key=secretKey), timeout, agent)
        self.socket: Socket[Deferred[Any]] = Socket(self._http.address, self._http.send)
        self.db: Database[Deferred[Any]] = Database(self._http.address, self._http.send)
        self.user: Users[Deferred[Any]] = Users(self._http.address, self._http.send)
        self.ai = AI(reactor, StreamCalls(self._http.address, self._http.send))

    def history(self, topic: str, limit: int = 50, before: int | None = None) -> Deferred[Any]:
        """
        Read a page of a topic's history.

        @param before: The C{created_at} (ms) of the oldest message of the page before.
        @return: Fires with the messages, newest first.
        """
        asked: Deferred[Any] = self._http.send(history(self._http.address, topic, limit, before))
        return asked.addCallback(lambda answer: answer["messages"])

    def health(self) -> Deferred[Any]:
        """
        Ask for the health of the daemon.

        @return: Fires with what C{/health} says: C{status} is C{ok} or C{failing}, C{checks}
            has the status of each part, and C{notices}, if there are any, what to look at.
        """
        return self._http.send(health())

    def explain(self, userId: str, topic: str) -> Deferred[Any]:
        """
        Ask whether publications on a topic reach a user, and why not.

        @return: Fires with what the daemon finds: C{verdict} says it in a sentence, and
            C{findings} have a C{code}, a C{severity} and a C{message} each.
        """
        return self._http.send(explain(self._http.address, userId, topic))

    def close(self) -> Deferred[None]:
        """
        Close the connections that are kept for the next call.
        """
        return self._http.close()
