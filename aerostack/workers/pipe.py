"""
A connected Unix socket, as one process of the daemon uses it to talk to another.

A transport of Twisted would ask the reactor first whether the socket is writable, and would not
tell how many bytes wait.
"""

from __future__ import annotations

import socket
from typing import Any, Protocol

from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IReadWriteDescriptor
from twisted.python.failure import Failure
from zope.interface import implementer

CHUNK = 65_536
"""How many bytes are read in one turn of the reactor."""

PIECE = 262_144
"""How many bytes one system call is asked to write."""


class PipeUser(Protocol):
    """
    What a pipe reports to.
    """

    def received(self, data: bytes) -> None:
        """Bytes have come, L{CHUNK} at the most."""

    def written(self) -> None:
        """The socket has taken some of the bytes that waited."""

    def lost(self, reason: Failure) -> None:
        """The pipe has ended.  Nothing comes after this."""


class PipeEnd(Protocol):
    """
    What a channel needs of a pipe.

    @ivar waiting: The bytes that the peer did not take yet.
    @ivar user: The pipe's user.  It is set before anything else is called.
    """

    waiting: bytearray
    user: PipeUser

    def resume(self) -> None:
        """Read, from now on or again."""

    def pause(self) -> None:
        """Read no more for now."""

    def write(self, data: bytes) -> None:
        """Write bytes, at once as far as that is possible.  After the end this does nothing."""

    def abort(self, error: Exception) -> None:
        """
        End the pipe.  The pipe drops the bytes that wait, and calls its user in a later turn.
        """


@implementer(IReadWriteDescriptor)
class Pipe:
    """
    Reads and writes a socket; see L{PipeEnd}.

    @ivar waiting: The bytes that the socket did not take yet.  It may hold some 200 KiB more
        that the peer has not read.
    """

    user: PipeUser

    def __init__(self, reactor: Any, connected: socket.socket) -> None:
        """
        @param connected: A connected stream socket.  The pipe closes it.
        """
        connected.setblocking(False)
        self.waiting = bytearray()
        self._reactor = reactor
        self._socket = connected
        # Whether the pipe has ended, or is about to say so.
        self._ended = False
        # Whether the peer takes no bytes any more.  It may still have sent some.
        self._broken = False

    def resume(self) -> None:
        if not self._ended:
            self._reactor.addReader(self)

    def pause(self) -> None:
        if not self._ended:
            self._reactor.removeReader(self)

    def write(self, data: bytes) -> None:
        if self._ended or self._broken:
            return
        if self.waiting:
            self.waiting += data
            return
        taken = self._send(data)
        if taken < len(data) and not self._broken:
            self.waiting += memoryview(data)[taken:]
            self._reactor.addWriter(self)

    def abort(self, error: Exception) -> None:
        if not self._ended:
            self._close()
            self._reactor.callLater(0, self.user.lost, Failure(error))

    def _send(self, data: bytes | memoryview) -> int:
        try:
            return self._socket.send(data)
        except BlockingIOError:
            return 0
        except OSError:
            # What the peer sent before it ended can still be read; the reader finds the end.
            self._broken = True
            return 0

    def _close(self) -> None:
        self._ended = True
        self.waiting.clear()
        self._reactor.removeReader(self)
        self._reactor.removeWriter(self)
        self._socket.close()

    # IReadWriteDescriptor

    def fileno(self) -> int:
        return self._socket.fileno()

    def logPrefix(self) -> str:
        return "Pipe"

    def doRead(self) -> None:
        try:
            data = self._socket.recv(CHUNK)
        except BlockingIOError:
            return
        except OSError as error:
            self.connectionLost(Failure(error))
            return
        if data:
            self.user.received(data)
        else:
            self.connectionLost(Failure(ConnectionDone()))

    def doWrite(self) -> None:
        with memoryview(self.waiting) as waiting, waiting[:PIECE] as piece:
            taken = self._send(piece)
        del self.waiting[: len(self.waiting) if self._broken else taken]
        if not self.waiting:
            self._reactor.removeWriter(self)
        self.user.written()

    def connectionLost(self, reason: Failure) -> None:
        if not self._ended:
            self._close()
            self.user.lost(reason)
