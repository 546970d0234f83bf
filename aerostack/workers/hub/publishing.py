"""
Publishes at the hub what the clients of workers publish.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from msgspec import Raw
from twisted.internet.defer import Deferred

from aerostack.core.topics.topics import topicOf
from aerostack.interfaces.publishing import IPublisher
from aerostack.workers.hub.links import Link
from aerostack.workers.messages.publishing import Accepted, PublishChat, PublishEvent, accepted


class WorkerPublications:
    """
    Passes what workers want published to the hub's publisher, in the order in which it comes.

    @ivar handlers: See L{aerostack.workers.hub}.
    """

    def __init__(self, publisher: IPublisher) -> None:
        self._publisher = publisher
        self.handlers: Mapping[type, Callable[[Link, Any], Any]] = {
            PublishEvent: self._publish,
            PublishChat: self._chat,
        }

    def _publish(self, link: Link, message: PublishEvent) -> Accepted | Deferred[Accepted]:
        entered: Deferred[Any] | None = self._publisher.publish(
            topicOf(message.topic),
            message.event,
            message.data,
            message.userId,
            message.persist,
            message.repeatKey,
            message.publishId,
            message.publisher,
        )
        return _answer(entered)

    def _chat(self, link: Link, message: PublishChat) -> Accepted | Deferred[Accepted]:
        metadata = message.metadata
        entered: Deferred[Any] | None = self._publisher.chat(
            topicOf(message.topic),
            message.text,
            None if metadata is None else {name: Raw(value) for name, value in metadata.items()},
            message.userId,
            message.repeatKey,
            message.publishId,
            message.publisher,
        )
        return _answer(entered)


def _answer(entered: Deferred[Any] | None) -> Accepted | Deferred[Accepted]:
    return accepted(None) if entered is None else entered.addCallback(accepted)
