"""
The request to a model, as it goes over HTTP.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.internet.error import ConnectError, DNSLookupError
from twisted.python.failure import Failure
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgent, IBodyProducer
from zope.interface import implementer


def describe(error: Exception) -> str:
    """
    Describe for the log why a request got no answer, with nothing of the request.
    """
    if isinstance(error, ConnectError | DNSLookupError):
        return f"it cannot be reached: {error}"
    reasons = getattr(error, "reasons", None) or [Failure(error)]
    names = ", ".join(reason.type.__name__ for reason in reasons if reason.type is not None)
    return f"the connection was lost before the answer ({names})"


@implementer(IAgent)
class PlainAgent:
    """
    Asks for answers that are not compressed: a server that compresses them may hold tokens back.
    """

    def __init__(self, agent: IAgent) -> None:
        self._agent = agent

    def request(
        self, method: bytes, uri: bytes, headers: Headers | None = None, bodyProducer: Any = None
    ) -> Any:
        headers = Headers() if headers is None else headers.copy()
        headers.setRawHeaders("accept-encoding", ["identity"])
        return self._agent.request(method, uri, headers, bodyProducer)


@implementer(IBodyProducer)
class Body:
    """
    The body of a request.
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
