"""
A daemon for a test.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import treq
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.endpoints import TCP4ClientEndpoint
from twisted.internet.task import deferLater
from twisted.python import log
from twisted.trial.unittest import SkipTest, TestCase
from twisted.web.client import Agent, HTTPConnectionPool

from aerostack.databases.sqlite import connection
from aerostack.server.daemon import Daemon
from aerostack.server.hub import HubDaemon, processes
from aerostack.settings.limits import LimitsConfig
from aerostack.settings.projects import ProjectConfig
from aerostack.settings.settings import (
    Config,
    DatabaseConfig,
    HistoryConfig,
    LogConfig,
    PresenceConfig,
    ReplayConfig,
    ServerConfig,
    TrackerConfig,
)
from aerostack.settings.tables import TableConfig
from aerostack.testing import PUBLIC_KEY, SECRET_KEY, makeProject
from tests.live.program import WORKERS
from tests.live.wire import Wire, WireFactory
from tests.ports import freePort

ORIGIN = "http://app.test"


class DaemonTests(TestCase):
    """
    Runs a daemon on a loopback port with a database of its own.

    @cvar limits: The limits that differ from the defaults.
    @cvar workers: How many processes serve clients.
    @cvar local: Whether the listener has C{local=1}.
    @cvar busy: For how many seconds the daemon waits for the lock of another connection to SQLite.
        On a slow disk every writer keeps the file locked for long.
    @cvar feeds: Whether clients keep the frames about the state of the feed; see L{Wire.feeds}.
    @ivar path: The database's file.
    @ivar port: The port on which the daemon listens.
    """

    limits: Mapping[str, Any] = {}
    workers = int(WORKERS)
    grace = 2.0
    pollInterval = 0.05
    local = 1
    busy = 60.0
    feeds = False

    async def setUp(self) -> None:  # type: ignore[override]
        from twisted.internet import reactor

        self.reactor: Any = reactor
        self.patch(connection, "BUSY_TIMEOUT", self.busy)
        self.directory = Path(self.mktemp())
        self.directory.mkdir()
        self.path = self.directory / "rt.db"
        self.wires: list[Wire] = []
        self.pool = HTTPConnectionPool(reactor, persistent=False)
        await self.start()

    def projects(self) -> dict[str, ProjectConfig]:
        """The projects that the daemon serves."""
        return {"p": makeProject(origins=(ORIGIN,))}

    def tables(self) -> dict[str, TableConfig]:
        """The rules for tables."""
        return {}

    def config(self) -> Config:
        """The configuration of the daemon."""
        return Config(
            path=self.directory / "rt.toml",
            server=ServerConfig(()),
            database=DatabaseConfig(f"sqlite:///{self.path}"),
            tracker=TrackerConfig(pollInterval=self.pollInterval, tables=("*",)),
            presence=PresenceConfig(grace=self.grace),
            history=HistoryConfig(),
            replay=ReplayConfig(),
            topics={},
            tables=self.tables(),
            # The test blocks the reactor that it shares with the daemon, and may be slow.
            limits=LimitsConfig(**{"lag": None, **self.limits}),
            log=LogConfig(),
            projects=self.projects(),
        )

    def listen(self) -> str:
        """The endpoint string of L{port}."""
        return f"tcp:{self.port}:interface=127.0.0.1:local={self.local}"

    def wall(self) -> Callable[[], float]:
        """What gives the time of day to the next daemon, if it is one process."""
        return time.time

    async def start(self, port: int = 0) -> None:
        """
        Start the daemon.

        @param port: The port to listen on; 0 for any free port.
        """
        config = self.config()
        self.port = port or freePort(self)
        config = replace(config, server=replace(config.server, listen=(self.listen(),)))
        config = replace(config, server=replace(config.server, workers=self.workers))
        self.daemon: Any = (
            Daemon(config, self.reactor, self.wall())
            if processes(config) == 1
            else HubDaemon(config, self.reactor)
        )
        self.daemon.privilegedStartService()
        self.daemon.startService()
        await self.daemon.whenReady()

    async def stop(self) -> None:
        """
        Stop the daemon.
        """
        if self.daemon.running:
            await self.daemon.stopService()

    @property
    def connected(self) -> int:
        """How many clients the daemon has, in all its processes."""
        return int(self.daemon.node.shares.connections.total)

    @property
    def topics(self) -> dict[str, int]:
        """
        The canonical topics that have subscribers, with their number; that is 1 if workers have
        the subscribers.
        """
        if isinstance(self.daemon, HubDaemon):
            return dict.fromkeys(self.daemon._parts._relay.attached, 1)
        registry = self.daemon.front.hub.registry
        return {topic: len(registry.subscribers(topic)) for topic in registry}

    @property
    def front(self) -> Any:
        """The front of the daemon, for tests that look into it.  Workers have theirs elsewhere."""
        self.assumeOne("looks into the process that serves clients")
        return self.daemon.front

    def assumeOne(self, reason: str) -> None:
        """
        Skip the test if the daemon has several processes.

        @param reason: Why the test needs one.
        """
        if isinstance(self.daemon, HubDaemon):
            raise SkipTest(reason)

    async def reload(self, config: Config) -> None:
        """
        Have the daemon go by another configuration.
        """
        await maybeDeferred(self.daemon.reload, config)

    async def tearDown(self) -> None:  # type: ignore[override]
        for wire in self.wires:
            wire.drop()
        await self.stop()
        self._forgiveLocks()

    def _forgiveLocks(self) -> None:
        """
        Forget that the daemon has said of the database that it is locked.  On a disk whose fsync
        takes long, every writer keeps the file locked for long, and one of them may wait for longer
        than the daemon lets it.  The daemon goes on then, and so does the test.
        """
        for failure in self.flushLoggedErrors(sqlite3.OperationalError):
            if getattr(failure.value, "sqlite_errorname", None) != "SQLITE_BUSY":
                log.err(failure)

    async def sleep(self, seconds: float) -> None:
        """
        Let the reactor run for a while.
        """
        await deferLater(self.reactor, seconds, lambda: None)

    async def until(self, holds: Callable[[], object]) -> None:
        """
        Wait until a condition is true.
        """
        while not holds():
            await self.sleep(0.01)

    # The database, written from outside

    def execute(self, *statements: str) -> None:
        """
        Write to the database like another program: on a connection of its own, in one transaction.
        """
        with closing(sqlite3.connect(self.path, timeout=60)) as connection:
            for statement in statements:
                connection.execute(statement)
            connection.commit()

    # Clients

    async def wire(self) -> Wire:
        """
        Open a TCP connection to the daemon.
        """
        endpoint = TCP4ClientEndpoint(self.reactor, "127.0.0.1", self.port)
        wire: Wire = await endpoint.connect(WireFactory())
        wire.feeds = self.feeds
        self.wires.append(wire)
        return wire

    async def client(self, userId: str | None = None, key: str | None = None) -> Wire:
        """
        Connect as the TypeScript client does.
        """
        wire = await self.wire()
        query = f"projectId=p&userId={userId}" if userId else "projectId=p"
        protocols = f"aerostack-key.{key or PUBLIC_KEY}, aerostack-v1"
        await wire.upgrade(f"/api/realtime?{query}", {"Sec-WebSocket-Protocol": protocols})
        return wire

    async def subscribed(self, topic: str, userId: str | None = None) -> Wire:
        """
        Connect, and subscribe to a topic.
        """
        wire = await self.client(userId)
        wire.tell({"type": "subscribe", "topic": topic})
        assert (await wire.frame())["type"] == "subscribed"
        return wire

    # HTTP

    async def http(
        self, method: str, path: str, body: bytes | None = None, **headers: str
    ) -> tuple[int, Any, Any]:
        """
        Send an HTTP request.

        @return: The status, the decoded body and the headers.
        """
        response = await treq.request(
            method,
            f"http://127.0.0.1:{self.port}{path}",
            data=body,
            headers={name.replace("_", "-"): value for name, value in headers.items()},
            agent=Agent(self.reactor, pool=self.pool),
        )
        content = await response.content()
        return response.code, json.loads(content) if content else None, response.headers

    async def rpc(self, method: str, *args: Any, key: str = SECRET_KEY) -> tuple[int, Any]:
        """
        Call a method of the RPC like a server.
        """
        body = json.dumps({"method": method, "args": args, "projectId": "p"}).encode()
        status, answer, _ = await self.http(
            "POST", "/internal/hooks/rpc", body, Authorization=f"Bearer {key}"
        )
        return status, answer

    async def emit(self, event: str, data: Any, topic: str, **options: Any) -> None:
        """
        Emit an event like a server.
        """
        extra = (options,) if options else ()
        status, answer = await self.rpc("socket.emit", event, data, topic, *extra)
        assert status == 200, answer

    async def query(self, sql: str, params: list[Any] | None = None) -> Any:
        """
        Run a statement like a server.
        """
        status, answer = await self.rpc("db.query", sql, params or [])
        assert status == 200, answer
        return answer


async def gather(*waiting: Any) -> list[Any]:
    """
    Wait for several coroutines.
    """
    started = [Deferred.fromCoroutine(each) for each in waiting]
    return [await each for each in started]
