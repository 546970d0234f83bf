"""
The method of the RPC that asks a model for a token stream: C{ai.relay}.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from msgspec import Raw
from twisted.internet.defer import Deferred

from aerostack.core.access.permissions import Action, Identity
from aerostack.core.answers.answer import Terms
from aerostack.core.answers.requests import Found, Started, StartRequest
from aerostack.core.answers.units import units
from aerostack.core.topics.topics import Topic
from aerostack.errors import RealtimeError
from aerostack.interfaces.models import IModel, IModels
from aerostack.interfaces.streams import IStreams
from aerostack.protocol.chatrequests import ChatRequest, readChatRequest
from aerostack.sessions.streamcalls import (
    StartOptions,
    checkCount,
    readArgument,
    startedFields,
    startOf,
)
from aerostack.streams.relaying import Relays


class _RelayOptions(msgspec.Struct, forbid_unknown_fields=True):
    """
    The options of C{ai.relay}.  But for the model they are those of C{ai.start}.
    """

    model: str | None = None
    stream: str | None = None
    owner: str | None = None
    cancel: str | None = None
    persist: bool | None = None
    meta: dict[str, Raw] | None = None


class _Part(msgspec.Struct):
    part: str
    text: str | None = None
    args: str | None = None


class _Stream(msgspec.Struct):
    epoch: int
    parts: list[_Part]


_streams = msgspec.json.Decoder(_Stream)


class RelayMethods:
    """
    Lets servers have models answer.
    """

    def __init__(
        self,
        streams: IStreams,
        relays: Relays,
        models: IModels,
        parse: Callable[[str, Identity], Topic],
        permit: Callable[[Identity, Action, Topic], object],
    ) -> None:
        """
        @param parse: Reads the name of a topic in the project of an identity.
        @param permit: See L{aerostack.tables.feed.TableFeed.permit}.
        """
        self._streams = streams
        self._relays = relays
        self._models = models
        self._parse = parse
        self._permit = permit
        self.methods: Mapping[str, Callable[[Identity, list[Raw]], Deferred[Any]]] = {
            "ai.relay": self.relay
        }

    def relay(self, identity: Identity, args: list[Raw]) -> Deferred[Any]:
        """
        Ask a model, and let its answer be a stream.

        @raise RealtimeError: C{invalid_arguments}, C{unknown_model}, or one of the errors of
            L{Relays.start}.
        """
        checkCount("ai.relay", args, 2, "[topic, request, options]", 3)
        topic = self._parse(readArgument("ai.relay", args[0], str), identity)
        self._permit(identity, Action.STREAM, topic)
        asked = readChatRequest(bytes(args[1]))
        given = args[2] if len(args) > 2 else Raw(b"{}")
        options = readArgument("ai.relay", given, _RelayOptions)
        request = startOf(
            StartOptions(
                stream=options.stream,
                owner=options.owner,
                cancel=options.cancel,
                persist=options.persist,
                meta=options.meta,
            )
        )
        model = self._models.find(identity.project, options.model or asked.model)
        return Deferred.fromCoroutine(self._start(topic, request, model, asked))

    async def _start(
        self, topic: Topic, request: StartRequest, model: IModel, asked: ChatRequest
    ) -> dict[str, Any]:
        if request.stream is not None:
            begun = await self._find(topic, request.stream)
            if begun is not None:
                return begun
        terms, stream = request.terms, request.stream
        started = await self._relays.start(topic, terms, model, asked, stream=stream)
        return startedFields(started)

    async def _find(self, topic: Topic, stream: str) -> dict[str, Any] | None:
        """
        Find a stream that the same call has begun, if the server did not get the answer.  The model
        is not asked again.
        """
        try:
            read: Found = await self._streams.get(topic.project, stream)
        except RealtimeError as error:
            if error.code != "stream_unknown":
                raise
            return None
        found = _streams.decode(read.data)
        if read.topic != topic.canonical:
            raise RealtimeError("stream_mismatch", f"The stream {stream} is of another topic.")
        lengths = {part.part: units(part.text or part.args or "") for part in found.parts}
        lease = int(Terms().lease * 1000)
        return startedFields(Started(stream, read.topic, found.epoch, lengths, lease))
