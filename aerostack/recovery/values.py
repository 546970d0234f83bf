"""
The values of a keyed topic, for a client that begins with them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from twisted.internet.defer import Deferred

from aerostack.core.keyed.states import standing
from aerostack.core.keyed.values import Value, isLater
from aerostack.core.replay.positions import Position
from aerostack.hub.encoding import valueFrame
from aerostack.interfaces.keyed import IKeyedValues
from aerostack.protocol.framing import Frame
from aerostack.recovery.replay import PAGE, PAGE_BYTES


class ValuePages:
    """
    Reads the values that a topic had at a place in its log, page by page.
    """

    def __init__(self, values: IKeyedValues, topic: str, live: Position) -> None:
        """
        @param topic: The canonical topic.
        @param live: The place.  What is behind it comes live.
        """
        self._values = values
        self._topic = topic
        self._live = live
        self._after = 0

    def next(self) -> Deferred[Sequence[Value]]:
        """
        Read the next page.

        @return: Fires with no value behind the last one.
        """
        reading: Deferred[Any] = self._values.page(self._topic, self._after, PAGE, PAGE_BYTES)
        return reading.addCallback(self._take)

    def _take(self, page: list[Value]) -> Sequence[Value]:
        if page:
            self._after = page[-1].serial
        return [value for value in page if not isLater(value.place, self._live)]


def valueFrames(topic: str, page: Sequence[Value], live: Position, isLast: bool) -> Iterator[Frame]:
    """
    Make the frames of a page.

    @param isLast: Whether no other page follows.
    """
    last = len(page) - 1
    for number, value in enumerate(page):
        yield valueFrame(topic, standing(value, live.epoch), isLast and number == last)
