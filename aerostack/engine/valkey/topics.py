"""
The topics that a node follows on the server.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

from twisted.internet.defer import Deferred

from aerostack.core.replay.following import Follower
from aerostack.core.replay.positions import Position
from aerostack.engine.valkey.keys import slotOf

PIECE = 200
"""How many topics one command is for."""

GROUP = 500
"""How many topics one SUBSCRIBE, or one question to the history, is for."""


class Followed:
    """
    A topic that the node follows.

    @ivar name: The canonical topic.
    @ivar known: The head that the caller of attach had.
    @ivar follower: How far the node has got; L{None} before the first answer of the server.
    @ivar waiting: Fires with the place from which entries go on; L{None} once it has.
    @ivar deadline: Until when that may take, seconds of the clock.
    @ivar isLive: Whether entries can be taken from the present connection.
    @ivar isReading: Whether missed entries are being read.
    """

    __slots__ = ("deadline", "follower", "isLive", "isReading", "known", "name", "waiting")

    def __init__(self, name: str, known: Position | None, deadline: float) -> None:
        self.name = name
        self.known = known
        self.follower: Follower | None = None
        self.waiting: Deferred[Position] | None = None
        self.deadline = deadline
        self.isLive = False
        self.isReading = False


def groups(topics: Sequence[str]) -> Iterator[Sequence[str]]:
    """
    Some topics, a number of them at a time.
    """
    for start in range(0, len(topics), GROUP):
        yield topics[start : start + GROUP]


def pieces(topics: Iterable[str]) -> Iterator[list[str]]:
    """
    Some topics, in pieces of which each has one hash tag.
    """
    slots: defaultdict[int, list[str]] = defaultdict(list)
    for topic in topics:
        slots[slotOf(topic)].append(topic)
    for names in slots.values():
        for start in range(0, len(names), PIECE):
            yield names[start : start + PIECE]
