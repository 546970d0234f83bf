"""
The time that the daemon takes to stop.

The daemon runs with its default limits.  In each scene something delays the stop: clients that
flood, that do not read or do not answer, or a database that does not answer.  The table shows the
seconds from SIGTERM to the end of the process.
"""

from __future__ import annotations

import argparse
import os
import selectors
import signal
import socket
import sqlite3
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from processes import Server, freePort, raiseLimits
from turns import CONFIG, OPENING, SCENES, SECRET, Crowd, frame, start

MARK = 11.0
"""The longest stop, in seconds."""

KEPT = frame(b'{"type":"publish","topic":"a/b","event":"e","data":1,"persist":true}')

Scene = Callable[[int, Path], Iterator[None]]
"""Takes the daemon's port and its directory, and delays the stop as long as the context lasts."""


class Polite(Crowd):
    """
    Clients that close when the daemon asks them to.
    """

    def _serve(self, key: selectors.SelectorKey, events: int) -> None:
        one: socket.socket = key.fileobj  # type: ignore[assignment]
        with suppress(OSError):
            if b"reconnect in" in one.recv(1 << 16, socket.MSG_PEEK):
                self._selector.unregister(one)
                one.close()
                return
        super()._serve(key, events)


@contextmanager
def running(crowd: Crowd) -> Iterator[None]:
    """
    Let clients write and read meanwhile.
    """
    over = threading.Event()

    def run() -> None:
        while not over.is_set():
            crowd.run(0.05)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
        crowd.close()


def flood(name: str, count: int = 300) -> Scene:
    """
    Clients that send as much as they can, and do not answer.
    """

    def scene(port: int, folder: Path) -> Iterator[None]:
        with running(Crowd(port, count, lambda number: SCENES[name](number) * 20)):
            yield

    return scene


def polite(port: int, folder: Path) -> Iterator[None]:
    """
    Well-behaved clients.
    """
    with running(Polite(port, 1000, lambda number: frame(b'{"type":"ping"}'))):
        yield


def deaf(port: int, folder: Path) -> Iterator[None]:
    """
    Clients that do not read, and so do not answer.
    """
    crowd = Crowd(port, 1000, lambda number: frame(b'{"type":"ping"}'))
    yield
    crowd.close()


def ask(port: int, data: bytes) -> socket.socket:
    """
    Connect, and send something.
    """
    one = socket.create_connection(("127.0.0.1", port))
    one.sendall(data)
    return one


def asking(port: int) -> list[socket.socket]:
    """
    Clients whose requests need the database.
    """
    body = b'{"method":"db.query","args":["CREATE TABLE t (n INTEGER)"],"projectId":"p"}'
    query = (
        f"POST /internal/hooks/rpc HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {SECRET}"
        f"\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    clients = [ask(port, OPENING)]
    clients[0].recv(65536)
    clients[0].sendall(KEPT * 50)
    return clients + [ask(port, query.encode() + body) for _ in range(50)]


def locked(port: int, folder: Path) -> Iterator[None]:
    """
    Another program keeps the SQLite database locked.
    """
    other = sqlite3.connect(folder / "rt.db", isolation_level=None, timeout=30)
    other.execute("BEGIN EXCLUSIVE")
    clients = asking(port)
    yield
    other.close()
    for each in clients:
        each.close()


class Postgres:
    """
    A PostgreSQL server whose processes can be stopped.
    """

    def __init__(self) -> None:
        # The checkout has the code that starts a server for the tests.
        sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
        from tests.postgres import ROLE, Database, Server

        self._database = Database(Server())
        self.url = self._database.url
        self._sessions = f"SELECT pid FROM pg_stat_activity WHERE usename = '{ROLE}'"

    def hang(self, port: int, folder: Path) -> Iterator[None]:
        """
        A server that hangs, with all of its connections open.
        """
        server = self._database.server
        pids = [pid for (pid,) in server.execute(self._sessions)]
        pids.append(int((server.directory / "data/postmaster.pid").read_text().split()[0]))
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        clients = asking(port)
        yield
        for pid in pids:
            # The server may have ended a session as soon as it continued.
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)
        for each in clients:
            each.close()


def onPostgres(folder: Path, port: int, url: str) -> Server:
    """
    Run a daemon on a PostgreSQL database, and wait until it serves.
    """
    config = folder / "rt.toml"
    config.write_text(CONFIG.format(port=port, secret=SECRET).replace("sqlite:///rt.db", url))
    twistd = Path(sys.executable).with_name("twistd")
    command = [twistd, "--nodaemon", "--pidfile=", "aerostack-rt", "--config", config]
    server = Server(command, port, folder / "log", {})
    server.wait()
    return server


def nobody(port: int, folder: Path) -> Iterator[None]:
    """
    No clients.
    """
    yield


STOPS: dict[str, Scene] = {
    "no client is connected": nobody,
    "1,000 well-behaved clients": polite,
    "1,000 clients that do not answer": deaf,
    **{f"300 clients, {name}": flood(name) for name in SCENES},
    "1,000 clients, 250 publishes": flood("250 publishes", 1000),
    "the SQLite database is locked": locked,
}

HANGING = "PostgreSQL hangs"


def measure(scene: Scene, url: str | None) -> float:
    """
    @param url: The PostgreSQL database; L{None} for an SQLite database.
    @return: The seconds that the daemon takes to stop.
    """
    with tempfile.TemporaryDirectory() as path:
        folder, port = Path(path), freePort()
        server = start(folder, port) if url is None else onPostgres(folder, port, url)
        holding = scene(port, folder)
        try:
            next(holding)
            threading.Event().wait(2.0)
            return server.terminate(60.0)
        finally:
            next(holding, None)
            server.stop()


def main() -> int:
    """
    Run every scene, and print the results.
    """
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scenes", help="only scenes whose names contain this", default="")
    options = parser.parse_args()
    raiseLimits()
    scenes = {name: scene for name, scene in STOPS.items() if options.scenes in name}
    url = None
    print(f"{'while':<44}{'seconds to end':>14}")
    worst = 0.0
    if options.scenes in HANGING:
        postgres = Postgres()
        scenes[HANGING] = postgres.hang
        url = postgres.url
    for name, scene in scenes.items():
        seconds = measure(scene, url if name == HANGING else None)
        print(f"{name:<44}{seconds:>14.1f}", flush=True)
        worst = max(worst, seconds)
    print(f"\nthe mark: no stop over {MARK:g} s: {'reached' if worst <= MARK else 'missed'}")
    return 0 if worst <= MARK else 1


if __name__ == "__main__":
    sys.exit(main())
