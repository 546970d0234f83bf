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
from aerostack.client.errors import ClientError, Unsent
from aerostack.client.requests import (
    LARGEST_ANSWER,
    Database,
    Request,
    Socket,
    Users,
    explain,
    health,
    history,
    readAnswer,
    retryDelay,
)
from aerostack.client.streams import StreamCalls

_IDLE = 5.0
"""Seconds for which a connection is kept for the next call; the daemon keeps it longer."""

_KEPT = 16
"""How many connections are kept."""

_CHUNK = 65536


class BlockingSDK:
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
        timeout: float = 10.0,
        retry: bool = True,
        context: ssl.SSLContext | None = None,
    ) -> None:
        """
        @param url: The daemon, such as C{https://rt.example.com}.
        @param secretKey: The project's secret key.  To read only the history, another key will
            do.
        @param projectId: The project; not needed, because the key names it.
        @param token: A JWT, to read the history with.
        @param timeout: Seconds that a call may take in all.
        @param retry: Whether to repeat, within that time, a call that the daemon has certainly
            not acted on: it was not reachable, or said that it has too much to do.
        @param context: The TLS context; L{None} to trust the machine's certificates.
        @raise ValueError: The URL or the key is malformed.
        """
        self._address = Address(url, projectId, key=secretKey, token=token)
        self._timeout = timeout
        self._retry = retry
        self._context = context
        # Connections that are not in use, with the time since then.  The end has the latest.
        self._idle: deque[tuple[float, HTTPConnection]] = deque()
        self._process = os.getpid()
        self.socket: Socket[Any] = Socket(self._address, self._send)
        self.db: Database[Any] = Database(self._address, self._send)
        self.user: Users[Any] = Users(self._address, self._send)
        self.ai = BlockingAI(StreamCalls(self._address, self._send))

    def history(self, topic: str, limit: int = 50, before: int | None = None) -> Any:
        """
        Read a page of a topic's history.

        @param before: The C{created_at} (ms) of the oldest message of the page before.
        @return: The messages, newest first.
        """
        return self._send(history(self._address, topic, limit, before))["messages"]

    def health(self) -> Any:
        """
        Ask for the health of the daemon.

        @return: What C{/health} says: C{status} is C{ok} or C{failing}, C{checks} has the
            status of each part, and C{notices}, if there are any, what to look at.
        """
        return self._send(health())

    def explain(self, userId: str, topic: str) -> Any:
        """
        Ask whether publications on a topic reach a user, and why not.

        @return: What the daemon finds: C{verdict} says it in a sentence, and
            C{findings} have a C{code}, a C{severity} and a C{message} each.
        """
        return self._send(explain(self._address, userId, topic))

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

    def _send(self, request: Request) -> Any:
        until = time.monotonic() + self._timeout
        attempts = 0
        while True:
            try:
                return self._once(request, until)
            except ClientError as error:
                attempts += 1
                wait = retryDelay(request, error, attempts) if self._retry else None
                if wait is None or time.monotonic() + wait >= until:
                    raise
            time.sleep(wait)

    def _once(self, request: Request, until: float) -> Any:
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
            raise self._late() from None
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

    def _late(self) -> ClientError:
        return ClientError(
            "timed_out", f"{self._address.url} did not answer within {self._timeout:g} seconds."
        )

    # Connections

    def _connect(self, until: float) -> HTTPConnection:
        address = self._address
        left = until - time.monotonic()
        if left <= 0:
            raise self._late()
        connection: HTTPConnection
        if address.unixPath is not None:
            connection = _UnixConnection(address.unixPath, left)
        elif address.secure:
            connection = HTTPSConnection(
                address.host, address.port, timeout=left, context=self._context
            )
        else:
            connection = HTTPConnection(address.host, address.port, timeout=left)
        try:
            connection.connect()
        except (OSError, UnicodeError) as error:
            # UnicodeError comes from a name that no host can have.
            connection.close()
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
    if isinstance(error, ssl.SSLCertVerificationError):
        return error.verify_message
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) or type(error).__name__
