"""
Reads requests that ask for a WebSocket, with httptools.

Most clients send nothing else than such a request.  twisted.web would make an object of each of its
lines, and take ten times as long.  What this module is not sure of it leaves to twisted.web, which
decides: a head that comes in pieces, a body, a method or a version of HTTP that opens no WebSocket,
and everything that httptools or the daemon refuses.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from httptools import HttpParserError, HttpParserUpgrade, HttpRequestParser
from msgspec import Struct
from twisted.internet.defer import Deferred
from twisted.web.http import HTTPChannel

SINGLE = (
    *("host", "origin", "authorization", "x-aerostack-key"),
    *("x-aerostack-client", "x-aerostack-project", "x-aerostack-session"),
)
"""Headers that decide about rights.  If one came twice, a proxy in front could use the first and
the daemon the second."""

_LEFT = frozenset(("content-length", "transfer-encoding", "expect"))
"""Headers that say that something comes behind the head, or ask whether it may come."""


class Head(Struct, frozen=True):
    """
    A request without a body that asks for another protocol.

    @ivar path: The path of the target, as it was sent.
    @ivar query: The query of the target, as it was sent.
    @ivar headers: Lower-case names to values.
    @ivar size: How many bytes the request has; what is behind them belongs to the other protocol.
    """

    path: bytes
    query: bytes
    headers: Mapping[str, Sequence[str]]
    size: int


class Upgrader(Protocol):
    """
    Goes on with connections in another protocol.
    """

    def open(
        self,
        channel: Any,
        headers: Mapping[str, Sequence[str]],
        query: Callable[[], Mapping[str, str]],
    ) -> Deferred[None] | None:
        """
        Take over a connection from HTTP.

        @param channel: The connection, a L{aerostack.net.http.server.BoundedChannel}.
        @param headers: The request's headers: lower-case names to values.
        @param query: Reads the parameters of the request's URL.  It raises a L{RealtimeError} if
            they cannot be read.
        @return: A Deferred that fires when it is done, and fails with an error as below; L{None}
            if it is done already.
        @raise aerostack.errors.RealtimeError: The request is refused.
        """


class _Reader:
    """
    Takes what httptools finds.
    """

    def __init__(self) -> None:
        self.requests = 0
        self.target = b""
        self.headers: dict[str, list[str]] = {}
        self.lines = 0

    def on_message_begin(self) -> None:
        self.requests += 1

    def on_url(self, url: bytes) -> None:
        self.target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self.lines += 1
        self.headers.setdefault(name.decode("latin-1").lower(), []).append(
            value.decode("latin-1").strip(" \t")
        )


def pathOf(data: bytes) -> bytes:
    """
    The path of the request with which a connection begins; anything else if that is no C{GET}.

    @param data: The first bytes of the connection.
    """
    return data[4 : data.find(b" ", 4)].partition(b"?")[0] if data.startswith(b"GET ") else b""


def readHead(data: bytes) -> Head | None:
    """
    Read the request with which a connection begins.

    @param data: The first bytes of the connection.
    @return: L{None} if twisted.web has to read it.
    """
    reader = _Reader()
    parser = HttpRequestParser(reader)
    try:
        parser.feed_data(data)
    except HttpParserUpgrade as upgrade:
        size: int = upgrade.args[0]
    except HttpParserError:
        return None
    else:
        return None
    headers = reader.headers
    if (
        # httptools overlooks empty lines and some spaces.
        not data.startswith(b"GET %b HTTP/1.1\r\n" % reader.target)
        or reader.requests > 1
        or size > HTTPChannel.totalHeadersSize
        or reader.lines > HTTPChannel.maxHeaders
        or not _LEFT.isdisjoint(headers)
        # Few requests have any header twice.
        or (reader.lines > len(headers) and any(len(headers.get(n, ())) > 1 for n in SINGLE))
    ):
        return None
    path, _, query = reader.target.partition(b"?")
    return Head(path, query, headers, size)
