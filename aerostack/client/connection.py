"""
A WebSocket to a daemon.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

import txaio
from autobahn.twisted.websocket import WebSocketClientFactory, WebSocketClientProtocol
from twisted.application.internet import ClientService, backoffPolicy
from twisted.internet.endpoints import HostnameEndpoint, UNIXClientEndpoint, wrapClientTLS
from twisted.internet.interfaces import IStreamClientEndpoint
from twisted.internet.ssl import optionsForClientTLS

from aerostack.client.address import Address

txaio.use_twisted()

Frame = dict[str, Any]

_REFUSED = re.compile(r"WebSocket connection upgrade failed \[(\d+)\]: (.*)")


class Wire(WebSocketClientProtocol):
    """
    One connection to a daemon.
    """

    factory: WireFactory
    _refusal: tuple[int, str] | None = None

    def onOpen(self) -> None:
        self.factory.opened(self)

    def onMessage(self, payload: bytes, isBinary: bool) -> None:
        self.factory.received(json.loads(payload))

    def onClose(self, wasClean: bool, code: int | None, reason: str | None) -> None:
        self.factory.closed(*(self._refusal or (code, reason)))

    def failHandshake(self, reason: str) -> None:
        refusal = _REFUSED.match(reason)
        if refusal is not None:
            message = refusal[2]
            # The daemon says in the body what was wrong; Autobahn does not read it.
            with suppress(ValueError, KeyError, TypeError):
                message = str(json.loads(self.data.partition(b"\r\n\r\n")[2])["message"])
            self._refusal = int(refusal[1]), message
        super().failHandshake(reason)

    def tell(self, frame: Frame) -> None:
        """
        Send one frame.
        """
        self.sendMessage(json.dumps(frame).encode("utf-8"))


class WireFactory(WebSocketClientFactory):
    """
    Makes connections to one daemon, and passes on what happens on them.

    @ivar opened: Called with each L{Wire} that has opened.
    @ivar received: Called with each frame.
    @ivar closed: Called with the close code and reason of each that is gone; if the
        daemon refused to open it, with the HTTP status, which is below 1000.
    """

    protocol: Any = Wire

    def __init__(
        self,
        reactor: Any,
        address: Address,
        opened: Callable[[Wire], None],
        received: Callable[[Frame], None],
        closed: Callable[[int | None, str | None], None],
    ) -> None:
        parts = urlsplit(address.url)
        host = "ws://localhost" if address.unixPath else f"{parts.scheme}://{parts.netloc}"
        super().__init__(host + address.path, protocols=address.protocols, reactor=reactor)
        self.opened = opened
        self.received = received
        self.closed = closed


def clientEndpoint(reactor: Any, address: Address) -> IStreamClientEndpoint:
    """
    The endpoint to reach a daemon at.
    """
    if address.unixPath:
        return UNIXClientEndpoint(reactor, address.unixPath)
    parts = urlsplit(address.url)
    host = parts.hostname or "localhost"
    if parts.scheme == "wss":
        tcp = HostnameEndpoint(reactor, host, parts.port or 443)
        return wrapClientTLS(optionsForClientTLS(host), tcp)
    return HostnameEndpoint(reactor, host, parts.port or 80)


def reconnecting(reactor: Any, address: Address, factory: WireFactory) -> ClientService:
    """
    A service that keeps a connection, and makes a new one when it is gone.
    """
    return ClientService(
        clientEndpoint(reactor, address),
        factory,
        retryPolicy=backoffPolicy(initialDelay=0.5, maxDelay=30.0),
        clock=reactor,
    )
