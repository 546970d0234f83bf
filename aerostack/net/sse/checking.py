"""
The resource by which a page learns why its WebSocket did not open.
"""

from __future__ import annotations

from typing import Any

from aerostack.auth.authenticator import Authenticator
from aerostack.core.access.permissions import Identity
from aerostack.interfaces.shares import IPlace
from aerostack.net.http.base import JSONResource
from aerostack.net.http.requests import BoundedRequest
from aerostack.net.sse.opening import readOpening
from aerostack.net.websocket.opener import Opener


class CheckResource(JSONResource):
    """
    C{/api/realtime/check}: says whether the daemon would let a client in now, and refuses exactly
    what it would refuse at the opening.  No connection is opened.

    A page cannot read the answer to a refused opening.  It can read this answer.
    """

    cors = True
    corsHeaders = (
        *JSONResource.corsHeaders,
        *("x-aerostack-client", "x-aerostack-project"),
    )

    def __init__(self, opener: Opener, authenticator: Authenticator) -> None:
        """
        @param opener: Lets clients in.
        """
        super().__init__()
        self._opener = opener
        self._authenticator = authenticator

    def originAllowed(self, origin: str) -> bool:
        return self._authenticator.originAllowed(origin)

    def answer(self, request: BoundedRequest) -> Any:
        wanted = readOpening(request, self._authenticator)

        def accept(identity: Identity, address: str | None, place: IPlace) -> None:
            place.leave()

        opened = self._opener.admit(request.channel, wanted.opening, lambda: wanted.query, accept)
        good = 200, {"opens": True}
        return good if opened is None else opened.addCallback(lambda _: good)
