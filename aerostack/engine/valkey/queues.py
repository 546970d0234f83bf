"""
The publications of one topic that wait for the server.
"""

from __future__ import annotations

from collections import deque

from twisted.internet.defer import Deferred

from aerostack.core.replay.publications import Publication
from aerostack.core.replay.shared import Placed
from aerostack.engine.valkey.entries import encodePublication
from aerostack.engine.valkey.keyedentries import keyedArguments

OVERHEAD = 512
"""About how many bytes of memory a waiting publication takes beside its data."""


class Item:
    """
    A publication on its way into its topic's log.

    @ivar body: What the entry has of it.
    @ivar deadline: Until when it may wait, seconds of the clock; L{None} without end.
    @ivar done: Fires with the outcome; L{None} once it has.
    @ivar keyed: What the script gets of its key: see L{keyedArguments}.
    """

    __slots__ = ("body", "deadline", "done", "keyed", "mark", "prev", "repeat", "tag")

    def __init__(
        self,
        publication: Publication,
        tag: str,
        prev: int | None,
        repeat: bytes | None = None,
        deadline: float | None = None,
    ) -> None:
        """
        @param prev: The mark before a kept one's.
        @param repeat: The key of a publication that may come again.
        """
        self.body = encodePublication(publication)
        self.keyed = keyedArguments(publication.key, publication.data, publication.condition)
        self.tag = tag.encode()
        self.mark = publication.mark
        self.prev = prev
        self.repeat = repeat
        self.deadline = deadline
        self.done: Deferred[Placed] | None = None

    @property
    def isRefused(self) -> bool:
        """Whether its publisher was refused, so that it is not to be placed any more.  A kept one
        is placed all the same, because it is committed."""
        return self.done is None and self.mark is None

    @property
    def size(self) -> int:
        """About how many bytes of memory it takes."""
        return len(self.body) + OVERHEAD


class Queue:
    """
    What waits of one topic.

    @ivar items: What is not on its way yet, the oldest first.
    @ivar batch: What is on its way; empty if nothing is.
    @ivar serial: The number of the batch.
    @ivar busy: Whether an answer, or a read of the history, is awaited.
    """

    __slots__ = ("batch", "busy", "items", "serial", "topic")

    def __init__(self, topic: str) -> None:
        self.topic = topic
        self.items: deque[Item] = deque()
        self.batch: list[Item] = []
        self.serial = 0
        self.busy = False

    def takeBatch(self, serial: int, count: int, size: int) -> None:
        """
        Make a batch of what waits.
        """
        self.serial = serial
        while self.items and len(self.batch) < count and size > 0:
            self.batch.append(self.items.popleft())
            size -= len(self.batch[-1].body)

    def putBack(self, start: int) -> None:
        """
        Let the batch wait again, from one of its publications on; it is over.
        """
        again = [item for item in self.batch[start:] if not item.isRefused]
        self.items.extendleft(reversed(again))
        self.batch = []


def due(queue: Queue, now: float) -> list[Item]:
    """
    What has waited for too long.  It is taken out, unless it is in a batch: that is sent again as
    it was.  While an answer is awaited, none of its batch is late: the answer says what became of
    it, and it comes soon or the connection is lost.
    """
    late = [
        item
        for item in (() if queue.busy else queue.batch)
        if item.done is not None and item.deadline is not None and item.deadline <= now
    ]
    # Messages of the history wait without end, and may stand in front.
    endless: list[Item] = []
    while queue.items:
        first = queue.items[0]
        if first.deadline is not None and first.deadline > now:
            break
        (endless if first.deadline is None else late).append(queue.items.popleft())
    queue.items.extendleft(reversed(endless))
    return late
