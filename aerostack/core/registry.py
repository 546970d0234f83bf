"""
Who is subscribed to what.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterator, Mapping
from typing import Generic, TypeVar

from aerostack.core.filters import Filter

S = TypeVar("S", bound=Hashable)


class _Members(Generic[S]):
    """
    The subscribers of one topic.
    """

    __slots__ = ("filters", "groups")

    def __init__(self) -> None:
        self.filters: dict[S, Filter | None] = {}
        # What a publication goes through; made when one comes, not when somebody joins.
        self.groups: Mapping[Filter | None, tuple[S, ...]] | None = None


class Registry(Generic[S]):
    """
    Topics and their subscribers, both ways; joining and leaving cost the same
    whatever the topic's size.
    """

    def __init__(self) -> None:
        self._topics: dict[str, _Members[S]] = {}
        self._subscribers: dict[S, dict[str, None]] = {}

    def subscribe(self, subscriber: S, topic: str, filter: Filter | None = None) -> bool:
        """
        Subscribe somebody to a topic, or give a subscription another filter.

        @return: Whether the subscription is new.
        """
        members = self._topics.get(topic)
        if members is None:
            members = self._topics[topic] = _Members()
        new = subscriber not in members.filters
        members.filters[subscriber] = filter
        members.groups = None
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
        members = self._topics[topic]
        del members.filters[subscriber]
        members.groups = None
        if not members.filters:
            del self._topics[topic]
        return True

    def subscribers(self, topic: str) -> Mapping[S, Filter | None]:
        """
        The subscribers of a topic, those who came first first, with their filters.
        """
        members = self._topics.get(topic)
        return {} if members is None else members.filters

    def groups(self, topic: str) -> Mapping[Filter | None, tuple[S, ...]]:
        """
        The subscribers of a topic by their filters, those who came first first.

        As long as nobody joins or leaves, every call gives the same objects.
        """
        members = self._topics.get(topic)
        if members is None:
            return {}
        if members.groups is None:
            members.groups = _grouped(members.filters)
        return members.groups

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


def _grouped(filters: Mapping[S, Filter | None]) -> Mapping[Filter | None, tuple[S, ...]]:
    found = set(filters.values())
    if len(found) == 1:
        # As with every topic but a table's.
        return {found.pop(): tuple(filters)}
    groups: dict[Filter | None, list[S]] = {}
    for subscriber, filter in filters.items():
        groups.setdefault(filter, []).append(subscriber)
    return {filter: tuple(members) for filter, members in groups.items()}
