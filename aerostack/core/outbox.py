"""
What waits for a client whose socket is full.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from enum import Enum
from typing import Generic, Protocol, TypeVar


class Sparable(Protocol):
    """
    What an outbox holds: something of a size in bytes.
    """

    @property
    def key(self) -> Hashable:
        """Of things with the same key only the newest need wait; L{None} for none."""

    def __len__(self) -> int: ...


F = TypeVar("F", bound=Sparable)


class Verdict(Enum):
    """
    What is to be done about a client for which one more frame waits.
    """

    FINE = "fine"
    LAGGING = "lagging"
    """Half of what may wait does: it should be told."""
    FULL = "full"
    """The frame was not taken: the reader is too slow to be kept."""


class Outbox(Generic[F]):
    """
    A queue of frames, bounded in bytes.

    Of frames with the same C{key} only the newest waits: whoever reads too slowly to
    see them all is spared those that are out of date.

    @ivar limit: How many bytes may wait.
    @ivar waiting: How many do.
    @ivar spared: How many frames were replaced by a newer one.
    """

    __slots__ = ("_queue", "_serial", "_told", "limit", "spared", "waiting")

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.waiting = 0
        self.spared = 0
        # By key, or by number where there is none.  Made when it is needed: of most
        # clients nothing ever waits.
        self._queue: OrderedDict[Hashable, F] | None = None
        self._serial = 0
        self._told = False

    def __len__(self) -> int:
        return 0 if self._queue is None else len(self._queue)

    def add(self, frame: F) -> Verdict:
        """
        Let a frame wait.
        """
        if self._queue is None:
            self._queue = OrderedDict()
        slot: Hashable = frame.key
        if slot is None:
            self._serial += 1
            slot = self._serial
        elif slot in self._queue:
            # The newer one goes to the end: positions must come in their order.
            self.waiting -= len(self._queue.pop(slot))
            self.spared += 1
        if self.waiting + len(frame) > self.limit:
            return Verdict.FULL
        self._queue[slot] = frame
        self.waiting += len(frame)
        if self._told or self.waiting <= self.limit // 2:
            return Verdict.FINE
        self._told = True
        return Verdict.LAGGING

    def take(self, size: int) -> list[F]:
        """
        Take out frames from the front: one at least, if there is one, and more while
        they are within a size together.
        """
        taken: list[F] = []
        total = 0
        while self._queue:
            slot, frame = self._queue.popitem(last=False)
            total += len(frame)
            if taken and total > size:
                self._queue[slot] = frame
                self._queue.move_to_end(slot, last=False)
                break
            taken.append(frame)
            self.waiting -= len(frame)
        self._shrunk()
        return taken

    def extract(self, wanted: Callable[[F], bool]) -> list[F]:
        """
        Take out what is wanted, wherever it stands; the rest stays in its order.
        """
        taken: list[F] = []
        for slot, frame in list((self._queue or {}).items()):
            if self._queue is not None and wanted(frame):
                del self._queue[slot]
                taken.append(frame)
                self.waiting -= len(frame)
        self._shrunk()
        return taken

    def _shrunk(self) -> None:
        if not self._queue:
            self._queue = None
        if self.waiting <= self.limit // 4:
            self._told = False

    def clear(self) -> None:
        """
        Forget everything: there is nobody any more to send it to.
        """
        self._queue = None
        self.waiting = 0
