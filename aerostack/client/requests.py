"""
The requests of the daemon's HTTP interface, as plain data: what a client sends, and what an answer
means.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar
from urllib.parse import quote, urlencode

import msgspec

from aerostack.client.address import Address
from aerostack.client.errors import ClientError, excerpt, refusal
from aerostack.client.outgoing import encodeGiven, kindOf, requireText
from aerostack.protocol.codec import encodeValue

T = TypeVar("T", covariant=True)

LARGEST_ANSWER = 268_435_456
"""The bytes that an answer may have."""

USUAL_SECONDS = 10.0
"""Seconds that a call may take, if nothing else is said."""


@dataclass(frozen=True)
class Request:
    """
    A request.

    @ivar path: The path with the query.
    @ivar expects: A field that every answer, a JSON object, has.
    @ivar returns: The field of the answer that the call returns; L{None} for the whole answer.
    @ivar body: The body, JSON, if there is one.
    @ivar repeatable: Whether making the request twice does no harm.
    @ivar usual: Seconds that it may take, if nothing else is said.
    @ivar timeout: Seconds that it may take, if the call says so.
    """

    method: str
    path: str
    expects: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes | None = None
    repeatable: bool = True
    usual: float = USUAL_SECONDS
    timeout: float | None = None
    returns: str | None = None

    def seconds(self, given: float | None) -> float:
        """
        Seconds that it may take in all.

        @param given: What the application has given for all calls.
        @raise TypeError: The time is no number.
        @raise ValueError: The time is C{nan}.
        """
        named = self.timeout if self.timeout is not None else given
        if named is None:
            return self.usual
        if isinstance(named, bool) or not isinstance(named, (int, float)):
            raise TypeError(f"timeout is a number of seconds, not {kindOf(named)}")
        if math.isnan(named):
            raise ValueError("timeout is a number of seconds, not nan")
        return named


class Send(Protocol[T]):
    """
    Makes a request.  A client that waits gives the answer, one on Twisted a Deferred.
    """

    def __call__(self, request: Request) -> T: ...


def rpc(address: Address, method: str, args: Sequence[Any]) -> Request:
    """
    Call one of the daemon's methods.
    """
    body: dict[str, Any] = {"method": method, "args": args}
    if address.projectId is not None:
        body["projectId"] = address.projectId
    headers = {"Content-Type": "application/json"}
    if address.key is not None:
        headers["Authorization"] = f"Bearer {address.key}"
    return Request("POST", "/internal/hooks/rpc", "success", headers, encodeValue(body), False)


def history(
    address: Address, topic: str, limit: int, before: int | None, timeout: float | None = None
) -> Request:
    """
    Read a page of a topic's history.
    """
    encodeGiven(requireText(topic, "topic"), "topic")
    if address.projectId is not None and not topic.endswith(f"/{address.projectId}"):
        # Without a credential only the topic names the project.
        topic = f"{topic if '/' in topic else f'table/{topic}'}/{address.projectId}"
    query: dict[str, Any] = {"room": topic, "limit": limit}
    if before is not None:
        query["before"] = before
    if address.projectId is not None:
        # A token need not name the project.
        query["projectId"] = address.projectId
    path = f"/api/v1/public/realtime/history?{urlencode(query)}"
    return Request(
        "GET", path, "messages", _credentials(address), timeout=timeout, returns="messages"
    )


def readStream(address: Address, stream: str) -> Request:
    """
    Read a token stream that runs, or has ended.

    @param stream: Its id.
    """
    encodeGiven(requireText(stream, "stream"), "stream")
    query = {} if address.projectId is None else {"projectId": address.projectId}
    path = f"/api/v1/public/realtime/streams/{quote(stream, safe='')}?{urlencode(query)}"
    return Request("GET", path, "stream", _credentials(address))


def _credentials(address: Address) -> dict[str, str]:
    """The headers by which a client is known."""
    headers: dict[str, str] = {}
    if address.key is not None:
        headers["X-Aerostack-Key"] = address.key
    if address.token is not None:
        headers["Authorization"] = f"Bearer {address.token}"
    return headers


def health(timeout: float | None = None) -> Request:
    """
    Ask for the health of the daemon.
    """
    return Request("GET", "/health", "checks", timeout=timeout)


def explain(address: Address, userId: str, topic: str, timeout: float | None = None) -> Request:
    """
    Ask whether publications on a topic reach a user, and why not.
    """
    headers = {} if address.key is None else {"Authorization": f"Bearer {address.key}"}
    named = {"userId": userId, "topic": topic}
    for name, value in named.items():
        encodeGiven(requireText(value, name), name)
    query = urlencode({"user": userId, "topic": topic})
    path = f"/internal/admin/explain?{query}"
    return Request("GET", path, "verdict", headers, timeout=timeout)


def readAnswer(request: Request, status: int, retryAfter: str | None, body: bytes) -> Any:
    """
    Read an answer.

    @param retryAfter: The header C{Retry-After}, if there was one.
    @return: What the call returns.
    @raise ClientError: The daemon refused the request, or the answer is not from a daemon.
    """
    try:
        answer = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        answer = None
    # A daemon that is not healthy answers with 503 and the same fields.
    isGood = status == 200 or (isinstance(answer, dict) and "error" not in answer)
    if isGood and isinstance(answer, dict) and request.expects in answer:
        return answer if request.returns is None else answer[request.returns]
    if status != 200:
        raise refusal(status, retryAfter, body)
    raise ClientError("bad_answer", f"The server is no aerostack-rt daemon: {excerpt(body)}")
