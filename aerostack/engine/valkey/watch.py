"""
Decides when a connection has to be left, and when to try again.
"""

from __future__ import annotations

from dataclasses import dataclass

PING_EVERY = 1.0
"""How often the server is sent a PING, in seconds."""

SILENCE = 3.0
"""After how many seconds without a byte from the server the connection is left."""

ROLE_EVERY = 2.0
"""How often the server is asked for its role, in seconds."""

PROBE_EVERY = 1.0
"""How often a message is published to the daemon's own channel, in seconds."""

LAG = 1.0
"""After how many seconds between two looks the daemon itself is taken to have stood still."""

FIRST_PAUSE = 0.05
"""The pause before the first attempt to reconnect, in seconds."""

LONGEST_PAUSE = 2.0
"""The longest such pause, in seconds; each is twice as long as the one before."""

STEADY = 2.0
"""How long a connection must have lasted for the next pause to be the first again, in seconds."""


@dataclass(frozen=True)
class Due:
    """
    What is to be sent now.

    @ivar ping: Whether a PING is due.
    @ivar role: Whether a ROLE is due.
    @ivar probe: The number of the probe that is due; L{None} if none is.
    """

    ping: bool
    role: bool
    probe: int | None


class ConnectionWatch:
    """
    What is known of a connection that is up.

    Bytes alone do not show that a connection works: a server may answer, and no message may come.
    So a probe goes the way that messages go.
    """

    def __init__(self, now: float) -> None:
        """
        @param now: The time, in seconds, as in all methods.
        """
        self._heard = now
        self._looked = now
        self._pinged = now
        self._asked = now
        self._probed = now
        self._number = 0
        # When the oldest probe was sent that has not come back, and the number of the newest that
        # has.
        self._missing: float | None = None
        self._returned = 0

    def heard(self, now: float) -> None:
        """
        Note that bytes have come.
        """
        self._heard = now

    def returned(self, number: int, now: float) -> None:
        """
        Note that a probe has come back.
        """
        if self._returned < number <= self._number:
            self._returned = number
            self._missing = None if number == self._number else now

    def due(self, now: float) -> Due:
        """
        Say what is to be sent now, and take it as sent.
        """
        ping = now - self._pinged >= PING_EVERY
        role = now - self._asked >= ROLE_EVERY
        probe = None
        if ping:
            self._pinged = now
        if role:
            self._asked = now
        if now - self._probed >= PROBE_EVERY:
            self._probed = now
            self._number += 1
            probe = self._number
            if self._missing is None:
                self._missing = now
        return Due(ping, role, probe)

    def fault(self, now: float) -> str | None:
        """
        Say why the connection has to be left; L{None} if it need not be.  This is asked at each
        look.
        """
        passed, self._looked = now - self._looked, now
        if passed > LAG:
            # What came while the daemon stood still has not been read yet.
            self._heard += passed
            if self._missing is not None:
                self._missing += passed
        if now - self._heard >= SILENCE:
            return f"The server has sent nothing for {SILENCE:g} seconds."
        if self._missing is not None and now - self._missing >= SILENCE:
            return (
                "The server answers, but a message to the daemon's own channel has not come for"
                f" {SILENCE:g} seconds."
            )
        return None


def roleFault(role: object) -> str | None:
    """
    Say why a server has to be left by its answer to ROLE; L{None} if it is a master.
    """
    name = role[0] if isinstance(role, list) and role else None
    if name == b"master":
        return None
    shown = name.decode(errors="replace") if isinstance(name, bytes) else "nothing known"
    return f"The server is no master; its role is {shown}."


class Backoff:
    """
    The pauses between attempts to connect.
    """

    def __init__(self) -> None:
        self._pause = FIRST_PAUSE

    def ended(self, lasted: float) -> None:
        """
        Note how long a connection has lasted, in seconds.
        """
        if lasted >= STEADY:
            self._pause = FIRST_PAUSE

    def next(self, random: float) -> float:
        """
        Give the next pause in seconds.

        @param random: From 0 to 1: daemons that lost the same server shall not come back at the
            same moment.
        """
        pause = self._pause
        self._pause = min(2 * pause, LONGEST_PAUSE)
        return pause * (0.5 + 0.5 * random)
