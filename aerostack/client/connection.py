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
        frame = json.loads(payload)
        if frame["type"] == "reconnect":
            self.factory.delay = frame["delay"] / 1000
        else:
            self.factory.received(frame)

    def onClose(self, wasClean: bool, code: int | None, reason: str | None) -> None:
        self.factory.closed(*(self._refusal or (code, reason)))

    def failHandshake(self, reason: str) -> None:
        refusal = _REFUSED.match(reason)
        if refusal is not None:
            message = refusal[2]
            # The daemon says in the body what was wrong; Autobahn does not read it.
            with suppress(ValueError, KeyError, TypeError):
                body = json.loads(self.data.partition(b"\r\n\r\n")[2])
                message = str(body["message"])
                self.factory.delay = float(body["retryAfter"]) / 1000
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
    @ivar received: Called with each frame that is for the application.
    @ivar delay: The seconds after which the daemon wants the client back, if it said so.
    @ivar closed: Called with the close code and reason of each that is gone; if the
        daemon refused to open it, with the HTTP status, which is below 1000.
    """

    protocol: Any = Wire
    delay: float | None = None

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
    A service that keeps a connection, and makes a new one when it is gone: after the
    delay that the daemon told, if it told one, else after one that grows.
    """
    backOff = backoffPolicy(initialDelay=0.5, maxDelay=30.0)

    def wait(failures: int) -> float:
        told, factory.delay = factory.delay, None
        return float(backOff(failures)) if told is None else told

    return ClientService(
        clientEndpoint(reactor, address),
        factory,
        retryPolicy=wait,
        clock=reactor,
    )
