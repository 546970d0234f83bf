"""
WebSockets to a daemon, by Autobahn.

Its timers stay off: they run on a global loop, and L{aerostack.client.connection} keeps the
time.
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
from twisted.internet.ssl import optionsForClientTLS
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from aerostack.client.address import Address
from aerostack.client.closing import Closing, broken, closed, refused
from aerostack.client.errors import ClientError, excerpt, wholeNumber
from aerostack.client.interfaces import ITransport, ITransportUser, OpenTransport

txaio.use_twisted()

LARGEST_HEAD = 65536
"""How many bytes the answer to an opening may have."""

LARGEST_MESSAGE = 67_108_864
"""How many bytes a message may have: what the daemon's limits allow at the most."""

_REFUSED = re.compile(r"WebSocket connection upgrade failed \[(\d+)\]")


class Protocol(WebSocketClientProtocol):
    """
    One connection.
    """

    # Autobahn has its own under the usual name.
    _log = Logger()
    factory: Factory
    transport: Any
    _closing: Closing | None = None

    def dataReceived(self, data: bytes) -> None:
        self.factory.user.heard()
        if self.state == self.STATE_CONNECTING and len(self.data) + len(data) > LARGEST_HEAD:
            self._fail(self._nonsense(self.data + data))
            return
        try:
            self._dataReceived(data)
        except Exception:
            # What Autobahn does not expect to read, such as a head that is not UTF-8.
            self._fail(self._nonsense(data))

    def onOpen(self) -> None:
        self._tell(self.factory.user.opened)

    def onMessage(self, payload: bytes, isBinary: bool) -> None:
        self._tell(self.factory.user.received, payload)

    def _tell(self, call: Callable[..., None], *args: Any) -> None:
        """Tell our user something.  What fails there is no fault of the daemon's."""
        try:
            call(*args)
        except Exception:
            self._log.failure("the client failed")

    def sendCloseFrame(
        self, code: int | None = None, reasonUtf8: bytes | None = None, isReply: bool = False
    ) -> None:
        super().sendCloseFrame(code=code, reasonUtf8=reasonUtf8, isReply=isReply)
        self.factory.user.closeStarted()

    def dropConnection(self, abort: bool = False) -> None:
        # Autobahn drops it without a close frame where what came is no WebSocket's.
        wasOpen = self.state == self.STATE_OPEN
        super().dropConnection(abort=abort)
        if wasOpen:
            self.factory.user.closeStarted()

    def onClose(self, wasClean: bool, code: int | None, reason: str | None) -> None:
        self.factory.user.closed(self._closing or self._closingOf(wasClean, code, reason))

    def _closingOf(self, wasClean: bool, code: int | None, reason: str | None) -> Closing:
        if wasClean:
            return closed(code, reason)
        url, why = self.factory.address.url, str(self.wasNotCleanReason).rstrip(".")
        if self.failedByMe:
            return Closing(ClientError("bad_answer", f"{url} does not speak as it should: {why}."))
        return broken(f"The connection to {url} is gone: {why}.")

    def failHandshake(self, reason: str) -> None:
        # Not as Autobahn does it, which logs the reason: what it says of subprotocols has
        # our credentials in it.
        refusal = _REFUSED.match(reason)
        if refusal is None:
            self._fail(self._nonsense(self.data))
            return
        body = self.data.partition(b"\r\n\r\n")[2]
        closing = refused(int(refusal[1]), self.http_headers.get("retry-after"), body)
        if len(body) < (wholeNumber(self.http_headers.get("content-length")) or 0):
            # The daemon says in the body what was wrong.  We are called again when more
            # of it has come.
            self._closing = closing
        else:
            self._fail(closing)

    def _nonsense(self, data: bytes) -> Closing:
        url = self.factory.address.url
        return Closing(
            ClientError("bad_answer", f"What answers at {url} is no daemon: {excerpt(data)}")
        )

    def _fail(self, closing: Closing) -> None:
        self._closing = closing
        self.wasNotCleanReason = closing.error.message
        self.dropConnection(abort=True)


class Factory(WebSocketClientFactory):
    """
    Makes the connection to one address.
    """

    protocol: Any = Protocol
    noisy = False

    def __init__(self, reactor: Any, address: Address, user: ITransportUser) -> None:
        # Autobahn wants a host; to a Unix socket it does not matter which.
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
        why = failure.getErrorMessage().rstrip(".")
        self._factory.user.closed(
            broken(f"Nobody can be reached at {self._factory.address.url}: {why}.")
        )

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
    What makes WebSockets over an endpoint.
    """
    return partial(WebSocketTransport, reactor, endpoint)


def clientEndpoint(reactor: Any, address: Address) -> IStreamClientEndpoint:
    """
    The endpoint to reach a daemon at.
    """
    if address.unixPath:
        return UNIXClientEndpoint(reactor, address.unixPath)
    tcp = HostnameEndpoint(reactor, address.host, address.port)
    return wrapClientTLS(optionsForClientTLS(address.host), tcp) if address.secure else tcp
