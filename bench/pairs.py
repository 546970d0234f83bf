"""
Two processes of one system that share their topics over a Valkey server.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any
from urllib.request import urlopen

from certificate import Certificate
from processes import Failed, Server, freePort
from system import System
from systems import Aerostack, Centrifuge

READY = "aerostack-rt tail"
"""A part of what the daemon logs when it serves clients, with all of its workers."""

CHECKOUT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Shared:
    """
    What the nodes of one installation share.

    @ivar engine: The port of the Valkey server.
    @ivar database: The settings of a PostgreSQL database.
    """

    engine: int
    database: str

    def by(self, port: int) -> Shared:
        """
        Return the same, with the Valkey server reached over another port.
        """
        return replace(self, engine=port)


class Daemon(Aerostack):
    """
    The daemon with a number of workers, or with an engine.

    @ivar workers: How many workers it has; 1 is one process.
    @ivar grace: The seconds that a lost member may take to come back.
    @ivar shared: What it shares with another node; L{None} if it is alone.
    """

    def __init__(
        self, cache: Path, workers: int = 1, grace: float = 10, shared: Shared | None = None
    ) -> None:
        super().__init__(cache)
        self.workers = workers
        self.grace = grace
        self.shared = shared

    def configure(self, port: int, certificate: Certificate | None) -> str:
        text = super().configure(port, certificate)
        text = text.replace("[server]\n", f"[server]\nworkers = {json.dumps(self.workers)}\n")
        text = text.replace('level = "warn"', 'level = "info"')
        # Metrics are for programs of the same machine.
        text = text.replace(
            f'"tcp:{port}:interface=127.0.0.1"', f'"tcp:{port}:interface=127.0.0.1:local=1"'
        )
        text += f"[presence]\ngrace = {self.grace}\n"
        if self.shared is not None:
            text = re.sub(r"(?<=\[database\]\n)url = .*", self.shared.database, text)
            # Both run on one machine, after which they would be called.
            text = text.replace("[server]\n", f'[server]\nname = "node{port}"\n')
            text += f'[engine]\nurl = "valkey://127.0.0.1:{self.shared.engine}/0"\n'
        return text


class CentrifugeNode(Centrifuge):
    """
    centrifuge with its Redis broker and presence manager.
    """

    label = "centrifuge (Go), Redis broker"

    def __init__(self, cache: Path, engine: int) -> None:
        super().__init__(cache)
        self._engine = engine

    def environ(self) -> Mapping[str, str]:
        return {"REDIS": f"127.0.0.1:{self._engine}"}


def _useTests() -> None:
    """Let the servers of the tests be imported, which the checkout has."""
    if str(CHECKOUT) not in sys.path:
        sys.path.append(str(CHECKOUT))


@cache
def _postgres() -> Any:
    """Start a PostgreSQL server, which is removed when this process ends."""
    _useTests()
    from tests.postgres import Server as PostgresServer

    return PostgresServer()


def share(engine: Any) -> Shared:
    """
    Make a database for nodes that share a Valkey server.
    """
    server = _postgres()
    from tests.postgres import PASSWORD, Database

    url, password = json.dumps(Database(server).tcp()), json.dumps(PASSWORD)
    return Shared(engine.port, f"url = {url}\npassword = {password}")


@contextmanager
def valkey(*options: str) -> Iterator[Any]:
    """
    Run a Valkey server.

    @param options: Lines for its configuration.
    @return: A L{tests.engine.valkey.server.ValkeyServer}.
    """
    _useTests()
    from tests.engine.valkey.server import ValkeyServer

    server = ValkeyServer(*options)
    try:
        yield server
    finally:
        server.remove()


@asynccontextmanager
async def relayed(reactor: Any, port: int) -> AsyncIterator[Any]:
    """
    Run a relay in front of a server.

    @return: A L{tests.live.relay.Relay}, which can be cut.
    """
    _useTests()
    from tests.live.relay import Relay

    relay = Relay(reactor, port)
    try:
        yield relay
    finally:
        await relay.stop()


@contextmanager
def running(
    systems: Sequence[System],
    directory: Path,
    alone: bool = True,
    certificate: Certificate | None = None,
) -> Iterator[list[Any]]:
    """
    Run processes of systems, and end them.  They have one working directory, and so one database
    if they have a file.

    @param alone: Whether they leave a processor to the load generator.
    @param certificate: For TLS; L{None} for plain TCP.
    @return: The L{Server} of each.
    """
    servers: list[Server] = []
    try:
        for number, system in enumerate(systems):
            own = directory / f"{number}"
            own.mkdir()
            servers.append(start(system, own, alone, certificate))
        yield servers
    except Failed as failed:
        said = " | ".join(server.said() for server in servers)
        raise Failed(f"{failed} ({said})") from None
    finally:
        for server in servers:
            server.stop()


def start(system: System, directory: Path, alone: bool, certificate: Certificate | None) -> Server:
    """
    Start a process of a system, and wait until it serves.

    @param directory: For its configuration.  Its working directory is the one above.
    """
    port = freePort()
    command = system.command(directory, port, certificate)
    log = directory.with_suffix(".log")
    server = Server(command, port, log, system.environ(), alone)
    try:
        server.wait(60)
        if isinstance(system, Daemon):
            server.waitFor(READY)
    except Failed:
        server.stop()
        raise
    return server


def metric(port: int, name: str) -> list[float]:
    """
    Read a daemon's metric.

    @param port: Where the daemon listens.
    @return: Its values, by the worker's name if it has one.
    """
    with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        lines = answer.read().decode().splitlines()
    found = [line.rpartition(" ") for line in lines if re.match(rf"{name}[ {{]", line)]
    return [float(value) for _, _, value in sorted(found)]


def workersOf(server: Server) -> list[int]:
    """
    Return the ids of a daemon's workers.
    """
    return [pid for pid in server.pids()[1:] if b"aerostack.workers" in _command(pid)]


def _command(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        # It has ended meanwhile.
        return b""
