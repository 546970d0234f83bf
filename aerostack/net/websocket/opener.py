"""
Opens WebSockets for clients that may come in.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from twisted.internet.defer import Deferred

from aerostack.auth.authenticator import Authenticator, Credentials
from aerostack.auth.keysets import KeysAwaited
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

Accept = Callable[[Identity, str | None, IPlace], None]
"""
Makes a connection for a client, by who it is, the address under which it is counted, and the place
that was taken.  If it raises an error, the place is given back.
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
        connections, makeSession = self._connections, self._makeSession

        def accept(identity: Identity, address: str | None, place: IPlace) -> None:
            connections.accept(channel, opening, identity, address, place, makeSession)

        return self.admit(channel, opening, query, accept)

    def admit(
        self, channel: Any, opening: Opening, query: Query, accept: Accept
    ) -> Deferred[None] | None:
        """
        Let a client in.

        @param channel: The connection, a L{aerostack.net.http.server.BoundedChannel}.
        @param accept: Called when the client may come in.
        @return: A Deferred that fires when the client is in, and fails with an error as below;
            L{None} if it is in already.
        @raise RealtimeError: The request is refused.
        """
        address = self._gate.addressOf(channel.getPeer(), opening.forwardedFor)
        admitted = self._gate.admit(address)
        arrival = _Arrival(channel, opening, query, accept, address)
        if isinstance(admitted, Deferred):
            return Deferred.fromCoroutine(self._whenAdmitted(arrival, admitted))
        arrival.place = admitted
        return self._open(arrival)

    async def _whenAdmitted(self, arrival: _Arrival, admitted: Deferred[IPlace]) -> None:
        """Wait until a client has a place, and let it in."""
        arrival.place = await admitted
        await self._goOn(arrival)

    async def _whenFetched(self, arrival: _Arrival, fetched: Deferred[None]) -> None:
        """Wait until the keys of tokens were fetched, and let a client in."""
        await fetched
        await self._goOn(arrival, isLast=True)

    async def _goOn(self, arrival: _Arrival, isLast: bool = False) -> None:
        """Let a client in that has waited, if it is still there."""
        self._recheck(arrival)
        opened = self._open(arrival, isLast)
        if opened is not None:
            await opened

    def _open(self, arrival: _Arrival, isLast: bool = False) -> Deferred[None] | None:
        """
        Let a client in that has a place.  If that fails, the place is given back.

        @param isLast: Whether the client has waited for the keys of its token already.
        """
        place = arrival.place
        try:
            credentials = arrival.opening.credentials(arrival.query(), self._queryCredentials)
            try:
                identity = self._authenticator.identify(credentials, self._wall())
            except KeysAwaited as awaited:
                if isLast:
                    raise
                return Deferred.fromCoroutine(self._whenFetched(arrival, awaited.fetched))
            entering = place.enter(identity.project)
            if entering is None:
                # The session has to begin in the same turn: a revocation that came in between
                # would find neither a refused token nor a connection to close.
                arrival.accept(identity, arrival.address, place)
                return None
        except BaseException:
            place.leave()
            raise
        return Deferred.fromCoroutine(self._whenEntered(arrival, credentials, identity, entering))

    async def _whenEntered(
        self,
        arrival: _Arrival,
        credentials: Credentials,
        before: Identity,
        entering: Deferred[None],
    ) -> None:
        """Wait until the connection is counted to its project, and let the client in."""
        try:
            await entering
            self._recheck(arrival)
            # The credentials may have been revoked while the request waited.
            identity = self._authenticator.identify(credentials, self._wall())
            if identity.project != before.project:
                raise RealtimeError("wrong_project", "The key belongs to another project now.")
            arrival.accept(identity, arrival.address, arrival.place)
        except BaseException:
            arrival.place.leave()
            raise

    def _recheck(self, arrival: _Arrival) -> None:
        """
        Make sure that a client that has waited may still come in.

        @raise RealtimeError: It may not; its place was given back.
        """
        try:
            if arrival.channel.lost:
                # The client does not get this answer.
                raise RealtimeError("overloaded", "The client has gone.")
            self._gate.checkOpen()
        except RealtimeError:
            arrival.place.leave()
            raise


class _Arrival:
    """
    A client that asks to come in.

    @ivar channel: Its connection.
    @ivar opening: Its request.
    @ivar query: Reads the parameters of the request's URL.
    @ivar accept: Called when the client may come in.
    @ivar address: The address under which it is counted; L{None} if it is not counted.
    @ivar place: Its place, once it has one.
    """

    __slots__ = ("accept", "address", "channel", "opening", "place", "query")

    def __init__(
        self, channel: Any, opening: Opening, query: Query, accept: Accept, address: str | None
    ) -> None:
        self.channel = channel
        self.opening = opening
        self.query = query
        self.accept = accept
        self.address = address
        self.place: IPlace
