"""
The SDK for servers that wait for their answers: Django, Flask, scripts.

It needs only the standard library, and not Twisted.
"""

from __future__ import annotations

import os
import select
import socket
import ssl
import time
from collections import deque
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from typing import Any

from aerostack.client.address import Address
from aerostack.client.blockingstream import BlockingAI
from aerostack.client.calls import Calls, Database, Socket, Users
from aerostack.client.errors import ClientError, Unsent
from aerostack.client.repeating import LONGEST_REPEATING, Attempts
from aerostack.client.requests import (
    LARGEST_ANSWER,
    Request,
    readAnswer,
)
from aerostack.client.results import (
    EmitAllResult,
    EmitResult,
    ExplainResult,
    HealthResult,
    Message,
    QueryResult,
    RemovalResult,
)
from aerostack.client.streams import StreamCalls
from aerostack.client.tlsfaults import tlsFault

_IDLE = 5.0
"""Seconds for which a connection is kept for the next call; the daemon keeps it longer."""

_KEPT = 16
"""How many connections are kept."""

_CHUNK = 65536


class BlockingSDK(Calls[list[Message], HealthResult, ExplainResult]):
    """
    Sends events to users, streams tokens to them, removes users, and queries the database.  Each
    method waits for its answer, and raises L{ClientError}.

    Threads may share one, and a process may make it before it forks.

    @ivar socket: See L{Socket}.
    @ivar db: See L{Database}.
    @ivar user: See L{Users}.
    @ivar ai: See L{BlockingAI}.
    """

    def __init__(
        self,
        url: str,
        secretKey: str | None,
        *,
        projectId: str | None = None,
        token: str | None = None,
        timeout: float | None = None,
        retry: bool = True,
        context: ssl.SSLContext | None = None,
        via: tuple[str, int] | None = None,
    ) -> None:
        """
        @param url: The daemon, such as C{https://rt.example.com}.
        @param secretKey: The project's secret key.  To read only the history, another key will
            do.
        @param projectId: The project; not needed, because the key names it.
        @param token: A JWT, to read the history with.
        @param timeout: Seconds that a call may take in all; L{None} for 3 of an C{emit}, 35 of a
            query, 30 of those about token streams and 10 of any other.
        @param retry: Whether to repeat, within that time and for 10 seconds at most, a call that
            the daemon has certainly not acted on: it was not reachable, or said that it has too
            much to do.  A call about a stream that another daemon takes over is repeated for as
            long as it may take.
        @param context: The TLS context; L{None} to trust the machine's certificates.
        @param via: With TLS, the host and the port to connect to instead of the URL's.  The
            certificate must be for the URL's host.
        @raise ValueError: The URL or the key is malformed.
        """
        super().__init__(Address(url, projectId, key=secretKey, token=token), self._request)
        self._timeout = timeout
        self._retry = retry
        self._context = context
        self._via = via
        # Connections that are not in use, with the time since then.  The end has the latest.
        self._idle: deque[tuple[float, HTTPConnection]] = deque()
        self._process = os.getpid()
        self.socket: Socket[EmitResult, EmitAllResult] = Socket(self._address, self._request)
        self.db: Database[QueryResult] = Database(self._address, self._request)
        self.user: Users[RemovalResult] = Users(self._address, self._request)
        self.ai = BlockingAI(StreamCalls(self._address, self._request))

    def close(self) -> None:
        """
        Close the connections that are kept for the next call.
        """
        while (connection := self._take()) is not None:
            connection.close()

    def __enter__(self) -> BlockingSDK:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _request(self, request: Request) -> Any:
        attempts = Attempts(request, self._timeout, time.monotonic())
        while True:
            try:
                return self._once(request, attempts.until)
            except TimeoutError:
                seconds = attempts.seconds
                raise ClientError(
                    "timed_out", f"{self._address.url} did not answer within {seconds:g} seconds."
                ) from None
            except ClientError as error:
                wait = attempts.pause(error, time.monotonic()) if self._retry else None
                if wait is None:
                    raise
                failed = error
            time.sleep(wait)
            if attempts.isOver(time.monotonic()):
                # The program slept for longer than it meant to.
                raise failed

    def _once(self, request: Request, until: float) -> Any:
        """
        Make a request.

        @raise TimeoutError: The answer has not come in time.
        """
        url = self._address.url
        connection = self._take() or self._connect(until)
        try:
            connection.timeout = _left(until)
            assert connection.sock is not None
            connection.sock.settimeout(_left(until))
            connection.request(
                request.method,
                f"{self._address.prefix}{request.path}",
                request.body,
                {**request.headers, "Accept": "application/json"},
            )
            response = connection.getresponse()
            body = self._read(connection, response, until)
        except TimeoutError:
            connection.close()
            raise
        except OSError as error:
            connection.close()
            raise ClientError(
                "unreachable",
                f"{url} closed the connection before its answer was complete: {_why(error)}.",
            ) from None
        except HTTPException as error:
            connection.close()
            raise ClientError(
                "bad_answer", f"The server at {url} is no aerostack-rt daemon: {_why(error)}."
            ) from None
        if response.will_close or len(self._idle) >= _KEPT:
            connection.close()
        else:
            self._idle.append((time.monotonic(), connection))
        return readAnswer(request, response.status, response.getheader("retry-after"), body)

    def _read(self, connection: HTTPConnection, response: HTTPResponse, until: float) -> bytes:
        pieces = []
        size = 0
        while piece := response.read1(_CHUNK):
            pieces.append(piece)
            size += len(piece)
            if size > LARGEST_ANSWER:
                raise HTTPException(f"more than {LARGEST_ANSWER} bytes")
            if connection.sock is not None:
                connection.sock.settimeout(_left(until))
        if response.length:
            raise HTTPException("the answer is cut off")
        # Without this the connection would refuse the next request.
        response.close()
        return b"".join(pieces)

    # Connections

    def _connect(self, until: float) -> HTTPConnection:
        address = self._address
        left = min(_left(until), LONGEST_REPEATING)
        connection: HTTPConnection
        if address.unixPath is not None:
            connection = _UnixConnection(address.unixPath, left)
        elif address.secure:
            connection = _TLSConnection(address, left, self._context, self._via)
        else:
            connection = HTTPConnection(address.host, address.port, timeout=left)
        try:
            connection.connect()
        except (OSError, UnicodeError) as error:
            # UnicodeError comes from a name that no host can have.
            connection.close()
            if isinstance(error, ssl.SSLError) and (fault := tlsFault(address.url, error)):
                raise fault from None
            raise Unsent(
                "unreachable", f"No server can be reached at {address.url}: {_why(error)}."
            ) from None
        return connection

    def _take(self) -> HTTPConnection | None:
        """Take a connection that is kept and still open."""
        if self._process != os.getpid():
            # The connections belong to the parent process.
            self._idle, self._process = deque(), os.getpid()
        while True:
            try:
                since, connection = self._idle.pop()
            except IndexError:
                return None
            if time.monotonic() - since < _IDLE and not _isSpent(connection):
                return connection
            connection.close()


