"""
The resource that opens WebSockets.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from aerostack.auth.authenticator import Authenticator
from aerostack.errors import RealtimeError
from aerostack.net.http.base import JSONResource
from aerostack.net.http.requests import BoundedRequest, headersOf, queryOf
from aerostack.net.websocket.connections import Connections
from aerostack.net.websocket.gate import Gate
from aerostack.net.websocket.handshake import parseOpening


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
    ) -> None:
        super().__init__()
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
        address = self._gate.admit(request, opening)
        credentials = opening.credentials(queryOf(request), self._queryCredentials)
        # The session has to begin in the same turn: a revocation that came in between would find
        # neither a refused token nor a connection to close.
        identity = self._authenticator.identify(credentials, self._wall())
        self._gate.checkProject(identity.project)
        return self._connections.accept(request, opening, identity, address)
