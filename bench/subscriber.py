"""
A client that only subscribes, on a thread of its own.
"""

from __future__ import annotations

import json
import os
import socket
import threading
import time
from base64 import b64encode
from collections.abc import Callable
from typing import Any


class Subscriber:
    """
    A client that subscribes to a topic in its constructor.

    @ivar error: Why it has ended without C{close}.
    """

    def __init__(
        self, port: int, key: str, topic: str, received: Callable[[dict[str, Any], float], None]
    ) -> None:
        """
        @param received: The thread calls it with each change or event, and the time of its arrival.
        """
        self.error: str | None = None
        self._received = received
        self._socket = _connect(port)
        self._file = self._socket.makefile("rb", buffering=1 << 18)
        self._send(
            f"GET /api/realtime?projectId=bench HTTP/1.1\r\nHost: localhost:{port}\r\n"
            "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            f"Sec-WebSocket-Key: {b64encode(os.urandom(16)).decode()}\r\n"
            f"Sec-WebSocket-Protocol: aerostack-key.{key}, aerostack-v1\r\n\r\n".encode()
        )
        while line := self._file.readline().strip():
            if line.startswith(b"HTTP/1.1") and b" 101 " not in line:
                raise RuntimeError(f"not let in: {line.decode()}")
        self._subscribed = threading.Event()
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()
        payload = json.dumps({"type": "subscribe", "topic": topic}).encode()
        # The mask is zero, which is a valid mask.
        self._send(bytes([0x81, 0x80 | len(payload)]) + bytes(4) + payload)
        if not self._subscribed.wait(30):
            raise RuntimeError(f"not subscribed: {self.error}")

    def close(self) -> None:
        """
        Close the connection.
        """
        self._socket.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._socket.close()

    def _send(self, data: bytes) -> None:
        self._socket.sendall(data)

    def _listen(self) -> None:
        read = self._file.read
        try:
            while head := read(2):
                length = head[1]
                if length == 126:
                    length = int.from_bytes(read(2), "big")
                elif length == 127:
                    length = int.from_bytes(read(8), "big")
                payload = read(length)
                if head[0] == 0x81:
                    frame = json.loads(payload)
                    if frame["type"] in ("db_change", "event"):
                        self._received(frame, time.time())
                    elif frame["type"] == "subscribed":
                        self._subscribed.set()
                    elif frame["type"] == "error":
                        self.error = frame["message"]
                elif head[0] == 0x89:
                    self._send(bytes([0x8A, 0x80 | len(payload)]) + bytes(4) + payload)
                elif head[0] == 0x88:
                    self.error = payload[2:].decode()
                    return
        except OSError as error:
            self.error = str(error)


def _connect(port: int) -> socket.socket:
    deadline = time.monotonic() + 30
    while True:
        try:
            return socket.create_connection(("127.0.0.1", port))
        except ConnectionRefusedError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
