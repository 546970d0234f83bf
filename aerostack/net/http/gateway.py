"""
The gateway to the models, for programs that speak to OpenAI or to those who follow it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from twisted.internet.defer import Deferred
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Request
from zope.interface import implementer

from aerostack.core.access.permissions import Action, Identity
from aerostack.core.answers.growth import Grown, Growth
from aerostack.core.answers.outcome import Outcome
from aerostack.core.topics.topics import Topic
from aerostack.errors import RealtimeError
from aerostack.interfaces.models import IModel, IReply, IReplyReceiver
from aerostack.net.http.base import JSONResource, NotFoundResource
from aerostack.net.http.eventstream import EventStream
from aerostack.net.http.formats import CompletionFormat, errorOf
from aerostack.net.http.pump import Collector, Pump
from aerostack.net.http.requests import BoundedRequest, headerOf
from aerostack.net.http.streams import StreamParts
from aerostack.protocol import sse
from aerostack.protocol.chatrequests import ChatRequest, readChatRequest
from aerostack.protocol.codec import encodeValue
from aerostack.protocol.completions import CompletionWriter
from aerostack.sessions.longrequests import LongRequests
from aerostack.streams.relaying import termsOf

MOST = 4_194_304
"""How many characters an answer has at the most, for a client that wants it whole."""

_PATH = [b"v1", b"chat", b"completions"]


# What OpenAI's own client sends from a browser.
_OPENAI = (
    *("user-agent", "openai-organization", "openai-project"),
    *("x-stainless-arch", "x-stainless-async", "x-stainless-custom-poll-interval"),
    *("x-stainless-helper-method", "x-stainless-lang", "x-stainless-os"),
    *("x-stainless-package-version", "x-stainless-poll-helper", "x-stainless-retry-count"),
    *("x-stainless-runtime", "x-stainless-runtime-version", "x-stainless-timeout"),
)


class GatewayResource(Resource):
    """
    Everything under C{/api/gateway}: for each model, its chat completions.
    """

    def __init__(self, parts: StreamParts) -> None:
        super().__init__()
        self._parts = parts

    def getChild(self, path: bytes, request: Request) -> Resource:
        if request.postpath != _PATH:
            return NotFoundResource()
        request.prepath += request.postpath  # type: ignore[operator]
        request.postpath = []
        return CompletionsResource(self._parts, path.decode("utf-8", "replace"))

    def render(self, request: BoundedRequest) -> Any:
        return NotFoundResource().render(request)


class CompletionsResource(JSONResource):
    """
    The chat completions of one model.
    """

    methods = ("POST",)
    cors = True
    corsHeaders = (
        *JSONResource.corsHeaders,
        *("x-aerostack-project", "x-aerostack-topic"),
        *_OPENAI,
    )
    corsExposed = ("x-aerostack-stream",)

    def __init__(self, parts: StreamParts, model: str) -> None:
        """
        @param model: The name of the model in the path.
        """
        super().__init__()
        self._parts = parts
        self._model = model

    def originAllowed(self, origin: str) -> bool:
        return self._parts.authenticator.originAllowed(origin)

    def errorBody(self, error: RealtimeError) -> Any:
        return errorOf(error)

    def answer(self, request: BoundedRequest) -> Any:
        parts = self._parts
        body = request.content.read()
        identity = parts.enter(request, len(body))
        model = parts.models.find(identity.project, self._model)
        asked = readChatRequest(body)
        writer = CompletionWriter(f"chatcmpl-{parts.newId()}", self._model, int(parts.wall()))
        name = headerOf(request, "x-aerostack-topic")
        if name is not None:
            topic = parts.topic(name, identity)
            parts.permit(identity, Action.PUBLISH, topic)
            reader: Pump | Collector
            if asked.stream:
                reader = parts.pump(identity, request, CompletionFormat(writer, asked.wantsUsage))
            else:
                reader = Collector(parts.requests, identity, request, writer)
            return Deferred.fromCoroutine(self._publish(identity, topic, model, asked, reader))
        if asked.stream:
            return _Streamed(parts.requests, identity, request, writer, model, asked).done
        return _Whole(parts.requests, identity, request, writer, model, asked).done

    async def _publish(
        self,
        identity: Identity,
        topic: Topic,
        model: IModel,
        asked: ChatRequest,
        reader: Pump | Collector,
    ) -> Any:
        """Let all subscribers of a topic get the answer, the requester as one of them."""
        parts, following = self._parts, None
        try:
            following = await parts.watches.join(identity, topic, reader.changed)
            terms = termsOf(identity, {"model": self._model})
            started = await parts.relays.start(topic, terms, model, asked)
            following.follow(started.stream)
        except BaseException:
            if following is not None:
                following.leave()
            reader.abandon()
            raise
        answered = reader.start(following, x_aerostack_stream=following.stream)
        return await answered if isinstance(answered, Deferred) else answered


@implementer(IReplyReceiver)
class _Whole:
    """
    Collects an answer for a client that wants it whole.

    @ivar done: Fires with the status and the body.
    """

    def __init__(
        self,
        requests: LongRequests,
        identity: Identity,
        request: BoundedRequest,
        writer: CompletionWriter,
        model: IModel,
        asked: ChatRequest,
    ) -> None:
        self.done: Deferred[tuple[int, Any]] = Deferred()
        self._writer = writer
        self._size = 0
        self._reply: IReply = model.ask(asked, self)
        self._admitted = requests.enter(identity, self._refuse)
        request.notifyFinish().addErrback(lambda _: self._lost())

    def grown(self, growths: Sequence[Growth]) -> None:
        for growth in growths:
            self._writer.write(growth)
        self._size += _textOf(growths)
        if self._size > MOST:
            self._refuse(_tooLarge())

    def _refuse(self, error: RealtimeError) -> None:
        """Let the model go, and answer with an error."""
        self._lost()
        self.done.errback(error)

    def _lost(self) -> None:
        self._admitted.leave()
        self._reply.cancel()

    def ended(self, outcome: Outcome) -> None:
        self._admitted.leave()
        if outcome.error is None:
            self.done.callback((200, self._writer.whole(outcome.reason, outcome.usage)))
        else:
            self.done.errback(outcome.error)


@implementer(IReplyReceiver)
class _Streamed:
    """
    Passes an answer on to a client, as fast as the client reads it.

    @ivar done: Fires when the answer has begun.
    """

    def __init__(
        self,
        requests: LongRequests,
        identity: Identity,
        request: BoundedRequest,
        writer: CompletionWriter,
        model: IModel,
        asked: ChatRequest,
    ) -> None:
        self.done: Deferred[int] = Deferred()
        self._size = 0
        self._writer = writer
        self._wantsUsage = asked.wantsUsage
        self._reply: IReply = model.ask(asked, self)
        reply = self._reply
        self._admitted = requests.enter(identity, self._refuse)
        self._stream = EventStream(
            requests.clock, request, self._begin, self._lost, reply.pause, reply.resume
        )

    def _begin(self) -> None:
        self.done.callback(NOT_DONE_YET)

    def grown(self, growths: Sequence[Growth]) -> None:
        self._size += _textOf(growths)
        if self._size > MOST:
            self._refuse(_tooLarge())
            return
        self._send([chunk for growth in growths for chunk in self._writer.write(growth)])

    def ended(self, outcome: Outcome) -> None:
        if outcome.error is not None:
            self._fail(outcome.error)
            return
        self._admitted.leave()
        self._send(self._writer.finish(outcome.reason, outcome.usage, self._wantsUsage))
        self._stream.write(sse.writeEvent(sse.DONE.encode()))
        self._stream.finish()

    def _lost(self) -> None:
        # The client alone gets the answer, so the daemon drops the rest once the client is gone.
        self._admitted.leave()
        self._reply.cancel()

    def _refuse(self, error: RealtimeError) -> None:
        """Let the model go, because the client is to get no more."""
        self._reply.cancel()
        self._fail(error)

    def _fail(self, error: RealtimeError) -> None:
        self._admitted.leave()
        if self._stream.hasBegun:
            # Without the last event the client knows that the answer is not whole.
            self._send([errorOf(error)])
            self._stream.finish()
        else:
            self._stream.abandon()
            self.done.errback(error)

    def _send(self, values: Sequence[Any]) -> None:
        self._stream.begin()
        self._stream.write(b"".join(sse.writeEvent(encodeValue(value)) for value in values))


def _textOf(growths: Sequence[Growth]) -> int:
    """How many characters an answer has grown by."""
    return sum(len(growth.text) for growth in growths if isinstance(growth, Grown))


def _tooLarge() -> RealtimeError:
    return RealtimeError("too_large", f"The answer has more than {MOST} characters.")
