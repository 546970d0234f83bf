"""
The daemon's longest turn while clients send as much as they can.

The daemon runs with its default limits.  In each scene clients connect, write the scene's bytes at
once, go on for a few seconds, and leave at once.  Another client pings every 10 ms and waits for
each answer.  The table shows the longest turn by the daemon's own sampler, and that client's
longest wait.
"""

from __future__ import annotations

import argparse
import json
import selectors
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from urllib.request import Request, urlopen

from processes import Server, freePort, raiseLimits

SECRET = "sk_of_the_bench_0123"

MARK = 50.0
"""The highest allowed turn, in milliseconds."""

TEXT, PING, PONG = 0x1, 0x9, 0xA

CONFIG = """
[server]
listen = ["tcp:{port}:interface=127.0.0.1:local=1"]
[database]
url = "sqlite:///rt.db"
[projects.p]
secret_key = "{secret}"
anonymous = true
"""

OPENING = (
    b"GET /api/realtime?projectId=p HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
    b"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


def frame(payload: bytes, opcode: int = TEXT, final: bool = True) -> bytes:
    """
    A frame as a client sends it (RFC 6455, 5.2).
    """
    size = len(payload)
    if size < 126:
        length = bytes([0x80 | size])
    elif size < 65536:
        length = b"\xfe" + size.to_bytes(2, "big")
    else:
        length = b"\xff" + size.to_bytes(8, "big")
    # A mask of zeros changes nothing, and saves the time to apply it.
    return bytes([opcode | (0x80 if final else 0)]) + length + bytes(4) + payload


def publish(number: int) -> bytes:
    """
    An event on a topic with many subscribers.
    """
    return frame(b'{"type":"publish","topic":"a/%d","event":"e","data":1}' % (number % 20))


SCENES: dict[str, Callable[[int], bytes]] = {
    "250 publishes": lambda number: publish(number) * 250,
    "64 KB of pings": lambda number: frame(b"", PING) * 10_922,
    "64 KB of pongs": lambda number: frame(b"", PONG) * 10_922,
    "64 KB of empty fragments": lambda number: (
        frame(b"", TEXT, False) + frame(b"", 0, False) * 10_921
    ),
    "64 KB of invalid JSON": lambda number: frame(b"x") * 9_362,
    "1,000 subscribes": lambda number: b"".join(
        frame(b'{"type":"subscribe","topic":"%d/%d"}' % (number, topic)) for topic in range(1000)
    ),
    "1,000 HTTP requests": lambda number: b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n" * 1000,
}


class Crowd:
    """
    Clients that each write their bytes, and read.

    @ivar sent: The number of bytes that they have written.
    """

    def __init__(self, port: int, count: int, data: Callable[[int], bytes]) -> None:
        self.sent = 0
        self._selector = selectors.DefaultSelector()
        for number in range(count):
            one = socket.create_connection(("127.0.0.1", port))
            sent = data(number)
            if not sent.startswith(b"GET "):
                one.sendall(OPENING)
                one.recv(65536)
            one.setblocking(False)
            events = selectors.EVENT_READ | selectors.EVENT_WRITE
            self._selector.register(one, events, memoryview(sent))

    def run(self, seconds: float) -> None:
        """
        Write and read for a while.
        """
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            for key, events in self._selector.select(0.05):
                self._serve(key, events)

    def _serve(self, key: selectors.SelectorKey, events: int) -> None:
        one: socket.socket = key.fileobj  # type: ignore[assignment]
        try:
            if events & selectors.EVENT_READ and not one.recv(1 << 20):
                raise ConnectionResetError
            if events & selectors.EVENT_WRITE:
                written = one.send(key.data)
                self.sent += written
                rest = key.data[written:]
                awaited = selectors.EVENT_READ | (selectors.EVENT_WRITE if rest else 0)
                self._selector.modify(one, awaited, rest)
        except BlockingIOError:
            pass
        except OSError:
            # The daemon closed it for flooding.
            self._selector.unregister(one)
            one.close()

    def close(self) -> None:
        """
        Close all connections.
        """
        for key in list(self._selector.get_map().values()):
            key.fileobj.close()  # type: ignore[union-attr]
        self._selector.close()


class Onlooker(threading.Thread):
    """
    A client that sends little, and measures its waits.

    @ivar worst: The longest wait for an answer, in milliseconds.
    """

    def __init__(self, port: int) -> None:
        super().__init__(daemon=True)
        self.worst = 0.0
        self._over = threading.Event()
        self._socket = socket.create_connection(("127.0.0.1", port))
        self._socket.sendall(OPENING)
        self._socket.recv(65536)

    def run(self) -> None:
        while not self._over.wait(0.01):
            began = time.perf_counter()
            self._socket.sendall(frame(b'{"type":"ping"}'))
            self._socket.recv(65536)
            self.worst = max(self.worst, (time.perf_counter() - began) * 1000)

    def stop(self) -> float:
        """
        @return: The longest wait, in milliseconds.
        """
        self._over.set()
        self.join()
        self._socket.close()
        return self.worst


def start(folder: Path, port: int) -> Server:
    """
    Run a daemon, and wait until it serves.
    """
    config = folder / "rt.toml"
    config.write_text(CONFIG.format(port=port, secret=SECRET))
    twistd = Path(sys.executable).with_name("twistd")
    command = [twistd, "--nodaemon", "--pidfile=", "aerostack-rt", "--config", config]
    server = Server(command, port, folder / "log", {})
    server.wait()
    return server


def longestTurn(port: int, since: int) -> float:
    """
    @return: The longest turn since a time, in milliseconds, by the daemon's own samples.
    """
    request = Request(
        f"http://127.0.0.1:{port}/internal/admin/overview?since={since}",
        headers={"Authorization": f"Bearer {SECRET}"},
    )
    with urlopen(request, timeout=60) as answer:
        samples = json.load(answer)["samples"]
    return max((float(sample["turn"]) for sample in samples), default=0.0)


def main() -> int:
    """
    Run every scene, and print the results.
    """
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clients", type=int, default=300)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--scenes", help="only scenes whose names contain this", default="")
    options = parser.parse_args()
    raiseLimits()
    print(f"{options.clients} clients at once, for {options.seconds:g} s\n")
    print(f"{'each client sends':<28}{'longest turn, ms':>18}{'longest wait, ms':>18}")
    worst = 0.0
    for name, data in SCENES.items():
        if options.scenes not in name:
            continue
        with tempfile.TemporaryDirectory() as folder:
            port = freePort()
            server = start(Path(folder), port)
            try:
                crowd = Crowd(port, options.clients, data)
                onlooker = Onlooker(port)
                onlooker.start()
                since = int(time.time() * 1000)
                crowd.run(options.seconds)
                crowd.close()
                # Each of the daemon's samples covers a second.
                time.sleep(2.0)
                turn, wait = longestTurn(port, since), onlooker.stop()
            finally:
                server.stop()
        print(f"{name:<28}{turn:>18.1f}{wait:>18.1f}", flush=True)
        worst = max(worst, turn)
    print(f"\nthe mark: no turn over {MARK:g} ms: {'reached' if worst <= MARK else 'missed'}")
    return 0 if worst <= MARK else 1


if __name__ == "__main__":
    sys.exit(main())
