"""
The topics that a client uses, and those of them that have a frame to send.
"""

from __future__ import annotations

from collections.abc import Iterator

from aerostack.client.frames import Head
from aerostack.client.names import keyOf, pathOf
from aerostack.client.topic import Topic


class Topics:
    """
    The topics in use of one client.
    """

    def __init__(self) -> None:
        # The topics by L{keyOf}, and in the order in which they send, those with a frame to send.
        self._topics: dict[str, Topic] = {}
        self._pending: dict[Topic, None] = {}

    def __iter__(self) -> Iterator[Topic]:
        """All topics in use now; the caller may touch topics meanwhile."""
        return iter(tuple(self._topics.values()))

    def touch(self, topic: Topic) -> None:
        """
        Look again whether a topic has a frame to send, and whether it is in use.
        """
        if topic.pending:
            self._pending[topic] = None
        if topic.idle:
            self._topics.pop(topic.key, None)
        else:
            self._topics[topic.key] = topic

    def review(self) -> None:
        """
        Look at every topic for a frame to send.
        """
        self._pending = dict.fromkeys(self._topics.values())

    def next(self) -> bytes | None:
        """
        Give the next frame to send; L{None} if no topic has one.
        """
        while self._pending:
            topic = next(iter(self._pending))
            payload = topic.next()
            if payload is not None:
                return payload
            del self._pending[topic]
            self.touch(topic)
        return None

    def find(self, name: str, projectId: str | None, view: str | None = None) -> Topic | None:
        """
        Find the topic of a frame.

        @param name: The topic as the daemon names it.
        @param projectId: The client's project, if the client knows it.
        @param view: The name of the subscription, if it has one.
        """
        # A client that does not know its project takes what stands last for the project.
        paths = (pathOf(name, projectId), name.rpartition("/")[0])
        found = (self._topics.get(keyOf(path, view)) for path in paths)
        return next((topic for topic in found if topic is not None), None)

    def findRefused(self, head: Head, projectId: str | None) -> Topic | None:
        """
        Find the topic that a refusal is about.

        @param projectId: The client's project, if the client knows it.
        """
        topic = self.find(head.topic, projectId, head.view) if head.topic else None
        if topic is None and head.request in ("subscribe", "unsubscribe"):
            # The daemon repeats only the beginning of a topic that is too long, and nothing of
            # one that it cannot read.
            beginning = head.topic or ""
            asking = [
                each
                for each in self._topics.values()
                if each.asking and each.name.startswith(beginning)
            ]
            return asking[0] if len(asking) == 1 else None
        return topic
