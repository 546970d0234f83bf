"""
Which workers have attached which topics, and how far each is behind with sending.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, KeysView
from itertools import islice

from twisted.internet.interfaces import IReactorTime

from aerostack.workers.hub.links import Link
from aerostack.workers.messages.logs import Behind

PIECE = 1000
"""How many topics of a lost worker are detached in one turn."""


class WorkerTopics:
    """
    The topics that workers have attached.
    """

    def __init__(self, clock: IReactorTime, left: Callable[[str], object]) -> None:
        """
        @param left: Is called with a topic when the last worker has left it.
        """
        self._clock = clock
        self._left = left
        # By topic, the links of the workers that have attached it.
        self._links: dict[str, tuple[Link, ...]] = {}
        self._topics: dict[Link, set[str]] = {}
        # By topic and link, how many bytes the worker has still to send to subscribers, if many.
        self._behind: dict[str, dict[Link, int]] = {}

    @property
    def attached(self) -> KeysView[str]:
        """The canonical topics that workers have attached, now and later."""
        return self._links.keys()

    def __contains__(self, topic: object) -> bool:
        return topic in self._links

    def links(self, topic: str) -> tuple[Link, ...]:
        """
        The workers that have attached a topic.
        """
        return self._links.get(topic, ())

    def add(self, link: Link, topic: str) -> None:
        """
        Note that a worker has attached a topic.
        """
        self._links[topic] = (*self._links.get(topic, ()), link)
        self._topics.setdefault(link, set()).add(topic)

    def remove(self, link: Link, topic: str) -> None:
        """
        Note that a worker has detached a topic, if it had attached the topic.
        """
        topics = self._topics.get(link)
        if topics is not None and topic in topics:
            topics.remove(topic)
            self._leave(link, topic)

    def noteBehind(self, link: Link, message: Behind) -> None:
        """
        Note how many bytes of a topic a worker has still to send.
        """
        topic = message.topic
        if message.size and link in self.links(topic):
            self._behind.setdefault(topic, {})[link] = message.size
        else:
            self._catchUp(link, topic)

    def backlog(self, topic: str) -> int:
        """
        How many bytes the worker has still to take, or to send to the topic's subscribers, that
        is furthest behind of those concerned.
        """
        links = self._links.get(topic)
        if links is None:
            return 0
        behind = self._behind.get(topic)
        if behind is None:
            return max([link.unread for link in links])
        return max(link.unread + behind.get(link, 0) for link in links)

    def _catchUp(self, link: Link, topic: str) -> None:
        """Note that a worker is not behind on a topic any more."""
        behind = self._behind.get(topic)
        if behind is not None and behind.pop(link, None) is not None and not behind:
            del self._behind[topic]

    # Workers that go

    def lost(self, link: Link) -> None:
        """
        Detach all topics of a worker that is gone, some in each turn.
        """
        self._forget(self._leaving(link, self._topics.pop(link, set())))

    def _forget(self, leaving: Iterator[None]) -> None:
        if next(leaving, True) is None:
            self._clock.callLater(0, self._forget, leaving)

    def _leaving(self, link: Link, topics: set[str]) -> Iterator[None]:
        rest = iter(topics)
        while some := tuple(islice(rest, PIECE)):
            for topic in some:
                self._leave(link, topic)
            yield

    def _leave(self, link: Link, topic: str) -> None:
        left = tuple(each for each in self._links[topic] if each is not link)
        self._catchUp(link, topic)
        if left:
            self._links[topic] = left
        else:
            del self._links[topic]
            self._left(topic)
