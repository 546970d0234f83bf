"""
How much may wait for a client that does not read.
"""

from __future__ import annotations


class Outbox:
    """
    Counts what was written to a socket since it last took everything.

    While the socket takes what it gets, nothing is counted; once it reports that
    it is congested, every byte is, until it reports that it has drained.

    @ivar limit: How many bytes may wait.
    @ivar waiting: How many do.
    """

    __slots__ = ("_congested", "limit", "waiting")

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.waiting = 0
        self._congested = False

    def congested(self) -> None:
        """The socket has begun to queue."""
        self._congested = True

    def drained(self) -> None:
        """The socket took all that was queued."""
        self._congested = False
        self.waiting = 0

    def add(self, size: int) -> bool:
        """
        Count a frame that is about to be written.

        @return: Whether it may be; if not, the reader is too slow to be kept.
        """
        if self._congested:
            self.waiting += size
        return self.waiting <= self.limit
