"""
Servers that are no aerostack-rt daemon, or that misbehave.
"""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Callable
from hashlib import sha1
from typing import Any

from twisted.internet.protocol import Factory, Protocol
from twisted.trial.unittest import TestCase

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


class Odd(Protocol):
    """
    A connection to such a server.
    """

    factory: Server

    def connectionMade(self) -> None:
        self.factory.connections += 1
        self.factory.open.append(self)
        self._heard = b""
        self._do(self.factory.greeting)

    def dataReceived(self, data: bytes) -> None:
        before, self._heard = b"\r\n\r\n" in self._heard, self._heard + data
        if not before and b"\r\n\r\n" in self._heard:
            self._do(self.factory.answer)
        elif before:
            self._leaveIfAsked(data)

    def _leaveIfAsked(self, data: bytes) -> None:
        """Close after a close frame from either side.  All frames here are short."""
        while len(data) > 1 and data[1] < 0x80 | 126:
            if data[0] == 0x88 and self.transport is not None:
                self.transport.loseConnection()
            data = data[6 + (data[1] & 0x7F) :]

    def connectionLost(self, reason: Any = None) -> None:
        self.factory.open.remove(self)

    def _do(self, what: Callable[[bytes], bytes | None] | None) -> None:
        if what is None:
            return
        said = what(self._heard)
        assert self.transport is not None
        if said:
            self.transport.write(said)
        if said is None or self.factory.closes:
            self.transport.loseConnection()


class Server(Factory):
    """
    Greets each connection, and answers each request.

    @ivar greeting: Returns the bytes to send at once; with L{None} the server closes.
    @ivar answer: Returns the bytes that answer a request.
    @ivar closes: Whether the server closes after each answer.
    @ivar connections: The number of connections so far.
    """

    protocol = Odd
    noisy = False

    def __init__(
        self,
        greeting: Callable[[bytes], bytes | None] | None = None,
        answer: Callable[[bytes], bytes | None] | None = None,
        closes: bool = False,
    ) -> None:
        self.greeting = greeting
        self.answer = answer
        self.closes = closes
        self.connections = 0
        self.open: list[Odd] = []


def says(said: bytes) -> Callable[[bytes], bytes]:
    """
    Always give the same answer.
    """
    return lambda heard: said


def inTurn(*answers: Callable[[bytes], bytes | None]) -> Callable[[bytes], bytes | None]:
    """
    Give several answers, one after the other.
    """
    left = iter(answers)
    return lambda heard: next(left)(heard)


def http(status: str, body: bytes, **headers: str) -> Callable[[bytes], bytes]:
    """
    An HTTP answer.
    """
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return says("\r\n".join([*lines, "", ""]).encode() + body)


def refusal(status: str, code: str, **more: Any) -> Callable[[bytes], bytes]:
    """
    A refusal as the daemon writes it.
    """
    return http(status, json.dumps({"error": code, "message": "It says no.", **more}).encode())


def webSocket(*frames: bytes) -> Callable[[bytes], bytes]:
    """
    A WebSocket that opens, and then sends bytes.
    """

    def answer(heard: bytes) -> bytes:
        key = heard.partition(b"Sec-WebSocket-Key: ")[2].partition(b"\r\n")[0]
        accept = b64encode(sha1(key + GUID).digest())
        head = (
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n"
        )
        return head + b"".join(frames)

    return answer


def text(payload: bytes) -> bytes:
    """
    A short text message.
    """
    return bytes([0x81, len(payload)]) + payload


def close(code: int, reason: bytes = b"") -> bytes:
    """
    A close frame.
    """
    return bytes([0x88, 2 + len(reason)]) + code.to_bytes(2, "big") + reason


class ServerTests(TestCase):
    """
    Runs such servers on loopback ports.
    """

    def setUp(self) -> None:
        from twisted.internet import reactor

        self.reactor: Any = reactor

    def listen(self, server: Server) -> str:
        """
        Start a server.

        @return: Its address, as C{host:port}.
        """
        port = self.reactor.listenTCP(0, server, interface="127.0.0.1")

        async def stop() -> None:
            await port.stopListening()
            for connection in tuple(server.open):
                connection.transport.abortConnection()

        self.addCleanup(stop)
        return f"127.0.0.1:{port.getHost().port}"
