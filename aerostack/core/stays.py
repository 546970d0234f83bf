"""
On which topics connections are present, as far as they were let in or have asked to be.
"""

from __future__ import annotations


class Stay:
    """
    One connection's stay on one topic.

    @ivar asking: How many requests to be present, or to change the state, have no answer yet.
    @ivar isPresent: Whether one of them was granted.
    """

    __slots__ = ("asking", "isPresent")

    def __init__(self) -> None:
        self.asking = 0
        self.isPresent = False


class Stays:
    """
    The stays of some connections, where the answers to their requests take time.
    """

    def __init__(self) -> None:
        self._stays: dict[str, dict[str, Stay]] = {}

    def ask(self, topic: str, connectionId: str) -> Stay:
        """
        Note a request to be present, or to change the state.

        @return: What L{answered} takes.
        """
        stays = self._stays.setdefault(connectionId, {})
        stay = stays.get(topic)
        if stay is None:
            stay = stays[topic] = Stay()
        stay.asking += 1
        return stay

    def answered(self, topic: str, connectionId: str, stay: Stay, granted: bool) -> None:
        """
        Note the answer to a request.  The connection may have left since it asked.
        """
        stay.asking -= 1
        stay.isPresent = stay.isPresent or granted
        stays = self._stays.get(connectionId, {})
        if stays.get(topic) is stay and not stay.isPresent and not stay.asking:
            self.end(topic, connectionId)

    def end(self, topic: str, connectionId: str) -> None:
        """
        Note that a connection is not to be present on a topic any more.
        """
        stays = self._stays.get(connectionId, {})
        stays.pop(topic, None)
        if not stays:
            self._stays.pop(connectionId, None)

    def endAll(self, connectionId: str) -> None:
        """
        Note that a connection is not to be present on any topic any more.
        """
        self._stays.pop(connectionId, None)

    def topicsOf(self, connectionId: str) -> tuple[str, ...]:
        """
        Where a connection is present, or will be when a request that has no answer yet is granted.
        """
        return tuple(self._stays.get(connectionId, ()))

    def __len__(self) -> int:
        return len(self._stays)
