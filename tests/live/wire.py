"""
A WebSocket client that sends exactly the bytes that a test gives it.
"""

from __future__ import annotations

import json
import os
from base64 import b64encode
from collections import deque
from collections.abc import Callable, Mapping
from hashlib import sha1
from typing import Any
from zlib import decompressobj

from twisted.internet.defer import Deferred, succeed
from twisted.internet.protocol import Factory, Protocol
from twisted.python.failure import Failure

Frame = dict[str, Any]

TEXT, BINARY, CLOSE, PING, PONG = 0x1, 0x2, 0x8, 0x9, 0xA


def maskedFrame(payload: bytes, opcode: int = TEXT, fin: bool = True) -> bytes:
    """
    A frame as a client sends it (RFC 6455, 5.2 and 5.3).
    """
    head = bytes([opcode | (0x80 if fin else 0)])
    if len(payload) < 126:
        head += bytes([0x80 | len(payload)])
    elif len(payload) < 65536:
        head += bytes([0x80 | 126]) + len(payload).to_bytes(2, "big")
    else:
        head += bytes([0x80 | 127]) + len(payload).to_bytes(8, "big")
    mask = os.urandom(4)
    repeated = (mask * (len(payload) // 4 + 1))[: len(payload)]
    masked = int.from_bytes(payload, "big") ^ int.from_bytes(repeated, "big")
    return head + mask + masked.to_bytes(len(payload), "big")


class Refused(Exception):
    """
    The daemon refused to open a WebSocket.
    """

    def __init__(self, status: int, body: Any, headers: Mapping[str, str]) -> None:
        super().__init__(status, body)
        self.status = status
        self.body = body
        self.headers = headers


class Wire(Protocol):
    """
    A connection to the daemon.

    @ivar headers: The headers of the answer to the opening, in lower case.
    @ivar positions: Whether frames keep their positions, which differ in every run.
    @ivar feeds: Whether to keep the frames that say that the feed of changes is down or up.  On a
        slow disk they come between any other frames.
    @ivar closeCode: The code of the daemon's close frame, if it sent one.
    @ivar closing: Fires when the daemon's close frame arrives, or else when the connection is lost.
    @ivar lost: Fires when the connection is lost.
    @ivar answerPings: Whether to answer pings.
    @ivar answerClose: Whether to answer close frames.
    @ivar received: After L{keepRaw}, every byte that arrived.
    @ivar payload: The latest text message, as it arrived.
    @ivar pings: The number of pings that arrived.
    @ivar pongs: The payloads of the pongs that arrived.
    @ivar compressed: The number of compressed messages that arrived.
    """

    def __init__(self) -> None:
        self.headers: dict[str, str] = {}
        self.closeCode: int | None = None
        self.closeReason = ""
        self.closing: Deferred[None] = Deferred()
        self.lost: Deferred[None] = Deferred()
        self.answerPings = True
        self.positions = False
        self.feeds = False
        self.answerClose = True
        self.received = b""
        self.payload = b""
        self.pings = 0
        self.pongs: list[bytes] = []
        self.compressed = 0
        self._buffer = b""
        self._parse: Callable[[], bool] = self._parseAnswer
        self._opening: Deferred[None] = Deferred()
        self._frames: deque[Frame] = deque()
        self._waiting: deque[Deferred[Frame]] = deque()
        self._gone = False
        self._key = b""

    # Opening

    def upgrade(self, path: str, headers: Mapping[str, str] | None = None) -> Deferred[None]:
        """
        Open a WebSocket.

        @param headers: Headers that replace those of every client, or are added to them.
        @return: Fires when the WebSocket is open; fails with L{Refused}.
        """
        key = b64encode(os.urandom(16))
        sent = {
            "Host": "127.0.0.1",
            "Upgrade": "websocket",
            "Connection": "Upgrade",
            "Sec-WebSocket-Key": key.decode(),
            "Sec-WebSocket-Version": "13",
            **(headers or {}),
        }
        lines = [f"GET {path} HTTP/1.1", *(f"{name}: {value}" for name, value in sent.items())]
        return self.open("\r\n".join([*lines, "", ""]).encode("latin-1"), key)

    def open(self, request: bytes, key: bytes) -> Deferred[None]:
        """
        Open a WebSocket with exactly these bytes.

        @param key: The C{Sec-WebSocket-Key} in them.
        @return: As L{upgrade}.
        """
        self._key = key
        self.write(request)
        return self._opening

    def keepRaw(self) -> None:
        """
        Do not parse the bytes that arrive from now on.
        """

        def keep() -> bool:
            self.received += self._buffer
            self._buffer = b""
            return False

        self._parse = keep

    def _parseAnswer(self) -> bool:
        head, found, rest = self._buffer.partition(b"\r\n\r\n")
        if not found:
            return False
        status, *lines = head.decode("latin-1").split("\r\n")
        for line in lines:
            name, _, value = line.partition(":")
            self.headers[name.strip().lower()] = value.strip()
        if status.split()[1] == "101":
            self._buffer = rest
            expected = sha1(self._key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest()
            assert self.headers["sec-websocket-accept"] == b64encode(expected).decode()
            self._parse = self._parseFrame
            self._opening.callback(None)
            return True
        length = int(self.headers.get("content-length", "0"))
        if len(rest) < length:
            return False
        self._buffer = b""
        body = rest[:length]
        try:
            decoded = json.loads(body)
        except ValueError:
            decoded = body
        self._opening.errback(Refused(int(status.split()[1]), decoded, self.headers))
        return False

    # Sending

    def write(self, data: bytes) -> None:
        """
        Send bytes as they are.
        """
        assert self.transport is not None
        self.transport.write(data)

    def text(self, payload: bytes) -> None:
        """
        Send a text message of exactly these bytes.
        """
        self.write(maskedFrame(payload))

    def tell(self, frame: Frame) -> None:
        """
        Send a frame of the protocol, encoded as in JavaScript.
        """
        self.text(json.dumps(frame, separators=(",", ":"), ensure_ascii=False).encode())

    def closeCleanly(self, code: int = 1000) -> Deferred[None]:
        """
        Close with a close frame.
        """
        self.write(maskedFrame(code.to_bytes(2, "big"), CLOSE))
        return self.lost

    def drop(self) -> None:
        """
        Close the TCP connection without a close frame.
        """
        if self.transport is not None:
            self.transport.abortConnection()  # type: ignore[attr-defined]

    # Receiving

    def frame(self) -> Deferred[Frame]:
        """
        Return the next frame of the protocol.  Fails when the connection is lost.
        """
        if self._frames:
            return succeed(self._frames.popleft())
        waiting: Deferred[Frame] = Deferred()
        if self._gone:
            waiting.errback(ConnectionResetError(f"closed with {self.closeCode}"))
        else:
            self._waiting.append(waiting)
        return waiting

    async def frames(self, count: int) -> list[Frame]:
        """
        Return the next frames of the protocol.
        """
        return [await self.frame() for _ in range(count)]

    async def change(self) -> Frame:
        """
        Return the next frame of the protocol that is not about altered columns.
        """
        while True:
            frame = await self.frame()
            if frame.get("table") != "altered":
                return frame

    def waitingFrames(self) -> int:
        """
        Return the number of frames that arrived and that no test has read.
        """
        return len(self._frames)

    async def barrier(self) -> list[Frame]:
        """
        Return everything that arrived before the answer to a ping that is sent now.
        """
        self.tell({"type": "ping"})
        came = []
        while (frame := await self.frame())["type"] != "pong":
            came.append(frame)
        return came

    def dataReceived(self, data: bytes) -> None:
        self._buffer += data
        while self._buffer and self._parse():
            pass

    def _parseFrame(self) -> bool:
        buffer = self._buffer
        if len(buffer) < 2:
            return False
        opcode, length, start = buffer[0] & 0x0F, buffer[1], 2
        reserved = buffer[0] & 0x70
        agreed = "sec-websocket-extensions" in self.headers
        assert length < 128, "masked"
        assert reserved == 0 or (agreed and (reserved, opcode) == (0x40, TEXT)), "reserved bits"
        if length == 126:
            length, start = int.from_bytes(buffer[2:4], "big"), 4
        elif length == 127:
            length, start = int.from_bytes(buffer[2:10], "big"), 10
        if len(buffer) < start + length:
            return False
        payload, self._buffer = buffer[start : start + length], buffer[start + length :]
        if reserved:
            self.compressed += 1
            payload = decompressobj(wbits=-15).decompress(payload + b"\x00\x00\xff\xff")
        self._received(opcode, payload)
        return True

    def _received(self, opcode: int, payload: bytes) -> None:
        if opcode == TEXT:
            self.payload = payload
            frame = json.loads(payload)
            if frame["type"] == "status" and "feed" in frame and not self.feeds:
                return
            if not self.positions:
                frame.pop("pos", None)
            if self._waiting:
                self._waiting.popleft().callback(frame)
            else:
                self._frames.append(frame)
        elif opcode == PING:
            self.pings += 1
            if self.answerPings:
                self.write(maskedFrame(payload, PONG))
        elif opcode == PONG:
            self.pongs.append(payload)
        elif opcode == CLOSE:
            self.closeCode = int.from_bytes(payload[:2], "big")
            self.closeReason = payload[2:].decode()
            if self.answerClose:
                self.write(maskedFrame(payload[:2], CLOSE))
            self.closing.callback(None)

    def connectionLost(self, reason: Failure) -> None:  # type: ignore[override]
        self._gone = True
        self.transport = None
        if not self._opening.called:
            self._opening.errback(ConnectionResetError("gone before it was open"))
            self._opening.addErrback(lambda _: None)
        for waiting in self._waiting:
            waiting.errback(ConnectionResetError(f"closed with {self.closeCode}"))
        if not self.closing.called:
            self.closing.callback(None)
        self.lost.callback(None)


class WireFactory(Factory):
    """
    Makes L{Wire}s.
    """

    protocol = Wire
    noisy = False
