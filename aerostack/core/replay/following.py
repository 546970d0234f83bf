"""
Follows a topic's log that several nodes share: makes one gapless sequence of entries that may come
late, twice, in another order or not at all.

The log itself is on a server.  The server pushes every new entry, and gives older ones when it is
asked.  What is missed is read from the server again, so a follower holds no entries itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum

from aerostack.core.replay.positions import Position
from aerostack.core.replay.shared import EXPIRED, LOST, SharedEntry


class Need(Enum):
    """
    What a follower has to read before it goes on.
    """

    NOTHING = "nothing"
    """It has every entry that it knows of."""
    READ = "read"
    """There are entries behind its head that it has not got: it has to read on from its head."""
    VERIFY = "verify"
    """The log contradicts its head: it has to ask the server whether the log still holds its head.
    Until then it takes no entries."""


class Follower:
    """
    How far one node has got in one topic's log.

    @ivar head: The place behind the last entry that was delivered.
    @ivar need: What it needs to go on.
    """

    __slots__ = ("_reach", "head", "need")

    def __init__(self, head: Position) -> None:
        self.head = head
        self.need = Need.NOTHING
        # The highest offset that the log is known to have.
        self._reach = head.offset or 0

    def take(self, entry: SharedEntry) -> bool:
        """
        Take an entry that was pushed or read.

        @return: Whether it is the next one, and is to be delivered now.  If not, it came before,
            or L{need} says what is to be done; it then comes again.
        """
        if self.need is Need.VERIFY:
            return False
        place, head = entry.position, self.head
        offset = _offsetOf(head)
        if place.epoch == head.epoch and _offsetOf(place) == offset + 1:
            if entry.before != head.tag:
                self.need = Need.VERIFY
                return False
            self.head = place
            self._reach = max(self._reach, offset + 1)
            self.need = Need.NOTHING if self._reach == offset + 1 else Need.READ
            return True
        if place.epoch == head.epoch and _offsetOf(place) < offset:
            return False
        self.compare(place)
        return False

    def compare(self, head: Position) -> None:
        """
        Compare with a head that the server says the log has, or with an entry's place.
        """
        if self.need is Need.VERIFY:
            return
        mine, other = _offsetOf(self.head), _offsetOf(head)
        if head.epoch != self.head.epoch or other < mine:
            self.need = Need.VERIFY
        elif other > mine:
            self._reach = max(self._reach, other)
            self.need = Need.READ
        elif head.tag != self.head.tag:
            self.need = Need.VERIFY

    def ended(self, entries: Sequence[SharedEntry]) -> None:
        """
        Note that a read from the head has ended, after its entries were taken.

        @param entries: What the read gave.
        """
        if self.need is Need.READ and not entries:
            # The entries are there by their number, and cannot be read.
            self.need = Need.VERIFY
        elif self.need is Need.READ and _offsetOf(entries[0].position) > _offsetOf(self.head):
            # Those next to the head are gone.
            self.need = Need.VERIFY

    def verified(self, head: Position, reason: str | None) -> None:
        """
        Note what the server said of the head.

        @param head: The head that the log has now.
        @param reason: Why the log does not go on from the follower's head: L{LOST} or
            L{EXPIRED}; the follower then goes on from C{head}.  L{None} if it does go on.
        """
        self.need = Need.NOTHING
        if reason is None:
            self.compare(head)
        else:
            self.head = head
            self._reach = _offsetOf(head)


def verify(known: Position, head: Position, after: str | None) -> str | None:
    """
    Decide whether a log goes on from a place that a node or a client has reached in it.

    @param known: The place.
    @param head: The head that the log has now.
    @param after: The tag that the entry right behind the place names as the one before it; L{None}
        if the log does not hold that entry.
    @return: L{None} if the log goes on from there, else L{LOST} or L{EXPIRED}.
    """
    if known.epoch != head.epoch or known.mark > head.mark:
        return LOST
    mine, other = _offsetOf(known), _offsetOf(head)
    if mine >= other:
        return None if mine == other and known.tag == head.tag else LOST
    if after is None:
        return EXPIRED
    return None if after == known.tag else LOST


def _offsetOf(position: Position) -> int:
    """The offset of a place in a shared log, where every place has one."""
    return position.offset or 0
