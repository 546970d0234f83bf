"""
The connections that speak HTTP, together.
"""

from __future__ import annotations

from typing import Protocol

from twisted.internet.interfaces import IDelayedCall, IReactorTime

from aerostack.settings.limits import LimitsConfig

LEAST = 100
"""How many connections may speak HTTP at the same time at the least, even if C{limits.connections}
is small."""

UNSENT = 67_108_864
"""How many bytes of answers may wait on all connections together for clients to read them."""


class Guest(Protocol):
    """
    A connection that speaks HTTP.
    """

    @property
    def answering(self) -> bool:
        """Whether a request is being answered."""

    def expire(self) -> None:
        """Drop the connection: nothing has come on it in time."""

    def turnAway(self) -> None:
        """Drop the connection: there are too many, or too much waits on it."""


class Lobby:
    """
    The connections that speak HTTP.  Some of them become WebSockets.

    If there are too many, the one that has been without a request for longest is dropped: a client
    that needs the connection sends its request at once.

    If too much of the answers waits unsent, the connection that has waited for its client for
    longest is dropped: a client that needs the answer reads it at once.

    One timer is for all connections on which nothing has come yet.  A timer for each of them would
    be cancelled nearly always.

    @ivar unsent: How many bytes of answers wait, about.
    """

    def __init__(self, clock: IReactorTime, limits: LimitsConfig) -> None:
        self._clock = clock
        self._channels: dict[Guest, None] = {}
        # When the connections on which nothing has come yet are too late, the oldest first.
        self._due: dict[Guest, float] = {}
        self._timer: IDelayedCall | None = None
        self.unsent = 0
        # The bytes that wait on each connection, the one that has waited for longest first.
        self._owed: dict[Guest, int] = {}
        self.reload(limits)

    def reload(self, limits: LimitsConfig) -> None:
        """
        Go by these limits from now on.
        """
        self.most = max(LEAST, limits.connections // 10)

    def __len__(self) -> int:
        return len(self._channels)

    def welcome(self, channel: Guest, patience: float) -> None:
        """
        Add a new connection.

        @param patience: The seconds within which a whole request has to come.
        """
        self._due[channel] = self._clock.seconds() + patience
        if self._timer is None:
            self._timer = self._clock.callLater(patience, self._expire)
        self.enter(channel)

    def greet(self, channel: Guest) -> float:
        """
        Note that the first bytes have come on a connection.

        @return: The seconds that are left for the request.
        """
        now = self._clock.seconds()
        due = self._due.pop(channel, now)
        self._rest()
        return max(0.0, due - now)

    def _expire(self) -> None:
        """Drop the connections that have been silent for too long, and look again in time."""
        self._timer = None
        for channel, due in tuple(self._due.items()):
            left = due - self._clock.seconds()
            if left > 0:
                self._timer = self._clock.callLater(left, self._expire)
                return
            del self._due[channel]
            channel.expire()

    def _rest(self) -> None:
        if self._timer is not None and not self._due:
            self._timer.cancel()
            self._timer = None

    def enter(self, channel: Guest) -> None:
        """
        Add a connection, or let one that was answered wait for its next request.
        """
        self._channels.pop(channel, None)
        self._channels[channel] = None
        if len(self._channels) > self.most:
            idle = (each for each in self._channels if not each.answering)
            next(idle, channel).turnAway()

    def leave(self, channel: Guest) -> None:
        """
        Forget a connection.
        """
        self._channels.pop(channel, None)
        if self._due.pop(channel, None) is not None:
            self._rest()
        self.settle(channel)

    def owe(self, channel: Guest, size: int) -> None:
        """
        Note that so many bytes more wait on a connection.
        """
        self._owed[channel] = self._owed.get(channel, 0) + size
        self.unsent += size
        while self.unsent > UNSENT and len(self._owed) > 1:
            next(iter(self._owed)).turnAway()

    def settle(self, channel: Guest) -> None:
        """
        Note that nothing waits on a connection any more.
        """
        self.unsent -= self._owed.pop(channel, 0)
