"""
Passes accepted connections from the hub to a worker.

Each goes as one packet: its descriptor, and a few bytes that say where it came in.  The system
keeps the two together, and a packet is sent as a whole or not at all.
"""

from __future__ import annotations

import array
import errno
import socket
import sys
from collections import deque
from collections.abc import Callable
from typing import Any

from msgspec import Struct, msgpack
from twisted.internet.interfaces import IReadWriteDescriptor
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

MAX_PACKET = 512
"""How many bytes say where a connection came in."""

PORTION = 50
"""How many connections are sent or received in one turn.  Each takes some 40 microseconds."""

AGAIN = 0.02
"""Seconds until more is sent, while the system has too many descriptors on their way."""

_CROWDED = {errno.ETOOMANYREFS, errno.ENOBUFS, errno.ENOMEM}


class Arrival(Struct, frozen=True, array_like=True):
    """
    Where a connection came in.

    @ivar listener: The number of the listener that accepted it.
    @ivar host: The peer's address; empty for a Unix socket.
    @ivar port: The peer's port; 0 for a Unix socket.
    """

    listener: int
    host: str
    port: int


Connection = tuple[socket.socket, Arrival]

_INT = array.array("i").itemsize
_SPACE = socket.CMSG_LEN(_INT)

_encode = msgpack.Encoder().encode
_decode = msgpack.Decoder(Arrival).decode


def socketPair() -> tuple[socket.socket, socket.socket]:
    """
    Make the two ends over which descriptors go.

    @raise OSError: The system has no packets between Unix sockets.  Linux and FreeBSD do.
    """
    return socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)


class _End:
    """
    One end of the pair, as the reactor sees it.
    """

    def __init__(self, reactor: Any, connected: socket.socket) -> None:
        connected.setblocking(False)
        self._reactor = reactor
        self._socket = connected
        self._closed = False

    def fileno(self) -> int:
        return self._socket.fileno()

    def logPrefix(self) -> str:
        return "descriptors"

    def connectionLost(self, reason: Failure) -> None:
        self._shut()

    def _shut(self) -> None:
        if not self._closed:
            self._closed = True
            self._reactor.removeReader(self)
            self._reactor.removeWriter(self)
            self._socket.close()


@implementer(IReadWriteDescriptor)
class DescriptorSender(_End):
    """
    The hub's end.  A connection that was sent is closed here, and belongs to the worker.
    """

    def __init__(
        self, reactor: Any, connected: socket.socket, sent: Callable[[], object] = lambda: None
    ) -> None:
        """
        @param connected: One end of a L{socketPair}.  The sender closes it.
        @param sent: Called in a later turn, when connections that had to wait are sent.
        """
        super().__init__(reactor, connected)
        self._sent = sent
        self._waiting: deque[Connection] = deque()
        # Whether the worker is gone, or this end is closed.
        self._ended = False
        self._retrying: Any = None

    def __len__(self) -> int:
        """How many connections the worker has not taken yet."""
        return len(self._waiting)

    def send(self, connection: socket.socket, arrival: Arrival) -> None:
        """
        Pass a connection on.  If the worker is gone, it waits for L{close}.
        """
        self._waiting.append((connection, arrival))
        if len(self._waiting) == 1:
            self._push()

    def close(self) -> list[Connection]:
        """
        Close this end.

        @return: The connections that the worker did not get, still open.
        """
        self._ended = True
        if self._retrying is not None:
            self._retrying.cancel()
            self._retrying = None
        self._shut()
        left = list(self._waiting)
        self._waiting.clear()
        return left

    def doRead(self) -> None:
        """The worker sends nothing here, and this end does not read."""

    def doWrite(self) -> None:
        self._push()
        self._sent()

    def _push(self) -> None:
        for _ in range(PORTION):
            if self._ended or self._retrying is not None or not self._waiting:
                break
            connection, arrival = self._waiting[0]
            try:
                socket.send_fds(self._socket, [_encode(arrival)], [connection.fileno()])
            except BlockingIOError:
                break
            except OSError as error:
                self._failed(error)
                break
            self._waiting.popleft()
            connection.close()
        if self._closed:
            return
        if self._ended or self._retrying is not None or not self._waiting:
            self._reactor.removeWriter(self)
        else:
            self._reactor.addWriter(self)

    def connectionLost(self, reason: Failure) -> None:
        # The channel tells that the worker is gone.  What waits here is taken by L{close}.
        self._ended = True
        super().connectionLost(reason)

    def _failed(self, error: OSError) -> None:
        if error.errno in _CROWDED:
            self._retrying = self._reactor.callLater(AGAIN, self._retry)
        else:
            self._ended = True

    def _retry(self) -> None:
        self._retrying = None
        self.doWrite()


@implementer(IReadWriteDescriptor)
class DescriptorReceiver(_End):
    """
    The worker's end.

    @ivar received: How many connections have come.
    """

    _log = Logger()

    def __init__(
        self,
        reactor: Any,
        connected: socket.socket,
        adopt: Callable[[socket.socket, Arrival], object],
    ) -> None:
        """
        @param connected: The other end of a L{socketPair}.  The receiver closes it.
        @param adopt: Takes each connection.  If it raises an exception, the connection is closed.
        """
        super().__init__(reactor, connected)
        self.received = 0
        self._adopt = adopt
        self._paused = True

    def start(self) -> None:
        """
        Begin to receive.
        """
        self.resume()

    def pause(self) -> None:
        """
        Receive no connections for now.  They wait in the hub.
        """
        self._paused = True
        self._reactor.removeReader(self)

    def resume(self) -> None:
        """
        Receive connections again.
        """
        self._paused = False
        if not self._closed:
            self._reactor.addReader(self)

    def close(self) -> None:
        """
        Receive no more.  The system closes what is on its way.
        """
        self._shut()

    def doRead(self) -> None:
        for _ in range(PORTION):
            if self._paused:
                return
            try:
                # Python 3.11's recv_fds ignores the flag, and child processes would inherit the
                # connection.
                data, parts, _, _ = self._socket.recvmsg(
                    MAX_PACKET, _SPACE, socket.MSG_CMSG_CLOEXEC
                )
            except BlockingIOError:
                return
            if not data:
                # The hub has closed its end.
                self._shut()
                return
            self.received += 1
            if parts:
                self._take(int.from_bytes(parts[0][2][:_INT], sys.byteorder), data)
            else:
                self._log.error("a connection is lost: this process has too many open files")

    def doWrite(self) -> None:
        """Nothing is sent to the hub here."""

    def _take(self, descriptor: int, data: bytes) -> None:
        connection = socket.socket(fileno=descriptor)
        try:
            self._adopt(connection, _decode(data))
        except Exception:
            # The connections behind it must still be served.
            self._log.failure("a connection could not be taken from the hub", Failure())
            connection.close()
