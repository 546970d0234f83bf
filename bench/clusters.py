"""
Daemons that share the work: several processes on one machine, or two nodes on one Valkey server.
Each of their parts can be killed, and comes back.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Protocol

from processes import Failed, Server, freePort
from stores import KEY

CHECKOUT = Path(__file__).resolve().parents[1]

CONFIG = """
[server]
listen = ["tcp:{port}:interface=127.0.0.1"]
{server}
[database]
{database}
{engine}
[projects.bench]
public_key = "{key}"
{project}"""

PATIENCE = 60.0
"""Seconds that a part may take to come back.  It is far more than it needs."""

STARTS = 3
"""How often a node is started that ends at once."""

OUTAGES = (0.0, 0.5, 1.0, 5.0)
"""Seconds until a node or the Valkey server is started again.  The longest is more than the
C{engine.patience} of 3 seconds."""

AWAY = (1.0, 30.0)
"""Seconds until a node is started again whose streams others take.  The longest is more than they
need to find its death."""

WORKER_PAUSE = 15.5
"""Seconds between the deaths of two workers.  The daemon ends if five die within a minute."""

STEADY = 62.0
"""Seconds that a worker lives before it is killed.  The daemon starts one again at once that has
lived for a minute."""

WORKERS = 4
"""How many workers a daemon has whose workers are killed in turn."""


class Cluster(Protocol):
    """
    Daemons under load.  The methods block.

    @ivar ports: Where clients connect.
    """

    ports: list[int]

    def start(self) -> None:
        """Start everything."""

    def kill(self) -> None:
        """Kill one part, or several, as a crash does, and wait until all serve again."""

    def stop(self) -> None:
        """End all processes."""


class Single:
    """
    One daemon in one process, on SQLite.  It is killed, and started again at once.
    """

    def __init__(self, directory: Path, chance: random.Random, project: str = "") -> None:
        """
        @param project: More lines of the configuration, the first ones for the project.
        """
        self.ports = [freePort()]
        self._directory = directory
        self._project = project

    def start(self) -> None:
        database = f'url = "sqlite:///{self._directory / "rt.db"}"'
        self._daemon = _daemon(
            self._directory, "rt", self.ports[0], database, project=self._project
        )
        self._daemon.wait(PATIENCE)

    def kill(self) -> None:
        self._daemon.kill()
        self.start()

    def stop(self) -> None:
        self._daemon.stop()


class Workers:
    """
    One daemon with several workers, on SQLite.  They are killed in turn.
    """

    def __init__(
        self,
        directory: Path,
        chance: random.Random,
        count: int = WORKERS,
        project: str = "",
    ) -> None:
        """
        @param count: How many workers.
        @param project: More lines of the configuration, the first ones for the project.
        """
        self.ports = [freePort()]
        self._directory = directory
        self._chance = chance
        self._count = count
        self._project = project
        # When the last worker was killed, seconds, and how many were.
        self._killed = 0.0
        self._kills = 0

    def start(self) -> None:
        database = f'url = "sqlite:///{self._directory / "rt.db"}"'
        server = f"workers = {self._count}"
        self._daemon = _daemon(
            self._directory, "rt", self.ports[0], database, server, project=self._project
        )
        self._daemon.wait(PATIENCE)
        self._serving()

    def kill(self) -> None:
        pause = max(WORKER_PAUSE, STEADY / self._count)
        time.sleep(max(0.0, self._killed + pause - time.monotonic()))
        time.sleep(self._chance.uniform(0, 1))
        workers = _workersOf(self._daemon)
        os.kill(workers[sorted(workers)[self._kills % self._count]], signal.SIGKILL)
        self._killed = time.monotonic()
        self._kills += 1
        self._serving()

    def _serving(self) -> None:
        """Wait until all workers serve clients."""
        _until(
            lambda: (
                len(_workersOf(self._daemon)) == self._count
                and _healthy(self._daemon, self.ports[0])
            ),
            "all workers",
        )

    def stop(self) -> None:
        self._daemon.stop()


class Nodes:
    """
    Two daemons on one PostgreSQL server and one Valkey server.
    """

    def __init__(
        self,
        directory: Path,
        chance: random.Random,
        keeps: bool,
        victims: tuple[str, ...],
        workers: int = 1,
        outages: Sequence[float] = OUTAGES,
        project: str = "",
    ) -> None:
        """
        @param keeps: Whether the Valkey server writes each change to the disk before it answers;
            else it comes back empty.
        @param victims: What to kill together: C{valkey}, C{node}, C{worker}.
        @param workers: How many workers each daemon has.
        @param outages: Seconds until what was killed is started again; one of them for each kill.
        @param project: More lines of the configuration, the first ones for the project.
        """
        self.ports = [freePort(), freePort()]
        self._directory = directory
        self._chance = chance
        self._keeps = keeps
        self._victims = victims
        self._workers = workers
        self._outages = outages
        self._project = project
        # When a worker of each daemon was killed, seconds.
        self._killed = [0.0, 0.0]
        self._daemons: list[Server] = []
        self._started = ExitStack()

    def start(self) -> None:
        # The checkout has the code that starts these servers for the tests.
        if str(CHECKOUT) not in sys.path:
            sys.path.insert(0, str(CHECKOUT))
        from tests.engine.valkey.server import ValkeyServer
        from tests.postgres import PASSWORD, Database
        from tests.postgres import Server as PostgresServer

        options = ("appendonly yes", "appendfsync always") if self._keeps else ()
        postgres = PostgresServer()
        self._started.callback(postgres.remove)
        self._valkey = ValkeyServer(*options)
        self._started.callback(self._valkey.remove)
        self._settings = f"url = {json.dumps(Database(postgres).tcp())}\n"
        self._settings += f"password = {json.dumps(PASSWORD)}"
        for number in (0, 1):
            self._daemons.append(self._begin(number))
        self._serving()

    def kill(self) -> None:
        victims = list(self._victims)
        self._chance.shuffle(victims)
        number = self._chance.randrange(2)
        if "worker" in victims:
            number = self._killed.index(min(self._killed))
            time.sleep(max(0.0, self._killed[number] + WORKER_PAUSE - time.monotonic()))
        for victim in victims:
            if victim == "valkey":
                self._valkey.kill()
            elif victim == "node":
                self._daemons[number].kill()
            else:
                _killWorker(self._daemons[number], self._chance)
                self._killed[number] = time.monotonic()
            time.sleep(self._chance.uniform(0, 0.5))
        time.sleep(self._chance.choice(self._outages))
        if "valkey" in victims:
            self._valkey.start()
        if "node" in victims:
            self._daemons[number] = self._begin(number)
        self._serving()

    def stop(self) -> None:
        for daemon in self._daemons:
            daemon.stop()
        self._started.close()

    def _begin(self, number: int) -> Server:
        """Start a node, and again if it ends, as the service manager does."""
        for attempt in range(STARTS, 0, -1):
            daemon = self._node(number)
            try:
                daemon.wait(PATIENCE)
                break
            except Failed as error:
                if attempt == 1:
                    raise
                print(f"node{number}: {error}", file=sys.stderr, flush=True)
        return daemon

    def _node(self, number: int) -> Server:
        engine = f'[engine]\nurl = "valkey://127.0.0.1:{self._valkey.port}/0"'
        name = f"node{number}"
        server = f'name = "{name}"\nworkers = {self._workers}'
        return _daemon(
            self._directory,
            name,
            self.ports[number],
            self._settings,
            server,
            engine,
            self._project,
        )

    def _serving(self) -> None:
        """Wait until both daemons have found the Valkey server's death, and are connected."""
        time.sleep(0.5)
        for daemon, port in zip(self._daemons, self.ports, strict=True):
            _until(lambda daemon=daemon, port=port: _healthy(daemon, port), "a healthy node")


