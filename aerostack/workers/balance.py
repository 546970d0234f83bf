"""
Which worker gets the next connection.
"""

from __future__ import annotations

from collections.abc import Iterable

LATE = 2.5
"""Seconds without a message after which a worker gets no connections, if there is another one."""


class Load:
    """
    How much a worker has to do, as far as the hub knows.

    @ivar name: The worker.
    """

    def __init__(self, name: str, now: float) -> None:
        """
        @param now: Seconds, as for all methods.
        """
        self.name = name
        self._passed = 0
        self._reported = 0
        self._received = 0
        self._heard = now

    def passed(self) -> None:
        """
        Note that the worker gets a connection.
        """
        self._passed += 1

    def beat(self, now: float, connections: int, received: int) -> None:
        """
        Note what is in a heartbeat of the worker.

        @param connections: How many it has.
        @param received: How many it has received since it was started.
        """
        self._heard = now
        self._reported = connections
        self._received = received

    @property
    def connections(self) -> int:
        """The connections in its last heartbeat, and those that it had not received by then."""
        return self._reported + self._passed - self._received

    def late(self, now: float) -> bool:
        """
        Whether the worker has not been heard of for too long.
        """
        return self.silence(now) > LATE

    def silence(self, now: float) -> float:
        """
        How long the worker has not been heard of, seconds.
        """
        return now - self._heard


def choose(loads: Iterable[Load], now: float) -> Load | None:
    """
    Choose the worker with the fewest connections, of those that are not late; of all, if all are.
    Of workers with equally many, the first is chosen.

    @return: L{None} if there is no worker.
    """
    return min(loads, key=lambda load: (load.late(now), load.connections), default=None)
