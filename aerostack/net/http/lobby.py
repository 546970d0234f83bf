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


PAUSE = 0.02
"""For how many seconds at the most no connections are accepted, while many have not been read."""


class Entrance(Protocol):
    """
    Where connections come in.
    """

    def pause(self) -> None:
        """Accept no connections for now.  The system lets them wait."""

    def resume(self) -> None:
        """Accept connections again."""


class Guest(Protocol):
    """
    A connection that speaks HTTP.

    @ivar waiting: Whether bytes have come that are not looked at yet.
    """

    waiting: bool

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
    that needs the connection sends its request at once.  When very many clients come at once, a
    request may have come and not be looked at yet, or wait for a place.  So no more connections are
    accepted while half as many as there may be wait for that.  Clients that send nothing hold the
    others up for a moment only.

    If too much of the answers waits unsent, the connection that has waited for its client for
    longest is dropped: a client that needs the answer reads it at once.

    One timer is for all connections on which nothing has come yet.  A timer for each of them would
    be cancelled nearly always.

    @ivar unsent: How many bytes of answers wait, about.
    @ivar entrances: Where the connections come in.
    """

    def __init__(self, clock: IReactorTime, limits: LimitsConfig) -> None:
        self._clock = clock
        self._channels: dict[Guest, None] = {}
        # When the connections on which nothing has come yet are too late, the oldest first.
        self._due: dict[Guest, float] = {}
        self._timer: IDelayedCall | None = None
        self.entrances: list[Entrance] = []
        # Accepts again, if no connections are accepted for now.
        self._pause: IDelayedCall | None = None
        # The connections that wait for a place, to become WebSockets.
        self._opening: set[Guest] = set()
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
        if self._pause is None and self._isCrowded():
            self._pause = self._clock.callLater(PAUSE, self._resume)
            for entrance in self.entrances:
                entrance.pause()

    def _isCrowded(self) -> bool:
        return 2 * (len(self._due) + len(self._opening)) > self.most

    def _isBehind(self) -> bool:
        """Whether too many connections wait for the daemon, and not for their clients."""
        return 2 * (len(self._opening) + sum(each.waiting for each in self._due)) > self.most

    def _resume(self) -> None:
        self._pause = None
        if self._isBehind():
            self._pause = self._clock.callLater(PAUSE, self._resume)
            return
        for entrance in self.entrances:
            entrance.resume()

    def greet(self, channel: Guest) -> float:
        """
        Note that the first bytes have come on a connection.

        @return: The seconds that are left for the request.
        """
        now = self._clock.seconds()
        due = self._due.pop(channel, now)
        self._rest()
        return max(0.0, due - now)

    def awaitPlace(self, channel: Guest) -> None:
        """
        Note that a connection waits for a place, until it leaves or its request is answered.  It
        may have left already.
        """
        if channel in self._channels:
            self._opening.add(channel)

    def _expire(self) -> None:
        """Drop the connections that have been silent for too long, and look again in time."""
        self._timer = None
        for channel, due in tuple(self._due.items()):
            left = due - self._clock.seconds()
            if left > 0:
                self._timer = self._clock.callLater(left, self._expire)
                return
            del self._due[channel]
            # What has come may be the whole request.
            if not channel.waiting:
                channel.expire()

    def _rest(self) -> None:
        if self._pause is not None and not self._isCrowded():
            self._pause.cancel()
            self._resume()
        if self._timer is not None and not self._due:
            self._timer.cancel()
            self._timer = None

    def enter(self, channel: Guest) -> None:
        """
        Add a connection, or let one that was answered wait for its next request.
        """
        self._channels.pop(channel, None)
        self._channels[channel] = None
        self._opening.discard(channel)
        if len(self._channels) > self.most:
            idle = (each for each in self._channels if not (each.answering or each.waiting))
            next(idle, channel).turnAway()

    def leave(self, channel: Guest) -> None:
        """
        Forget a connection.
        """
        self._channels.pop(channel, None)
        self._opening.discard(channel)
        self._due.pop(channel, None)
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
