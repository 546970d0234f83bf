"""
Lets the answer of a model become a token stream.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from aerostack.core.access.permissions import Identity
from aerostack.core.answers.answer import (
    ABORTED,
    DONE,
    LIMIT,
    OWNER,
    PUBLISHERS,
    RESTART,
    UPSTREAM,
    End,
    Terms,
)
from aerostack.core.answers.growth import Grown, Growth
from aerostack.core.answers.outcome import Outcome
from aerostack.core.answers.requests import (
    RELAY,
    Append,
    Operation,
    Put,
    Started,
    StartRequest,
    Stop,
)
from aerostack.core.answers.units import units
from aerostack.core.topics.topics import Topic
from aerostack.errors import RealtimeError
from aerostack.interfaces.models import IModel, IReply, IReplyReceiver
from aerostack.interfaces.streams import IStreams
from aerostack.protocol.chatrequests import ChatRequest
from aerostack.protocol.codec import encodeValue

BEATS = 3
"""How many signs of life the daemon gives in one lease, while the model says nothing."""


def termsOf(identity: Identity, meta: Mapping[str, Any]) -> Terms:
    """
    The terms of a stream that a client has asked for.

    @param meta: What the stream says of itself.
    """
    # Without a name the client could not stop its own stream.
    cancel = PUBLISHERS if identity.userId is None else OWNER
    return Terms(identity.userId, cancel, meta=encodeValue(meta))


class Relays:
    """
    Asks models for streams.
    """

    def __init__(self, clock: IReactorTime, streams: IStreams, newId: Callable[[], str]) -> None:
        """
        @param newId: Makes an id; each call gives another.
        """
        self._clock = clock
        self._streams = streams
        self._newId = newId

    async def start(
        self,
        topic: Topic,
        terms: Terms,
        model: IModel,
        request: ChatRequest,
        alone: bool = False,
        stream: str | None = None,
    ) -> Started:
        """
        Begin a stream with the answer of a model.  The daemon is its producer.

        @param alone: Whether it may not begin while another stream of the topic runs.
        @param stream: The stream's id; L{None} for a new one.
        @return: When the stream has begun.
        @raise RealtimeError: The stream cannot begin, or the model has too much to do.
        """
        terms = replace(terms, unwatched=model.unwatched)
        asked = StartRequest(terms, stream, f"{RELAY}{self._newId()}", takeover=False, alone=alone)
        relay = _Relay(self._clock, self._streams, topic.project)
        started: Started = await self._streams.start(topic, asked, relay.stopped)
        relay.begin(started, model, request)
        return started


@implementer(IReplyReceiver)
class _Relay:
    """
    Passes one answer on.
    """

    log = Logger()

    def __init__(self, clock: IReactorTime, streams: IStreams, project: str) -> None:
        self._streams = streams
        self._project = project
        self._started: Started | None = None
        self._reply: IReply | None = None
        self._isOver = False
        self._lengths: dict[str, int] = {}
        self._beating = LoopingCall(self._beat)
        self._beating.clock = clock

    def begin(self, started: Started, model: IModel, request: ChatRequest) -> None:
        """
        Ask the model.

        @raise RealtimeError: The model has too much to do; the stream has ended.
        """
        self._started = started
        if self._isOver:
            return
        try:
            self._reply = model.ask(request, self)
        except RealtimeError:
            self._end(End(ABORTED, UPSTREAM))
            raise
        self._beating.start(started.lease / 1000 / BEATS, now=False)

    def stopped(self, stop: Stop) -> None:
        """
        Let the model go, because the stream has ended or has another producer.
        """
        self._leave()

    # IReplyReceiver

    def grown(self, growths: Sequence[Growth]) -> None:
        if self._started is None or self._isOver:
            return
        operations = [self._operation(growth) for growth in growths]
        self._tell(self._streams.append, operations).addErrback(self._refused)

    def ended(self, outcome: Outcome) -> None:
        error = outcome.error
        if error is None:
            end = End(DONE, outcome.reason, None, outcome.usage)
        else:
            isStopping = error.code == "shutting_down"
            end = End(ABORTED, RESTART if isStopping else UPSTREAM)
        self._end(end)

    def _operation(self, growth: Growth) -> Operation:
        if isinstance(growth, Grown):
            at = self._lengths.get(growth.part, 0)
            self._lengths[growth.part] = at + units(growth.text)
            return Append(growth.part, growth.kind, at, growth.text)
        fields = {name: encodeValue(each) for name, each in growth.value.items() if name != "call"}
        return Put(growth.part, growth.kind, fields)

    def _end(self, end: End) -> None:
        if not self._isOver:
            self._leave()
            self._tell(self._streams.end, end).addErrback(self._gone)

    def _beat(self) -> None:
        self._tell(self._streams.beat).addErrback(self._refused)

    def _tell(self, call: Callable[..., Deferred[object]], *args: object) -> Deferred[object]:
        assert self._started is not None, "the stream has begun"
        return call(self._project, self._started.stream, self._started.epoch, *args)

    def _refused(self, failure: Failure) -> None:
        """Let the model go, because the stream does not take its answer."""
        if self._isOver:
            return
        error = failure.value
        if isinstance(error, RealtimeError) and error.code in ("stream_ended", "stream_fenced"):
            self._leave()
            return
        if isinstance(error, RealtimeError) and error.code == "too_large":
            self.log.warn("the answer of a model is cut off: {error}", error=error.message)
            self._end(End(ABORTED, LIMIT))
            return
        self.log.failure("the answer of a model cannot be passed on", failure)
        self._end(End(ABORTED, UPSTREAM))

    def _gone(self, failure: Failure) -> None:
        """The stream ends with its lease, if it has not ended."""
        if not failure.check(RealtimeError):
            self.log.failure("a stream cannot be ended", failure)

    def _leave(self) -> None:
        self._isOver = True
        if self._beating.running:
            self._beating.stop()
        if self._reply is not None:
            self._reply.cancel()
