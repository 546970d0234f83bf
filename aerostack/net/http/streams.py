"""
Token streams over HTTP.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.web.resource import Resource
from twisted.web.server import Request

from aerostack.auth.authenticator import Authenticator
from aerostack.core.access.permissions import Action, Identity
from aerostack.core.topics.topics import Topic, parseTopic, topicOf
from aerostack.errors import RealtimeError
from aerostack.interfaces.models import IModels
from aerostack.interfaces.shares import IShares
from aerostack.interfaces.streams import IStreams
from aerostack.net.http.base import JSONResource, NotFoundResource
from aerostack.net.http.formats import ChatFormat, Format, PlainFormat
from aerostack.net.http.pump import Pump
from aerostack.net.http.requests import BoundedRequest, callerOf, headerOf, queryOf
from aerostack.protocol import sse
from aerostack.sessions.longrequests import LongRequests
from aerostack.settings.limits import LimitsConfig
from aerostack.streams.following import Watches
from aerostack.streams.relaying import Relays


@dataclass
class StreamParts:
    """
    What the resources of token streams and of models share.

    @ivar wall: Gives the time of day, seconds since the epoch.
    @ivar requests: The requests whose answers go on.
    @ivar newId: Makes an id; each call gives another.
    """

    clock: IReactorTime
    wall: Callable[[], float]
    authenticator: Authenticator
    shares: IShares
    requests: LongRequests
    permit: Callable[[Identity, Action, Topic], object]
    streams: IStreams
    watches: Watches
    models: IModels
    relays: Relays
    limits: LimitsConfig
    newId: Callable[[], str]

    def enter(self, request: BoundedRequest, size: int = 0) -> Identity:
        """
        Let a client in.

        @param size: How many bytes its request has.
        @raise RealtimeError: The credentials do not hold, or the project has used up its share.
        """
        identity = callerOf(request, self.authenticator, self.wall())
        self.shares.spend(identity.project, size, self.clock.seconds())
        return identity

    def pump(self, identity: Identity, request: BoundedRequest, format: Format) -> Pump:
        """
        Make what sends a stream to a client that was let in in this turn.
        """
        return Pump(self.requests, identity, request, format)

    def topic(self, name: str, identity: Identity) -> Topic:
        """
        Read a topic as a client names it.

        @raise RealtimeError: It is malformed, or of another project.
        """
        projects = self.authenticator.projects
        return parseTopic(name, identity.project, projects, self.limits.topicLength)


class StreamsResource(Resource):
    """
    Everything under C{/api/v1/public/realtime/streams}: each stream by its id.
    """

    def __init__(self, parts: StreamParts) -> None:
        super().__init__()
        self._parts = parts

    def getChild(self, path: bytes, request: Request) -> Resource:
        if not path or request.postpath:
            return NotFoundResource()
        return StreamResource(self._parts, path.decode("utf-8", "replace"))

    def render(self, request: BoundedRequest) -> Any:
        return NotFoundResource().render(request)


class StreamResource(JSONResource):
    """
    One stream: what there is of it as JSON, or all of it as it comes.
    """

    cors = True
    corsHeaders = (*JSONResource.corsHeaders, "x-aerostack-project", "last-event-id")

    def __init__(self, parts: StreamParts, stream: str) -> None:
        """
        @param stream: The stream's id.
        """
        super().__init__()
        self._parts = parts
        self._stream = stream

    def originAllowed(self, origin: str) -> bool:
        return self._parts.authenticator.originAllowed(origin)

    def encode(self, body: Any) -> tuple[bytes, bytes]:
        # A stream comes as JSON already.
        return (body, b"application/json") if isinstance(body, bytes) else super().encode(body)

    def answer(self, request: BoundedRequest) -> Any:
        identity = self._parts.enter(request)
        wanted = queryOf(request).get("as", "events")
        if wanted not in ("events", "ui"):
            raise RealtimeError("invalid_arguments", "as is events or ui.")
        accepted = headerOf(request, "accept") or ""
        if sse.MEDIA_TYPE.decode() not in accepted.lower() or request.method == b"HEAD":
            return Deferred.fromCoroutine(self._read(identity))
        form = ChatFormat() if wanted == "ui" else PlainFormat()
        pump = self._parts.pump(identity, request, form)
        place = (headerOf(request, "last-event-id") or "") if wanted == "events" else ""
        return Deferred.fromCoroutine(self._watch(identity, pump, place))

    async def _read(self, identity: Identity) -> Any:
        streams = self._parts.streams
        found = await streams.get(identity.project, self._stream)
        self._parts.permit(identity, Action.SUBSCRIBE, topicOf(found.topic))
        return 200, found.data

    async def _watch(self, identity: Identity, pump: Pump, place: str) -> Any:
        try:
            watch = await self._parts.watches.open(identity, self._stream, pump.changed, place)
        except BaseException:
            pump.abandon()
            raise
        return pump.start(watch)
