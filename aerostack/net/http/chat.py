"""
The chats of C{useChat}, the hook of the AI SDK.
"""

from __future__ import annotations

from typing import Any

import msgspec
from twisted.internet.defer import Deferred
from twisted.web.resource import Resource
from twisted.web.server import Request

from aerostack.core.access.permissions import Action, Identity
from aerostack.core.topics.topics import Topic
from aerostack.errors import RealtimeError
from aerostack.interfaces.models import IModel
from aerostack.net.http.base import JSONResource, NotFoundResource
from aerostack.net.http.formats import ChatFormat, messageIdOf
from aerostack.net.http.pump import Pump
from aerostack.net.http.requests import BoundedRequest
from aerostack.net.http.streams import StreamParts, termsOf
from aerostack.protocol.chatrequests import ChatRequest, makeChatRequest, readParameters
from aerostack.protocol.uimessages import UIRequest, makeMessages, readUIRequest
from aerostack.sessions.producing import mayCancel
from aerostack.streams.following import Following

_TOPIC = "ai-chat/"
"""The beginning of the topic of a chat."""


class ChatsResource(JSONResource):
    """
    C{/api/ai/chat}: a request begins an answer, and gets it as a stream.
    """

    isLeaf = False
    methods = ("POST",)
    cors = True
    corsHeaders = (*JSONResource.corsHeaders, "x-aerostack-project", "user-agent")
    corsExposed = ("x-aerostack-stream",)

    def __init__(self, parts: StreamParts) -> None:
        super().__init__()
        self._parts = parts

    def originAllowed(self, origin: str) -> bool:
        return self._parts.authenticator.originAllowed(origin)

    def getChild(self, path: bytes, request: Request) -> Resource:
        chat = path.decode("utf-8", "replace")
        kind = {b"stream": ChatStreamResource, b"stop": ChatStopResource}.get(
            b"/".join(request.postpath or ())
        )
        if kind is None or not chat:
            return NotFoundResource()
        request.prepath += request.postpath  # type: ignore[operator]
        request.postpath = []
        return kind(self._parts, chat)

    def answer(self, request: BoundedRequest) -> Any:
        body = request.content.read()
        identity = self._parts.enter(request, len(body))
        asked = readUIRequest(body)
        topic = self._parts.topic(f"{_TOPIC}{asked.id}", identity)
        self._parts.permit(identity, Action.PUBLISH, topic)
        model = self._parts.models.find(identity.project, asked.model)
        wanted = makeChatRequest(makeMessages(asked.messages), readParameters(body))
        pump = Pump(self._parts.clock, request, ChatFormat())
        return Deferred.fromCoroutine(self._begin(identity, topic, model, asked, wanted, pump))

    async def _begin(
        self,
        identity: Identity,
        topic: Topic,
        model: IModel,
        asked: UIRequest,
        wanted: ChatRequest,
        pump: Pump,
    ) -> Any:
        parts, following = self._parts, None
        try:
            following = await parts.watches.join(identity, topic, pump.changed)
            following.followLast()
            key = _keyOf(asked)
            if not (following.isHere and _metaOf(following).get("request") == key):
                # A request that came before, and whose answer was lost, is not asked again.
                last = asked.messages[-1]
                messageId = last.id if last.role == "assistant" else f"msg-{parts.newId()}"
                terms = termsOf(identity, {"messageId": messageId, "request": key})
                started = await parts.relays.start(topic, terms, model, wanted, alone=True)
                following.follow(started.stream)
        except BaseException:
            if following is not None:
                following.leave()
            pump.abandon()
            raise
        return pump.start(following, x_aerostack_stream=following.stream)


def _keyOf(asked: UIRequest) -> str:
    """What a request is known by, if it comes again."""
    return f"{asked.trigger}:{asked.messages[-1].id}:{len(asked.messages)}"


def _metaOf(following: Following) -> dict[str, Any]:
    meta = following.head.get("meta")
    return meta if isinstance(meta, dict) else {}


class _ChatResource(JSONResource):
    """
    A resource of one chat.
    """

    cors = True
    corsHeaders = ChatsResource.corsHeaders
    corsExposed = ChatsResource.corsExposed

    def __init__(self, parts: StreamParts, chat: str) -> None:
        """
        @param chat: The chat's id.
        """
        super().__init__()
        self._parts = parts
        self._chat = chat

    def originAllowed(self, origin: str) -> bool:
        return self._parts.authenticator.originAllowed(origin)

    def _topic(self, identity: Identity) -> Topic:
        return self._parts.topic(f"{_TOPIC}{self._chat}", identity)


class ChatStreamResource(_ChatResource):
    """
    The answer that runs in a chat, from its beginning.
    """

    def answer(self, request: BoundedRequest) -> Any:
        identity = self._parts.enter(request)
        topic = self._topic(identity)
        pump = Pump(self._parts.clock, request, ChatFormat())
        return Deferred.fromCoroutine(self._watch(identity, topic, pump))

    async def _watch(self, identity: Identity, topic: Topic, pump: Pump) -> Any:
        try:
            following = await self._parts.watches.join(identity, topic, pump.changed)
        except BaseException:
            pump.abandon()
            raise
        following.followLast()
        if not following.isHere:
            following.leave()
            pump.abandon()
            return 204, None
        return pump.start(following, x_aerostack_stream=following.stream)


class _Stop(msgspec.Struct):
    stream: str | None = None
    messageId: str | None = None


_stops = msgspec.json.Decoder(_Stop)


class ChatStopResource(_ChatResource):
    """
    Stops the answer that runs in a chat.
    """

    methods = ("POST",)

    def answer(self, request: BoundedRequest) -> Any:
        body = request.content.read()
        identity = self._parts.enter(request, len(body))
        try:
            meant = _stops.decode(body or b"{}")
        except (msgspec.MsgspecError, UnicodeDecodeError):
            raise RealtimeError(
                "invalid_arguments", "Send nothing, or an object with stream or messageId."
            ) from None
        return Deferred.fromCoroutine(self._stop(identity, self._topic(identity), meant))

    async def _stop(self, identity: Identity, topic: Topic, meant: _Stop) -> Any:
        following = await self._parts.watches.join(identity, topic, lambda: None)
        try:
            following.followLast()
            if not following.isHere:
                return 204, None
            if meant.stream not in (None, following.stream):
                # It has ended; another one runs now.
                return 204, None
            if meant.messageId not in (None, messageIdOf(following)):
                return 204, None
            streams = self._parts.streams
            mayCancel(identity, await streams.find(identity.project, following.stream))
            ended = await streams.cancel(identity.project, following.stream, identity.userId)
            return 200, {"stream": ended.stream, "state": ended.state, "kept": ended.kept}
        finally:
            following.leave()
