"""
The daemon as a process of its own, for tests.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import treq
from twisted.internet.endpoints import TCP4ClientEndpoint
from twisted.internet.interfaces import IStreamClientEndpoint
from twisted.internet.task import deferLater
from twisted.trial.unittest import TestCase
from twisted.web.client import Agent, HTTPConnectionPool

from aerostack.testing import PUBLIC_KEY, SECRET_KEY
from tests.live.wire import Wire, WireFactory
from tests.net import Child
from tests.ports import freePort

TWISTD = "from twisted.scripts.twistd import run; run()"
CLI = "import sys; from aerostack.cli import main; sys.exit(main())"

WORKERS = os.environ.get("WORKERS", "1")
"""How many processes serve clients, in every test that does not say so itself."""

READY = "aerostack-rt tail chat/general"
"""The line that the daemon logs once it serves."""


class ProgramTests(TestCase):
    """
    Runs C{twistd aerostack-rt} in a directory of its own.

    @cvar workers: How many processes serve clients, where a test does not say so itself.
    @ivar directory: The directory.
    @ivar config: The configuration's file.
    @ivar path: The database's file.
    @ivar port: A free port, for the daemon to listen on.
    """

    workers = int(WORKERS)

    def setUp(self) -> None:
        from twisted.internet import reactor

        self.reactor: Any = reactor
        self.directory = Path(self.mktemp()).absolute()
        self.directory.mkdir()
        self.config = self.directory / "rt.toml"
        self.path = self.directory / "rt.db"
        self.port = freePort(self)
        self.agent = Agent(reactor, pool=HTTPConnectionPool(reactor, persistent=False))

    @property
    def listen(self) -> str:
        """The endpoint string of L{port}."""
        return f"tcp:{self.port}:interface=127.0.0.1:local=1"

    def configure(
        self,
        *listen: str,
        publicKey: str = PUBLIC_KEY,
        secretKey: str = SECRET_KEY,
        tables: str = "*",
        server: str = "",
        more: str = "",
    ) -> str:
        """
        Write a configuration with one project, C{p}.

        @param listen: The endpoint string, if not that of L{port}.
        @param server: More lines for C{[server]}.
        @param more: More lines, for the project and for other tables.
        """
        workers = "" if "workers" in server else f"workers = {self.workers}"
        # A daemon that has stood still must not refuse the test's clients.
        if "[limits]" not in more:
            more = f"{more}\n[limits]"
        more = more.replace("[limits]", "[limits]\nlag = 0", 1)
        return f"""
[server]
listen = {json.dumps(listen or [self.listen])}
{server}
{workers}
[database]
url = "sqlite:///rt.db"
[tracker]
poll_interval = 0.05
tables = ["{tables}"]
[projects.p]
public_key = "{publicKey}"
secret_key = "{secretKey}"
origins = ["http://app.test"]
{more}
"""

    # Processes

    def spawn(
        self,
        *options: str,
        twistd: Sequence[str] = (),
        environ: dict[str, str] | None = None,
        descriptors: dict[int, int] | None = None,
        program: str = TWISTD,
    ) -> Child:
        """
        Start the daemon.

        @param options: Options of C{aerostack-rt}.
        @param twistd: Options of C{twistd}.
        @param program: The command that runs C{twistd}.
        """
        arguments = ["--nodaemon", "--pidfile=", *twistd, "aerostack-rt"]
        command = ["-c", program, *arguments, f"--config={self.config}", *options]
        child = Child.spawn(self.reactor, command, environ, descriptors)
        self.addCleanup(child.kill)
        return child

    async def serve(self, text: str | None = None, **spawning: Any) -> Child:
        """
        Start the daemon, and wait until it serves.

        @param text: Its configuration; L{None} for the existing file.
        """
        if text is not None:
            self.config.write_text(text)
        child = self.spawn(**spawning)
        await child.wrote(READY)
        return child

    async def refused(self, *options: str) -> tuple[int, str]:
        """
        Start a daemon that cannot start.

        @return: Its exit status, and its output.
        """
        child = self.spawn(*options)
        status = await child.ended
        return status, child.output + child.errors

    async def until(self, holds: Any) -> Any:
        """
        Wait until a condition is true.

        @param holds: Returns a true value once the condition is true; may be a coroutine function.
        """
        while True:
            found = holds()
            if hasattr(found, "__await__"):
                found = await found
            if found:
                return found
            await self.sleep(0.05)

    async def sleep(self, seconds: float) -> None:
        """
        Let the reactor run for a while.
        """
        await deferLater(self.reactor, seconds, lambda: None)

    # The database, written from outside

    def execute(self, *statements: str) -> list[Any]:
        """
        Write to the database like another program, in one transaction.

        @return: The rows of the last statement.
        """
        with closing(sqlite3.connect(self.path, timeout=60)) as connection:
            rows: list[Any] = []
            for statement in statements:
                rows = connection.execute(statement).fetchall()
            connection.commit()
            return rows

    # Clients

    async def wire(self, endpoint: IStreamClientEndpoint | None = None) -> Wire:
        """
        Open a connection to the daemon.

        @param endpoint: The daemon's endpoint; L{None} for L{port}.
        """
        endpoint = endpoint or TCP4ClientEndpoint(self.reactor, "127.0.0.1", self.port)
        wire: Wire = await endpoint.connect(WireFactory())
        self.addCleanup(wire.drop)
        return wire

    async def client(
        self,
        key: str = PUBLIC_KEY,
        endpoint: IStreamClientEndpoint | None = None,
        query: str = "",
        **headers: str,
    ) -> Wire:
        """
        Connect as the TypeScript client does.

        @param query: More parameters of the URL.
        """
        wire = await self.wire(endpoint)
        protocols = f"aerostack-key.{key}, aerostack-v1"
        await wire.upgrade(
            f"/api/realtime?projectId=p{query}", {"Sec-WebSocket-Protocol": protocols, **headers}
        )
        return wire

    async def subscribed(self, topic: str, key: str = PUBLIC_KEY, **where: Any) -> Wire:
        """
        Connect, and subscribe to a topic.
        """
        wire = await self.client(key, **where)
        wire.tell({"type": "subscribe", "topic": topic})
        answer = await wire.frame()
        self.assertEqual(answer["type"], "subscribed", answer)
        return wire

    async def http(
        self, method: str, path: str, body: bytes | None = None, **headers: str
    ) -> tuple[int, Any]:
        """
        Send an HTTP request.

        @return: The status, and the decoded body.
        """
        response = await treq.request(
            method,
            f"http://127.0.0.1:{self.port}{path}",
            data=body,
            headers={name.replace("_", "-"): value for name, value in headers.items()},
            agent=self.agent,
        )
        return response.code, json.loads(await response.content())