def _daemon(
    directory: Path,
    name: str,
    port: int,
    database: str,
    server: str = "",
    engine: str = "",
    project: str = "",
) -> Server:
    config = directory / f"{name}.toml"
    config.write_text(
        CONFIG.format(
            port=port, server=server, database=database, engine=engine, key=KEY, project=project
        )
    )
    twistd = Path(sys.executable).with_name("twistd")
    options = ("--nodaemon", "--pidfile=", "aerostack-rt", "--config", config)
    return Server([twistd, *options], port, directory / f"{name}.log", {}, alone=False)


def _workersOf(daemon: Server) -> dict[str, int]:
    """The processes of the workers, by their names."""
    if not daemon.running():
        raise Failed(f"the daemon ended: {daemon.said()}")
    found = {}
    for pid in daemon.pids()[1:]:
        words = _command(pid).decode().split("\0")
        if "aerostack.workers" in words:
            found[words[words.index("aerostack.workers") + 1]] = pid
    return found


def _killWorker(daemon: Server, chance: random.Random) -> None:
    _until(lambda: _workersOf(daemon), "a worker")
    os.kill(chance.choice(list(_workersOf(daemon).values())), signal.SIGKILL)


def _command(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        # It has ended meanwhile.
        return b""


def _healthy(daemon: Server, port: int) -> bool:
    if not daemon.running():
        raise Failed(f"a node ended: {daemon.said()}")
    try:
        with closing(HTTPConnection("127.0.0.1", port, timeout=10)) as connection:
            connection.request("GET", "/health")
            found = json.loads(connection.getresponse().read())
    except (OSError, HTTPException):
        return False
    # The check is missing without an engine, and the notice where all workers serve.
    engine, workers = found["checks"].get("engine"), found.get("notices", {}).get("workers")
    return engine in (None, "ok") and workers is None and found["status"] == "ok"


def _until(holds: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not holds():
        if time.monotonic() > deadline:
            raise Failed(f"waited {PATIENCE:g} s for {what}")
        time.sleep(0.05)
