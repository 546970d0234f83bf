"""
A program that stands for a model: it answers requests for chat completions word by word.

The last message of a request says, as JSON, how many words (C{words}), and how many a second
(C{rate}); the first one comes at once.  With C{hangs}, nothing comes behind the last one.  The
program writes its port, and for each answer that its reader closes before the end when that was,
seconds of the monotonic clock.
"""

from __future__ import annotations

import json
import time
from typing import Any

from twisted.internet.interfaces import IDelayedCall
from twisted.internet.protocol import Factory, Protocol

_LONG = 3600.0
"""Seconds that an answer that hangs waits."""

_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"


def wordOf(number: int) -> str:
    """
    Return a word of an answer.
    """
    return f"w{number} "


def event(delta: dict[str, str], reason: str | None = None) -> bytes:
    """
    Return a part of an answer as it is sent.
    """
    choice = {"index": 0, "delta": delta, "finish_reason": reason}
    return _chunk(b"data: " + json.dumps({"choices": [choice]}).encode() + b"\n\n")


def _chunk(data: bytes) -> bytes:
    return f"{len(data):x}\r\n".encode() + data + b"\r\n"


_END = event({}, "stop") + _chunk(b"data: [DONE]\n\n") + b"0\r\n\r\n"


class Model(Protocol):
    """
    One connection, with one answer at a time.
    """

    def __init__(self, clock: Any) -> None:
        self._clock = clock
        self._came = b""
        self._next: IDelayedCall | None = None

    def dataReceived(self, data: bytes) -> None:
        self._came += data
        head, gap, body = self._came.partition(b"\r\n\r\n")
        if not gap:
            return
        size = next(
            int(line.partition(b":")[2])
            for line in head.split(b"\r\n")
            if line.lower().startswith(b"content-length:")
        )
        if len(body) < size:
            return
        self._came = body[size:]
        self._asked = json.loads(json.loads(body[:size])["messages"][-1]["content"])
        self._began, self._sent = self._clock.seconds(), 0
        self.transport.setTcpNoDelay(True)
        self.transport.write(_HEAD)
        self._send()

    def _send(self) -> None:
        """Send the words that are due."""
        self._next = None
        rate, most = self._asked["rate"], self._asked["words"]
        due = min(most, 1 + int((self._clock.seconds() - self._began) * rate))
        for number in range(self._sent, due):
            self.transport.write(event({"content": wordOf(number)}))
        self._sent = due
        if due < most:
            later = self._began + due / rate - self._clock.seconds()
            self._next = self._clock.callLater(max(0.0, later), self._send)
        elif self._asked.get("hangs"):
            self._next = self._clock.callLater(_LONG, self._send)
        else:
            self.transport.write(_END)

    def connectionLost(self, reason: Any) -> None:
        if self._next is not None:
            print(time.monotonic(), flush=True)
            self._next.cancel()


def main() -> None:
    from twisted.internet import reactor

    clock: Any = reactor
    factory = Factory()
    factory.noisy = False
    factory.buildProtocol = lambda address: Model(clock)  # type: ignore[method-assign]
    print(clock.listenTCP(0, factory, 500, "127.0.0.1").getHost().port, flush=True)
    clock.run()


if __name__ == "__main__":
    main()
