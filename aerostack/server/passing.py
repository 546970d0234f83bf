"""
The addresses that the hub listens on for its workers.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred, DeferredList, maybeDeferred
from twisted.logger import Logger

from aerostack.net.endpoints import Listener
from aerostack.server.listening import StartError, reloadCertificates
from aerostack.workers.accepting import AcceptingPort
from aerostack.workers.descriptors import Arrival
from aerostack.workers.distribution import Distribution
from aerostack.workers.messages.serving import Certificate

Take = Callable[[socket.socket, Arrival], object]


class Passing:
    """
    Accepts connections on several addresses, and gives each to a worker.

    @ivar ports: The ports that are open, in the order of L{listen}.
    @ivar listeners: What listens on the addresses.
    @ivar take: Gets each connection that is accepted: the distribution among the workers, unless
        something else is set.
    """

    log = Logger()

    def __init__(self, distribution: Distribution) -> None:
        self.ports: list[AcceptingPort] = []
        self.take: Take = distribution.take
        self._distribution = distribution
        self.listeners: list[Listener] = []

    def listen(self, listener: Listener) -> None:
        """
        Take an address, until L{stop}.

        @raise StartError: The address cannot be had; the message says why.
        """
        listening = Deferred.fromCoroutine(
            AcceptingPort.listen(listener.bare, len(self.ports), self._accepted)
        )
        faults: list[Any] = []
        listening.addCallbacks(self._listening, faults.append)
        if faults:
            raise StartError(
                f"cannot listen on {listener.description}: {faults[0].getErrorMessage()}"
            )
        self.listeners.append(listener)

    def _accepted(self, connection: socket.socket, arrival: Arrival) -> None:
        self.take(connection, arrival)

    def _listening(self, port: AcceptingPort) -> None:
        self.ports.append(port)
        self._distribution.ports.append(port)

    def stop(self, inherited: bool) -> Deferred[Any]:
        """
        Give up some of the addresses.

        @param inherited: Whether to give up those that systemd opened, or the others.
        """
        closing = []
        for listener, port in zip(self.listeners, self.ports, strict=True):
            if listener.inherited == inherited and port in self._distribution.ports:
                # The distribution would accept again once its workers have taken enough.
                self._distribution.ports.remove(port)
                closing.append(maybeDeferred(port.port.stopListening))
        return DeferredList(closing, consumeErrors=True)

    def certificates(self) -> list[Certificate | None]:
        """
        What each address serves for TLS, in the order of L{listen}.
        """
        return [_certificate(listener) for listener in self.listeners]

    def reload(self) -> list[str]:
        """
        Read the certificates again; see L{reloadCertificates}.
        """
        return reloadCertificates(self.listeners, self.log)


def _certificate(listener: Listener) -> Certificate | None:
    if listener.tls is None:
        return None
    pem = listener.tls.pem
    return Certificate(pem.privateKey, pem.certificate, pem.chain)
