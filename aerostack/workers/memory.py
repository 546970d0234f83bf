"""
Which worker to replace because its memory grows.
"""

from __future__ import annotations

BEATS = 3
"""In how many heartbeats in a row a worker has to be beyond the bound.  A load that passes is no
leak."""

APART = 60.0
"""Seconds between two replacements.  A worker that is soon beyond the bound again has too many
clients for it, and to send these from one worker to the other would not help."""

SHARE = 0.8
"""How much of the memory that the system lets the daemon have all workers together may have.  The
rest is for the hub, and for what one worker takes over from another one that is replaced."""


def boundOf(setting: int | str | None, limit: int | None, count: int) -> int | None:
    """
    How much memory a worker may have.

    @param setting: The setting C{server.worker_memory}: bytes, L{None} for no bound, or a word for
        a part of what the daemon may have.
    @param limit: How much that is, bytes; L{None} if it is unknown.
    @param count: How many workers there are.
    @return: Bytes; L{None} for no bound.
    """
    if not isinstance(setting, str):
        return setting
    return None if limit is None else int(limit * SHARE / count)


class MemoryWatch:
    """
    Watches the memory of all workers.  Every C{now} is in seconds, by one clock that nothing sets.

    @ivar bound: How many bytes a worker may have; L{None} for any number.
    """

    def __init__(self, bound: int | None) -> None:
        self.bound = bound
        # In how many heartbeats, the newest ones, each worker was beyond the bound.
        self._beyond: dict[str, int] = {}
        self._next: float | None = None

    def note(self, name: str, memory: int) -> None:
        """
        Take a heartbeat.

        @param name: The worker.
        @param memory: Its memory, bytes.
        """
        if self.bound is None or memory <= self.bound:
            self._beyond.pop(name, None)
        else:
            self._beyond[name] = self._beyond.get(name, 0) + 1

    def ended(self, name: str) -> None:
        """
        Note that a worker has died.
        """
        self._beyond.pop(name, None)

    @property
    def beyond(self) -> list[str]:
        """The workers that are beyond the bound and stay there."""
        return sorted(name for name, beats in self._beyond.items() if beats >= BEATS)

    def due(self, now: float) -> str | None:
        """
        Choose a worker to replace now.  The caller replaces it.

        @return: L{None} for no worker.
        """
        if not self.beyond or (self._next is not None and now < self._next):
            return None
        self._next = now + APART
        return max(self.beyond, key=lambda name: self._beyond[name])
