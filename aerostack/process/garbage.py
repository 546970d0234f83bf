"""
Bounds how many objects Python's garbage collector looks through at once.

Most of what the daemon lets go is freed at once.  Only objects that refer to each other in a
circle have to be found.  Python looks for them when there are many new objects, and time and
again it looks through all that there are: with 300,000 subscriptions that takes 70 ms, and
grows with them.  What has outlived one search is therefore left out of the next ones.
"""

from __future__ import annotations

import gc

from twisted.application.service import Service

THRESHOLDS = 5000, 1, 1
"""After how many new objects Python looks through the youngest, how often it does only that before
it looks through the younger ones too, and how often it does only that before it looks through all
that are not left out: some 35,000 objects, which takes about 3 ms.

A publication that waits for the database has some thirty objects.  While hundreds wait, the
youngest few hundred objects are all in use, and to look through them is in vain."""

WHOLE = 1000
"""One search in this many is through all objects.  It frees circles of objects that were in use
during an earlier search and were left out since."""


class GarbageCollector(Service):
    """
    Leaves objects that have outlived one search out of the next ones, while the service runs.
    """

    def startService(self) -> None:
        super().startService()
        self._searches = 0
        self._thresholds = gc.get_threshold()
        gc.callbacks.append(self._searched)
        gc.set_threshold(*THRESHOLDS)
        # What there is now is there until the end.  Python puts a search off until there is a
        # quarter more than the last one left, which is nothing the second time.
        gc.collect()
        gc.collect()

    def stopService(self) -> None:
        super().stopService()
        gc.callbacks.remove(self._searched)
        gc.set_threshold(*self._thresholds)
        gc.unfreeze()

    def _searched(self, phase: str, info: dict[str, int]) -> None:
        """Hear from Python of a search."""
        if phase != "stop" or info["generation"] != 2:
            return
        self._searches += 1
        if self._searches % WHOLE:
            gc.freeze()
        else:
            gc.unfreeze()
