"""
Bounds how long Python's garbage collector holds the daemon up.

Most of what the daemon lets go is freed at once.  Only objects that refer to each other in a
circle have to be found.  Python looks for them when there are many new objects, and time and
again it looks through all that there are: with 300,000 subscriptions that takes 70 ms, and
grows with them.  Here each search is through the objects that are new since the search before,
and what has outlived one search is left out of the next ones (C{gc.freeze}).

Python counts the objects that were made less those that were freed.  While as many are freed as are
made, it never searches, and the new objects become ever more.  So the daemon searches by the clock
as well, and the more often, the longer a search takes.

A circle of objects of which one was left out is found only when all objects are looked through.
The daemon does that when it has little else to do.

This holds for every Python: it depends neither on the generations of Python 3.11 to 3.13 nor on the
increments of 3.14, because both only look at objects that are not left out.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable

from twisted.application.service import Service
from twisted.internet.interfaces import IDelayedCall, IReactorTime

from aerostack.core.diagnosis.histogram import Histogram

YOUNG = 5000
"""After how many new objects, less those that were freed, Python searches by itself."""

SHORTEST, LONGEST = 0.05, 1.0
"""The seconds between two searches by the clock."""

LONG, SHORT = 0.001, 0.00025
"""A search that takes more seconds than the first makes the next one come sooner; one that takes
fewer than the second makes it come later."""

WHOLE = 600.0
"""The least seconds between two searches through all objects."""

OVERDUE = 3600.0
"""After how many seconds all objects are searched although the process is busy."""

MANY = 1_000_000
"""How many objects in circles may be found before all objects are searched: some of the circles
that were made meanwhile have objects that were left out."""

BUSY = 0.1
"""The part of a processor from which on the process is busy."""


class SearchPlan:
    """
    When to search.

    @ivar interval: The seconds until the next search by the clock.
    """

    def __init__(self, now: float) -> None:
        """
        @param now: Seconds by any clock, as everywhere here.
        """
        self.interval = LONGEST
        self._whole = now
        self._found = 0

    def searched(self, took: float, found: int) -> None:
        """
        Note a search through new objects.

        @param took: Its seconds.
        @param found: How many objects in circles it has freed.
        """
        self._found += found
        if took > LONG:
            self.interval = max(SHORTEST, self.interval / 2)
        elif took < SHORT:
            self.interval = min(LONGEST, self.interval * 2)

    def isWholeDue(self, now: float, load: float) -> bool:
        """
        Whether to search all objects.

        @param load: The part of a processor that the process uses.
        """
        since = now - self._whole
        return since >= OVERDUE or (since >= WHOLE and (load < BUSY or self._found >= MANY))

    def searchedAll(self, now: float) -> None:
        """
        Note a search through all objects.
        """
        self._whole, self._found = now, 0


class GarbageCollector(Service):
    """
    Leaves objects that have outlived one search out of the next ones, while the service runs.
    """

    def __init__(
        self,
        clock: IReactorTime,
        searches: Histogram,
        spent: Callable[[], float] = time.process_time,
    ) -> None:
        """
        @param searches: Gets the duration of each search.
        @param spent: Gives the processor time that the process has used, in seconds.
        """
        self._clock = clock
        self._searches = searches
        self._spent = spent
        self._looking: IDelayedCall | None = None

    def startService(self) -> None:
        super().startService()
        now = self._looked = self._clock.seconds()
        self._used = self._spent()
        self._plan = SearchPlan(now)
        self._isWhole, self._began = True, 0.0
        self._threshold = gc.get_threshold()
        gc.callbacks.append(self._searched)
        gc.set_threshold(YOUNG, *self._threshold[1:])
        # What there is now is there until the end.
        gc.collect()
        self._isWhole = False
        self._wait()

    def stopService(self) -> None:
        super().stopService()
        if self._looking is not None:
            self._looking.cancel()
            self._looking = None
        gc.callbacks.remove(self._searched)
        gc.set_threshold(*self._threshold)
        gc.unfreeze()

    def _wait(self) -> None:
        self._looking = self._clock.callLater(self._plan.interval, self._look)

    def _look(self) -> None:
        now = self._clock.seconds()
        passed = now - self._looked
        if passed >= LONGEST and self._plan.isWholeDue(now, self._load(passed)):
            self._isWhole = True
            gc.unfreeze()
            gc.collect()
            self._isWhole = False
            self._plan.searchedAll(now)
        else:
            gc.collect(0)
        self._wait()

    def _load(self, passed: float) -> float:
        """The part of a processor that was used in the last seconds, which end now."""
        used = self._spent()
        before, self._used = self._used, used
        self._looked += passed
        return (used - before) / passed

    def _searched(self, phase: str, info: dict[str, int]) -> None:
        """Hear from Python of a search, on the thread that made the newest object."""
        if phase == "start":
            self._began = time.perf_counter()
            return
        took = time.perf_counter() - self._began
        self._searches.observe(took)
        if not self._isWhole:
            self._plan.searched(took, info["collected"])
        gc.freeze()
