"""
A program with many clients that watch token streams, and little to do for each frame.

Its arguments are the port of the daemon, how many topics (C{bench/0} and so on), and how many
clients watch each.  It writes C{ready} when all have subscribed.  For each line that it reads it
writes what they have, as JSON: see L{summary}.
"""

from __future__ import annotations

import hashlib
import json
import selectors
import socket
import sys
from collections import Counter, defaultdict
from typing import Any

import msgspec
from processes import raiseLimits
from systems import PUBLIC_KEY
from turns import frame

_PING, _TEXT = 0x9, 0x1


class Data(msgspec.Struct):
    """
    The data of an event.
    """

    token: str = ""


class Event(msgspec.Struct):
    """
    What is read of a frame.
    """

    type: str
    event: str = ""
    stream: str = ""
    at: int = 0
    data: Data | None = None


_frames = msgspec.json.Decoder(Event)


class Onlooker:
    """
    One client, which puts texts together.  They are ASCII.

    @ivar isReady: Whether it is subscribed.
    @ivar texts: The text of each stream.
    @ivar ends: How many ends of each stream came.
    @ivar late: How many texts came behind the end of their stream.
    @ivar holes: How many texts did not begin where the one before ended.
    """

    def __init__(self, port: int, topic: str) -> None:
        self.isReady = False
        self.texts: defaultdict[str, list[str]] = defaultdict(list)
        self.ends: Counter[str] = Counter()
        self.late = 0
        self.holes = 0
        self._lengths: Counter[str] = Counter()
        self._buffer = bytearray()
        self._isOpen = False
        self.socket = socket.create_connection(("127.0.0.1", port), 60)
        self.socket.sendall(
            b"GET /api/realtime?projectId=bench HTTP/1.1\r\nHost: localhost\r\n"
            b"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: aerostack-key."
            + PUBLIC_KEY.encode()
            + b", aerostack-v1\r\n\r\n"
        )
        self.socket.setblocking(False)
        self._subscription = frame(json.dumps({"type": "subscribe", "topic": topic}).encode())

    def read(self) -> bool:
        """
        Take what came.

        @return: Whether the connection goes on.
        """
        try:
            came = self.socket.recv(1 << 18)
        except BlockingIOError:
            return True
        except OSError:
            return False
        self._buffer += came
        if not self._isOpen and b"\r\n\r\n" in self._buffer:
            del self._buffer[: self._buffer.index(b"\r\n\r\n") + 4]
            self._isOpen = True
            self.socket.sendall(self._subscription)
        while self._isOpen and self._take():
            pass
        return bool(came)

    def _take(self) -> bool:
        """Take the next frame, if all of it is here."""
        buffer = self._buffer
        if len(buffer) < 2:
            return False
        size, begin = buffer[1], 2
        if size > 125:
            begin += 2 if size == 126 else 8
            size = int.from_bytes(buffer[2:begin], "big")
        if len(buffer) < begin + size:
            return False
        opcode, payload = buffer[0] & 0xF, bytes(buffer[begin : begin + size])
        del buffer[: begin + size]
        if opcode == _PING:
            self.socket.sendall(frame(payload, 0xA))
        elif opcode == _TEXT:
            self._handle(_frames.decode(payload))
        return True

    def _handle(self, came: Event) -> None:
        name = came.stream
        if came.type == "subscribed":
            self.isReady = True
        elif came.event == "ai:done":
            self.ends[name] += 1
        elif came.event == "ai:token" and came.data is not None:
            self.late += self.ends[name]
            self.holes += came.at != self._lengths[name]
            self.texts[name].append(came.data.token)
            self._lengths[name] += len(came.data.token)

    def report(self) -> dict[str, Any]:
        """
        Return what it has, by stream: the digest of the text, and the number of ends.
        """
        return {
            name: (digest("".join(self.texts[name])), self.ends[name])
            for name in {*self.texts, *self.ends}
        }


def digest(text: str) -> str:
    """
    Return what stands for a text in a report.
    """
    return hashlib.md5(text.encode()).hexdigest()


def summary(onlookers: list[Onlooker], lost: int) -> dict[str, Any]:
    """
    Sum up what clients have.

    @param lost: How many have lost their connections.
    @return: C{late}, C{holes}, C{lost}, and in C{streams} for each stream how many have each pair
        of a digest and a number of ends.
    """
    streams: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for each in onlookers:
        for name, (text, ends) in each.report().items():
            streams[name][f"{text} {ends}"] += 1
    return {
        "late": sum(each.late for each in onlookers),
        "holes": sum(each.holes for each in onlookers),
        "lost": lost,
        "streams": streams,
    }


def main() -> None:
    port, topics, each = map(int, sys.argv[1:])
    raiseLimits()
    selector = selectors.DefaultSelector()
    onlookers = [Onlooker(port, f"bench/{topic}") for topic in range(topics) for _ in range(each)]
    for onlooker in onlookers:
        selector.register(onlooker.socket, selectors.EVENT_READ, onlooker)
    selector.register(sys.stdin, selectors.EVENT_READ)
    isReady, lost = False, 0
    while True:
        for key, _ in selector.select():
            if key.data is None:
                if not sys.stdin.readline():
                    return
                print(json.dumps(summary(onlookers, lost)), flush=True)
            elif not key.data.read():
                lost += 1
                selector.unregister(key.fileobj)
        if not isReady and all(onlooker.isReady for onlooker in onlookers):
            isReady = True
            print("ready", flush=True)


if __name__ == "__main__":
    main()
