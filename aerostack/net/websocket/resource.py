"""
The resource that opens WebSockets.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from twisted.internet.defer import Deferred

from aerostack.auth.authenticator import Authenticator, Credentials
from aerostack.core.access.permissions import Identity
from aerostack.errors import RealtimeError
from aerostack.interfaces.shares import IPlace
from aerostack.net.http.base import JSONResource
from aerostack.net.http.requests import BoundedRequest, headersOf, queryOf
from aerostack.net.websocket.connections import Connections, MakeSession
from aerostack.net.websocket.gate import Gate
from aerostack.net.websocket.handshake import Opening, parseOpening


class RealtimeResource(JSONResource):
    """
    The resource that opens WebSockets.
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
        @param makeSession: Makes the session of each connection; L{None} for those that most
            clients have.
        """
        super().__init__()
        self._makeSession = makeSession
        self._gate = gate
        self._connections = connections
        self._authenticator = authenticator
        self._wall = wall
        self._queryCredentials = queryCredentials

    def answer(self, request: BoundedRequest) -> Any:
        if request.method != b"GET" or request.clientproto != b"HTTP/1.1":
            raise RealtimeError(
                "upgrade_required", "A WebSocket opens with GET and HTTP/1.1 (RFC 6455, 4.1)."
            )
        opening = parseOpening(headersOf(request))
        address = self._gate.addressOf(request, opening)
        admitted = self._gate.admit(address)
        if isinstance(admitted, Deferred):
            return Deferred.fromCoroutine(self._openLater(request, opening, address, admitted))
        return self._open(request, opening, address, admitted)

    async def _openLater(
        self,
        request: BoundedRequest,
        opening: Opening,
        address: str | None,
        admitted: Deferred[IPlace],
    ) -> Any:
        """Wait for a place, and open the WebSocket if the client is still there."""
        gone = _watch(request)
        place = await admitted
        self._recheck(gone, place)
        opened = self._open(request, opening, address, place)
        return await opened if isinstance(opened, Deferred) else opened

    def _open(
        self, request: BoundedRequest, opening: Opening, address: str | None, place: IPlace
    ) -> Any:
        """
        Open the WebSocket of a client that has a place.  If it cannot be opened, the place is
        given back.
        """
        try:
            credentials = opening.credentials(queryOf(request), self._queryCredentials)
            identity = self._authenticator.identify(credentials, self._wall())
            entering = place.enter(identity.project)
            if entering is None:
                # The session has to begin in the same turn: a revocation that came in between
                # would find neither a refused token nor a connection to close.
                return self._connections.accept(
                    request, opening, identity, address, place, self._makeSession
                )
        except BaseException:
            place.leave()
            raise
        return Deferred.fromCoroutine(
            self._enterLater(request, opening, address, place, credentials, identity, entering)
        )

    async def _enterLater(
        self,
        request: BoundedRequest,
        opening: Opening,
        address: str | None,
        place: IPlace,
        credentials: Credentials,
        before: Identity,
        entering: Deferred[None],
    ) -> Any:
        """Wait until the connection is counted to its project, and open the WebSocket."""
        gone = _watch(request)
        try:
            await entering
            self._recheck(gone, place)
            # The credentials may have been revoked while the request waited.
            identity = self._authenticator.identify(credentials, self._wall())
            if identity.project != before.project:
                raise RealtimeError("wrong_project", "The key belongs to another project now.")
            return self._connections.accept(
                request, opening, identity, address, place, self._makeSession
            )
        except BaseException:
            place.leave()
            raise

    def _recheck(self, gone: Sequence[object], place: IPlace) -> None:
        """
        Make sure that a request may go on that has waited.

        @param gone: What L{_watch} returned.
        @raise RealtimeError: It may not; its place was given back.
        """
        try:
            if gone:
                # The client does not get this answer.
                raise RealtimeError("overloaded", "The client has gone.")
            self._gate.checkOpen()
        except RealtimeError:
            place.leave()
            raise


def _watch(request: BoundedRequest) -> Sequence[object]:
    """A sequence that is empty until the client of a request has gone."""
    gone: list[object] = []
    request.notifyFinish().addErrback(gone.append)
    return gone
