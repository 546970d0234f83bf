"""
Which publications a node has received of late.

A publisher that did not get the answer sends its publication again.  If the server has lost its
logs meanwhile, it does not know the publication, but the node's subscribers have it.
"""

from __future__ import annotations

from collections import OrderedDict

from aerostack.core.replay.positions import Position


class ReceivedTags:
    """
    The tags of the newest publications (see L{aerostack.core.replay.tags}), with the logs that they
    were in.

    @ivar window: For how many seconds a publication can come again.
    @ivar limit: How many are remembered.
    """

    def __init__(self, window: float, limit: int = 50_000) -> None:
        self.window = window
        self.limit = limit
        # By topic and tag, the epoch of the log and when it was received, the oldest first.
        self._places: OrderedDict[tuple[str, str], tuple[str, float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._places)

    def note(self, topic: str, position: Position, now: float) -> None:
        """
        Remember a publication.

        @param now: Seconds.
        """
        key = (topic, position.tag)
        self._places[key] = (position.epoch, now)
        self._places.move_to_end(key)
        if len(self._places) > self.limit:
            self._places.popitem(last=False)

    def had(self, topic: str, tag: str, epoch: str, now: float) -> bool:
        """
        Whether a publication was in an earlier log of a topic.

        @param epoch: The epoch of the log that the topic has now.
        @param now: Seconds.
        """
        place = self._places.get((topic, tag))
        return place is not None and place[0] != epoch and now - place[1] <= self.window
