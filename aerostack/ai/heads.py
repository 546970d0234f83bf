"""
Connections to models whose answers have heads of bounded size.

Twisted bounds each line of a head, but not how many lines there are.
"""

from __future__ import annotations

import re
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.endpoints import HostnameEndpoint, wrapClientTLS
from twisted.internet.interfaces import IProtocolFactory, IStreamClientEndpoint
from twisted.internet.protocol import connectionDone
from twisted.protocols.policies import ProtocolWrapper, WrappingFactory
from twisted.python.failure import Failure
from twisted.web.client import URI, BrowserLikePolicyForHTTPS
from twisted.web.iweb import IAgentEndpointFactory
from zope.interface import implementer

HEAD_BYTES = 65_536
"""How many bytes the status line and the headers of an answer have at the most, together with those
of the interim answers before it (RFC 9110, 15.2)."""

_END = re.compile(rb"\n\r?\n")
_INTERIM = re.compile(rb"HTTP/[0-9.]+ 1[0-9][0-9]\b")


class HeadTooLarge(Exception):
    """
    The head of an answer has more than L{HEAD_BYTES}.
    """


class BoundedConnection(ProtocolWrapper):
    """
    A connection for requests that are written whole before their answers come.  It is closed when
    the head of an answer is too large.
    """

    # What has come of the head; None while no head is expected.
    _head: bytearray | None = None
    # Where the head of the final answer begins, as far as is known.
    _begin = 0
    _isRefused = False

    def write(self, data: bytes) -> None:
        self._expect()
        super().write(data)

    def writeSequence(self, data: Any) -> None:
        self._expect()
        super().writeSequence(data)

    def _expect(self) -> None:
        """A request goes out: what comes next is the head of its answer."""
        self._head, self._begin = bytearray(), 0

    def dataReceived(self, data: bytes) -> None:
        if self._isRefused:
            return
        if self._head is not None and not self._take(self._head, data):
            self._isRefused = True
            self.abortConnection()
            return
        super().dataReceived(data)

    def _take(self, head: bytearray, data: bytes) -> bool:
        """
        Take what comes while a head is expected.

        @return: Whether the head is not too large.
        """
        # The end may have begun before.
        place = max(self._begin, len(head) - 2)
        head += data
        while (end := _END.search(head, place)) is not None and end.end() <= HEAD_BYTES:
            if not _INTERIM.match(head, self._begin):
                self._head = None
                return True
            place = self._begin = end.end()
        return len(head) <= HEAD_BYTES

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if self._isRefused:
            reason = Failure(HeadTooLarge("the head of the answer is too large"))
        super().connectionLost(reason)


class _Factory(WrappingFactory):
    protocol = BoundedConnection
    noisy = False


@implementer(IStreamClientEndpoint)
class _Endpoint:
    """
    Makes such connections.
    """

    def __init__(self, endpoint: IStreamClientEndpoint) -> None:
        self._endpoint = endpoint

    def connect(self, factory: IProtocolFactory) -> Deferred[Any]:
        connecting: Deferred[Any] = self._endpoint.connect(_Factory(factory))
        return connecting.addCallback(lambda wrapper: wrapper.wrappedProtocol)


@implementer(IAgentEndpointFactory)
class BoundedEndpoints:
    """
    Makes such connections for an L{Agent<twisted.web.client.Agent>}.
    """

    def __init__(self, reactor: Any, timeout: float) -> None:
        """
        @param timeout: Seconds that a connection may take to come about.
        """
        self._reactor = reactor
        self._timeout = timeout
        self._policy = BrowserLikePolicyForHTTPS()

    def endpointForURI(self, uri: URI) -> IStreamClientEndpoint:
        """
        Give the endpoint for a URL.
        """
        host = uri.host.decode("ascii")
        endpoint: Any = HostnameEndpoint(self._reactor, host, uri.port, timeout=self._timeout)
        if uri.scheme == b"https":
            endpoint = wrapClientTLS(self._policy.creatorForNetloc(uri.host, uri.port), endpoint)
        return _Endpoint(endpoint)
