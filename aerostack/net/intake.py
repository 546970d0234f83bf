"""
What clients have sent, taken in shares.

One turn of the reactor may find much to read from many.  Whatever of it does not fit into
the turn waits, and the sockets that it came from are not read meanwhile: their senders
wait too, and timers, signals and everybody else have their turn in time.
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
"""Seconds of a turn that go into what clients have sent."""

SHARE = 0.0025
"""Seconds of them that one client has at the most, before others have had theirs."""

BRIEF = 256
"""How many bytes are a little."""


class Source(Protocol):
    """
    Something that bytes come from.

    @ivar unread: What has come and was not taken yet.
    @ivar held: Whether it waits for its share.
    """

    unread: bytes
    held: bool

    @property
    def ending(self) -> bool:
        """Whether it was told to go, so that all that is awaited is its answer."""

    def feed(self) -> None:
        """Take the next of L{unread}, no more than can be done in a few milliseconds."""

    def hold(self) -> None:
        """Read no more."""

    def letGo(self) -> None:
        """Read on."""

    def failed(self, failure: Failure) -> None:
        """Note that it raised something."""


class Intake:
    """
    Lets everybody who has sent something have a share of each turn.  Who sends a little
    does not wait for those who have sent much.

    @ivar stopped: Whether nothing is taken any more, but the answers of those who were
        told to go.
    """

    log = Logger()

    def __init__(
        self, clock: IReactorTime, seconds: Callable[[], float] = time.perf_counter
    ) -> None:
        """
        @param seconds: Measures how long something takes.
        """
        self.stopped = False
        self._clock = clock
        self._seconds = seconds
        # Those who have sent a little, and those who have sent much.
        self._brief: deque[Source] = deque()
        self._waiting: deque[Source] = deque()
        # What of this turn is used up, and whether the next is awaited.
        self._spent = 0.0
        self._awaited = False

    def take(self, source: Source, data: bytes) -> None:
        """
        Take what has come, as much as this turn allows; the rest in turns to come.
        """
        source.unread += data
        if source.held:
            return
        queue = self._brief if len(source.unread) <= BRIEF else self._waiting
        if self._spent < BUDGET and not queue and not self.stopped:
            until = self._seconds() + SHARE
            while source.unread and self._feed(source) < until:
                pass
        if source.unread:
            source.held = True
            source.hold()
            queue.append(source)
        self._awaitTurn()

    def again(self, source: Source) -> None:
        """
        Let somebody have a further share, though nothing more has come.
        """
        self._waiting.append(source)
        self._awaitTurn()

    def ending(self, source: Source) -> None:
        """
        Note that somebody was told to go.
        """
        if self.stopped and source.held:
            self._brief.append(source)
            self._awaitTurn()

    def _awaitTurn(self) -> None:
        if not self._awaited:
            self._awaited = True
            self._clock.callLater(0, self._turn)

    def _turn(self) -> None:
        self._awaited = False
        self._spent = 0.0
        brief, waiting = self._brief, self._waiting
        while (brief or waiting) and self._spent < BUDGET:
            source = (brief or waiting).popleft()
            if self.stopped and not source.ending:
                # It is left as it is, unread.
                continue
            self._feed(source)
            if source.unread:
                waiting.append(source)
            elif source.held:
                source.held = False
                source.letGo()
        if brief or waiting:
            self._awaitTurn()

    def _feed(self, source: Source) -> float:
        """
        @return: When it was done.
        """
        began = self._seconds()
        try:
            source.feed()
        except Exception:
            # One client's fault must not cost the others their turn.
            source.unread = b""
            source.failed(Failure())
        now = self._seconds()
        self._spent += now - began
        return now
