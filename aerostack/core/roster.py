"""
The members of one topic in blocks, so that a long list can be sent piece by piece while it changes.

Each member has a number, in the order in which the members joined, and the blocks are in the order
of these numbers.  A reader that has everything up to a number goes on with the first block that
reaches beyond it.  The reader gets changes in earlier blocks as events.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

M = TypeVar("M")

MOST = 64
"""How many members a block has at the most."""

MOST_BYTES = 32_768
"""How many bytes of states a block has at the most, unless it has a single member."""

FEW = 16
"""A block with fewer members than this is joined with its neighbours, where there is room."""


@dataclass(slots=True)
class _Seat(Generic[M]):
    """
    A member's place.

    @ivar size: The bytes of its state.
    """

    member: M
    size: int
    number: int


class Block(Generic[M]):
    """
    Members that are sent together.

    @ivar seats: The members' places, by their names.
    @ivar high: No member of this block, or of one before it, has a higher number.
    @ivar size: The bytes of their states.
    @ivar encoded: Its members as they were last encoded; L{None} if one has changed since.
    @ivar page: The same, encoded as one page of several.
    """

    __slots__ = ("encoded", "high", "page", "seats", "size")

    def __init__(self, high: int) -> None:
        self.seats: dict[str, _Seat[M]] = {}
        self.high = high
        self.size = 0
        self._change()

    def _change(self) -> None:
        self.encoded: Any = None
        self.page: Any = None

    def __iter__(self) -> Iterator[M]:
        for seat in self.seats.values():
            yield seat.member

    def put(self, name: str, seat: _Seat[M]) -> None:
        """Add a member, or replace one at its place."""
        before = self.seats.get(name)
        self.size += seat.size - (before.size if before is not None else 0)
        self.seats[name] = seat
        self._change()

    def remove(self, name: str) -> _Seat[M]:
        """Remove a member."""
        seat = self.seats.pop(name)
        self.size -= seat.size
        self._change()
        return seat

    def split(self) -> Block[M]:
        """Move the first half of the members to a block of their own."""
        names = list(self.seats)[: len(self.seats) // 2]
        first: Block[M] = Block(self.seats[names[-1]].number)
        for name in names:
            first.put(name, self.remove(name))
        return first

    def precede(self, other: Block[M]) -> None:
        """Move all members to the beginning of the next block."""
        other.seats = {**self.seats, **other.seats}
        other.size += self.size
        other._change()


class Roster(Generic[M]):
    """
    The members of one topic, in the order in which they joined.

    @ivar head: The number of the newest member.
    @ivar size: The bytes of all states.
    @ivar encoded: All members as they were last encoded together; L{None} if one has changed since.
    """

    __slots__ = ("_blocks", "_places", "encoded", "head", "size")

    def __init__(self) -> None:
        self.head = 0
        self.size = 0
        self.encoded: Any = None
        self._blocks: list[Block[M]] = []
        self._places: dict[str, Block[M]] = {}

    def __len__(self) -> int:
        return len(self._places)

    def __iter__(self) -> Iterator[M]:
        for block in self._blocks:
            yield from block

    def get(self, name: str) -> M | None:
        """
        A member; L{None} if it is not here.
        """
        block = self._places.get(name)
        return None if block is None else block.seats[name].member

    def put(self, name: str, member: M, size: int) -> None:
        """
        Add a member, or replace one.

        @param size: The bytes of its state.
        """
        self.encoded = None
        block = self._places.get(name)
        if block is None:
            self.head += 1
            number = self.head
            block = self._places[name] = self._open(size)
        else:
            number = block.seats[name].number
        self.size -= block.size
        block.put(name, _Seat(member, size, number))
        self.size += block.size
        if block.size > 2 * MOST_BYTES and len(block.seats) > 1:
            index = self._index(block)
            first = block.split()
            self._blocks.insert(index, first)
            self._places.update(dict.fromkeys(first.seats, first))

    def _open(self, size: int) -> Block[M]:
        """The block for the next member."""
        last = self._blocks[-1] if self._blocks else None
        if last is not None and len(last.seats) < MOST and last.size + size <= MOST_BYTES:
            last.high = self.head
            return last
        block: Block[M] = Block(self.head)
        self._blocks.append(block)
        return block

    def remove(self, name: str) -> M:
        """
        Remove a member.
        """
        self.encoded = None
        block = self._places.pop(name)
        seat = block.remove(name)
        self.size -= seat.size
        index = self._index(block)
        if not block.seats:
            del self._blocks[index]
        elif len(block.seats) < FEW:
            self._join(index)
            self._join(index - 1)
        return seat.member

    def _join(self, index: int) -> None:
        """
        Join a block with the next one, if there is room.  A reader that has passed one of the two
        gets some members twice, and misses none.
        """
        if not 0 <= index < len(self._blocks) - 1:
            return
        block, other = self._blocks[index : index + 2]
        if len(block.seats) + len(other.seats) <= MOST and block.size + other.size <= MOST_BYTES:
            block.precede(other)
            self._places.update(dict.fromkeys(block.seats, other))
            del self._blocks[index]

    def _index(self, block: Block[M]) -> int:
        return bisect_left(self._blocks, block.high, key=_high)

    @property
    def blocks(self) -> Iterator[Block[M]]:
        """All blocks, in their order."""
        return iter(self._blocks)

    def after(self, number: int) -> Block[M] | None:
        """
        The first block that reaches beyond a number.
        """
        index = bisect_right(self._blocks, number, key=_high)
        return self._blocks[index] if index < len(self._blocks) else None


def _high(block: Block[Any]) -> int:
    return block.high