class _UnixConnection(HTTPConnection):
    """
    HTTP over a Unix socket.
    """

    def __init__(self, path: str, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


class _TLSConnection(HTTPSConnection):
    """
    HTTP over TLS, to the URL's host or by way of another address.
    """

    def __init__(
        self,
        address: Address,
        timeout: float,
        context: ssl.SSLContext | None,
        via: tuple[str, int] | None,
    ) -> None:
        self._trust = context or ssl.create_default_context()
        super().__init__(address.host, address.port, timeout=timeout, context=self._trust)
        self._via = via

    def connect(self) -> None:
        if self._via is None:
            super().connect()
            return
        self.sock = socket.create_connection(self._via, self.timeout)
        self.sock = self._trust.wrap_socket(self.sock, server_hostname=self.host)


def _isSpent(connection: HTTPConnection) -> bool:
    """Whether the daemon has closed a connection, or sent bytes without a request."""
    if connection.sock is None:
        return True
    # Not select(), which takes no descriptor above 1023.
    poll = select.poll()
    poll.register(connection.sock, select.POLLIN)
    return bool(poll.poll(0))


def _left(until: float) -> float:
    left = until - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left


def _why(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        # The module ssl says where in its source the time was over.
        return "it did not answer in time"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) or type(error).__name__
