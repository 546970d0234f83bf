"""
A topic's log that gets its entries from another process's log.

The other log, the source, decides the order.  A mirror begins at the source's head, and gets the
same entries from there on, so it computes the same positions.  Most topics never need what came
before.  If a client comes back with a position, the mirror gets that too, and is then a copy of the
source.
"""

from __future__ import annotations

from collections import deque

from aerostack.core.limits.tally import Tally
from aerostack.core.replay.log import Depth, Past, TopicLog
from aerostack.core.replay.positions import Position


class MirrorLog(TopicLog):
    """
    A log that follows a source.

    @ivar begin: The offset of the source's head when this log began; -1 when this log has what
        the source has.
    """

    __slots__ = ("begin",)

    def __init__(self, head: Position, depth: Depth, tally: Tally | None = None) -> None:
        """
        @param head: The source's head.
        @param tally: See L{TopicLog}.
        """
        super().__init__(head.epoch, depth, head.mark, tally=tally)
        self.head = head.offset or 0
        self.seen = head.seen
        self.begin = self.head or -1
        if self.head:
            # Until it is filled, it takes everything that came before for lost.
            self._lostOffset = self.head
            self._lostMark = self.mark

    @property
    def isFilled(self) -> bool:
        """Whether the log has what the source has."""
        return self.begin < 0

    def prepend(self, past: Past | None, now: float) -> None:
        """
        Put in front what the source has from before.  From now on, this log decides every resume as
        the source does.

        @param past: What the source holds now, with all its entries up to L{begin}, and perhaps
            some that it holds no longer; L{None} if the source is another log by now.
        @param now: Seconds.
        """
        begin, self.begin = self.begin, -1
        if past is None:
            return
        while self._entries and self._entries[0].offset < past.first:
            self._drop()
        lostOffset, lostMark = past.lostOffset, past.lostMark
        entries = [entry for entry in past.entries if entry.offset >= past.first]
        if self.head - len(self._entries) == begin:
            if entries:
                self._entries = deque((*entries, *self._entries))
                self._count(sum(entry.size for entry in entries))
            self._base = past.base
        else:
            # Entries that came after these have fallen out already.
            for entry in entries:
                if not entry.kept:
                    lostOffset, lostMark = entry.offset, entry.mark
        if self._lostOffset <= begin:
            # The entries that fell out here since the log began were all kept.
            self._lostOffset, self._lostMark = lostOffset, lostMark
        self.trim(now)
