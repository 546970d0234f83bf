"""
The values that keyed topics have now.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable

from msgspec import structs

from aerostack.core.keyed.values import REMOVED, Value, topicSizeOf
from aerostack.core.replay.positions import Position
from aerostack.core.replay.publications import Publication
from aerostack.core.topics.topics import projectOf


class KeyedState:
    """
    The values of one topic, in the order of their newest changes.

    @ivar values: By key.
    @ivar size: How many bytes they have, about.
    """

    __slots__ = ("_order", "_serial", "_times", "size", "values")

    def __init__(self, serial: int = 0) -> None:
        """
        @param serial: The number behind which those of the values begin.
        """
        self.values: dict[str, Value] = {}
        self.size = 0
        self._serial = serial
        # Each value's number and key, in order.  Values that were replaced stay here for a while.
        self._order: list[tuple[int, str]] = []
        # When each value was published, seconds of the clock.
        self._times: dict[str, float] = {}

    def apply(self, publication: Publication, place: Position, now: float) -> None:
        """
        Take the next publication of the topic's log.

        @param publication: It has a key.
        @param place: Its place in the log.
        @param now: When it was published, seconds of the clock.
        """
        key = publication.key
        assert key is not None
        before = self.values.pop(key, None)
        if before is not None:
            self.size -= before.size
            del self._times[key]
        self._serial += 1
        if publication.data != REMOVED:
            value = Value(
                key,
                place,
                publication.event,
                publication.data,
                publication.userId,
                publication.timestamp,
                publication.mark is not None,
                self._serial,
            )
            self.values[key] = value
            self.size += value.size
            self._times[key] = now
            self._order.append((self._serial, key))
        if len(self._order) > 2 * len(self.values) + 64:
            self._order = [(value.serial, value.key) for value in self.values.values()]

    def page(self, after: int, limit: int, size: int) -> list[Value]:
        """
        Give the next values, those first that have not changed for longest.

        @param after: The C{serial} behind which to begin; 0 for the first.
        @param limit: How many values at the most.
        @param size: How many bytes at the most; but one value at least, if there is one.
        """
        found: list[Value] = []
        for place in range(bisect_right(self._order, after, key=_first), len(self._order)):
            serial, key = self._order[place]
            value = self.values.get(key)
            if value is None or value.serial != serial:
                continue
            size -= value.size
            if found and (size < 0 or len(found) >= limit):
                break
            found.append(value)
        return found

    def due(self, before: float, most: int) -> list[Value]:
        """
        Give the values that were published before a time, the oldest first.

        @param before: Seconds of the clock.
        @param most: How many values at the most.
        """
        found: list[Value] = []
        for key, value in self.values.items():
            # The dictionary is in the order of the newest changes.
            if len(found) >= most or self._times[key] >= before:
                break
            found.append(value)
        return found

    @property
    def last(self) -> int:
        """The number of the newest change."""
        return self._serial


def _first(entry: tuple[int, str]) -> int:
    return entry[0]


class KeyedStates:
    """
    The values of all topics.

    @ivar sizes: How many bytes the values of each project and their topics have, about.
    """

    def __init__(self) -> None:
        self.sizes: Counter[str] = Counter()
        self._states: dict[str, KeyedState] = {}
        # The values of a topic that had some before have larger numbers than those.
        self._serial = 0

    def __len__(self) -> int:
        return len(self._states)

    def topics(self) -> Iterable[str]:
        """
        The canonical topics that have values.
        """
        return tuple(self._states)

    def get(self, topic: str) -> KeyedState | None:
        """
        The values of a topic; L{None} if it has none.
        """
        return self._states.get(topic)

    def find(self, topic: str, key: str) -> Value | None:
        """
        The value of a key; L{None} if it has none.
        """
        state = self._states.get(topic)
        return None if state is None else state.values.get(key)

    def apply(self, publication: Publication, place: Position, now: float) -> None:
        """
        See L{KeyedState.apply}.
        """
        topic = publication.topic
        project = projectOf(topic)
        state = self._states.get(topic)
        if state is None:
            if publication.data == REMOVED:
                return
            state = self._states[topic] = KeyedState(self._serial)
            self.sizes[project] += topicSizeOf(topic)
        before = state.size
        state.apply(publication, place, now)
        self.sizes[project] += state.size - before
        if not state.values:
            self.sizes[project] -= topicSizeOf(topic)
            self._serial = max(self._serial, state.last)
            del self._states[topic]
        if not self.sizes[project]:
            del self.sizes[project]

    def restore(
        self, publications: Iterable[Publication], epoch: str, age: float, now: int
    ) -> None:
        """
        Take values that the database has kept.

        @param publications: The newest one of each key, in the order of their marks.
        @param epoch: Stands in their places for the log, which is gone.
        @param age: The clock's time, seconds.
        @param now: The time of day, milliseconds since the epoch.
        """
        for publication in publications:
            mark = publication.mark or 0
            place = Position(epoch, None, mark, seen=True)
            passed = max(0, now - publication.timestamp) / 1000
            self.apply(publication, place, age - passed)


def standing(value: Value, epoch: str) -> Value:
    """
    A value with its place as clients get it.

    @param epoch: The epoch of the topic's log.
    """
    if value.place.offset is not None:
        return value
    return structs.replace(value, place=structs.replace(value.place, epoch=epoch))
