"""
Takes notice of requests over HTTP that are refused, and of openings of WebSockets.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from twisted.internet.interfaces import IAddress

from aerostack.auth.authenticator import Authenticator, Credentials
from aerostack.core.diagnosis.refusals import refusalOf
from aerostack.errors import RealtimeError
from aerostack.interfaces.refusals import IRefusals
from aerostack.net.http.requests import BoundedRequest, headerOf, headersOf, queryOf

_KEY = "aerostack-key."
_TOKEN = "aerostack-token."


class RequestRefusals:
    """
    Notes from whom a refused request came, and for which project.
    """

    def __init__(
        self,
        refusals: IRefusals,
        authenticator: Authenticator,
        addressOf: Callable[[IAddress, Sequence[str]], str | None],
        wall: Callable[[], float],
    ) -> None:
        """
        @param addressOf: Gives the address of a client, by the other end of its connection and the
            values of C{X-Forwarded-For}.
        @param wall: Gives the time of day, seconds since the epoch.
        """
        self._refusals = refusals
        self._authenticator = authenticator
        self._addressOf = addressOf
        self._wall = wall

    def note(self, request: BoundedRequest, error: RealtimeError) -> None:
        """
        Note a request that is refused.
        """
        forwarded = headersOf(request).get("x-forwarded-for", [])
        what = f"{request.method.decode('latin-1')} {request.path.decode('latin-1')}"
        claimed = _claimed(request, self._authenticator)
        project = self._authenticator.concerned(claimed)
        if project is None and claimed.projectId:
            # The name may be misspelt, or that of a project at another daemon.
            what = f"{what}?projectId={claimed.projectId}"
        self._refusals.note(
            refusalOf(
                self._wall(),
                error,
                project,
                headerOf(request, "origin"),
                self._addressOf(request.channel.getPeer(), forwarded),
                what,
            )
        )

    def noteUnread(self, channel: Any, error: RealtimeError) -> None:
        """
        Note a request that is refused before it was read.

        @param channel: The connection.
        """
        address = self._addressOf(channel.getPeer(), [])
        self._refusals.note(refusalOf(self._wall(), error, None, None, address, "a request"))


def _claimed(request: BoundedRequest, authenticator: Authenticator) -> Credentials:
    """
    What a request brings to say for which project it is, whichever way it is meant.
    """
    offered = [
        each.strip()
        for value in headersOf(request).get("sec-websocket-protocol", ())
        for each in value.split(",")
    ]
    scheme, _, value = (headerOf(request, "authorization") or "").partition(" ")
    bearer = Credentials()
    if scheme.lower() == "bearer":
        bearer = authenticator.bearer(value.strip())
    return Credentials(
        projectId=_projectIn(request),
        key=headerOf(request, "x-aerostack-key") or bearer.key or _offered(offered, _KEY),
        token=bearer.token or _offered(offered, _TOKEN),
    )


def _projectIn(request: BoundedRequest) -> str | None:
    named = headerOf(request, "x-aerostack-project")
    if named:
        return named
    try:
        return queryOf(request).get("projectId")
    except RealtimeError:
        # That the parameters cannot be read may be why the request is refused.
        return None


def _offered(offered: Sequence[str], prefix: str) -> str | None:
    found = (each.removeprefix(prefix) for each in offered if each.startswith(prefix))
    return next(found, None)
