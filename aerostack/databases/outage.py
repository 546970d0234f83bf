"""
Says once that the database is lost, and once that it is back.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from twisted.logger import Logger

from aerostack.tracker.faults import isLost

LONG = 30.0
"""Seconds within which a server restarts.  An outage that lasts longer needs an operator."""

# The server has answered, and does not only say that it stops or starts.
_REFUSED = re.compile(
    r"FATAL: (?!.*(starting|shutting down|recovery|not yet accepting|terminating connection))"
)


class Outage:
    """
    Hears of every interaction with the database, on all connections.

    Each part of the daemon meets the same outage.  The log has one line when it begins and one when
    it is over; what the parts say of it is written at the level C{debug} only.
    """

    log = Logger()

    def __init__(self, seconds: Callable[[], float]) -> None:
        """
        @param seconds: Gives the time for intervals, in seconds.
        """
        self._seconds = seconds
        # When the outage began, and when an interaction last failed.
        self._since: float | None = None
        self._last = 0.0
        # Whether the log has said that an operator has to act.
        self._isUrgent = False

    def failed(self, error: BaseException | None) -> None:
        """
        Note that an interaction has failed.
        """
        if error is None or not isLost(error):
            return
        now = self._last = self._seconds()
        said = " ".join(str(error).split())
        isNew = self._since is None
        if self._since is None:
            self._since = now
        long = now - self._since
        if not self._isUrgent and (long >= LONG or _REFUSED.search(said)):
            self._isUrgent = True
            self.log.error(
                "the database has not been reached for {n} s; the daemon tries again: {said}",
                n=round(long),
                said=said,
            )
        elif isNew:
            self.log.warn("the database is lost; the daemon tries again: {said}", said=said)

    def worked(self, began: float) -> None:
        """
        Note that an interaction has succeeded.

        @param began: When it began.  One that began before the last failure says nothing.
        """
        if self._since is None or began <= self._last:
            return
        since, self._since, self._isUrgent = self._since, None, False
        self.log.info("the database answers again, after {n} s", n=round(self._seconds() - since))
