"""
The frames that wait for a client whose socket is full.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator, Sequence
from enum import Enum
from typing import Any, Generic, Protocol, TypeVar

from aerostack.core.backlog import Backlog


class Sparable(Protocol):
    """
    An item of an outbox, with a size in bytes.
    """

    holders: int

    @property
    def key(self) -> Hashable:
        """Only the newest of several items with the same key waits; L{None} if the item has no
        key."""

    @property
    def isReplaceable(self) -> bool:
        """Whether the client can get the contents again in another way."""

    @property
    def topic(self) -> str | None:
        """The topic that it belongs to; L{None} for none."""

    @property
    def grows(self) -> bool:
        """Whether it may take up newer items of the same topic."""

    def absorb(self, frame: Any) -> bool:
        """Take up a newer item of the same topic; return whether it was taken up."""

    def portion(self, size: int) -> Sequence[Any] | None:
        """
        Take out the next items of one that stands for several: of about so many bytes, and fewer
        only if no more follow; L{None} if it stands for itself.
        """

    def __len__(self) -> int: ...


F = TypeVar("F", bound=Sparable)


class Verdict(Enum):
    """
    What the caller must do after one more frame waits for a client.
    """

    FINE = "fine"
    LAGGING = "lagging"
    """Frames that exist nowhere else take half of the limit: the client should get a warning."""
    FULL = "full"
    """The frame was not taken: the reader is too slow to be kept."""


class Outbox(Generic[F]):
    """
    A queue of frames, bounded in bytes.

    Only the newest of several frames with the same C{key} waits, so that a client that reads too
    slowly does not get outdated frames.

    @ivar limit: How many bytes may wait; L{None} if the caller enforces a limit.
    @ivar waiting: How many bytes wait.
    @ivar spared: How many frames were replaced by a newer one.
    """

    __slots__ = (
        "_backlog",
        "_firm",
        "_growing",
        "_queue",
        "_serial",
        "_warned",
        "limit",
        "spared",
        "waiting",
    )

    def __init__(self, limit: int | None, backlog: Backlog[Any] | None = None) -> None:
        """
        @param backlog: Counts what waits for all clients; L{None} if nothing is counted.
        """
        self.limit = limit
        self._backlog = backlog
        self.waiting = 0
        self.spared = 0
        # By key, or by number if there is no key.  It is made when it is needed, because for most
        # clients no frame ever waits.
        self._queue: OrderedDict[Hashable, F] | None = None
        # By topic, the slot of its newest item, if that may take up newer ones.
        self._growing: dict[str | None, Hashable] = {}
        self._serial = 0
        # How many of the waiting bytes exist nowhere else.
        self._firm = 0
        self._warned = False

    def __len__(self) -> int:
        return 0 if self._queue is None else len(self._queue)

    def __iter__(self) -> Iterator[F]:
        return iter(self._queue.values() if self._queue else ())

    def add(self, frame: F, beside: int = 0) -> Verdict:
        """
        Let a frame wait.

        @param beside: How many bytes wait elsewhere and count against the same limit.
        """
        if self._queue is None:
            self._queue = OrderedDict()
        if self._growing and self._isAbsorbed(frame):
            return Verdict.FINE
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
        if frame.grows:
            self._growing[frame.topic] = slot
        if self._warned or self.limit is None or self._firm <= self.limit // 2:
            return Verdict.FINE
        self._warned = True
        return Verdict.LAGGING

    def _isAbsorbed(self, frame: F) -> bool:
        """Put a frame into the newest item of the same topic, if that item can take it."""
        slot = self._growing.get(frame.topic)
        if slot is None or self._queue is None:
            return False
        newest = self._queue[slot]
        self._count(newest, -1)
        absorbed = newest.absorb(frame)
        self._count(newest, 1)
        if not absorbed:
            # A frame stands behind it now, which nothing may overtake.
            del self._growing[frame.topic]
        return absorbed

    def _remove(self, slot: Hashable) -> F:
        assert self._queue is not None
        frame = self._queue.pop(slot)
        self._count(frame, -1)
        if self._growing.get(frame.topic) == slot:
            del self._growing[frame.topic]
        return frame

    def _count(self, frame: F, sign: int) -> None:
        self.waiting += sign * len(frame)
        if self._backlog is not None:
            self._backlog.count(frame, sign)
        if not frame.isReplaceable:
            self._firm += sign * len(frame)

    def take(self, size: int) -> list[F]:
        """
        Take frames from the front: at least one, if there is one, and more while their total size
        is within a bound.  They go out in one write; until then they wait one by one, because a
        newer frame may replace any of them.  None are returned if what waited has no meaning any
        more.
        """
        taken: list[F] = []
        total = 0
        while self._queue and not (taken and total >= size):
            slot, frame = next(iter(self._queue.items()))
            portion = frame.portion(size - total)
            if portion is None:
                total += len(frame)
                if taken and total > size:
                    break
                taken.append(self._remove(slot))
                continue
            taken.extend(portion)
            grown = sum(map(len, portion))
            if total + grown < size:
                # No more of it follows.
                self._remove(slot)
            total += grown
        self._shrunk()
        return taken

    def extract(self, wanted: Callable[[F], bool]) -> list[F]:
        """
        Take out the frames that match, at any place; the others keep their order.
        """
        slots = [slot for slot, frame in (self._queue or {}).items() if wanted(frame)]
        taken = [self._remove(slot) for slot in slots]
        self._shrunk()
        return taken

    def _shrunk(self) -> None:
        if not self._queue:
            self._queue = None
        if self.limit is not None and self._firm <= self.limit // 4:
            self._warned = False

    def clear(self) -> None:
        """
        Forget all frames, because the client has disconnected.
        """
        if self._backlog is not None:
            for frame in self:
                self._backlog.count(frame, -1)
        self._queue = None
        self._growing.clear()
        self.waiting = self._firm = 0
