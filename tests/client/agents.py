"""
Stand-ins for what makes HTTP requests.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred, fail, succeed
from twisted.python.failure import Failure
from twisted.web.client import ResponseDone
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgent
from zope.interface import implementer


class Response:
    """
    An answer that the test gives.
    """

    version = (b"HTTP", 1, 1)

    def __init__(self, code: int, *pieces: bytes, end: Exception | None = None, **headers: str):
        self.code = code
        self.length = -1
        self.headers = Headers({n.replace("_", "-"): [v] for n, v in headers.items()})
        self._pieces = pieces
        self._end = end or ResponseDone()

    def deliverBody(self, protocol: Any) -> None:
        self.protocol = protocol
        protocol.makeConnection(None)
        for piece in self._pieces:
            protocol.dataReceived(piece)
        protocol.connectionLost(Failure(self._end))


@implementer(IAgent)
class Agent:
    """
    Answers requests with what it was given, one after the other.
    """

    def __init__(self) -> None:
        self.answers: list[Any] = []
        self.requests: list[tuple[str, str]] = []

    def request(
        self, method: bytes, uri: bytes, headers: Any = None, bodyProducer: Any = None
    ) -> Deferred[Any]:
        self.requests.append((method.decode(), uri.decode()))
        answer = self.answers.pop(0)
        if isinstance(answer, Deferred):
            return answer
        return fail(answer) if isinstance(answer, Exception) else succeed(answer)
