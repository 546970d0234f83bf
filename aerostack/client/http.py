"""
The daemon's HTTP interface, by treq.
"""

from __future__ import annotations

from typing import Any

import treq
from twisted.internet.defer import CancelledError, Deferred, inlineCallbacks, succeed
from twisted.internet.endpoints import UNIXClientEndpoint
from twisted.internet.error import (
    ConnectError,
    ConnectingCancelledError,
    DNSLookupError,
    TimeoutError,
)
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
from aerostack.client.opensslfaults import faultOf
from aerostack.client.pending import pending
from aerostack.client.repeating import LONGEST_REPEATING, Attempts
from aerostack.client.requests import (
    LARGEST_ANSWER,
    Request,
    readAnswer,
)

IDLE = 5.0
"""Seconds for which a connection is kept for the next request; the daemon keeps it longer."""


class HttpClient:
    """
    Makes requests, over connections that it keeps for a while.

    @ivar address: Where the daemon is.
    """

    def __init__(
        self, reactor: Any, address: Address, timeout: float | None, agent: IAgent | None = None
    ) -> None:
        """
        @param timeout: Seconds that a request may take in all, with its repetitions; L{None} for
            what is usual for it.
        @param agent: The agent that makes requests; L{None} for one of this client.
        """
        self.address = address
        self._reactor = reactor
        self._timeout = timeout
        self._pool: HTTPConnectionPool | None = None
        self._client = treq.client.HTTPClient(
            agent or self._makeAgent(), data_to_body_producer=Body
        )

    def _makeAgent(self) -> IAgent:
        self._pool = pool = HTTPConnectionPool(self._reactor)
        # Twisted's annotation says int, and its code takes a float.
        pool.cachedConnectionTimeout = IDLE  # type: ignore[assignment]
        if self.address.unixPath is None:
            return Agent(self._reactor, connectTimeout=LONGEST_REPEATING, pool=pool)
        endpoints = OneEndpoint(UNIXClientEndpoint(self._reactor, self.address.unixPath))
        return Agent.usingEndpointFactory(self._reactor, endpoints, pool=pool)

    def send(self, request: Request) -> Deferred[Any]:
        """
        Make a request, and repeat it where that is safe and may help.

        @return: Fires with the answer.  Fails with L{ClientError}.
        """
        return pending(self._send(request))

    @inlineCallbacks
    def _send(self, request: Request) -> Any:
        attempts = Attempts(request, self._timeout, self._reactor.seconds())
        while True:
            left = attempts.until - self._reactor.seconds()
            try:
                answer = yield self._once(request, left, attempts.seconds)
            except ClientError as error:
                wait = attempts.pause(error, self._reactor.seconds())
                if wait is None:
                    raise
                failed = error
            else:
                return answer
            yield deferLater(self._reactor, wait)
            if attempts.isOver(self._reactor.seconds()):
                # The program was busy for longer than it meant to wait.
                raise failed

    def _once(self, request: Request, left: float, seconds: float) -> Deferred[Any]:
        def late(result: Any, _: float) -> Any:
            return self._late(result, seconds)

        made: Deferred[Any] = Deferred.fromCoroutine(self._make(request))
        made.addTimeout(left, self._reactor, onTimeoutCancel=late)
        return made.addErrback(self._explain)

    async def _make(self, request: Request) -> Any:
        response = await self._client.request(
            request.method,
            f"{self.address.web}{request.path}",
            headers=Headers({name: [value] for name, value in request.headers.items()}),
            data=request.body,
            # A redirect would send the credentials to another server.
            allow_redirects=False,
            # Else treq imports the global one.
            reactor=self._reactor,
        )
        body = Collector()
        try:
            await treq.collect(response, body.add)
        finally:
            # Bytes that come after a time-out are not kept.
            body.done = True
        retryAfter = response.headers.getRawHeaders("retry-after")
        return readAnswer(request, response.code, retryAfter[0] if retryAfter else None, body.value)

    def _late(self, result: Any, seconds: float) -> Any:
        # The second is what cancels an attempt to connect.
        cancelled = (CancelledError, ConnectingCancelledError, ResponseFailed)
        if isinstance(result, Failure) and result.check(*cancelled):
            raise ClientError(
                "timed_out", f"{self.address.url} did not answer within {seconds:g} seconds."
            )
        return result

    def _explain(self, failure: Failure) -> Any:
        """Turn an error of the network into one of the client."""
        url, why = self.address.url, failure.getErrorMessage().rstrip(".")
        if failure.check(ConnectError, DNSLookupError, TimeoutError):
            raise Unsent("unreachable", f"No server can be reached at {url}: {why}.") from None
        reasons = [failure]
        if isinstance(failure.value, (ResponseFailed, RequestTransmissionFailed)):
            reasons = failure.value.reasons
            if any(reason.check(CancelledError) for reason in reasons):
                # The application gave the call up: it is not repeated.
                raise CancelledError from None
            why = "; ".join(reason.getErrorMessage() for reason in reasons).rstrip(".")
        for reason in reasons:
            if (fault := faultOf(url, reason.value)) is not None:
                raise fault from None
        if any(reason.check(ParseError, _TooLarge) for reason in reasons):
            raise ClientError(
                "bad_answer", f"The server at {url} is no aerostack-rt daemon: {why}."
            ) from None
        if reasons != [failure]:
            raise ClientError(
                "unreachable", f"{url} closed the connection before its answer was complete: {why}."
            ) from None
        return failure

    def close(self) -> Deferred[None]:
        """
        Close the connections that are kept.
        """
        if self._pool is None:
            return succeed(None)
        closed: Deferred[None] = self._pool.closeCachedConnections()
        return closed


@implementer(IBodyProducer)
class Body:
    """
    The body of a request.  It goes out at once, because it is small.
    """

    def __init__(self, data: bytes) -> None:
        self.length = len(data)
        self._data = data

    def startProducing(self, consumer: Any) -> Deferred[None]:
        consumer.write(self._data)
        return succeed(None)

    def stopProducing(self) -> None:
        """The whole body is out."""

    def pauseProducing(self) -> None:
        """The whole body is out."""

    def resumeProducing(self) -> None:
        """The whole body is out."""


class _TooLarge(Exception):
    """
    An answer is larger than any answer of the daemon.
    """


class Collector:
    """
    Collects the body of an answer.
    """

    def __init__(self) -> None:
        self.done = False
        self._pieces: list[bytes] = []
        self._size = 0

    def add(self, piece: bytes) -> None:
        """
        Take a piece of the body.

        @raise _TooLarge: The body is too large, or the request is over.
        """
        self._size += len(piece)
        if self.done or self._size > LARGEST_ANSWER:
            raise _TooLarge(f"more than {LARGEST_ANSWER} bytes")
        self._pieces.append(piece)

    @property
    def value(self) -> bytes:
        """The whole body."""
        return b"".join(self._pieces)


@implementer(IAgentEndpointFactory)
class OneEndpoint:
    """
    Sends every request to one endpoint.
    """

    def __init__(self, endpoint: IStreamClientEndpoint) -> None:
        self._endpoint = endpoint

    def endpointForURI(self, uri: URI) -> IStreamClientEndpoint:
        return self._endpoint
