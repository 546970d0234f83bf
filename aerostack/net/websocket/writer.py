"""
Writes bytes to sockets.

A system call costs more than all other work for a frame.  So the writer gathers the bytes that one
turn of the reactor has for a connection, and sends them with one call at the end of the turn.  The
fanout has joined the frames of one topic already; frames of several topics, and answers, meet only
here.  The writer makes that call on the socket itself: asking the reactor first whether the socket
is writable would cost three more calls and the reactor's dispatch.  Only bytes that the socket does
not take go to Twisted's transport, which waits until the socket takes them.
"""

from __future__ import annotations

from typing import Any, Protocol

from twisted.internet.interfaces import IPullProducer
from zope.interface import implementer

from aerostack.delivery.turnend import TurnEnd


class CongestionListener(Protocol):
    """
    Learns whether a socket takes all bytes.
    """

    def congested(self) -> None:
        """The socket did not take everything; the rest waits."""

    def drained(self) -> None:
        """The socket has taken all bytes."""


@implementer(IPullProducer)
class SocketWriter:
    """
    Writes to a socket at once, and hands its transport the bytes that the socket does not take.

    It takes the place of the transport.  All bytes must be written here, or they would overtake
    each other.  The writer is the transport's pull producer while the transport has bytes, and so
    learns when it has none left.
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
        # Whether the transport's queue is empty, whether the transport will report when it is, and
        # whether the listener knows that it is not.
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
            # The socket is full or broken.  The transport notices a broken socket by itself, and
            # ends the connection as usual.
            taken = 0
        if taken < len(data):
            self._direct = False
            self._transport.write(data[taken:])
            self._await()
            self._congested = True
            self.listener.congested()

    def _await(self) -> None:
        # The transport asks a pull producer for more when it is registered.  The bytes are not
        # queued yet, so the writer ignores that call.
        self._transport.registerProducer(self, False)
        self._queued = True

    # IPullProducer, called by the transport

    def resumeProducing(self) -> None:
        if self._queued:
            self._queued = False
            # A transport that waits to close closes now.
            self._transport.unregisterProducer()
            self._direct = True
            if self._congested:
                self._congested = False
                self.listener.drained()

    def stopProducing(self) -> None:
        """The transport has ended.  It calls its protocol itself."""


class Writer:
    """
    Gathers the bytes that are written within one turn of the reactor.

    It takes the place of a transport, and has the methods of it that a WebSocket needs.

    @cvar most: How many bytes are gathered; it bounds what is copied to join them.
    """

    __slots__ = ("_below", "_frames", "_size", "_turnEnd")
    most = 65536

    def __init__(self, turnEnd: TurnEnd, below: Any) -> None:
        """
        @param turnEnd: Ends the turns of the reactor.
        @param below: The transport for the gathered bytes.
        """
        self._turnEnd = turnEnd
        self._below = below
        self._frames: list[bytes] = []
        self._size = 0

    def write(self, data: bytes) -> None:
        """
        Write bytes, at the end of the turn at the latest.
        """
        frames = self._frames
        if not frames:
            self._turnEnd.call(self.flush)
        frames.append(data)
        self._size += len(data)
        if self._size > self.most:
            self.flush()

    def flush(self) -> None:
        """
        Write the gathered bytes now.
        """
        frames = self._frames
        if frames:
            data = frames[0] if len(frames) == 1 else b"".join(frames)
            frames.clear()
            self._size = 0
            self._below.write(data)

    def loseConnection(self) -> None:
        """
        Close when all bytes are sent.
        """
        self.flush()
        self._below.loseConnection()

    def abortConnection(self) -> None:
        """
        Drop the connection and the bytes that wait.
        """
        self._frames.clear()
        self._below.abortConnection()

    def unregisterProducer(self) -> None:
        """A WebSocket takes its producer away before it closes; it has none here."""
