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
from aerostack.core.topics.topics import Topic
from aerostack.interfaces.models import IModels
from aerostack.protocol.chatrequests import readChatRequest
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
    owner: str | None = None
    cancel: str | None = None
    persist: bool | None = None
    meta: dict[str, Raw] | None = None


class RelayMethods:
    """
    Lets servers have models answer.
    """

    def __init__(
        self,
        relays: Relays,
        models: IModels,
        parse: Callable[[str, Identity], Topic],
        permit: Callable[[Identity, Action, Topic], object],
    ) -> None:
        """
        @param parse: Reads the name of a topic in the project of an identity.
        @param permit: See L{aerostack.tables.feed.TableFeed.permit}.
        """
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
        terms = startOf(
            StartOptions(
                owner=options.owner,
                cancel=options.cancel,
                persist=options.persist,
                meta=options.meta,
            )
        ).terms
        model = self._models.find(identity.project, options.model or asked.model)
        started = Deferred.fromCoroutine(self._relays.start(topic, terms, model, asked))
        return started.addCallback(startedFields)
