"""
WebSockets to a daemon, by Autobahn.

Autobahn's timers stay off: they run on a global loop.  L{aerostack.client.connection} has timers
of its own.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from typing import Any

import txaio
from autobahn.twisted.websocket import WebSocketClientFactory, WebSocketClientProtocol
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import HostnameEndpoint, UNIXClientEndpoint, wrapClientTLS
from twisted.internet.interfaces import IProtocol, IStreamClientEndpoint
from twisted.internet.protocol import connectionDone
from twisted.internet.ssl import optionsForClientTLS
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from aerostack.client.address import Address
from aerostack.client.closing import Closing, broken, closed, refused
from aerostack.client.errors import ClientError, excerpt, wholeNumber
from aerostack.client.interfaces import ITransport, ITransportUser, OpenTransport
from aerostack.client.opensslfaults import faultOf

txaio.use_twisted()

LARGEST_HEAD = 65536
"""The bytes that the answer to an opening may have."""

LARGEST_MESSAGE = 67_108_864
"""The bytes that a message may have: no setting of the daemon allows larger ones."""

_REFUSED = re.compile(r"WebSocket connection upgrade failed \[(\d+)\]")


class Protocol(WebSocketClientProtocol):
    """
    One WebSocket.
    """

    # Autobahn uses the name C{log} itself.
    _log = Logger()
    factory: Factory
    transport: Any
    _closing: Closing | None = None
    _fault: ClientError | None = None

    def dataReceived(self, data: bytes) -> None:
        self.factory.user.heard()
        if self.state == self.STATE_CONNECTING and len(self.data) + len(data) > LARGEST_HEAD:
            self._fail(self._nonsense(self.data + data))
            return
        try:
            self._dataReceived(data)
        except Exception:
            # Autobahn raises for some bytes, such as a head that is not UTF-8.
            self._fail(self._nonsense(data))

    def onOpen(self) -> None:
        self._call(self.factory.user.opened)

    def onMessage(self, payload: bytes, isBinary: bool) -> None:
        self._call(self.factory.user.received, payload)

    def _call(self, call: Callable[..., None], *args: Any) -> None:
        """Call the user of the transport."""
        try:
            call(*args)
        except Exception:
            # The daemon did nothing wrong, so the connection stays open.
            self._log.failure("the client failed")

    def sendCloseFrame(
        self, code: int | None = None, reasonUtf8: bytes | None = None, isReply: bool = False
    ) -> None:
        super().sendCloseFrame(code=code, reasonUtf8=reasonUtf8, isReply=isReply)
        self.factory.user.closeStarted()

    def dropConnection(self, abort: bool = False) -> None:
        # Autobahn drops the connection without a close frame when the bytes are no WebSocket frame.
        wasOpen = self.state == self.STATE_OPEN
        super().dropConnection(abort=abort)
        if wasOpen:
            self.factory.user.closeStarted()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._fault = faultOf(self.factory.address.url, reason.value)
        super().connectionLost(reason)

    def onClose(self, wasClean: bool, code: int | None, reason: str | None) -> None:
        self.factory.user.closed(self._closing or self._closingOf(wasClean, code, reason))

    def _closingOf(self, wasClean: bool, code: int | None, reason: str | None) -> Closing:
        if wasClean:
            return closed(code, reason)
        url, why = self.factory.address.url, str(self.wasNotCleanReason).rstrip(".")
        if self._fault is not None:
            return Closing(self._fault)
        if self.failedByMe:
            return Closing(ClientError("bad_answer", f"{url} does not speak as it should: {why}."))
        return broken(f"The connection to {url} is gone: {why}.")

    def failHandshake(self, reason: str) -> None:
        # Autobahn's own method logs the reason, and a reason about subprotocols has the client's
        # credentials in it.
        refusal = _REFUSED.match(reason)
        if refusal is None:
            self._fail(self._nonsense(self.data))
            return
        body = self.data.partition(b"\r\n\r\n")[2]
        closing = refused(int(refusal[1]), self.http_headers.get("retry-after"), body)
        if len(body) < (wholeNumber(self.http_headers.get("content-length")) or 0):
            # The daemon writes in the body what was wrong.  Autobahn calls this method again when
            # more of the body has come.
            self._closing = closing
        else:
            self._fail(closing)

    def _nonsense(self, data: bytes) -> Closing:
        url = self.factory.address.url
        return Closing(
            ClientError(
                "bad_answer", f"The server at {url} is no aerostack-rt daemon: {excerpt(data)}"
            )
        )

    def _fail(self, closing: Closing) -> None:
        self._closing = closing
        self.wasNotCleanReason = closing.error.message
        self.dropConnection(abort=True)


class Factory(WebSocketClientFactory):
    """
    Makes the WebSocket to one address.
    """

    protocol: Any = Protocol
    noisy = False

    def __init__(self, reactor: Any, address: Address, user: ITransportUser) -> None:
        # Autobahn requires a host; for a Unix socket any host will do.
        scheme = "wss" if address.secure else "ws"
        super().__init__(
            f"{scheme}://{address.authority}{address.path}",
            protocols=address.protocols,
            reactor=reactor,
        )
        self.setProtocolOptions(
            openHandshakeTimeout=0,
            closeHandshakeTimeout=0,
            serverConnectionDropTimeout=0,
            maxMessagePayloadSize=LARGEST_MESSAGE,
            maxFramePayloadSize=LARGEST_MESSAGE,
        )
        self.address = address
        self.user = user


@implementer(ITransport)
class WebSocketTransport:
    """
    A WebSocket over an endpoint.
    """

    def __init__(
        self, reactor: Any, endpoint: IStreamClientEndpoint, address: Address, user: ITransportUser
    ) -> None:
        self._endpoint = endpoint
        self._factory = Factory(reactor, address, user)
        self._connecting: Deferred[IProtocol] | None = None
        self._protocol: Any = None

    def open(self) -> None:
        self._connecting = self._endpoint.connect(self._factory)
        self._connecting.addCallbacks(self._connected, self._failed)

    def _connected(self, protocol: IProtocol) -> None:
        self._protocol = protocol

    def _failed(self, failure: Failure) -> None:
        url = self._factory.address.url
        fault = faultOf(url, failure.value)
        if fault is not None:
            # Another attempt may find a certificate that was renewed.
            self._factory.user.closed(Closing(fault))
            return
        why = failure.getErrorMessage().rstrip(".")
        self._factory.user.closed(broken(f"No server can be reached at {url}: {why}."))

    def send(self, payload: bytes) -> None:
        self._protocol.sendMessage(payload)

    def close(self, code: int, reason: str) -> None:
        self._protocol.sendClose(code, reason)

    def abort(self) -> None:
        if self._protocol is not None:
            self._protocol.transport.abortConnection()
        elif self._connecting is not None:
            self._connecting.cancel()


def webSockets(reactor: Any, endpoint: IStreamClientEndpoint) -> OpenTransport:
    """
    Give the function that makes WebSockets over an endpoint.
    """
    return partial(WebSocketTransport, reactor, endpoint)


def clientEndpoint(reactor: Any, address: Address) -> IStreamClientEndpoint:
    """
    Make the endpoint that leads to a daemon.
    """
    if address.unixPath:
        return UNIXClientEndpoint(reactor, address.unixPath)
    tcp = HostnameEndpoint(reactor, address.host, address.port)
    return wrapClientTLS(optionsForClientTLS(address.host), tcp) if address.secure else tcp
