"""
A topic's log that follows one which several nodes share over a server.

The server gives every entry its place, so this log counts nothing itself.  The entries have tags
(see L{aerostack.core.replay.tags}): a client's position that has another tag than the entry at its
place comes from a log that the server has lost.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from aerostack.core.limits.tally import Tally
from aerostack.core.replay.gaps import EXPIRED, LOST, Gap
from aerostack.core.replay.log import Depth, Entry, Past, Plan
from aerostack.core.replay.mirror import MirrorLog
from aerostack.core.replay.positions import Position
from aerostack.core.replay.shared import SharedEntry


class SharedLog(MirrorLog):
    """
    A log that follows a shared one.
    """

    __slots__ = ("_baseTag", "_doubt", "_waiting")

    def __init__(self, head: Position, depth: Depth, tally: Tally | None = None) -> None:
        super().__init__(head, depth, tally)
        self.tag = head.tag
        # The tag of the entry before the oldest that is here; empty if it is not known.
        self._baseTag = head.tag
        # Up to which offset it is not known whether the entries that are gone were kept.
        self._doubt = 0
        # Those who wait for an entry, with its offset.
        self._waiting: dict[Callable[[], object], int] = {}

    def isAhead(self, position: Position) -> bool:
        """
        Whether a position is one of this log's epoch, of an entry that has not come here.  Another
        node may have had it earlier.
        """
        return position.epoch == self.epoch and (position.offset or 0) > self.head

    def wait(self, offset: int, call: Callable[[], object]) -> None:
        """
        Call a function once an entry has come.
        """
        self._waiting[call] = offset

    def giveUp(self, call: Callable[[], object]) -> None:
        """
        Do not call a function any more.
        """
        self._waiting.pop(call, None)

    def append(
        self, frame: bytes, mark: int | None, source: Any, now: float, tag: str = ""
    ) -> None:
        """
        See L{TopicLog.append}.
        """
        super().append(frame, mark, source, now, tag)
        if self._waiting:
            for call in [call for call, offset in self._waiting.items() if offset <= self.head]:
                del self._waiting[call]
                call()

    def fill(self, entries: Sequence[SharedEntry], frames: Sequence[bytes], now: float) -> None:
        """
        Put in front what the server has from before.

        @param entries: What the server holds, oldest first, without a hole up to L{begin}; none if
            the server holds nothing or another log.
        @param frames: The frame of each.
        """
        if self.isFilled:
            return
        begin = self.begin
        whole = bool(entries) and entries[-1].position.offset == begin
        if not whole or entries[0].position.epoch != self.epoch:
            self._doubt = begin
            self.prepend(None, now)
            if self._lostOffset <= begin:
                self._lostOffset, self._lostMark = 0, -1
            return
        first = entries[0].position
        past = tuple(
            Entry(
                each.position.offset or 0,
                each.position.mark,
                each.kept,
                frame,
                None,
                now,
                each.position.tag,
            )
            for each, frame in zip(entries, frames, strict=True)
        )
        offset = first.offset or 0
        if self.head - len(self) == begin:
            self._baseTag = entries[0].before
        # The mark before the first entry is not known if the entry has one of its own.
        base = first.mark - 1 if entries[0].kept else first.mark
        self._doubt = offset - 1
        self.prepend(Past(offset, base, 0, -1, past), now)

    def _drop(self) -> None:
        self._baseTag = self._entries[0].tag
        super()._drop()

    def recent(self, position: Position, now: float, size: int) -> Sequence[Entry] | None:
        """
        See L{TopicLog.recent}.
        """
        return super().recent(position, now, size) if self.holds(position) else None

    def resume(self, position: Position, now: float) -> Plan | Gap:
        """
        See L{TopicLog.resume}.  A position of which the server knows nothing gives a plan with
        C{keptOnly}, or L{LOST}.
        """
        self.trim(now)
        if position.epoch != self.epoch:
            return super().resume(position, now)
        if not self.holds(position):
            plan = self._resumeElsewhere(position)
            return LOST if isinstance(plan, Gap) else plan
        if self._isDoubtful(position):
            if position.mark >= self._base:
                # Nothing was kept in between, so what is gone was not kept.
                return EXPIRED
            return self._readFrom(position.mark, keptOnly=True)
        return super().resume(position, now)

    def holds(self, position: Position) -> bool:
        """
        Whether a position may be one of this log's: no entry is known to contradict it.
        """
        if position.epoch != self.epoch or position.offset is None:
            return True
        missed = self.head - position.offset
        if missed < 0:
            return False
        if not missed:
            return position.tag == self.tag
        if missed < len(self._entries):
            return position.tag == self._entries[-missed - 1].tag
        return missed > len(self._entries) or position.tag == self._baseTag

    def _isDoubtful(self, position: Position) -> bool:
        """Whether it is not known if entries after a position are gone that were not kept."""
        if position.offset is None:
            return self._doubt > 0 and self._lostMark < position.mark < self._base
        return self._lostOffset <= position.offset < self._doubt
