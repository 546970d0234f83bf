"""
What is remembered of connections for a while, to explain afterwards what became of them.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class Recent(Generic[K, V]):
    """
    The newest of what was noted, by key, and no more than so many.
    """

    def __init__(self, most: int) -> None:
        """
        @param most: How many are remembered.
        """
        self._most = most
        self._found: OrderedDict[K, V] = OrderedDict()

    def note(self, key: K, value: V) -> None:
        """
        Remember something, instead of what was noted under the same key.
        """
        self._found[key] = value
        self._found.move_to_end(key)
        if len(self._found) > self._most:
            self._found.popitem(last=False)

    def get(self, key: K) -> V | None:
        """
        What was noted under a key, if it is still remembered.
        """
        return self._found.get(key)

    def __iter__(self) -> Iterator[V]:
        """Everything that is remembered, newest first."""
        return reversed(self._found.values())

    def __len__(self) -> int:
        return len(self._found)


@dataclass(frozen=True, slots=True)
class Ended:
    """
    A user's connection that is over.

    @ivar at: When it ended, milliseconds since the epoch.
    @ivar code: The close code, of whoever closed; L{None} if nobody did.
    """

    id: str
    project: str
    userId: str
    at: int
    code: int | None
    reason: str


@dataclass(frozen=True, slots=True)
class Refused:
    """
    An error that a connection was told about a topic.

    @ivar at: When, milliseconds since the epoch.
    """

    at: int
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Turn:
    """
    A subscription that was begun or ended.

    @ivar at: When, milliseconds since the epoch.
    @ivar begun: Whether it was begun.
    """

    at: int
    begun: bool


class Traces:
    """
    What is remembered.

    @ivar ended: Users' connections that are over, by id.
    @ivar refused: The newest error of each connection about each topic.
    @ivar turns: The newest turn of each connection's subscription to each topic.
    """

    def __init__(self, most: int = 2000) -> None:
        """
        @param most: How much of each kind.
        """
        self.ended: Recent[str, Ended] = Recent(most)
        self.refused: Recent[tuple[str, str], Refused] = Recent(most)
        self.turns: Recent[tuple[str, str], Turn] = Recent(most)
