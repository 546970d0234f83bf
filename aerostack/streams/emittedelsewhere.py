"""
The events of servers that belong to a token stream of another node.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from twisted.internet.defer import CancelledError, Deferred, fail, gatherResults, succeed
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater
from twisted.logger import Logger
from twisted.python.failure import Failure

from aerostack.core.answers.answer import Answer
from aerostack.core.replay.publications import Publication, Receipt
from aerostack.errors import RealtimeError
from aerostack.interfaces.emittedowners import IEmittedOwners
from aerostack.interfaces.nodes import INodes
from aerostack.protocol.streams import DONE
from aerostack.streams.emitted import Emitted, isStreamEvent
from aerostack.streams.emittedcalls import (
    Emission,
    Emissions,
    EmitCall,
    SentEvent,
    decodeCall,
    decodeEmissions,
    encode,
)

KIND = "em"
"""See L{INodes.serve}."""

ANSWERED = 10.0
"""How many seconds the node that has a stream may take for events.  An end waits for the
database."""

RETRY = 0.1
"""Seconds until the node asks an engine again that did not answer."""

RENEWAL = 30.0
"""After how many seconds a stream's next token tells the engine that this node still has it."""

MOVES = 5
"""How often a node sends events to another one that does not take them, before it refuses them."""

EVENTS = 200
"""How many events one question has at the most."""

EVENT_BYTES = 262_144
"""About how many bytes of events one question has at the most."""


@dataclass(eq=False, slots=True)
class _Waiting:
    """
    An event that waits for its turn.

    @ivar place: Publishes it as an event of its own.
    @ivar isStreamed: Whether it may be a part of a stream.
    """

    publication: Publication
    persist: bool
    place: Callable[[], Any]
    isStreamed: bool
    done: Deferred[Receipt | None] = field(default_factory=Deferred)

    @property
    def size(self) -> int:
        return len(self.publication.data) + 100

    @property
    def sent(self) -> SentEvent:
        """The event as another node gets it."""
        publication = self.publication
        return SentEvent(publication.event, publication.data, publication.timestamp, self.persist)

    def settle(self, result: Deferred[Any] | None) -> None:
        """Give the publisher a result that is there, or will be."""
        if result is None:
            self.done.callback(None)
        else:
            result.chainDeferred(self.done)


