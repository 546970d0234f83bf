"""
Divides each turn of the reactor among the clients that have sent bytes.

In one turn of the reactor many clients may have sent much.  Bytes that do not fit into the turn
wait.  While many bytes of a client wait, the daemon does not read from its socket.  So timers,
signals and other clients are served in time.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from typing import Protocol

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

BUDGET = 0.01
"""Seconds of a turn for the bytes that clients have sent."""

SHARE = 0.0025
"""Seconds of L{BUDGET} for one client, before the other clients have had their share."""

LITTLE = BUDGET / 4
"""Seconds that a turn may have used without being ended.  They count for the next turn, too."""

BRIEF = 256
"""A client with at most this many unread bytes does not wait for those with more."""

MUCH = 4096
"""The daemon reads on from a client that waits with at most this many unread bytes: to stop, and to
begin again, would cost two system calls."""


class Source(Protocol):
    """
    A connection from which bytes come.

    @ivar unread: The bytes that have come and were not taken yet.
    @ivar waiting: Whether the connection waits for its share.
    @ivar held: Whether the daemon does not read from the socket meanwhile.
    """

    unread: bytes
    waiting: bool
    held: bool

    @property
    def ending(self) -> bool:
        """Whether the daemon is closing the connection, and only waits for the client's answer."""

    def feed(self) -> None:
        """Take the next bytes of L{unread}, for a few milliseconds at the most."""

    def hold(self) -> None:
        """Stop reading from the socket."""

    def letGo(self) -> None:
        """Go on reading from the socket."""

    def failed(self, failure: Failure) -> None:
        """Handle an exception that C{feed} raised."""


class Intake:
    """
    Gives every client that has sent bytes a share of each turn.  A client that has sent a little
    does not wait for clients that have sent much.

    @ivar stopped: Whether the daemon stops.  The intake then only takes the answers of connections
        that are closing.
    """

    log = Logger()

    def __init__(
        self, clock: IReactorTime, seconds: Callable[[], float] = time.perf_counter
    ) -> None:
        """
        @param seconds: A clock, by which the time of C{feed} is measured.
        """
        self.stopped = False
        self._clock = clock
        self._seconds = seconds
        # Clients that have sent a little, and clients that have sent much.
        self._brief: deque[Source] = deque()
        self._waiting: deque[Source] = deque()
        # Seconds of this turn that are used up, and whether the next turn is scheduled.
        self._spent = 0.0
        self._awaited = False

    def take(self, source: Source, data: bytes) -> None:
        """
        Take new bytes, as many as this turn allows, and the rest in later turns.
        """
        source.unread += data
        if source.waiting:
            self._hold(source)
            return
        queue = self._brief if len(source.unread) <= BRIEF else self._waiting
        if self._spent < BUDGET and not queue and not self.stopped:
            now = self._seconds()
            until = now + SHARE
            while source.unread and now < until:
                now = self._feed(source, now)
        if source.unread:
            source.waiting = True
            queue.append(source)
            self._hold(source)
        elif self._spent < LITTLE:
            # A timer for each turn would cost more than it is worth.
            return
        self._awaitTurn()

    def again(self, source: Source) -> None:
        """
        Give a client another share, although no more bytes have come.
        """
        self._waiting.append(source)
        self._awaitTurn()

    def ending(self, source: Source) -> None:
        """
        Note that the daemon has begun to close a connection.
        """
        if self.stopped and source.waiting:
            self._brief.append(source)
            self._awaitTurn()

    def _hold(self, source: Source) -> None:
        if len(source.unread) > MUCH and not source.held:
            source.held = True
            source.hold()

    def _awaitTurn(self) -> None:
        if not self._awaited:
            self._awaited = True
            self._clock.callLater(0, self._turn)

    def _turn(self) -> None:
        self._awaited = False
        self._spent = 0.0
        brief, waiting = self._brief, self._waiting
        now = self._seconds()
        while (brief or waiting) and self._spent < BUDGET:
            source = (brief or waiting).popleft()
            if self.stopped and not source.ending:
                # Its bytes stay unread.
                continue
            now = self._feed(source, now)
            if source.unread:
                waiting.append(source)
            elif source.waiting:
                source.waiting = False
                if source.held:
                    source.held = False
                    source.letGo()
        if brief or waiting:
            self._awaitTurn()

    def _feed(self, source: Source, began: float) -> float:
        """
        @param began: The time before it.
        @return: The time after it.
        """
        try:
            source.feed()
        except Exception:
            # The other clients must still have their turn.
            source.unread = b""
            source.failed(Failure())
        now = self._seconds()
        self._spent += now - began
        return now
