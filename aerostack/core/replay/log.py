"""
The newest part of one topic's log, in memory.

A log is a ring that is bounded by count, by bytes and by age.  An entry that fell out of it may
still be in the database.  So each entry has a mark, its place in the database (see
L{aerostack.core.replay.positions}).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from msgspec import Struct

from aerostack.core.limits.tally import Tally
from aerostack.core.replay.gaps import EXPIRED, UNKNOWN, Gap
from aerostack.core.replay.positions import Position

OVERHEAD = 375
"""
About how many bytes an entry takes beside its frame.  With CPython 3.11 an entry with a frame was
measured to take 376, and one that refers to a text of a token stream, and has no frame, 373.
"""


@dataclass(frozen=True, slots=True)
class Depth:
    """
    How much a log holds.

    @ivar count: Entries.
    @ivar size: Bytes.
    @ivar age: Seconds.
    """

    count: int
    size: int
    age: float


class Entry(Struct, eq=False, gc=False):
    """
    One entry of a topic's log.

    @ivar offset: Its number in the log, from 1.
    @ivar mark: The log's mark after the entry was added.
    @ivar kept: Whether the database has the entry too, under that mark.
    @ivar frame: The encoded frame.
    @ivar source: The change of a table that the frame was made of, because clients with a filter
        may need another frame; or the L{text<aerostack.core.answers.appended.Appended>} of a token
        stream, in place of a frame; L{None} for another publication.
    @ivar at: When it was added, seconds of the clock.
    @ivar tag: See L{Position}.
    """

    offset: int
    mark: int
    kept: bool
    frame: bytes
    source: Any
    at: float
    tag: str = ""

    @property
    def size(self) -> int:
        """About how many bytes of memory it takes."""
        return len(self.frame) + OVERHEAD


@dataclass(frozen=True, slots=True)
class Plan:
    """
    How a client that comes back gets what it missed: first what the database has between two
    marks, then entries of the log.

    @ivar after: The mark after which to read from the database; L{None} to read nothing.
    @ivar until: The mark up to which to read.
    @ivar entries: The entries that follow.
    @ivar keptOnly: Whether entries that were not kept may be missing: the daemon does not know
        any more whether there were any.
    @ivar partial: Whether entries may be missing that the database has deleted since the plan was
        made.
    """

    entries: tuple[Entry, ...]
    after: int | None = None
    until: int = 0
    keptOnly: bool = False
    partial: bool = False


@dataclass(frozen=True, slots=True)
class Past:
    """
    A part of what a log holds, for an L{aerostack.core.replay.mirror.MirrorLog}.

    @ivar first: The offset of the oldest entry that the log holds; if it holds none, the offset of
        the next one.
    @ivar base: The mark before the oldest entry that the log holds.
    @ivar lostOffset: The offset of the newest entry that fell out and was not kept, 0 if there is
        none.
    @ivar lostMark: That entry's mark; -1 without such an entry.
    @ivar entries: The entries, oldest first, without a hole.
    """

    first: int
    base: int
    lostOffset: int
    lostMark: int
    entries: tuple[Entry, ...]


_NOTHING: deque[Entry] = deque()
"""The entries of every empty log: a deque of its own would take more memory than the rest of the
log."""


class TopicLog:
    """
    A ring of one topic's newest entries.

    @ivar epoch: The name of this log, different from all others of this run and of earlier runs.
    @ivar lineage: See L{Position}.
    @ivar depth: How much it holds.
    @ivar head: The offset of the newest entry, 0 before the first.
    @ivar mark: The newest mark.
    @ivar seen: Whether the newest mark is that of a kept message; see L{Position}.
    @ivar within: Whether the next entry is a part of a transaction that has begun already.
    @ivar size: The bytes that it holds, about.
    @ivar tally: How many bytes the logs of its project hold.
    @ivar tag: The newest entry's tag; see L{Position}.
    """

    __slots__ = (
        "_base",
        "_entries",
        "_lostMark",
        "_lostOffset",
        "depth",
        "epoch",
        "head",
        "lineage",
        "mark",
        "seen",
        "size",
        "tag",
        "tally",
        "within",
    )

    def __init__(
        self, epoch: str, depth: Depth, mark: int, lineage: str = "", tally: Tally | None = None
    ) -> None:
        """
        @param mark: The newest mark that the topic had before.
        @param tally: How much the logs of a project hold together.
        """
        self.epoch = epoch
        self.lineage = lineage
        self.depth = depth
        self.head = 0
        self.mark = mark
        self.seen = False
        self.within = False
        self.size = 0
        self.tally = tally or Tally()
        self.tag = ""
        self._entries = _NOTHING
        # The mark before the oldest entry that is still here.
        self._base = mark
        # The newest entry that fell out and was not kept: its offset and mark.
        self._lostOffset = 0
        self._lostMark = -1

    def __len__(self) -> int:
        return len(self._entries)

    def past(self, after: int, until: int, size: int) -> Past:
        """
        A part of what the log holds.

        @param after: The offset after which it begins, or where the log begins if that is later.
        @param until: The offset up to which it goes.
        @param size: How many bytes the entries have at the most; but there is one at least, if
            there is any.
        """
        first = self.head - len(self._entries) + 1
        skipped = max(0, after + 1 - first)
        entries: list[Entry] = []
        for entry in islice(self._entries, skipped, max(skipped, until + 1 - first)):
            size -= entry.size
            if entries and size < 0:
                break
            entries.append(entry)
        return Past(first, self._base, self._lostOffset, self._lostMark, tuple(entries))

    @property
    def position(self) -> Position:
        """The place behind the newest entry."""
        return Position(
            self.epoch, self.head, self.mark, self.lineage, seen=self.seen, tag=self.tag
        )

    @property
    def standing(self) -> Position:
        """The place behind the newest entry, and whether a transaction is open there."""
        return Position(self.epoch, self.head, self.mark, self.lineage, self.within)

    @property
    def newest(self) -> Entry | None:
        """The newest entry, if it is still here."""
        return self._entries[-1] if self._entries else None

    @property
    def isFilled(self) -> bool:
        """Whether the log has all that there is in memory of the topic, in any process."""
        return True

    def latest(
        self, count: int, counts: Callable[[Entry], bool], now: float
    ) -> tuple[tuple[Entry, ...], int]:
        """
        The newest entries.

        @param count: How many at the most.
        @param counts: Tells whether an entry is one of those that are wanted.
        @return: The entries, oldest first; and the mark up to which the database has the entries
            before them, if there are fewer than wanted.
        """
        self.trim(now)
        wanted = islice(filter(counts, reversed(self._entries)), count)
        return tuple(wanted)[::-1], self._base

    def next(self, mark: int | None) -> Position:
        """
        The position that the next entry will have.

        @param mark: Its mark; L{None} if it is not kept.
        """
        reached, seen = self.mark, self.seen
        if mark is not None:
            reached, seen = max(reached, mark), not self.lineage and self.sees(mark)
        return Position(self.epoch, self.head + 1, reached, self.lineage, self.within, seen)

    def append(
        self, frame: bytes, mark: int | None, source: Any, now: float, tag: str = ""
    ) -> None:
        """
        Add an entry.

        @param mark: Its mark; L{None} if it is not kept.
        @param tag: See L{Position}.
        """
        self.head += 1
        if mark is not None:
            # On a table's topic the marks are the journal's.
            self.seen = not self.lineage and self.sees(mark)
            self.mark = max(self.mark, mark)
        self.tag = tag
        entry = Entry(self.head, self.mark, mark is not None, frame, source, now, tag)
        if self._entries is _NOTHING:
            self._entries = deque()
        self._entries.append(entry)
        self._count(len(frame) + OVERHEAD)
        self.trim(now)

    def sees(self, mark: int | None) -> bool:
        """
        Whether the newest mark will be a kept message's once an entry with this mark was added.
        """
        return self.seen if mark is None else mark >= self.mark

    def reach(self, mark: int) -> None:
        """
        Note that the database has nothing of this topic between its mark and a later one.
        """
        self.mark = max(self.mark, mark)

    def trim(self, now: float) -> None:
        """
        Forget the entries that are too many or too old.
        """
        depth = self.depth
        oldest = now - depth.age
        while self._entries and (
            len(self._entries) > depth.count
            or self.size > depth.size
            or self._entries[0].at < oldest
        ):
            self._drop()

    def shrink(self, size: int) -> None:
        """
        Forget the oldest entries until at most so many bytes are left.
        """
        while self._entries and self.size > size:
            self._drop()

    def lose(self, offset: int) -> None:
        """
        Note that what an entry refers to is gone: no client can go on from a place before it.

        @param offset: Of the entry.  If it has fallen out, so has what came before.
        """
        place = offset - 1 - self.head + len(self._entries)
        if offset <= self._lostOffset or not 0 <= place < len(self._entries):
            return
        entry = self._entries[place]
        self._lostOffset, self._lostMark = offset, entry.mark
        if entry.kept:
            # Clients that have this entry lack nothing.
            self._lostMark = self._entries[place - 1].mark if place else self._base

    def clear(self) -> None:
        """
        Forget all entries.
        """
        self.shrink(0)

    def _count(self, size: int) -> None:
        self.size += size
        tally = self.tally
        tally.size += size
        if tally.whole is not None:
            tally.whole.size += size

    def _drop(self) -> None:
        entry = self._entries.popleft()
        if not self._entries:
            self._entries = _NOTHING
        self._count(-entry.size)
        self._base = entry.mark
        if not entry.kept and entry.offset > self._lostOffset:
            self._lostOffset = entry.offset
            self._lostMark = entry.mark

    def resume(self, position: Position, now: float) -> Plan | Gap:
        """
        Decide how to go on after a position.
        """
        self.trim(now)
        if position.epoch != self.epoch:
            return self._resumeElsewhere(position)
        if position.offset is None:
            return self._resumeMark(position.mark)
        if position.offset > self.head:
            return UNKNOWN
        missed = self.head - position.offset
        if missed <= len(self._entries) and position.offset >= self._lostOffset:
            return Plan(self._newestEntries(missed))
        if position.offset < self._lostOffset:
            return EXPIRED
        return self._readFrom(position.mark)

    def isBehind(self, position: Position) -> bool:
        """
        Whether a position comes from another daemon that has read further in the same journal.
        """
        return (
            self.lineage != ""
            and position.epoch != self.epoch
            and position.lineage == self.lineage
            and position.mark > self.mark
        )

    def recent(self, position: Position, now: float, size: int) -> Sequence[Entry] | None:
        """
        The entries after a position, if all of them are here and take at most so many bytes;
        L{None} if not, for whatever reason.
        """
        self.trim(now)
        if position.epoch != self.epoch or position.offset is None:
            return None
        missed = self.head - position.offset
        if not 0 <= missed <= len(self._entries) or missed * OVERHEAD > size:
            return None
        if position.offset < self._lostOffset:
            return None
        entries = self._newestEntries(missed)
        return entries if sum(entry.size for entry in entries) <= size else None

    def _newestEntries(self, count: int) -> tuple[Entry, ...]:
        """The last entries of the log, of which it must have so many."""
        # A copy of a long log would cost more than all the rest of a short resume.
        return tuple(islice(reversed(self._entries), count))[::-1]

    def _resumeMark(self, mark: int) -> Plan | Gap:
        """Go on after an entry of which only the mark is known."""
        if mark <= self._lostMark:
            return EXPIRED
        if mark >= self._base:
            return Plan(
                tuple(e for e in self._entries if e.mark > mark or (e.mark == mark and not e.kept))
            )
        return self._readFrom(mark)

    def _resumeElsewhere(self, position: Position) -> Plan | Gap:
        """
        Go on after a position of an earlier log, of which only the kept entries are left.
        """
        if position.lineage != self.lineage:
            return UNKNOWN
        if position.mark > self.mark:
            # The database is an older one than the client has seen.
            return UNKNOWN
        return self._readFrom(position.mark, keptOnly=True)

    def _readFrom(self, mark: int, keptOnly: bool = False) -> Plan:
        if mark >= self._base:
            # A log that began later than the position: nothing was kept between.
            entries = tuple(e for e in self._entries if not e.kept or e.mark > mark)
            return Plan(entries, mark, mark, keptOnly)
        return Plan(tuple(self._entries), mark, self._base, keptOnly)
