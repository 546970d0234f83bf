"""
The resources of connections over server-sent events.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from twisted.internet.defer import Deferred
from twisted.web.server import NOT_DONE_YET

from aerostack.auth.authenticator import Authenticator
from aerostack.core.access.permissions import Identity
from aerostack.errors import RealtimeError
from aerostack.interfaces.shares import IPlace
from aerostack.net.http.base import JSONResource
from aerostack.net.http.requests import BoundedRequest, headerOf, queryOf
from aerostack.net.sse.connection import EventConnection, EventParts
from aerostack.net.sse.opening import EventsOpening, readFrames, readOpening
from aerostack.net.sse.uplink import Uplink
from aerostack.net.websocket.opener import Opener
from aerostack.protocol.eventids import readEventId
from aerostack.settings.limits import LimitsConfig


class EventsResource(JSONResource):
    """
    C{/api/realtime/sse}: opens a connection.
    """

    methods = ("POST",)
    cors = True
    corsHeaders = (
        *JSONResource.corsHeaders,
        *("last-event-id", "x-aerostack-client", "x-aerostack-project"),
    )

    def __init__(
        self,
        opener: Opener,
        authenticator: Authenticator,
        parts: EventParts,
        uplink: Uplink,
        newId: Callable[[], str],
        limits: LimitsConfig,
    ) -> None:
        """
        @param opener: Lets clients in.
        @param uplink: Brings clients' frames to the connections.
        @param newId: Makes connection ids; no two calls give the same id.
        """
        super().__init__()
        self._opener = opener
        self._authenticator = authenticator
        self._parts = parts
        self._uplink = uplink
        self._newId = newId
        self._limits = limits

    def reload(self, limits: LimitsConfig) -> None:
        """
        Hold connections that open from now on to these limits.
        """
        self._limits = limits

    def originAllowed(self, origin: str) -> bool:
        return self._authenticator.originAllowed(origin)

    def answer(self, request: BoundedRequest) -> Any:
        wanted = readOpening(request, self._authenticator)
        begun = readEventId(wanted.lastEventId or "")
        frames = readFrames(request.content.read())

        def accept(identity: Identity, address: str | None, place: IPlace) -> None:
            connection = self._open(request, wanted, identity, address, place)
            connection.resume(begun.subscriptions, frames, begun.isComplete)

        opened = self._opener.admit(request.channel, wanted.opening, lambda: wanted.query, accept)
        return NOT_DONE_YET if opened is None else opened.addCallback(lambda _: NOT_DONE_YET)

    def _open(
        self,
        request: BoundedRequest,
        wanted: EventsOpening,
        identity: Identity,
        address: str | None,
        place: IPlace,
    ) -> EventConnection:
        opening = wanted.opening
        connection = EventConnection(
            self._parts, self._newId(), opening.client(), address, place, opening.origin
        )
        connection.open(
            request,
            identity,
            self._limits,
            wanted.hasIds,
            wanted.pongs,
            partial(self._uplink.leave, connection),
        )
        self._uplink.enter(connection)
        return connection


class SendResource(JSONResource):
    """
    C{/api/realtime/send}: takes frames of a client that has a connection over server-sent events.
    """

    methods = ("POST",)
    cors = True
    corsHeaders = ("content-type", "x-aerostack-session", "x-aerostack-project")

    def __init__(self, authenticator: Authenticator, uplink: Uplink) -> None:
        super().__init__()
        self._authenticator = authenticator
        self._uplink = uplink

    def originAllowed(self, origin: str) -> bool:
        return self._authenticator.originAllowed(origin)

    def answer(self, request: BoundedRequest) -> Any:
        query = queryOf(request)
        session = headerOf(request, "x-aerostack-session") or query.get("session")
        if not session:
            raise RealtimeError(
                "invalid_arguments",
                "Name the session, which the first frame of POST /api/realtime/sse has, in the"
                " header X-Aerostack-Session or in the URL: ?session=…",
            )
        project = headerOf(request, "x-aerostack-project") or query.get("projectId")
        frames = readFrames(request.content.read())
        delivering = self._uplink.deliver(session, headerOf(request, "origin"), project, frames)
        delivered: Deferred[None] = Deferred.fromCoroutine(delivering)
        return delivered.addCallback(lambda _: (202, {"accepted": len(frames)}))
