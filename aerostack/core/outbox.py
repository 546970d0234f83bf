"""
What waits for a client whose socket is full.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator
from enum import Enum
from typing import Generic, Protocol, TypeVar


class Sparable(Protocol):
    """
    What an outbox holds: something of a size in bytes.
    """

    @property
    def key(self) -> Hashable:
        """Of things with the same key only the newest need wait; L{None} for none."""

    @property
    def isReplaceable(self) -> bool:
        """Whether what it says can be had again in another way."""

    def __len__(self) -> int: ...


F = TypeVar("F", bound=Sparable)


class Verdict(Enum):
    """
    What is to be done about a client for which one more frame waits.
    """

    FINE = "fine"
    LAGGING = "lagging"
    """What exists nowhere else is half of what may wait: the client should be told."""
    FULL = "full"
    """The frame was not taken: the reader is too slow to be kept."""


class Outbox(Generic[F]):
    """
    A queue of frames, bounded in bytes.

    Of frames with the same C{key} only the newest waits: whoever reads too slowly to
    see them all is spared those that are out of date.

    @ivar limit: How many bytes may wait; L{None} where somebody else sees to that.
    @ivar waiting: How many do.
    @ivar spared: How many frames were replaced by a newer one.
    """

    __slots__ = ("_firm", "_queue", "_serial", "_told", "limit", "spared", "waiting")

    def __init__(self, limit: int | None) -> None:
        self.limit = limit
        self.waiting = 0
        self.spared = 0
        # By key, or by number where there is none.  Made when it is needed: of most
        # clients nothing ever waits.
        self._queue: OrderedDict[Hashable, F] | None = None
        self._serial = 0
        # How many of the bytes that wait exist nowhere else.
        self._firm = 0
        self._told = False

    def __len__(self) -> int:
        return 0 if self._queue is None else len(self._queue)

    def __iter__(self) -> Iterator[F]:
        return iter(self._queue.values() if self._queue else ())

    def add(self, frame: F, beside: int = 0) -> Verdict:
        """
        Let a frame wait.

        @param beside: How many bytes that wait elsewhere take of the same room.
        """
        if self._queue is None:
            self._queue = OrderedDict()
        slot: Hashable = frame.key
        if slot is None:
            self._serial += 1
            slot = self._serial
        elif slot in self._queue:
            # The newer one goes to the end: positions must come in their order.
            self._remove(slot)
            self.spared += 1
        if self.limit is not None and beside + self.waiting + len(frame) > self.limit:
            return Verdict.FULL
        self._queue[slot] = frame
        self._count(frame, 1)
        if self._told or self.limit is None or self._firm <= self.limit // 2:
            return Verdict.FINE
        self._told = True
        return Verdict.LAGGING

    def _remove(self, slot: Hashable) -> F:
        assert self._queue is not None
        frame = self._queue.pop(slot)
        self._count(frame, -1)
        return frame

    def _count(self, frame: F, sign: int) -> None:
        self.waiting += sign * len(frame)
        if not frame.isReplaceable:
            self._firm += sign * len(frame)

    def take(self, size: int) -> list[F]:
        """
        Take out frames from the front: one at least, if there is one, and more while
        they are within a size together.
        """
        taken: list[F] = []
        total = 0
        while self._queue:
            slot, frame = next(iter(self._queue.items()))
            total += len(frame)
            if taken and total > size:
                break
            taken.append(self._remove(slot))
        self._shrunk()
        return taken

    def extract(self, wanted: Callable[[F], bool]) -> list[F]:
        """
        Take out what is wanted, wherever it stands; the rest stays in its order.
        """
        slots = [slot for slot, frame in (self._queue or {}).items() if wanted(frame)]
        taken = [self._remove(slot) for slot in slots]
        self._shrunk()
        return taken

    def _shrunk(self) -> None:
        if not self._queue:
            self._queue = None
        if self.limit is not None and self._firm <= self.limit // 4:
            self._told = False

    def clear(self) -> None:
        """
        Forget everything: the client is gone.
        """
        self._queue = None
        self.waiting = self._firm = 0
