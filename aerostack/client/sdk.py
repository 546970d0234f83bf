"""
The SDK for servers that run on Twisted.
"""

from __future__ import annotations

import aerostack.client.extra  # noqa: F401

# What it looks for is imported after it.
# isort: split
from typing import Any

from twisted.internet.defer import Deferred
from twisted.web.iweb import IAgent

from aerostack.client.address import Address
from aerostack.client.calls import Calls, Database, Socket, Users
from aerostack.client.http import HttpClient
from aerostack.client.results import (
    EmitAllResult,
    EmitResult,
    ExplainResult,
    HealthResult,
    Message,
    QueryResult,
    RemovalResult,
)
from aerostack.client.stream import AI
from aerostack.client.streams import StreamCalls


class TwistedSDK(Calls[Deferred[list[Message]], Deferred[HealthResult], Deferred[ExplainResult]]):
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
        timeout: float | None = None,
        agent: IAgent | None = None,
    ) -> None:
        """
        @param url: The daemon, such as C{https://rt.example.com}.
        @param secretKey: The project's secret key.
        @param projectId: The project; not needed, because the key names it.
        @param timeout: Seconds that a call may take in all; L{None} for 3 of an C{emit}, 35 of a
            query, 30 of those about token streams and 10 of any other.
        @param agent: The agent that makes requests, if the usual one will not do.
        @raise ValueError: The URL or the key is malformed.
        """
        address = Address(url, projectId, key=secretKey)
        self._http = HttpClient(reactor, address, timeout, agent)
        send = self._http.send
        super().__init__(address, send)
        self.socket: Socket[Deferred[EmitResult], Deferred[EmitAllResult]] = Socket(address, send)
        self.db: Database[Deferred[QueryResult]] = Database(address, send)
        self.user: Users[Deferred[RemovalResult]] = Users(address, send)
        self.ai = AI(reactor, StreamCalls(address, send))

    def close(self) -> Deferred[None]:
        """
        Close the connections that are kept for the next call.
        """
        return self._http.close()
