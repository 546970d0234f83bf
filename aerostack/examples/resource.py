"""
Where the pages of the examples ask their server.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime

from aerostack.auth.authenticator import Authenticator, Credentials
from aerostack.errors import RealtimeError
from aerostack.interfaces.shares import IShares
from aerostack.net.http.base import JSONResource
from aerostack.net.http.requests import BoundedRequest, headerOf, isLocal
from aerostack.protocol.codec import decodeValue


class ExampleResource(JSONResource):
    """
    One thing that a page may ask for.

    It writes to the database, so it is for this machine only, and for no pages but the
    daemon's own.
    """

    methods = ("POST",)

    def __init__(
        self,
        act: Callable[[str, Any], Deferred[Any]],
        projectId: str,
        authenticator: Authenticator,
        clock: IReactorTime,
        wall: Callable[[], float],
        shares: IShares,
    ) -> None:
        """
        @param act: Does it, by the project and the object that the page sent.
        @param projectId: The project of the examples.
        """
        super().__init__()
        self._act = act
        self._projectId = projectId
        self._authenticator = authenticator
        self._clock = clock
        self._wall = wall
        self._shares = shares

    def answer(self, request: BoundedRequest) -> Any:
        if not isLocal(request):
            raise RealtimeError(
                "forbidden",
                "The examples' server is for the daemon's own machine only: ask through a listener"
                " that has local=1 in server.listen, and by the name localhost.",
            )
        origin = headerOf(request, "origin")
        if origin is not None and origin.partition("://")[2] != headerOf(request, "host"):
            raise RealtimeError(
                "origin_not_allowed", "The examples' server is for the daemon's own pages only."
            )
        # A page that names itself by any host could pretend to be ours; the project's
        # origins are those that are meant.
        identity = self._authenticator.identify(
            Credentials(projectId=self._projectId, origin=origin), self._wall()
        )
        body = request.content.read()
        self._shares.spend(identity.project, len(body), self._clock.seconds())
        given = decodeValue(body)
        if not isinstance(given, dict):
            raise RealtimeError("invalid_arguments", "Send a JSON object.")
        return self._act(identity.project, given).addCallback(lambda answer: (200, answer))
