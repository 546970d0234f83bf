"""
When to start a worker again, when to kill it, and when to give up.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

FIRST_PAUSE = 1.0
"""Seconds between the second end of a worker and its next start.  After its first end a worker is
started at once.  Each further pause is twice as long."""

LONGEST_PAUSE = 30.0
"""The longest pause, in seconds."""

STEADY = 60.0
"""Seconds that a worker has to live for its next end to count as the first one again."""

MAX_DEATHS, WINDOW = 5, 60.0
"""How many workers may die within how many seconds before the daemon gives up."""

SILENCE = 10.0
"""Seconds without a heartbeat after which a worker is killed."""

STARTING = 60.0
"""Seconds that a worker has until its first heartbeat."""

GAP = 3.0
"""If the hub looks this many seconds after its last look, the hub itself was held up.  Heartbeats
that it could not read are not missing."""


class _Life:
    """
    @ivar started: When the worker was started; L{None} if it does not run.
    @ivar silent: From when on a worker without a further heartbeat has hung.
    @ivar due: When to start it, if it does not run.
    @ivar pause: How long to wait after its next end, in seconds.
    """

    __slots__ = ("due", "pause", "silent", "started")

    def __init__(self) -> None:
        self.started: float | None = None
        self.silent = 0.0
        self.due = 0.0
        self.pause = 0.0


class Lives:
    """
    The lives of all workers.  Every C{now} is in seconds, by one clock that nothing sets.
    """

    def __init__(self, names: Iterable[str], now: float) -> None:
        """
        @param names: The workers.  All are due.
        """
        self._lives = {name: _Life() for name in names}
        self._deaths: deque[float] = deque(maxlen=MAX_DEATHS)
        self._looked = now
        for life in self._lives.values():
            life.due = now

    def due(self, now: float) -> list[str]:
        """
        Which workers to start now.
        """
        return [
            name for name, life in self._lives.items() if life.started is None and life.due <= now
        ]

    def started(self, name: str, now: float) -> None:
        """
        Note that a worker was started.
        """
        life = self._lives[name]
        life.started = now
        life.silent = now + STARTING

    def heard(self, name: str, now: float) -> None:
        """
        Note a heartbeat.
        """
        self._lives[name].silent = now + SILENCE

    def hung(self, now: float) -> list[str]:
        """
        Which workers to kill.  To be called at least once a second.
        """
        gap, self._looked = now - self._looked, now
        running = [(name, life) for name, life in self._lives.items() if life.started is not None]
        if gap > GAP:
            for _, life in running:
                life.silent += gap
        return [name for name, life in running if life.silent <= now]

    def ended(self, name: str, now: float) -> float:
        """
        Note that a worker has died.

        @return: Seconds until it is due again.
        """
        life = self._lives[name]
        if life.started is not None and now - life.started >= STEADY:
            life.pause = 0.0
        pause = life.pause
        life.started = None
        life.due = now + pause
        life.pause = min(max(2 * pause, FIRST_PAUSE), LONGEST_PAUSE)
        self._deaths.append(now)
        return pause

    def hopeless(self, now: float) -> bool:
        """
        Whether so many workers have died that starting others would not help.
        """
        return len(self._deaths) == MAX_DEATHS and now - self._deaths[0] <= WINDOW
