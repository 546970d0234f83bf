"""
Writes to a socket at once, before the connection is a WebSocket.

A TLS handshake has a few small answers.  Twisted's transport keeps each until the reactor finds the
socket writable, which costs two system calls more and a round of the reactor.
"""

from __future__ import annotations

from typing import Any


class EagerWriter:
    """
    Takes the place of a transport.  It writes to the socket itself, until the socket has once not
    taken everything; then the transport writes all.

    L{aerostack.net.websocket.writer.SocketWriter} does more, but needs the transport's only place
    for a producer, which twisted.web needs, too.

    @ivar transport: The transport.
    @ivar isUntouched: Whether nothing was written to the transport yet.
    """

    __slots__ = ("_socket", "isUntouched", "transport")

    def __init__(self, transport: Any) -> None:
        """
        @param transport: A connected TCP or Unix transport to which nothing was written.
        """
        self.transport = transport
        self.isUntouched = True
        self._socket = transport.getHandle()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.transport, name)

    def write(self, data: bytes) -> None:
        """
        Write bytes.
        """
        taken = 0
        if self.isUntouched:
            try:
                taken = self._socket.send(data)
            except OSError:
                # The socket is full or broken.  The transport notices a broken socket by itself,
                # and ends the connection as usual.
                taken = 0
            if taken == len(data):
                return
            self.isUntouched = False
        self.transport.write(data[taken:])
