"""
The addresses that the daemon listens on.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from twisted.internet import tcp
from twisted.internet.defer import Deferred, DeferredList, maybeDeferred
from twisted.internet.interfaces import IListeningPort
from twisted.logger import Logger

from aerostack.net.endpoints import Listener, PortEntrance, serverEndpoint
from aerostack.net.http.lobby import Lobby
from aerostack.net.http.server import BoundedSite
from aerostack.net.http.tree import Tree
from aerostack.net.intake import Intake
from aerostack.net.tls import TLSError
from aerostack.settings.limits import LimitsConfig
from aerostack.settings.settings import Config


class StartError(SystemExit):
    """
    The daemon cannot start.
    """


def makeListeners(reactor: Any, config: Config) -> list[Listener]:
    """
    Make the endpoints of all addresses that a configuration names.  Nothing is bound yet.

    @raise StartError: An address or a certificate cannot be used; the message says why.
    """
    try:
        return [
            serverEndpoint(reactor, description, config.path.parent)
            for description in config.server.listen
        ]
    except (ValueError, TLSError) as error:
        raise StartError(f"cannot listen: {error}") from None


class Listening:
    """
    Serves one tree of resources on several addresses.

    @ivar ports: The ports that are open, in the order of L{listen}.
    @ivar listeners: What listens on the addresses.
    @ivar lobby: Counts the connections of all addresses that are no WebSockets yet.
    """

    log = Logger()

    def __init__(self, reactor: Any, root: Tree, limits: LimitsConfig) -> None:
        self.ports: list[IListeningPort] = []
        self.lobby = Lobby(reactor, limits)
        self._reactor = reactor
        self._root = root
        self._limits = limits
        self._intake = Intake(reactor)
        self.listeners: list[Listener] = []
        self._sites: list[BoundedSite] = []

    def listen(self, listener: Listener) -> None:
        """
        Take an address, until L{stop}.

        @raise StartError: The address cannot be had; the message says why.
        """
        site = BoundedSite(
            self._root, self._reactor, self._limits, self.lobby, self._intake, listener.local
        )
        faults: list[Any] = []
        listener.endpoint.listen(site).addCallbacks(self._opened, faults.append)
        if faults:
            raise StartError(
                f"cannot listen on {listener.description}: {faults[0].getErrorMessage()}"
            )
        self.listeners.append(listener)
        self._sites.append(site)

    def serve(self, root: Tree) -> None:
        """
        Serve another tree on all addresses from now on.
        """
        self._root = root
        for site in self._sites:
            site.serve(root)

    def _opened(self, port: IListeningPort) -> None:
        self.ports.append(port)
        if isinstance(port, tcp.Port):
            self.lobby.entrances.append(PortEntrance(port))

    def stop(self, inherited: bool) -> Deferred[Any]:
        """
        Give up some of the addresses.

        @param inherited: Whether to give up those that systemd opened, or the others.
        """
        closing = [
            maybeDeferred(port.stopListening)
            for listener, port in zip(self.listeners, self.ports, strict=True)
            if listener.inherited == inherited
        ]
        return DeferredList(closing, consumeErrors=True)

    def reload(self, limits: LimitsConfig) -> list[str]:
        """
        Go by these limits from now on, and read the certificates again.  Where a certificate
        cannot be served, the log says so and the old one stays.

        @return: See L{reloadCertificates}.
        """
        self._limits = limits
        self.lobby.reload(limits)
        for site in self._sites:
            site.reload(limits)
        return reloadCertificates(self.listeners, self.log)


def reloadCertificates(listeners: Iterable[Listener], log: Logger) -> list[str]:
    """
    Read the certificates of listeners again.  Where a certificate cannot be served, the log says so
    and the old one stays.

    @return: A sentence for each certificate that cannot be served, which says why.
    """
    faults = []
    for listener in listeners:
        try:
            listener.reload()
        except TLSError as error:
            faults.append(f"the old certificate stays: {error}")
            log.error("the old certificate stays: {error}", error=error)
    return faults
