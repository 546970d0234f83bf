"""
The addresses of the hub, as a worker serves what the hub accepts on them.
"""

from __future__ import annotations

import socket
from collections.abc import Sequence
from dataclasses import replace
from math import ceil
from pathlib import Path
from typing import Any

from twisted.internet.interfaces import IProtocolFactory

from aerostack.net.endpoints import certificateFiles, layered
from aerostack.net.http.lobby import Lobby
from aerostack.net.http.server import BoundedSite
from aerostack.net.http.tree import Tree
from aerostack.net.intake import Intake
from aerostack.net.tls import PEM, ReloadableTLS
from aerostack.settings.limits import LimitsConfig
from aerostack.settings.listen import parseDescription
from aerostack.workers.accepting import adoptConnection
from aerostack.workers.descriptors import Arrival
from aerostack.workers.messages.serving import Certificate


class Adopting:
    """
    Serves one tree of resources to the connections that the hub passes on.

    @ivar lobby: Counts the connections of this worker that are no WebSockets yet.
    """

    def __init__(
        self,
        reactor: Any,
        root: Tree,
        limits: LimitsConfig,
        workers: int,
        listen: Sequence[str],
        base: Path,
        certificates: Sequence[Certificate | None],
    ) -> None:
        """
        @param workers: How many workers share C{limits.connections}.
        @param listen: The descriptions of the hub's addresses, in their order.
        @param base: What the paths in them are relative to.
        @param certificates: What the addresses serve for TLS.
        """
        self._reactor = reactor
        self._workers = workers
        self.lobby = Lobby(reactor, self._share(limits))
        self._sites: list[BoundedSite] = []
        self._factories: list[IProtocolFactory] = []
        self._certificates: list[ReloadableTLS | None] = []
        intake = Intake(reactor)
        for text, certificate in zip(listen, certificates, strict=True):
            description = parseDescription(text)
            files = certificateFiles(description, base)
            tls = None
            if files is not None and certificate is not None:
                tls = ReloadableTLS(files, pem=_pem(certificate))
            site = BoundedSite(root, reactor, limits, self.lobby, intake, description.local)
            self._sites.append(site)
            self._certificates.append(tls)
            self._factories.append(layered(reactor, site, description.proxied, tls))

    def start(self) -> None:
        """
        Begin to serve.
        """
        for factory in self._factories:
            factory.doStart()

    def adopt(self, connection: socket.socket, arrival: Arrival) -> None:
        """
        Serve a connection.
        """
        adoptConnection(self._reactor, connection, self._factories[arrival.listener])

    def reload(self, limits: LimitsConfig, certificates: Sequence[Certificate | None]) -> None:
        """
        Go by these limits, and serve these certificates, from now on.

        @raise TLSError: A certificate cannot be served; the hub has checked it.
        """
        self.lobby.reload(self._share(limits))
        for site in self._sites:
            site.reload(limits)
        for tls, certificate in zip(self._certificates, certificates, strict=True):
            if tls is not None and certificate is not None:
                tls.take(_pem(certificate))

    def _share(self, limits: LimitsConfig) -> LimitsConfig:
        return replace(limits, connections=ceil(limits.connections / self._workers))


def _pem(certificate: Certificate) -> PEM:
    return PEM(certificate.privateKey, certificate.certificate, certificate.chain)
