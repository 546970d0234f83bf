"""
How much of what the hub says about tables a worker has not handled yet.
"""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.defer import Deferred

STRIDE = 262_144
"""How many bytes go to a worker between two marks."""

AHEAD = 4
"""How many marks the worker may have left unanswered before the feed waits for it."""


class Window:
    """
    Counts what one worker has not handled.
    """

    def __init__(self, mark: Callable[[int], object]) -> None:
        """
        @param mark: Sends the worker a mark with a number.  The worker answers with the number
            once it has handled everything before the mark.
        """
        self._mark = mark
        # The last mark that was sent, and the last that was answered.
        self._sent = 0
        self._taken = 0
        # How many bytes have gone since the last mark.
        self._bytes = 0
        self._waiting: list[tuple[int, Deferred[None]]] = []
        self._ended = False

    def add(self, size: int) -> None:
        """
        Note that bytes have gone to the worker.
        """
        self._bytes += size
        if self._bytes >= STRIDE:
            self.mark()

    def mark(self) -> None:
        """
        Ask the worker to say when it has come to this point.
        """
        self._bytes = 0
        self._sent += 1
        self._mark(self._sent)

    def take(self, number: int) -> None:
        """
        Note that the worker has come to a mark.
        """
        self._taken = number
        self._release()

    def whenLeft(self, most: int) -> Deferred[None] | None:
        """
        Ask when the worker has left so many marks unanswered, at the most.

        @return: L{None} if it has left no more now, else a L{Deferred} that fires then, or when
            the worker has gone.
        """
        if self._ended or self._sent - self._taken <= most:
            return None
        waiting: Deferred[None] = Deferred()
        self._waiting.append((self._sent - most, waiting))
        return waiting

    def end(self) -> None:
        """
        Hold back nothing any more: the worker has gone.
        """
        self._ended = True
        self._release()

    def _release(self) -> None:
        ready = [each for each in self._waiting if self._ended or each[0] <= self._taken]
        self._waiting = [each for each in self._waiting if each not in ready]
        for _, waiting in ready:
            waiting.callback(None)
