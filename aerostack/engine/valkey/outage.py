"""
Says once that the engine is lost, and once that it is back.
"""

from __future__ import annotations

from twisted.logger import Logger

LONG = 30.0
"""Seconds within which a server restarts, or another one takes over.  An outage that lasts longer
needs an operator."""

_CREDENTIALS = frozenset(("NOAUTH", "WRONGPASS", "NOPERM"))
"""Codes of refusals that do not pass by themselves."""


class EngineOutage:
    """
    Hears of each attempt to connect.

    A server that restarts gives several reasons one after the other.  The log has one line when the
    outage begins, one when an operator has to act, and one when it is over.
    """

    log = Logger()

    def __init__(self) -> None:
        # When the outage began.
        self._since: float | None = None
        self._isUrgent = False

    def lost(self, said: str, code: str | None, now: float) -> None:
        """
        Note that there is no connection.

        @param said: Why, as a sentence.
        @param code: The code of the server's answer, if it has answered with an error.
        @param now: The monotonic time, seconds.
        """
        isNew = self._since is None
        if self._since is None:
            self._since = now
        long = now - self._since
        if not self._isUrgent and (long >= LONG or code in _CREDENTIALS):
            self._isUrgent = True
            self.log.error(
                "the engine has not been reached for {n} s; the daemon tries again: {said}",
                n=round(long),
                said=said,
            )
        elif isNew:
            self.log.warn("the engine is lost; the daemon tries again: {said}", said=said)

    def over(self, now: float) -> None:
        """
        Note that there is a connection.

        @param now: The monotonic time, seconds.
        """
        since, self._since, self._isUrgent = self._since, None, False
        if since is None:
            self.log.info("the engine answers")
        else:
            self.log.info("the engine answers again, after {n} s", n=round(now - since))
