"""
The frames of one client that have come in requests, until its session has taken them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from aerostack.errors import RealtimeError
from aerostack.net.intake import MUCH, Intake

SLICE = 256
"""How many bytes are taken at once: some forty frames.  A larger frame is taken as a whole."""

RETRY_AFTER = 1000
"""Milliseconds after which a client whose frames are too many sends the next."""


class Inbox:
    """
    Gives a session its client's frames, in the order in which they came, in the client's share of
    each turn.

    It is a L{aerostack.net.intake.Source}.
    """

    def __init__(
        self,
        intake: Intake,
        most: int,
        receive: Callable[[bytes], object],
        failed: Callable[[Failure], object],
    ) -> None:
        """
        @param intake: Takes the bytes of all connections.
        @param most: How many bytes may wait.
        @param receive: Takes a frame.
        @param failed: Called when C{receive} has raised an error.
        """
        self.waiting = self.held = False
        self._intake = intake
        self._most = most
        self._receive = receive
        self._failed = failed
        # Each frame, and what fires when it was taken, if it is the last of its request.
        self._frames: deque[tuple[bytes, Deferred[None] | None]] = deque()
        self._size = 0
        self._isOver = False

    def take(self, frames: Sequence[bytes]) -> Deferred[None] | None:
        """
        Take the frames of a request.

        @return: L{None} if the session has them now; else a L{Deferred} that fires when it has.  It
            fails with C{unknown_session} if the connection ends before that, also if it ends
            because of these frames.
        @raise RealtimeError: C{rate_limited}: too much waits.
        """
        size = sum(map(len, frames)) + len(frames)
        if self._frames and self._size + size > self._most:
            raise RealtimeError(
                "rate_limited",
                f"At most {self._most} bytes of a session wait; send one request after the other.",
                RETRY_AFTER,
            )
        if not frames or self._isOver:
            return None
        taken: Deferred[None] = Deferred()
        self._frames += [(frame, None) for frame in frames[:-1]]
        self._frames.append((frames[-1], taken))
        self._size += size
        self._intake.take(self, b"")
        # A request that has failed already has its error in there.
        hasTaken = taken.called and not isinstance(taken.result, Failure)
        return None if hasTaken else taken

    def end(self) -> None:
        """
        Drop what waits.
        """
        self._isOver = True
        frames, self._frames, self._size = self._frames, deque(), 0
        for _, taken in frames:
            if taken is not None:
                taken.errback(ended())

    # What the intake calls

    @property
    def unread(self) -> bytes:
        """See L{aerostack.net.intake.Source}; only the length counts."""
        return bytes(min(self._size, MUCH))

    @unread.setter
    def unread(self, unread: bytes) -> None:
        """Nothing comes but by L{take}."""

    @property
    def ending(self) -> bool:
        """See L{aerostack.net.intake.Source}."""
        return self._isOver

    def feed(self) -> None:
        """See L{aerostack.net.intake.Source}."""
        left = SLICE
        while self._frames and left > 0:
            frame, taken = self._frames.popleft()
            size = len(frame) + 1
            self._size -= size
            left -= size
            try:
                self._receive(frame)
            except Exception:
                # The intake gets the error, and the request that brought the frame an answer.
                if taken is not None:
                    taken.errback(ended())
                raise
            if taken is not None:
                taken.callback(None)

    def hold(self) -> None:
        """See L{aerostack.net.intake.Source}.  The requests have been read already."""

    def letGo(self) -> None:
        """See L{aerostack.net.intake.Source}.  The requests have been read already."""

    def failed(self, failure: Failure) -> None:
        """See L{aerostack.net.intake.Source}."""
        self._failed(failure)


def ended() -> RealtimeError:
    """
    The error for a session that there is not, or not any more.
    """
    return RealtimeError(
        "unknown_session",
        "No connection has this session, or it has ended; open another by POST /api/realtime/sse.",
    )
