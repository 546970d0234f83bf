"""
Recent events of connections, which explain later what happened to them.
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
    The newest notes by key, in a bounded number.
    """

    def __init__(self, most: int) -> None:
        """
        @param most: How many notes are remembered.
        """
        self._most = most
        self._found: OrderedDict[K, V] = OrderedDict()

    def note(self, key: K, value: V) -> None:
        """
        Remember a note.  It replaces an earlier note under the same key.
        """
        self._found[key] = value
        self._found.move_to_end(key)
        if len(self._found) > self._most:
            self._found.popitem(last=False)

    def get(self, key: K) -> V | None:
        """
        The note under a key; L{None} if there is none any more.
        """
        return self._found.get(key)

    def __iter__(self) -> Iterator[V]:
        """All notes, newest first."""
        return reversed(self._found.values())

    def __len__(self) -> int:
        return len(self._found)


@dataclass(frozen=True, slots=True)
class Ended:
    """
    The end of a user's connection.

    @ivar at: When it ended, milliseconds since the epoch.
    @ivar code: The close code of the side that closed; L{None} if neither side did.
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
    An error that a connection got about a topic.

    @ivar at: When, milliseconds since the epoch.
    """

    at: int
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Turn:
    """
    The beginning or the end of a subscription.

    @ivar at: When, milliseconds since the epoch.
    @ivar begun: L{True} for the beginning, L{False} for the end.
    """

    at: int
    begun: bool


class Traces:
    """
    All recent events of connections.

    @ivar ended: The ends of users' connections, by id.
    @ivar refused: The newest error of each connection about each topic.
    @ivar turns: The newest begin or end of each connection's subscription to each topic.
    """

    def __init__(self, most: int = 2000) -> None:
        """
        @param most: How many events of each kind are remembered.
        """
        self.ended: Recent[str, Ended] = Recent(most)
        self.refused: Recent[tuple[str, str], Refused] = Recent(most)
        self.turns: Recent[tuple[str, str], Turn] = Recent(most)
