"""
The chats of C{useChat}, the hook of the AI SDK, over HTTP.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from twisted.internet.defer import Deferred
from twisted.web.resource import Resource
from twisted.web.server import Request

from aerostack.core.access.permissions import Identity
from aerostack.errors import RealtimeError
from aerostack.net.http.base import JSONResource, NotFoundResource
from aerostack.net.http.formats import ChatFormat
from aerostack.net.http.pump import Pump
from aerostack.net.http.requests import BoundedRequest
from aerostack.net.http.streams import StreamParts
from aerostack.protocol.chatrequests import readParameters
from aerostack.protocol.uimessages import UIRequest, readUIRequest
from aerostack.sessions.chats import Chats


class _ChatResource(JSONResource):
    """
    What the resources of chats share.
    """

    cors = True
    corsHeaders = (*JSONResource.corsHeaders, "x-aerostack-project", "user-agent")
    corsExposed = ("x-aerostack-stream",)

    def __init__(self, parts: StreamParts, chats: Chats) -> None:
        super().__init__()
        self._parts = parts
        self._chats = chats

    def originAllowed(self, origin: str) -> bool:
        return self._parts.authenticator.originAllowed(origin)


class ChatsResource(_ChatResource):
    """
    C{/api/ai/chat}: a request begins an answer, and gets it as a stream.  A WebSocket can be opened
    here, too.
    """

    isLeaf = False
    methods = ("GET", "POST")

    def __init__(self, parts: StreamParts, chats: Chats, opening: JSONResource) -> None:
        """
        @param opening: Opens WebSockets.
        """
        super().__init__(parts, chats)
        self._opening = opening
        self.upgrader = opening.upgrader

    def getChild(self, path: bytes, request: Request) -> Resource:
        chat = path.decode("utf-8", "replace")
        kind = {b"stream": ChatStreamResource, b"stop": ChatStopResource}.get(
            b"/".join(request.postpath or ())
        )
        if kind is None or not chat:
            return NotFoundResource()
        request.prepath += request.postpath  # type: ignore[operator]
        request.postpath = []
        return kind(self._parts, self._chats, chat)

    def answer(self, request: BoundedRequest) -> Any:
        if request.method != b"POST":
            return self._opening.answer(request)
        body = request.content.read()
        identity = self._parts.enter(request, len(body))
        asked = readUIRequest(body)
        pump = self._parts.pump(identity, request, ChatFormat())
        return Deferred.fromCoroutine(self._begin(identity, asked, readParameters(body), pump))

    async def _begin(
        self, identity: Identity, asked: UIRequest, params: Mapping[str, bytes], pump: Pump
    ) -> Any:
        try:
            following = await self._chats.ask(identity, asked, params, pump.changed)
        except BaseException:
            pump.abandon()
            raise
        return pump.start(following, x_aerostack_stream=following.stream)


class _OneChatResource(_ChatResource):
    """
    A resource of one chat.
    """

    def __init__(self, parts: StreamParts, chats: Chats, chat: str) -> None:
        """
        @param chat: The chat's id.
        """
        super().__init__(parts, chats)
        self._chat = chat


class ChatStreamResource(_OneChatResource):
    """
    The answer that runs in a chat, from its beginning.
    """

    def answer(self, request: BoundedRequest) -> Any:
        identity = self._parts.enter(request)
        pump = self._parts.pump(identity, request, ChatFormat())
        return Deferred.fromCoroutine(self._watch(identity, pump))

    async def _watch(self, identity: Identity, pump: Pump) -> Any:
        try:
            following = await self._chats.resume(identity, self._chat, pump.changed)
        except BaseException:
            pump.abandon()
            raise
        if following is None:
            pump.abandon()
            return 204, None
        return pump.start(following, x_aerostack_stream=following.stream)


class _Stop(msgspec.Struct):
    stream: str | None = None
    messageId: str | None = None


_stops = msgspec.json.Decoder(_Stop)


class ChatStopResource(_OneChatResource):
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
        return Deferred.fromCoroutine(self._stop(identity, meant))

    async def _stop(self, identity: Identity, meant: _Stop) -> Any:
        ended = await self._chats.stop(identity, self._chat, meant.stream, meant.messageId)
        if ended is None:
            return 204, None
        return 200, {"stream": ended.stream, "state": ended.state, "kept": ended.kept}
