"""
Deadlines for very many keys.

A timer for each client would need a heap entry for each, and most timers are cancelled before they
fire.  Here each key has one due time, rounded up to whole seconds, in a set for that second.  To
move a deadline costs one dictionary entry, and one sweep a second serves all keys.
"""

from __future__ import annotations

from collections.abc import Hashable
from math import ceil


class Deadlines:
    """
    Keys, each with the second at which it is due.
    """

    def __init__(self) -> None:
        self._due: dict[Hashable, int] = {}
        self._seconds: dict[int, set[Hashable]] = {}
        self._swept: int | None = None

    def __len__(self) -> int:
        return len(self._due)

    def set(self, key: Hashable, due: float) -> None:
        """
        Set the time at which a key is due, in place of its earlier one.

        @param due: Seconds, on the scale of L{expire}'s C{now}.
        """
        self.clear(key)
        second = ceil(due)
        if self._swept is not None and second <= self._swept:
            second = self._swept + 1
        self._due[key] = second
        self._seconds.setdefault(second, set()).add(key)

    def clear(self, key: Hashable) -> None:
        """
        Remove a key's deadline.  An unknown key is no error.
        """
        second = self._due.pop(key, None)
        if second is not None:
            keys = self._seconds[second]
            keys.discard(key)
            if not keys:
                del self._seconds[second]

    def expire(self, now: float) -> list[Hashable]:
        """
        Take out every key that is due.

        @param now: Seconds.  If the clock was set back, earlier deadlines wait until their time
            comes again.
        @return: The keys, in the order in which they were due.
        """
        last = int(now)
        if self._swept is None or last - self._swept > len(self._seconds):
            seconds = sorted(second for second in self._seconds if second <= last)
        else:
            seconds = [s for s in range(self._swept + 1, last + 1) if s in self._seconds]
        self._swept = last
        expired: list[Hashable] = []
        for second in seconds:
            keys = self._seconds.pop(second)
            for key in keys:
                del self._due[key]
            expired.extend(keys)
        return expired
