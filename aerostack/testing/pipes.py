"""
Pipes in memory, for channels without sockets.
"""

from __future__ import annotations

from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure

from aerostack.workers.pipe import CHUNK, PipeUser


class MemoryPipe:
    """
    One end of a pipe in memory; see L{aerostack.workers.pipe.PipeEnd}.  Bytes take a turn of the
    clock to the other end.

    @ivar peer: The other end.
    """

    user: PipeUser
    peer: MemoryPipe

    def __init__(self, clock: IReactorTime, chunk: int) -> None:
        self.waiting = bytearray()
        self._clock = clock
        self._chunk = chunk
        self._reading = False
        self._scheduled = False
        self._ended = False

    def resume(self) -> None:
        self._reading = not self._ended
        self.peer._schedule()

    def pause(self) -> None:
        self._reading = False

    def write(self, data: bytes) -> None:
        if not self._ended:
            self.waiting += data
            self._schedule()

    def abort(self, error: Exception) -> None:
        self._end(error)
        self.peer._end(ConnectionDone())

    def _end(self, error: Exception) -> None:
        if not self._ended:
            self._ended = True
            self._reading = False
            self.waiting.clear()
            self._clock.callLater(0, self.user.lost, Failure(error))

    def _schedule(self) -> None:
        if self.waiting and self.peer._reading and not self._scheduled:
            self._scheduled = True
            self._clock.callLater(0, self._move)

    def _move(self) -> None:
        self._scheduled = False
        if self.waiting and self.peer._reading:
            data = bytes(self.waiting[: self._chunk])
            del self.waiting[: self._chunk]
            self.peer.user.received(data)
            self.user.written()
            self._schedule()


def joinedPipes(clock: IReactorTime, chunk: int = CHUNK) -> tuple[MemoryPipe, MemoryPipe]:
    """
    Make both ends of a pipe.

    @param chunk: How many bytes go to the other end in one turn of the clock.
    """
    first, second = MemoryPipe(clock, chunk), MemoryPipe(clock, chunk)
    first.peer, second.peer = second, first
    return first, second
