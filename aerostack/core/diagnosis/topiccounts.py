"""
Numbers of events by the kinds of topics.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

WAITING = 1000
"""Of how many topics events are counted before they are counted by kind."""


class TopicCounts:
    """
    Counts events by the kinds of their topics.

    An event is counted by its topic, which takes one look into a dictionary.  The object finds the
    kinds when a reader asks, or when there are many topics.
    """

    __slots__ = ("_found", "_kindOf", "_waiting")

    def __init__(self, kindOf: Callable[[str], str]) -> None:
        """
        @param kindOf: Gives the kind of a canonical topic.  The number of kinds is bounded.
        """
        self._kindOf = kindOf
        self._found: dict[str, int] = {}
        self._waiting: dict[str, int] = {}

    def add(self, topic: str) -> None:
        """
        Count an event of a topic.
        """
        waiting = self._waiting
        if topic in waiting:
            waiting[topic] += 1
            return
        if len(waiting) >= WAITING:
            self._settle()
        waiting[topic] = 1

    def byKind(self) -> Mapping[str, int]:
        """
        The numbers of events since the beginning, by kind.
        """
        self._settle()
        return self._found

    def _settle(self) -> None:
        """Count by kind what is counted by topic."""
        found = self._found
        for topic, count in self._waiting.items():
            kind = self._kindOf(topic)
            found[kind] = found.get(kind, 0) + count
        self._waiting.clear()
