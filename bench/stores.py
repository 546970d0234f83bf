"""
The databases of the benchmark, each empty and with a daemon.
"""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, Protocol

from processes import freePort

KEY = "pk_bench_0123456789"

CONFIG = """
[server]
listen = ["tcp:{port}:interface=127.0.0.1"]
[database]
url = "{url}"
[tracker]
wake = {wake}
tables = ["events"]
[limits]
outbox_bytes = 67108864
[projects.bench]
public_key = "{key}"
"""

SCHEMA = "CREATE TABLE events (id {key}, n INTEGER, text TEXT)"


class Store(Protocol):
    """
    A database with a table C{events}.
    """

    name: str
    mark: str
    """The placeholder of a parameter in a statement."""

    def url(self) -> str:
        """The database's address, for the daemon."""

    def connect(self) -> Any:
        """Return a writer's connection, in autocommit mode."""


class SQLiteStore:
    """
    A file in WAL mode, with SQLite's default settings otherwise.
    """

    name = "SQLite"
    mark = "?"

    def __init__(self, directory: Path) -> None:
        self._path = directory / "bench.db"
        with self.connect() as connection:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute(SCHEMA.format(key="INTEGER PRIMARY KEY"))

    def url(self) -> str:
        return f"sqlite:///{self._path}"

    def connect(self) -> Any:
        return sqlite3.connect(
            self._path, isolation_level=None, timeout=30, check_same_thread=False
        )


@cache
def _server() -> Any:
    """Start a PostgreSQL server with its default settings; it ends with this process."""
    # The checkout has the code that starts a server for the tests.
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    from tests.postgres import Server

    server = Server()
    server.execute("ALTER SYSTEM SET fsync = on", "ALTER SYSTEM SET full_page_writes = on")
    server.execute("ALTER SYSTEM SET shared_buffers = '128MB'")
    # If transactions can be prepared, the triggers do not notify.
    server.execute("ALTER SYSTEM SET max_prepared_transactions = 0")
    server.restart()
    return server


def postgres() -> Any:
    """
    Return a new database on the PostgreSQL server of this process.
    """
    server = _server()
    from tests.postgres import Database

    return Database(server)


class PostgresStore:
    """
    A PostgreSQL server with its default settings.
    """

    name = "PostgreSQL"
    mark = "%s"

    def __init__(self, directory: Path) -> None:
        self._database = postgres()
        self._database.execute(SCHEMA.format(key="bigserial PRIMARY KEY"))

    def url(self) -> str:
        return self._database.url

    def connect(self) -> Any:
        return self._database.connect()


@contextmanager
def daemon(store: Store, directory: Path, wake: bool = True) -> Iterator[tuple[int, int]]:
    """
    Run a daemon on a database.

    @return: The port on which it listens, and its process.
    """
    port = freePort()
    config = directory / "rt.toml"
    url = store.url()
    config.write_text(CONFIG.format(port=port, url=url, wake=str(wake).lower(), key=KEY))
    command = [
        str(Path(sys.executable).with_name("twistd")),
        *("--nodaemon", "--pidfile=", "aerostack-rt", "--config", str(config)),
    ]
    with open(directory / "log", "a") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        yield port, process.pid
    finally:
        process.terminate()
        process.wait()


def until(holds: Callable[[], bool], seconds: float, what: str) -> None:
    """
    Wait until a condition is true.
    """
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            raise RuntimeError(f"{what} took longer than {seconds:g} s")
        time.sleep(0.01)
