"""
The ids of runs, of connections and of messages.
"""

from __future__ import annotations

from collections.abc import Callable
from uuid import uuid4

DIGITS = 12
"""How many hexadecimal digits the id of a run has.  Epochs and connection ids begin with it, and an
epoch has room for as many digits again."""


def newRun() -> str:
    """
    Make the id of one run of one process.  The ids of all runs of all processes differ, so that
    positions, members and log lines of different runs differ.
    """
    return uuid4().hex[:DIGITS]


class ConnectionIds:
    """
    Makes the ids of the connections of one run.

    An id ends with the time of the opening, or with the next number if several connections open
    within a millisecond.  So the ids of all processes sort in order of opening; see
    L{aerostack.core.diagnosis.merging.orderOf}.
    """

    def __init__(self, run: str, wall: Callable[[], float]) -> None:
        """
        @param run: The id of the run.
        @param wall: Gives the time of day, seconds since the epoch.
        """
        self._run = run
        self._wall = wall
        self._last = 0

    def __call__(self) -> str:
        """
        Make the id of a connection that opens now.
        """
        # The operator may have set the clock back.
        self._last = max(self._last + 1, int(self._wall() * 1000))
        return f"c{self._run}-{self._last:x}"


class MessageIds:
    """
    Makes the ids of the messages that the daemon keeps.

    An id begins with the time, so a database puts the ids of new messages side by side at the end
    of its index.  Ids without an order would have it read and write another page of the index for
    each message.
    """

    def __init__(self, run: str, now: Callable[[], int]) -> None:
        """
        @param run: The id of the run.
        @param now: Gives the time of day, milliseconds since the epoch.
        """
        self._run = run
        self._now = now
        self._number = 0

    def __call__(self) -> str:
        """
        Make the id of a message that comes now.
        """
        # The number alone tells the messages of a run apart, until it begins again.
        self._number = (self._number + 1) & 0xFFFF_FFFF
        return f"{self._now():012x}{self._run}{self._number:08x}"
