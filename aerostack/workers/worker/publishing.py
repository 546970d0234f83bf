"""
Publishes, over the hub, what clients of a worker publish.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from msgspec import Raw, Struct
from msgspec.structs import replace
from twisted.internet.defer import Deferred, fail
from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure
from zope.interface import implementer

from aerostack.core.keyed.values import Condition
from aerostack.core.replay.publications import Receipt
from aerostack.core.topics.topics import Topic
from aerostack.errors import RealtimeError
from aerostack.hub.measuring import Measuring
from aerostack.interfaces.publishing import IPublisher
from aerostack.workers.channel import ChannelLost
from aerostack.workers.frames import FrameError
from aerostack.workers.messages.publishing import Accepted, PublishChat, PublishEvent, Traced
from aerostack.workers.worker.links import HubLink

MAX_ASKED = 16_777_216
"""How many bytes of publications may wait for the hub's answers."""

MAX_PUBLISHER = 4_194_304
"""How many of them may be those of one client, or those of a project's servers."""

_OVERHEAD = 1024
"""About how many bytes of memory a publication takes beside its data."""


_Publisher = tuple[str | None, str]
"""A connection, L{None} for servers, and the project."""


@implementer(IPublisher)
class RemotePublisher(Measuring):
    """
    Asks the hub to publish.  A publication that was sent to the hub is published, whatever becomes
    of its client or of this process.

    @ivar handlers: See L{aerostack.workers.worker}.
    """

    def __init__(self, clock: IReactorTime, hub: HubLink, kindOf: Callable[[str], str]) -> None:
        """
        @param kindOf: See L{Measuring}.
        """
        super().__init__(clock, kindOf)
        self.handlers: Mapping[type, Callable[[Any], None]] = {Traced: self._traced}
        self._hub = hub
        # How many bytes wait for the hub's answers, of each publisher and of all.
        self._waiting: Counter[_Publisher] = Counter()
        self._size = 0

    def publish(
        self,
        topic: Topic,
        event: str,
        data: bytes,
        userId: str | None,
        persist: bool,
        repeatKey: Any = None,
        publishId: str | None = None,
        publisher: str | None = None,
        replaces: int | None = None,
        key: str | None = None,
        condition: Condition | None = None,
    ) -> Deferred[Receipt | None]:
        """
        See L{IPublisher.publish}.
        """
        question = PublishEvent(
            topic.canonical,
            event,
            data,
            userId,
            persist,
            repeatKey,
            publishId,
            publisher,
            replaces,
            key,
            condition,
        )
        return self._ask(question, topic, len(data), publisher, persist)

    def chat(
        self,
        topic: Topic,
        text: str,
        metadata: Mapping[str, Raw] | None,
        userId: str | None,
        repeatKey: Any = None,
        publishId: str | None = None,
        publisher: str | None = None,
    ) -> Deferred[Receipt | None]:
        """
        See L{IPublisher.chat}.
        """
        values = None if metadata is None else {n: bytes(value) for n, value in metadata.items()}
        question = PublishChat(
            topic.canonical, text, values, userId, repeatKey, publishId, publisher
        )
        # A character has four bytes at the most.
        size = 4 * len(text) + sum(map(len, (values or {}).values()))
        return self._ask(question, topic, size, publisher, True)

    def _ask(
        self, question: Struct, topic: Topic, size: int, connection: str | None, isKept: bool
    ) -> Deferred[Receipt | None]:
        size += _OVERHEAD
        publisher = connection, topic.project
        try:
            self.checkBacklog(topic.canonical)
            self._checkRoom(size, publisher)
        except RealtimeError as error:
            return fail(error)
        times = self.latencies.due()
        began = self._clock.seconds() if times else 0.0
        trace = self._beginTrace(topic.canonical, isKept)
        if trace is not None:
            question = replace(question, trace=trace.parent)
        try:
            asked = self._hub.ask(question, None)
        except FrameError as error:
            self.latencies.skip(times)
            if trace is not None:
                trace.failed(str(error))
            return fail(RealtimeError("too_large", f"This cannot be published: {error}."))
        self._size += size
        self._waiting[publisher] += size
        answered: Deferred[Receipt | None] = asked.addBoth(self._answered, publisher, size)
        if times:
            # The hub sends a publication before it answers, so it has come here already.
            self._measure(answered, topic.canonical, began, times)
        if trace is not None:
            self._follow(trace, answered, topic.canonical)
        return answered

    def _traced(self, message: Traced) -> None:
        """Trace until the clients here have been sent what another worker has published."""
        span = None if self.tracer is None else self.tracer.part("deliver", message.trace)
        if span is not None:
            self._receiver.whenSent((message.topic,), span.ended)

    def _checkRoom(self, size: int, publisher: _Publisher) -> None:
        waiting = self._waiting.get(publisher, 0)
        if self._size + size > MAX_ASKED or (waiting and waiting + size > MAX_PUBLISHER):
            raise RealtimeError("overloaded", "Too much waits to be published.", 1000)

    def _answered(
        self, answer: Accepted | Failure, publisher: _Publisher, size: int
    ) -> Receipt | Failure | None:
        self._size -= size
        self._waiting[publisher] -= size
        if not self._waiting[publisher]:
            del self._waiting[publisher]
        if isinstance(answer, Accepted):
            return answer.receipt
        if answer.check(ChannelLost):
            raise RealtimeError("engine_unavailable", "The daemon's hub is gone.", 1000)
        return answer
