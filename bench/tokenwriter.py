"""
A program that streams words, to be killed while it does so.

Its arguments are the port of the daemon, how to stream (C{frames} over a WebSocket, or
C{calls} by the SDK that waits), the stream's id, the topic, how many words, and the lease in
seconds.  It writes each acknowledged length, UTF-16 units, and C{done} at the end.
"""

from __future__ import annotations

import json
import socket
import sys
import time
from typing import Any

from streamtexts import words
from systems import SECRET_KEY
from turns import frame

from aerostack.client.blocking import BlockingSDK
from aerostack.core.answers.units import after, units

PAUSE = 0.04
"""Seconds between two words."""


class Line:
    """
    A WebSocket of the daemon.
    """

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), 30)
        self._socket.sendall(
            b"GET /api/realtime?projectId=bench HTTP/1.1\r\nHost: localhost\r\n"
            b"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
            b"Sec-WebSocket-Protocol: aerostack-key."
            + SECRET_KEY.encode()
            + b", aerostack-v1\r\n\r\n"
        )
        self._input = self._socket.makefile("rb")
        while self._input.readline().strip():
            pass

    def ask(self, **fields: Any) -> dict[str, Any]:
        """
        Send a frame, and wait for its answer.
        """
        self._socket.sendall(frame(json.dumps({"id": "1", **fields}).encode()))
        while True:
            first, second = self._input.read(2)
            size = second & 0x7F
            if size > 125:
                size = int.from_bytes(self._input.read(2 if size == 126 else 8), "big")
            payload = self._input.read(size)
            answer: dict[str, Any] = json.loads(payload) if first & 0xF == 1 else {}
            if answer.get("id") == "1":
                return answer


def byFrames(port: int, name: str, topic: str, whole: str, lease: int) -> None:
    """
    Stream over a WebSocket, and go on where another process of this name was killed.
    """
    line = Line(port)
    start = {"type": "stream_start", "topic": topic, "stream": name, "producer": name}
    started = line.ask(**start, lease=lease * 1000)
    about = {"stream": name, "epoch": started["epoch"]}
    rest = after(whole, started["length"].get("0", 0))
    at = units(whole) - units(rest or "")
    for word in (rest or "").split():
        text = f"{word} "
        line.ask(type="stream_append", **about, part="0", at=at, text=text)
        at += units(text)
        print(at, flush=True)
        time.sleep(PAUSE)
    print(line.ask(type="stream_end", **about)["state"], flush=True)


def byCalls(port: int, name: str, topic: str, whole: str, lease: int) -> None:
    """
    Stream with the SDK.  Write all again if another process of this name was killed.
    """
    sdk = BlockingSDK(f"http://127.0.0.1:{port}", SECRET_KEY, projectId="bench")
    with sdk.ai.stream(topic, stream=name, lease=lease, takeover=True) as stream:
        for word in whole.split():
            stream.write(f"{word} ")
            # What it has acknowledged is not known; a process that says 0 has begun.
            print(0, flush=True)
            time.sleep(PAUSE)
        print(stream.end()["state"], flush=True)


def main() -> None:
    port, way, name, topic, count, lease = sys.argv[1:]
    run = byFrames if way == "frames" else byCalls
    run(int(port), name, topic, "".join(words(int(count))), int(lease))


if __name__ == "__main__":
    main()
