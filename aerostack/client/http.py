"""
The daemon's HTTP interface, by treq.
"""

from __future__ import annotations

from typing import Any

import treq
from twisted.internet.defer import CancelledError, Deferred, inlineCallbacks, succeed
from twisted.internet.endpoints import UNIXClientEndpoint
from twisted.internet.error import ConnectError, DNSLookupError, TimeoutError
from twisted.internet.interfaces import IStreamClientEndpoint
from twisted.internet.task import deferLater
from twisted.python.failure import Failure
from twisted.web._newclient import ParseError
from twisted.web.client import (
    URI,
    Agent,
    HTTPConnectionPool,
    RequestTransmissionFailed,
    ResponseFailed,
)
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgent, IAgentEndpointFactory, IBodyProducer
from zope.interface import implementer

from aerostack.client.address import Address
from aerostack.client.errors import ClientError, Unsent
from aerostack.client.requests import LARGEST_ANSWER, Request, readAnswer, retryDelay

_IDLE = 5.0
"""Seconds for which a connection is kept for the next call; the daemon keeps it longer."""


class HttpClient:
    """
    Makes calls.

    @ivar address: Where the daemon is.
    """

    def __init__(
        self, reactor: Any, address: Address, timeout: float, agent: IAgent | None = None
    ) -> None:
        """
        @param timeout: Seconds that a call may take in all, however often it is made.
        @param agent: What makes requests; L{None} for one of our own.
        """
        self.address = address
        self._reactor = reactor
        self._timeout = timeout
        self._pool: HTTPConnectionPool | None = None
        self._client = treq.client.HTTPClient(
            agent or self._makeAgent(), data_to_body_producer=_Body
        )

    def _makeAgent(self) -> IAgent:
        self._pool = pool = HTTPConnectionPool(self._reactor)
        # Twisted says int, and takes any time.
        pool.cachedConnectionTimeout = _IDLE  # type: ignore[assignment]
        if self.address.unixPath is None:
            return Agent(self._reactor, pool=pool)
        endpoints = _UnixEndpoints(self._reactor, self.address.unixPath)
        return Agent.usingEndpointFactory(self._reactor, endpoints, pool=pool)

    @inlineCallbacks
    def send(self, request: Request) -> Any:
        """
        Make a request, again where that is safe and helps.

        @return: Fires with the answer.  Fails with L{ClientError}.
        """
        until = self._reactor.seconds() + self._timeout
        attempts = 0
        while True:
            try:
                answer = yield self._once(request, until - self._reactor.seconds())
            except ClientError as error:
                attempts += 1
                wait = retryDelay(request, error, attempts)
                if wait is None or self._reactor.seconds() + wait >= until:
                    raise
            else:
                return answer
            yield deferLater(self._reactor, wait)

    def _once(self, request: Request, timeout: float) -> Deferred[Any]:
        made: Deferred[Any] = Deferred.fromCoroutine(self._make(request))
        made.addTimeout(timeout, self._reactor, onTimeoutCancel=self._late)
        return made.addErrback(self._explain)

    async def _make(self, request: Request) -> Any:
        response = await self._client.request(
            request.method,
            f"{self.address.web}{request.path}",
            headers=Headers({name: [value] for name, value in request.headers.items()}),
            data=request.body,
            # A credential goes to the daemon and to nobody else.
            allow_redirects=False,
        )
        body = _Collector()
        try:
            await treq.collect(response, body.add)
        finally:
            # What comes after a time-out is not kept.
            body.done = True
        retryAfter = response.headers.getRawHeaders("retry-after")
        return readAnswer(request, response.code, retryAfter[0] if retryAfter else None, body.value)

    def _late(self, result: Any, timeout: float) -> Any:
        if isinstance(result, Failure) and result.check(CancelledError, ResponseFailed):
            raise ClientError(
                "timed_out", f"{self.address.url} did not answer within {self._timeout:g} seconds."
            )
        return result

    def _explain(self, failure: Failure) -> Any:
        """Say in our words what is wrong with the network."""
        url, why = self.address.url, failure.getErrorMessage().rstrip(".")
        if failure.check(ConnectError, DNSLookupError, TimeoutError):
            raise Unsent("unreachable", f"Nobody can be reached at {url}: {why}.") from None
        reasons = [failure]
        if isinstance(failure.value, (ResponseFailed, RequestTransmissionFailed)):
            reasons = failure.value.reasons
            why = "; ".join(reason.getErrorMessage() for reason in reasons).rstrip(".")
        if any(reason.check(ParseError, _TooLarge) for reason in reasons):
            raise ClientError("bad_answer", f"What answers at {url} is no daemon: {why}.") from None
        if reasons != [failure]:
            raise ClientError("unreachable", f"{url} broke off: {why}.") from None
        return failure

    def close(self) -> Deferred[None]:
        """
        Let go of the connections that are kept.
        """
        if self._pool is None:
            return succeed(None)
        closed: Deferred[None] = self._pool.closeCachedConnections()
        return closed


@implementer(IBodyProducer)
class _Body:
    """
    Bytes that go out at once: there are never many.
    """

    def __init__(self, data: bytes) -> None:
        self.length = len(data)
        self._data = data

    def startProducing(self, consumer: Any) -> Deferred[None]:
        consumer.write(self._data)
        return succeed(None)

    def stopProducing(self) -> None:
        """All of it is out."""

    def pauseProducing(self) -> None:
        """All of it is out."""

    def resumeProducing(self) -> None:
        """All of it is out."""


class _TooLarge(Exception):
    """
    There is more than any answer of the daemon's has.
    """


class _Collector:
    """
    An answer's body.
    """

    def __init__(self) -> None:
        self.done = False
        self._pieces: list[bytes] = []
        self._size = 0

    def add(self, piece: bytes) -> None:
        """
        Take a piece.

        @raise _TooLarge: That is enough.
        """
        self._size += len(piece)
        if self.done or self._size > LARGEST_ANSWER:
            raise _TooLarge(f"more than {LARGEST_ANSWER} bytes")
        self._pieces.append(piece)

    @property
    def value(self) -> bytes:
        """All of it."""
        return b"".join(self._pieces)


@implementer(IAgentEndpointFactory)
class _UnixEndpoints:
    """
    Leads every request to one Unix socket.
    """

    def __init__(self, reactor: Any, path: str) -> None:
        self._endpoint = UNIXClientEndpoint(reactor, path)

    def endpointForURI(self, uri: URI) -> IStreamClientEndpoint:
        return self._endpoint
