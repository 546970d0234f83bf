"""
Who is subscribed to what.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterator, Mapping
from typing import Generic, TypeVar

from aerostack.core.filters import Filter

S = TypeVar("S", bound=Hashable)


class Registry(Generic[S]):
    """
    Topics and their subscribers, both ways; joining and leaving cost the same
    whatever the topic's size.
    """

    def __init__(self) -> None:
        self._topics: dict[str, dict[S, Filter | None]] = {}
        self._subscribers: dict[S, dict[str, None]] = {}

    def subscribe(self, subscriber: S, topic: str, filter: Filter | None = None) -> bool:
        """
        Subscribe somebody to a topic, or give a subscription another filter.

        @return: Whether the subscription is new.
        """
        subscribers = self._topics.setdefault(topic, {})
        new = subscriber not in subscribers
        subscribers[subscriber] = filter
        self._subscribers.setdefault(subscriber, {})[topic] = None
        return new

    def unsubscribe(self, subscriber: S, topic: str) -> bool:
        """
        End a subscription.

        @return: Whether there was one.
        """
        topics = self._subscribers.get(subscriber)
        if topics is None or topic not in topics:
            return False
        del topics[topic]
        if not topics:
            del self._subscribers[subscriber]
        subscribers = self._topics[topic]
        del subscribers[subscriber]
        if not subscribers:
            del self._topics[topic]
        return True

    def subscribers(self, topic: str) -> Mapping[S, Filter | None]:
        """
        The subscribers of a topic, those who came first first, with their filters.
        """
        return self._topics.get(topic, {})

    def topicsOf(self, subscriber: S) -> Collection[str]:
        """
        The topics of a subscriber, in the order in which they were subscribed.
        """
        return tuple(self._subscribers.get(subscriber, ()))

    def count(self, subscriber: S) -> int:
        """
        How many topics somebody is subscribed to.
        """
        return len(self._subscribers.get(subscriber, ()))

    def __contains__(self, topic: str) -> bool:
        return topic in self._topics

    def __iter__(self) -> Iterator[str]:
        return iter(self._topics)

    def __len__(self) -> int:
        return len(self._topics)
