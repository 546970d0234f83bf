"""
Publishes at the hub what the clients of workers publish.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

from msgspec import Raw
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from aerostack.core.diagnosis.tracing import Span, Tracer
from aerostack.core.topics.topics import topicOf
from aerostack.interfaces.publishing import IPublisher
from aerostack.workers.hub.links import Link
from aerostack.workers.messages.publishing import (
    Accepted,
    PublishChat,
    PublishEvent,
    Traced,
    accepted,
)

T = TypeVar("T")


class WorkerPublications:
    """
    Passes what workers want published to the hub's publisher, in the order in which it comes.

    @ivar handlers: See L{aerostack.workers.hub}.
    @ivar linksOf: Gives the workers to which a topic's publications are sent before they are
        accepted; none if they come over an engine.
    """

    def __init__(
        self,
        publisher: IPublisher,
        tracer: Tracer | None = None,
    ) -> None:
        """
        @param tracer: Traces what workers trace; L{None} if nothing is traced.
        """
        self.linksOf: Callable[[str], Iterable[Link]] = lambda topic: ()
        self._publisher = publisher
        self._tracer = tracer
        self.handlers: Mapping[type, Callable[[Link, Any], Any]] = {
            PublishEvent: self._publish,
            PublishChat: self._chat,
        }

    def _publish(self, link: Link, message: PublishEvent) -> Accepted | Deferred[Accepted]:
        span = self._begin(message)
        entered: Deferred[Any] | None = self._publisher.publish(
            topicOf(message.topic),
            message.event,
            message.data,
            message.userId,
            message.persist,
            message.repeatKey,
            message.publishId,
            message.publisher,
            message.replaces,
            message.key,
            message.condition,
        )
        return self._answer(link, message, span, entered)

    def _chat(self, link: Link, message: PublishChat) -> Accepted | Deferred[Accepted]:
        metadata = message.metadata
        span = self._begin(message)
        entered: Deferred[Any] | None = self._publisher.chat(
            topicOf(message.topic),
            message.text,
            None if metadata is None else {name: Raw(value) for name, value in metadata.items()},
            message.userId,
            message.repeatKey,
            message.publishId,
            message.publisher,
        )
        return self._answer(link, message, span, entered)

    def _begin(self, message: PublishEvent | PublishChat) -> Span | None:
        """Begin the hub's part of a publication that is traced."""
        if self._tracer is None or message.trace is None:
            return None
        return self._tracer.part("place", message.trace)

    def _answer(
        self,
        link: Link,
        message: PublishEvent | PublishChat,
        span: Span | None,
        entered: Deferred[Any] | None,
    ) -> Accepted | Deferred[Accepted]:
        if span is not None:
            self._follow(span, link, message, entered)
        return accepted(None) if entered is None else entered.addCallback(accepted)

    def _follow(
        self,
        span: Span,
        link: Link,
        message: PublishEvent | PublishChat,
        entered: Deferred[Any] | None,
    ) -> None:
        """Trace a publication until it has its place and is on its way to the workers."""

        def placed(result: T) -> T:
            span.ended()
            self._pass(link, message)
            return result

        def failed(failure: Failure) -> Failure:
            span.failed(failure.getErrorMessage())
            return failure

        if entered is None:
            placed(None)
        else:
            entered.addCallbacks(placed, failed)

    def _pass(self, link: Link, message: PublishEvent | PublishChat) -> None:
        """Have the other workers trace what they have been sent; the one at C{link} does so."""
        assert message.trace is not None, "it is traced"
        for other in self.linksOf(message.topic):
            if other is not link:
                other.send(Traced(message.topic, message.trace))
