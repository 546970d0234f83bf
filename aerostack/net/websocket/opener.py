"""
Opens WebSockets for clients that may come in.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from twisted.internet.defer import Deferred

from aerostack.auth.authenticator import Authenticator, Credentials
from aerostack.core.access.permissions import Identity
from aerostack.errors import RealtimeError
from aerostack.interfaces.shares import IPlace
from aerostack.net.websocket.connections import Connections, MakeSession
from aerostack.net.websocket.gate import Gate
from aerostack.net.websocket.handshake import Headers, Opening, parseOpening

Query = Callable[[], Mapping[str, str]]
"""
Reads the parameters of a request's URL.

@raise RealtimeError: C{invalid_arguments}: they cannot be read.
"""


class Opener:
    """
    Lets clients in, or refuses them, and makes WebSockets of their connections.
    """

    def __init__(
        self,
        gate: Gate,
        connections: Connections,
        authenticator: Authenticator,
        wall: Callable[[], float],
        queryCredentials: bool,
        makeSession: MakeSession | None = None,
    ) -> None:
        """
        @param wall: Gives the time, in seconds since the epoch.
        @param queryCredentials: Whether a key or a token in the URL counts.
        @param makeSession: Makes the session of each connection; L{None} for those that most
            clients have.
        """
        self._gate = gate
        self._connections = connections
        self._authenticator = authenticator
        self._wall = wall
        self._queryCredentials = queryCredentials
        self._makeSession = makeSession

    def open(self, channel: Any, headers: Headers, query: Query) -> Deferred[None] | None:
        """
        Open a WebSocket.

        @param channel: The connection, a L{aerostack.net.http.server.BoundedChannel}.
        @param headers: The request's headers: lower-case names to values.
        @return: A Deferred that fires when the WebSocket is open, and fails with an error as
            below; L{None} if the WebSocket is open already.
        @raise RealtimeError: The request is refused.
        """
        opening = parseOpening(headers)
        address = self._gate.addressOf(channel.getPeer(), opening)
        admitted = self._gate.admit(address)
        if isinstance(admitted, Deferred):
            return Deferred.fromCoroutine(
                self._openLater(channel, opening, query, address, admitted)
            )
        return self._open(channel, opening, query, address, admitted)

    async def _openLater(
        self,
        channel: Any,
        opening: Opening,
        query: Query,
        address: str | None,
        admitted: Deferred[IPlace],
    ) -> None:
        """Wait for a place, and open the WebSocket if the client is still there."""
        place = await admitted
        self._recheck(channel, place)
        opened = self._open(channel, opening, query, address, place)
        if opened is not None:
            await opened

    def _open(
        self, channel: Any, opening: Opening, query: Query, address: str | None, place: IPlace
    ) -> Deferred[None] | None:
        """
        Open the WebSocket of a client that has a place.  If it cannot be opened, the place is
        given back.
        """
        try:
            credentials = opening.credentials(query(), self._queryCredentials)
            identity = self._authenticator.identify(credentials, self._wall())
            entering = place.enter(identity.project)
            if entering is None:
                # The session has to begin in the same turn: a revocation that came in between
                # would find neither a refused token nor a connection to close.
                self._connections.accept(
                    channel, opening, identity, address, place, self._makeSession
                )
                return None
        except BaseException:
            place.leave()
            raise
        return Deferred.fromCoroutine(
            self._enterLater(channel, opening, address, place, credentials, identity, entering)
        )

    async def _enterLater(
        self,
        channel: Any,
        opening: Opening,
        address: str | None,
        place: IPlace,
        credentials: Credentials,
        before: Identity,
        entering: Deferred[None],
    ) -> None:
        """Wait until the connection is counted to its project, and open the WebSocket."""
        try:
            await entering
            self._recheck(channel, place)
            # The credentials may have been revoked while the request waited.
            identity = self._authenticator.identify(credentials, self._wall())
            if identity.project != before.project:
                raise RealtimeError("wrong_project", "The key belongs to another project now.")
            self._connections.accept(channel, opening, identity, address, place, self._makeSession)
        except BaseException:
            place.leave()
            raise

    def _recheck(self, channel: Any, place: IPlace) -> None:
        """
        Make sure that a request may go on that has waited.

        @raise RealtimeError: It may not; its place was given back.
        """
        try:
            if channel.lost:
                # The client does not get this answer.
                raise RealtimeError("overloaded", "The client has gone.")
            self._gate.checkOpen()
        except RealtimeError:
            place.leave()
            raise
