"""
The memory that clients can make the daemon take.

The daemon runs with its default limits.  In each scene clients fill one kind of state as far as
the daemon allows.  The table shows the bytes that clients sent, and the growth of the daemon's
process at its peak.
"""

from __future__ import annotations

import argparse
import json
import socket
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from processes import Server, freePort, raiseLimits
from turns import SECRET, Crowd, frame, start

MARK = 256.0
"""The highest growth in one scene, in MiB."""

MIB = 1 << 20

Scene = Callable[["Daemon"], int]
"""Fills one kind of state, and returns the number of bytes that were sent."""


class Daemon:
    """
    A daemon under attack.

    @ivar port: The port on which it listens.
    @ivar database: Its database's file.
    """

    def __init__(self, server: Server, port: int, folder: Path) -> None:
        self.port = port
        self.database = folder / "rt.db"
        self._status = Path(f"/proc/{server.pids()[0]}/status")

    def memory(self, what: str) -> float:
        """
        @param what: C{VmRSS} for the current memory, C{VmHWM} for its peak.
        @return: MiB.
        """
        (line,) = [line for line in self._status.read_text().splitlines() if line.startswith(what)]
        return int(line.split()[1]) / 1024

    def crowd(self, count: int, data: Callable[[int], bytes], seconds: float = 8.0) -> int:
        """
        Let clients send something, and read the answers.
        """
        clients = Crowd(self.port, count, data)
        clients.run(seconds)
        clients.close()
        return clients.sent

    def ask(self, count: int, request: bytes, times: int = 1, seconds: float = 5.0) -> int:
        """
        Send requests over HTTP, and do not read the answers.

        @param times: How often each connection sends the request.
        """
        sockets = [socket.create_connection(("127.0.0.1", self.port)) for _ in range(count)]
        for each in sockets:
            # When the daemon stops reading, the rest is not sent.
            each.settimeout(1.0)
        with ThreadPoolExecutor(count) as senders:
            sent = sum(senders.map(lambda each: _send(each, request * times), sockets))
        time.sleep(seconds)
        for each in sockets:
            each.close()
        return sent


def _send(client: socket.socket, data: bytes) -> int:
    """
    @return: The number of bytes sent until the daemon stopped reading or closed.
    """
    sent = 0
    with suppress(OSError):
        while sent < len(data):
            sent += client.send(data[sent : sent + 65536])
    return sent


def _message(**fields: object) -> bytes:
    return frame(json.dumps(fields).encode())


def unread(daemon: Daemon) -> int:
    """Pipelined requests whose answers the client does not read."""
    return daemon.ask(20, b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n", 3000)


def ids(daemon: Daemon) -> int:
    """Ids of publications, as long as possible."""

    def data(client: int) -> bytes:
        names = (f"{client:04}{number:04}".ljust(128, "x") for number in range(1000))
        return b"".join(
            _message(type="publish", topic=f"a/{client}", event="e", id=name) for name in names
        )

    return daemon.crowd(50, data)


def topics(daemon: Daemon) -> int:
    """Topics without subscribers."""

    def data(client: int) -> bytes:
        names = (f"{client}/{number}" for number in range(500))
        return b"".join(
            _message(type="subscribe", topic=name) + _message(type="unsubscribe", topic=name)
            for name in names
        )

    return daemon.crowd(40, data)


def presence(daemon: Daemon) -> int:
    """Presence states, as large and as many as possible."""
    state = {"x": "x" * 16_000}

    def data(client: int) -> bytes:
        return b"".join(
            _message(type="track", topic=f"{client}/{number}", state=state) for number in range(900)
        )

    return daemon.crowd(20, data)


def _kept(client: int) -> bytes:
    large = "x" * 250_000
    return b"".join(
        _message(type="publish", topic="a/b", event="e", persist=True, id=number, data=large)
        for number in range(50)
    )


def waiting(daemon: Daemon) -> int:
    """Messages that wait for a database which another program has locked."""
    with closing(sqlite3.connect(daemon.database, isolation_level=None)) as database:
        database.execute("BEGIN IMMEDIATE")
        return daemon.crowd(10, _kept)


def history(daemon: Daemon) -> int:
    """Pages of a history of large messages, whose answers are not read."""
    sent = daemon.crowd(1, _kept)
    request = (
        b"GET /api/v1/public/realtime/history?room=a/b&limit=500 HTTP/1.1\r\nHost: localhost\r\n"
        b"Authorization: Bearer %b\r\n\r\n" % SECRET.encode()
    )
    return sent + daemon.ask(20, request)


def query(daemon: Daemon) -> int:
    """Results of db.query, as large as possible."""
    sql = (
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 10000)"
        " SELECT hex(zeroblob(400)) FROM n"
    )
    body = json.dumps({"method": "db.query", "args": [sql]}).encode()
    request = (
        b"POST /internal/hooks/rpc HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer %b\r\n"
        b"Content-Length: %d\r\n\r\n" % (SECRET.encode(), len(body))
    ) + body
    return daemon.ask(20, request)


SCENES: tuple[Scene, ...] = (unread, ids, topics, presence, waiting, history, query)


@contextmanager
def running() -> Iterator[Daemon]:
    """
    Run a daemon with its default limits.
    """
    with tempfile.TemporaryDirectory() as folder:
        port = freePort()
        server = start(Path(folder), port)
        try:
            yield Daemon(server, port, Path(folder))
        finally:
            server.stop()


def main() -> int:
    """
    Run every scene, and print the results.
    """
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scenes", help="only scenes whose names contain this", default="")
    options = parser.parse_args()
    raiseLimits()
    print(f"{'filled state':<72}{'sent, MiB':>12}{'growth, MiB':>12}")
    worst = 0.0
    for scene in SCENES:
        if options.scenes not in scene.__name__:
            continue
        with running() as daemon:
            before = daemon.memory("VmRSS")
            sent = scene(daemon)
            taken = daemon.memory("VmHWM") - before
        print(f"{(scene.__doc__ or '').strip():<72}{sent / MIB:>12.1f}{taken:>12.1f}", flush=True)
        worst = max(worst, taken)
    print(f"\nthe mark: no more than {MARK:g} MiB: {'reached' if worst <= MARK else 'missed'}")
    return 0 if worst <= MARK else 1


if __name__ == "__main__":
    sys.exit(main())
