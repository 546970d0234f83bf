"""
Sockets that systemd opened, and keeps open.
"""

from __future__ import annotations

import os
import socket
from typing import Any

from twisted.internet import tcp, unix
from twisted.internet.defer import Deferred, execute
from twisted.internet.endpoints import AdoptedStreamServerEndpoint
from twisted.internet.interfaces import IListeningPort, IProtocolFactory, IStreamServerEndpoint
from twisted.python.failure import Failure
from zope.interface import implementer


class _UNIXPort(unix.Port):
    """
    A Unix socket that systemd has open as well.  Twisted would change the mode of its file, remove
    the file, and shut the socket down for every process.  This port does none of these.
    """

    _preexistingSocket: Any
    _shouldShutdown = False

    def startListening(self) -> None:
        tcp._reservedFD.reserve()
        assert self.factory is not None
        self.factory.doStart()
        self.socket, self._preexistingSocket = self._preexistingSocket, None
        self.connected = True
        self.fileno = self.socket.fileno  # type: ignore[method-assign]
        self.numberAccepts = 100
        self.startReading()

    def connectionLost(self, reason: Failure) -> None:
        tcp.Port.connectionLost(self, reason)


@implementer(IStreamServerEndpoint)
class InheritedEndpoint:
    """
    A socket that was passed to the daemon.
    """

    def __init__(self, reactor: Any, passed: AdoptedStreamServerEndpoint) -> None:
        """
        @param passed: The endpoint that Twisted makes of the descriptor.
        """
        self._reactor = reactor
        self._passed = passed

    def listen(self, protocolFactory: IProtocolFactory) -> Deferred[IListeningPort]:
        """
        See L{IStreamServerEndpoint}.
        """
        if self._passed.addressFamily == socket.AF_UNIX:
            return execute(self._adopt, protocolFactory)
        return self._passed.listen(protocolFactory)

    def _adopt(self, factory: IProtocolFactory) -> IListeningPort:
        descriptor = self._passed.fileno
        os.set_blocking(descriptor, False)
        port: Any = _UNIXPort._fromListeningDescriptor(self._reactor, descriptor, factory)
        port.startListening()
        # The port has a copy of the descriptor.
        os.close(descriptor)
        return port
