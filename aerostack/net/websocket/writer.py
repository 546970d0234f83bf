"""
How bytes get to a socket.

A system call costs more than everything else that is done for a frame, so what one
turn of the reactor has for a connection is gathered, and sent with one call when the
turn ends.  That call is made at once, on the socket itself: to let the reactor ask
first whether the socket is writable would cost three calls more, and its whole
dispatch.  Only what the socket does not take goes to Twisted's transport, which waits
until it does.
"""

from __future__ import annotations

from typing import Any, Protocol

from twisted.internet.interfaces import IPullProducer, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer


class CongestionListener(Protocol):
    """
    Who is told how a socket does.
    """

    def congested(self) -> None:
        """The socket did not take everything; the rest waits."""

    def drained(self) -> None:
        """Nothing waits any more."""


@implementer(IPullProducer)
class SocketWriter:
    """
    Writes to a socket at once, and hands its transport what the socket does not take.

    It stands in for the transport: whoever writes has to write here, or bytes would
    overtake each other.  As a pull producer it hears when the transport has nothing
    left; it is registered only while there is something.
    """

    __slots__ = ("_congested", "_direct", "_queued", "_socket", "_transport", "listener")

    def __init__(self, transport: Any, listener: CongestionListener, untouched: bool) -> None:
        """
        @param transport: A connected TCP or Unix transport, without a producer.
        @param untouched: Whether nothing was written to it yet.  If that is not
            known, what is written goes through the transport until that has drained.
        """
        self.listener = listener
        self._transport = transport
        self._socket = transport.getHandle()
        # Whether the transport has nothing; whether it will tell when that is so; and
        # whether the listener was told that it has something.
        self._direct = untouched
        self._queued = False
        self._congested = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        """
        Write bytes.
        """
        if not self._direct:
            self._transport.write(data)
            if not self._queued:
                self._await()
            elif not self._congested:
                self._congested = True
                self.listener.congested()
            return
        try:
            taken = self._socket.send(data)
        except OSError:
            # Full, or broken; of that the transport will find out by itself, and end
            # the connection as any other.
            taken = 0
        if taken < len(data):
            self._direct = False
            self._transport.write(data[taken:])
            self._await()
            self._congested = True
            self.listener.congested()

    def _await(self) -> None:
        # A pull producer is asked for more once as it is registered; not yet queued,
        # it does not answer that.
        self._transport.registerProducer(self, False)
        self._queued = True

    # IPullProducer, called by the transport

    def resumeProducing(self) -> None:
        if self._queued:
            self._queued = False
            # A transport that is to close goes on with that now.
            self._transport.unregisterProducer()
            self._direct = True
            if self._congested:
                self._congested = False
                self.listener.drained()

    def stopProducing(self) -> None:
        """The transport is gone; its protocol is told by itself."""


class Turn:
    """
    What is to be sent when this turn of the reactor ends.
    """

    _log = Logger()

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        self._writers: list[Writer] = []

    def add(self, writer: Writer) -> None:
        """
        Have a writer's bytes sent.
        """
        if not self._writers:
            self._clock.callLater(0, self._end)
        self._writers.append(writer)

    def _end(self) -> None:
        writers, self._writers = self._writers, []
        for writer in writers:
            try:
                writer.flush()
            except Exception:
                # One connection's fault must not keep the others' bytes.
                self._log.failure("a connection could not be written to", Failure())


class Writer:
    """
    Gathers what is written within one turn of the reactor.

    It stands in for a transport, and offers of it what a WebSocket needs.

    @cvar most: How many bytes are gathered; it bounds what is copied to join them.
    """

    __slots__ = ("_below", "_frames", "_size", "_turn")
    most = 65536

    def __init__(self, turn: Turn, below: Any) -> None:
        """
        @param below: Where gathered bytes are written.
        """
        self._turn = turn
        self._below = below
        self._frames: list[bytes] = []
        self._size = 0

    def write(self, data: bytes) -> None:
        """
        Write bytes, when the turn ends at the latest.
        """
        if not self._frames:
            self._turn.add(self)
        self._frames.append(data)
        self._size += len(data)
        if self._size > self.most:
            self.flush()

    def flush(self) -> None:
        """
        Write what was gathered now.
        """
        frames = self._frames
        if frames:
            data = frames[0] if len(frames) == 1 else b"".join(frames)
            frames.clear()
            self._size = 0
            self._below.write(data)

    def loseConnection(self) -> None:
        """
        Close when everything is sent.
        """
        self.flush()
        self._below.loseConnection()

    def abortConnection(self) -> None:
        """
        Drop the connection, and all that waits.
        """
        self._frames.clear()
        self._below.abortConnection()

    def unregisterProducer(self) -> None:
        """A WebSocket takes its producer away before it closes; it has none here."""