class SharedEmitted:
    """
    Lets the events that servers emit at this node belong to the stream of their topic, at whichever
    node that is.  See L{aerostack.hub.publishing.StreamHook}.

    @ivar maxWaiting: How many events of one topic may wait.
    @ivar maxBytes: How many bytes the events of all topics may have that wait.
    """

    log = Logger()
    maxWaiting = 1000
    maxBytes = 16_777_216

    def __init__(
        self,
        clock: IReactorTime,
        run: str,
        emitted: Emitted,
        owners: IEmittedOwners,
        nodes: INodes,
        isGone: Callable[[str], bool],
        patience: float,
    ) -> None:
        """
        @param run: The id of this node's run.
        @param emitted: The streams of this node.
        @param isGone: Tells whether a run of a node counts as dead.
        @param patience: For how many seconds an event may wait for an engine that does not answer.
        """
        self._clock = clock
        self._run = run
        self._emitted = emitted
        self._owners = owners
        self._nodes = nodes
        self._isGone = isGone
        self._patience = patience
        self._queues: dict[str, deque[_Waiting]] = {}
        self._held = 0
        # When the engine was told last that this node has a topic's stream, seconds of the clock.
        self._renewed: dict[str, float] = {}
        self._pauses: set[Deferred[None]] = set()
        nodes.serve(KIND, self._serve)

    def precede(
        self,
        publication: Publication,
        publisher: str | None,
        messageId: str | None,
        place: Callable[[], Any],
    ) -> Deferred[Receipt | None] | None:
        """
        See L{aerostack.hub.publishing.StreamHook}.
        """
        topic, queue = publication.topic, None
        isStreamed = publisher is None and isStreamEvent(publication.event, messageId)
        if publisher is None:
            queue = self._queues.get(topic)
        if queue is None and not (isStreamed and self._isOutside(topic)):
            result = self._emitted.precede(publication, publisher, messageId, place)
            if isStreamed:
                self._renew(topic)
            return result
        waiting = _Waiting(publication, messageId is not None, place, isStreamed)
        if self._held and self._held + waiting.size > self.maxBytes:
            return fail(_unavailable("Too many events wait for other daemons."))
        if queue is not None and len(queue) >= self.maxWaiting:
            return fail(_unavailable("Too many events of the topic wait for another daemon."))
        self._held += waiting.size
        if queue is not None:
            queue.append(waiting)
        else:
            queue = self._queues[topic] = deque([waiting])
            Deferred.fromCoroutine(self._work(topic, queue)).addErrback(self._broken, topic)
        return waiting.done

    def _isOutside(self, topic: str) -> bool:
        """Whether the stream of a topic may be at another node."""
        return not self._emitted.has(topic) and self._emitted.mayBegin(topic)

    def closed(self, answer: Answer) -> None:
        """
        Note that the end of a stream of this node is published.
        """
        if answer.terms.implicit:
            self._disown(answer.topic)

    def stop(self) -> None:
        """
        Refuse the events that wait for the engine, and leave the streams of this node, because the
        daemon stops.
        """
        for pause in tuple(self._pauses):
            pause.cancel()
        for topic in self._renewed:
            self._owners.disown(topic)
        self._renewed.clear()

    def _renew(self, topic: str) -> None:
        """Tell the engine, now and then, that this node has a topic's stream."""
        if self._emitted.has(topic):
            now = self._clock.seconds()
            if now - self._renewed.setdefault(topic, now) >= RENEWAL:
                self._renewed[topic] = now
                self._owners.renew(topic)

    def _disown(self, topic: str) -> None:
        """Let other nodes have a topic's next stream, unless this one is about to have it."""
        if topic in self._renewed and topic not in self._queues and not self._emitted.holds(topic):
            del self._renewed[topic]
            self._owners.disown(topic)

    # The events that wait

    async def _work(self, topic: str, queue: deque[_Waiting]) -> None:
        """Publish the events of a topic, or have them published, one after the other."""
        moves = 0
        while queue:
            first = queue[0]
            if not first.isStreamed or not self._isOutside(topic):
                self._takeHere(self._pop(queue))
                continue
            try:
                owner = await self._ownerFor(first.publication)
                if owner is None:
                    waiting = self._pop(queue)
                    waiting.settle(waiting.place())
                elif owner == self._run:
                    self._takeHere(self._pop(queue))
                elif await self._passOn(owner, topic, queue):
                    moves = 0
                elif (moves := moves + 1) >= MOVES:
                    raise _unavailable("The daemon that has the topic's stream does not take it.")
            except RealtimeError as error:
                moves = 0
                self._pop(queue).done.errback(error)
        del self._queues[topic]
        self._disown(topic)

    def _broken(self, failure: Failure, topic: str) -> None:
        self.log.failure("The events of a topic cannot be emitted.", failure)
        for waiting in self._queues.pop(topic):
            self._held -= waiting.size
            waiting.done.errback(_unavailable("The daemon could not emit the event."))

    def _pop(self, queue: deque[_Waiting]) -> _Waiting:
        waiting = queue.popleft()
        self._held -= waiting.size
        return waiting

    def _takeHere(self, waiting: _Waiting) -> None:
        """Publish an event at this node."""
        result = None
        if waiting.isStreamed:
            result = self._emitted.emit(waiting.publication, waiting.persist)
        else:
            self._emitted.flush(waiting.publication.topic)
        waiting.settle(waiting.place() if result is None else result)

    async def _ownerFor(self, publication: Publication) -> str | None:
        """
        Find the run whose stream an event belongs to; for a token this one, if there is no stream.
        """
        topic, deadline = publication.topic, self._clock.seconds() + self._patience
        while True:
            try:
                if publication.event == DONE:
                    owner = await self._owners.ownerOf(topic)
                    return None if owner == self._run or self._isDead(owner) else owner
                owner = await self._owners.own(topic, None)
                if self._isDead(owner):
                    owner = await self._owners.own(topic, owner)
                if owner == self._run:
                    self._renewed[topic] = self._clock.seconds()
                return owner
            except RealtimeError:
                if self._clock.seconds() >= deadline:
                    raise
            await self._pause()

    def _isDead(self, owner: str | None) -> bool:
        return owner is not None and owner != self._run and self._isGone(owner)

    async def _pause(self) -> None:
        pause: Deferred[None] = deferLater(self._clock, RETRY)
        self._pauses.add(pause)
        try:
            await pause
        except CancelledError:
            raise _unavailable("The daemon stops.") from None
        finally:
            self._pauses.discard(pause)

    async def _passOn(self, owner: str, topic: str, queue: deque[_Waiting]) -> bool:
        """
        Have the node that has a topic's stream take the next events.

        @return: Whether it has; if not, it does not have the stream any more.
        @raise RealtimeError: The node may or may not have taken them.  Only the first event is
            left, for the error; the others of the question have it already.
        """
        batch = _batchOf(queue)
        call = EmitCall(owner, topic, [each.sent for each in batch])
        answers = await self._nodes.ask(KIND, encode(call), ANSWERED)
        for data in answers.values():
            emissions = None if data is None else decodeEmissions(data).all
            if emissions is not None:
                for emission in emissions:
                    self._answered(self._pop(queue), emission)
                return True
        if None not in answers.values():
            return False
        for each in batch[1:]:
            queue.remove(each)
            self._held -= each.size
            each.done.errback(_unknown())
        raise _unknown()

    def _answered(self, waiting: _Waiting, emission: Emission) -> None:
        if emission.isPlain:
            waiting.settle(waiting.place())
            return
        try:
            waiting.done.callback(emission.result)
        except RealtimeError:
            waiting.done.errback(Failure())

    # The events of other nodes

    def _serve(self, data: bytes, timeout: float) -> Deferred[bytes]:
        return Deferred.fromCoroutine(self._take(decodeCall(data)))

    async def _take(self, call: EmitCall) -> bytes:
        topic = call.topic
        if call.owner != self._run:
            return encode(Emissions())
        if not self._emitted.has(topic):
            try:
                owner = await self._owners.own(topic, None)
            except RealtimeError:
                return encode(Emissions())
            if owner != self._run:
                return encode(Emissions())
            self._renewed[topic] = self._clock.seconds()
        emissions = [self._emitHere(each, topic) for each in call.events]
        self._renew(topic)
        self._disown(topic)
        return encode(Emissions(await gatherResults(emissions)))

    def _emitHere(self, sent: SentEvent, topic: str) -> Deferred[Emission]:
        """Let an event of another node be a part of the topic's stream."""
        result = self._emitted.emit(sent.publication(topic), sent.persist)
        if result is None:
            return succeed(Emission(isPlain=True))
        return result.addCallbacks(_emissionOf, _refusalOf)


def _batchOf(queue: deque[_Waiting]) -> list[_Waiting]:
    """The events at the front that one question has."""
    batch: list[_Waiting] = []
    size = 0
    for waiting in queue:
        size += waiting.size
        isMuch = batch and (len(batch) >= EVENTS or size > EVENT_BYTES)
        if isMuch or not waiting.isStreamed:
            break
        batch.append(waiting)
        if waiting.publication.event == DONE:
            # What comes behind it begins another stream, which may be at another node.
            break
    return batch


def _emissionOf(receipt: Receipt | None) -> Emission:
    return Emission(receipt=None if receipt is None else (receipt.id, receipt.createdAt))


def _refusalOf(failure: Failure) -> Emission:
    failure.trap(RealtimeError)
    error: Any = failure.value
    return Emission(code=error.code, message=error.message, retryAfter=error.retryAfter)


def _unavailable(message: str) -> RealtimeError:
    return RealtimeError("engine_unavailable", message, 1000)


def _unknown() -> RealtimeError:
    return _unavailable(
        "The daemon that has the topic's stream did not answer; subscribers may have the event."
    )
