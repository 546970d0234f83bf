"""
The requests of the daemon's HTTP interface, as plain data: what to send, what an answer means, and
when to repeat a request.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar
from urllib.parse import quote, urlencode

import msgspec
from msgspec import Raw

from aerostack.client.address import Address
from aerostack.client.errors import ClientError, Unsent, excerpt, refusal
from aerostack.client.outgoing import encodeGiven
from aerostack.protocol.codec import encodeValue

T = TypeVar("T", covariant=True)

LARGEST_ANSWER = 268_435_456
"""The bytes that an answer may have."""

# The daemon answers with these before it does anything.
_UNTOUCHED = ("rate_limited", "overloaded", "shutting_down", "too_many_connections")

# These pass by themselves; a request that is repeatable is repeated after them, too.
_PASSING = (*_UNTOUCHED, "unreachable", "database_unavailable")


@dataclass(frozen=True)
class Request:
    """
    A request.

    @ivar path: The path with the query.
    @ivar expects: A field that every answer, a JSON object, has.
    @ivar body: The body, JSON, if there is one.
    @ivar repeatable: Whether making the request twice does no harm.
    """

    method: str
    path: str
    expects: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes | None = None
    repeatable: bool = True


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


def history(address: Address, topic: str, limit: int, before: int | None) -> Request:
    """
    Read a page of a topic's history.
    """
    encodeGiven(topic, "topic")
    if address.projectId is not None and not topic.endswith(f"/{address.projectId}"):
        # Without a credential only the topic names the project.
        topic = f"{topic if '/' in topic else f'table/{topic}'}/{address.projectId}"
    query = {"room": topic, "limit": limit, **({} if before is None else {"before": before})}
    path = f"/api/v1/public/realtime/history?{urlencode(query)}"
    return Request("GET", path, "messages", _credentials(address))


def readStream(address: Address, stream: str) -> Request:
    """
    Read a token stream that runs, or has ended.

    @param stream: Its id.
    """
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


def health() -> Request:
    """
    Ask for the health of the daemon.
    """
    return Request("GET", "/health", "checks")


def explain(address: Address, userId: str, topic: str) -> Request:
    """
    Ask whether publications on a topic reach a user, and why not.
    """
    headers = {} if address.key is None else {"Authorization": f"Bearer {address.key}"}
    encodeGiven([userId, topic], "user or topic")
    query = urlencode({"user": userId, "topic": topic})
    return Request("GET", f"/internal/admin/explain?{query}", "verdict", headers)


def readAnswer(request: Request, status: int, retryAfter: str | None, body: bytes) -> Any:
    """
    Read an answer.

    @param retryAfter: The header C{Retry-After}, if there was one.
    @raise ClientError: The daemon refused the request, or the answer is not from a daemon.
    """
    try:
        answer = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        answer = None
    # A daemon that is not healthy answers with 503 and the same fields.
    isGood = status == 200 or (isinstance(answer, dict) and "error" not in answer)
    if isGood and isinstance(answer, dict) and request.expects in answer:
        return answer
    if status != 200:
        raise refusal(status, retryAfter, body)
    raise ClientError("bad_answer", f"The server is no aerostack-rt daemon: {excerpt(body)}")


def retryDelay(request: Request, error: ClientError, attempts: int) -> float | None:
    """
    Decide whether the client repeats a request that failed.

    @param attempts: How often the client has made it.
    @return: The seconds to wait before; L{None} if the client does not repeat it, because the
        daemon may have acted on it, or never will.
    """
    safe = isinstance(error, Unsent) or error.code in _UNTOUCHED
    if not safe and not (request.repeatable and error.code in _PASSING):
        return None
    return max((error.retryAfter or 0) / 1000, min(0.1 * 2**attempts, 2.0))


class Socket(Generic[T]):
    """
    Events that a server sends to users.
    """

    def __init__(self, address: Address, send: Send[T]) -> None:
        self._address = address
        self._send = send

    def emit(
        self,
        event: str,
        data: Any,
        topic: str,
        *,
        persist: bool = False,
        userId: str | None = None,
    ) -> T:
        """
        Send an event to all subscribers of a topic.

        @param data: Any JSON value.
        @param persist: Whether the topic's history keeps it.
        @param userId: The user that the event names as its sender.
        @return: C{{"success": true}}; with C{persist} also C{id} and C{created_at} (ms).
        """
        options: dict[str, Any] = {"persist": True} if persist else {}
        if userId is not None:
            options["userId"] = userId
        named = {"event": event, "data": data, "topic": topic, "options": options}
        args = [Raw(encodeGiven(given, name)) for name, given in named.items()]
        return self._send(rpc(self._address, "socket.emit", args if options else args[:-1]))


class Database(Generic[T]):
    """
    The daemon's database.
    """

    def __init__(self, address: Address, send: Send[T]) -> None:
        self._address = address
        self._send = send

    def query(self, sql: str, params: Sequence[Any] = ()) -> T:
        """
        Run one statement in a transaction of its own.

        @param params: One value for each C{?}.
        @return: C{results}, a list of rows, each a dictionary; C{success}; and C{meta}
            with C{changes}, C{last_row_id} and C{duration} (ms).
        """
        if isinstance(params, (str, bytes, Mapping)):
            raise TypeError(f"params is a list with one value for each ?, not {params!r}")
        named = {"sql": sql, "params": [_parameter(value) for value in params]}
        args = [Raw(encodeGiven(given, name)) for name, given in named.items()]
        return self._send(rpc(self._address, "db.query", args))


class Users(Generic[T]):
    """
    The users of the project.
    """

    def __init__(self, address: Address, send: Send[T]) -> None:
        self._address = address
        self._send = send

    def disconnect(self, userId: str, *, reason: str = "", code: int | None = None) -> T:
        """
        Close all connections of a user.  The user may come back.

        @param reason: What the client gets as the reason; at most 123 bytes of printable text.
        @param code: The close code, from 4100 to 4999; L{None} for 4010.
        @return: C{connections}, how many were closed; C{nodes}, how many of them on each node;
            C{unconfirmed}, the nodes that did not confirm; and C{success}.
        """
        return self._call("user.disconnect", userId, {"reason": reason or None, "code": code})

    def revoke(
        self,
        userId: str,
        *,
        until: int | None = None,
        seconds: float | None = None,
        jti: str | None = None,
        reason: str = "",
    ) -> T:
        """
        Refuse the tokens of a user that were issued before now, and close the connections that
        were opened with them.

        @param until: When the revocation ends, milliseconds since the epoch.
        @param seconds: After how many seconds it ends, instead of C{until}.
        @param jti: The id of the only token to revoke; L{None} for all.
        @param reason: What the client gets as the reason; at most 123 bytes of printable text.
        @return: As L{disconnect}, with C{until}.
        """
        options = {"until": until, "seconds": seconds, "jti": jti, "reason": reason or None}
        return self._call("user.revoke", userId, options)

    def _call(self, method: str, userId: str, options: Mapping[str, Any]) -> T:
        given = {name: value for name, value in options.items() if value is not None}
        args = [Raw(encodeGiven(userId, "userId")), Raw(encodeGiven(given, "options"))]
        return self._send(rpc(self._address, method, args))


def _parameter(value: Any) -> Any:
    if isinstance(value, (bytes, bytearray, memoryview)):
        return {"base64": b64encode(value).decode("ascii")}
    return value
