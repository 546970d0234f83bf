"""
The streams of all topics, within one budget.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Collection

from aerostack.core.stream import Depth, Stream


class Streams:
    """
    Streams by canonical topic.

    A topic has one from its first subscription or its first kept message on, and until
    nobody has needed it for longer than it holds anything.  Nobody can hold a position
    in a topic that never had a stream.

    @ivar depthOf: Tells how much a topic's stream holds.
    @ivar budget: How many bytes all of them may hold together.
    @ivar size: How many they hold, about.
    """

    def __init__(
        self, depthOf: Callable[[str], Depth], newEpoch: Callable[[], str], budget: int
    ) -> None:
        """
        @param newEpoch: Makes epochs; no two calls, of any run, give the same.
        """
        self.budget = budget
        self.size = 0
        self.depthOf = depthOf
        self._newEpoch = newEpoch
        # Those quiet for longest first.
        self._streams: OrderedDict[str, Stream] = OrderedDict()

    def get(self, topic: str) -> Stream | None:
        """
        The stream of a topic, if it has one.
        """
        return self._streams.get(topic)

    def open(self, topic: str, mark: int, now: float, lineage: str = "") -> Stream:
        """
        The stream of a topic; a new one where it has none.

        @param mark: See L{Stream}; for a new one.
        """
        stream = self._streams.get(topic)
        if stream is None:
            stream = Stream(self._newEpoch(), self.depthOf(topic), mark, now, lineage)
            self._streams[topic] = stream
        return stream

    def restart(self, topic: str, mark: int, now: float) -> None:
        """
        Give a topic a new stream: what is in the present one leads no further.
        """
        stream = self.drop(topic)
        if stream is not None:
            self.open(topic, mark, now, stream.lineage)

    def drop(self, topic: str) -> Stream | None:
        """
        Let a topic have no stream any more.

        @return: The stream that it had.
        """
        stream = self._streams.pop(topic, None)
        if stream is not None:
            self.size -= stream.size
        return stream

    def append(
        self, topic: str, stream: Stream, frame: bytes, mark: int | None, source: object, now: float
    ) -> None:
        """
        Add an entry to a topic's stream, and keep within the budget.
        """
        before = stream.size
        stream.append(frame, mark, source, now)
        self.size += stream.size - before
        self._streams.move_to_end(topic)
        if self.size > self.budget:
            self._shrink()

    def _shrink(self) -> None:
        """Take from those quiet for longest."""
        for stream in self._streams.values():
            before = stream.size
            stream.shrink(before - (self.size - self.budget))
            self.size -= before - stream.size
            if self.size <= self.budget:
                return

    def expire(self, now: float, needed: Callable[[str], bool]) -> None:
        """
        Drop what is too old, and the streams that nobody needs.

        @param now: Seconds.
        @param needed: Whether a topic has subscribers, or publications on their way.
        """
        for topic, stream in tuple(self._streams.items()):
            before = stream.size
            stream.trim(now)
            self.size -= before - stream.size
            if stream.touched + stream.depth.age < now and not needed(topic):
                self.drop(topic)

    def topics(self) -> Collection[str]:
        """
        The topics that have a stream, in no order.
        """
        # To go through it in its order takes several times as long.
        return dict.keys(self._streams)

    def __len__(self) -> int:
        return len(self._streams)
