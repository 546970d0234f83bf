"""
Two daemons that share their topics over a real Valkey server.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from uuid import uuid4

import treq
from twisted.web.client import Agent

from aerostack.admin import gathering
from aerostack.server.daemon import Daemon
from aerostack.sessions import users
from aerostack.settings.settings import Config, EngineConfig
from aerostack.streams import elsewhere, emittedelsewhere
from tests import PATIENCE
from tests.engine.valkey.server import ValkeyServer, sharedServer
from tests.live.daemon import DaemonTests
from tests.live.wire import Frame, Wire
from tests.ports import freePort


class NodesTests(DaemonTests):
    """
    Runs two daemons on one database and one Valkey server.

    @cvar patience: For how long a publication waits for the server, in seconds.
    @ivar server: The server.
    @ivar enginePort: The port at which the daemons reach it.
    @ivar daemons: The daemons.
    """

    patience = 30.0

    async def setUp(self) -> None:  # type: ignore[override]
        # The daemons wait for each other until they have answered, however slow the machine is.
        for module in (gathering, users, elsewhere):
            self.patch(module, "PATIENCE", PATIENCE)
        self.patch(elsewhere, "COPYING", PATIENCE)
        self.patch(emittedelsewhere, "ANSWERED", PATIENCE)
        self.server = self.makeServer()
        self.enginePort = self.server.port
        self.daemons: list[Daemon] = []
        self.ports: list[int] = []
        await super().setUp()

    def makeServer(self) -> ValkeyServer:
        """Give the server of a test."""
        return sharedServer(self)

    def config(self) -> Config:
        url = f"valkey://127.0.0.1:{self.enginePort}/0"
        config = super().config()
        # The first is n0, the second n1.
        server = replace(config.server, name=f"n{len(self.daemons)}")
        # The end of a stream waits for the database for longer than a slow disk takes.
        ai = replace(config.ai, keepWait=PATIENCE)
        engine = EngineConfig(url, patience=self.patience)
        return replace(config, server=server, engine=engine, ai=ai)

    async def start(self, port: int = 0) -> None:
        for _ in range(2):
            await super().start(freePort(self))
            self.daemons.append(self.daemon)
            self.ports.append(self.port)
        await self.connected()

    async def connected(self) -> None:
        """
        Wait until both daemons have a connection to the server, and know each other.
        """
        await self.until(lambda: all(each.node.faults()["engine"] is None for each in self.daemons))
        await self.until(lambda: all(isAcquainted(each) for each in self.daemons))

    async def restarted(self) -> None:
        """
        Wait until both daemons have lost their connections to the server, and have new ones.
        """
        await self.until(lambda: all(each.node.faults()["engine"] for each in self.daemons))
        if not self.server.running:
            self.server.start()
        await self.connected()

    async def subscribedAgain(self, wire: Wire) -> Frame:
        """
        Wait for a C{subscribed} that the client has not asked for.
        """
        while (frame := await wire.frame())["type"] != "subscribed":
            self.assertEqual(frame["type"], "status")
        return frame

    async def metrics(self) -> str:
        """
        The metrics of the daemon, as text.
        """
        url = f"http://127.0.0.1:{self.port}/metrics"
        response = await treq.get(url, agent=Agent(self.reactor, pool=self.pool))
        text: str = await response.text()
        return text

    async def stop(self) -> None:
        if self.server.running:
            self.server.thaw()
        for daemon in self.daemons:
            if daemon.running:
                await daemon.stopService()

    def at(self, number: int) -> None:
        """
        Let clients and servers use the first or the second daemon from now on.

        @param number: 0 or 1.
        """
        self.port = self.ports[number]

    async def join(self, number: int, topic: str, **fields: Any) -> tuple[Wire, Frame]:
        """
        Connect to a daemon, and subscribe to a topic.

        @return: The connection, which keeps positions, and the answer.
        """
        self.at(number)
        wire = await self.client(f"u{number}")
        wire.positions = True
        wire.tell({"type": "subscribe", "topic": topic, **fields})
        return wire, await wire.frame()

    async def connect(self, number: int, token: str) -> Wire:
        """
        Connect to a daemon with a token.
        """
        self.at(number)
        wire = await self.wire()
        protocols = f"aerostack-token.{token}, aerostack-v1"
        await wire.upgrade("/api/realtime?projectId=p", {"Sec-WebSocket-Protocol": protocols})
        return wire

    async def say(self, wire: Wire, topic: str, data: Any, **fields: Any) -> Frame:
        """
        Publish an event, and wait for the answer.
        """
        fields = {"id": uuid4().hex, **fields}
        wire.tell({"type": "publish", "topic": topic, "event": "e", "data": data, **fields})
        while (frame := await wire.frame())["type"] not in ("ack", "error"):
            pass
        return frame


def isAcquainted(daemon: Daemon) -> bool:
    """
    Whether a daemon knows the other one.
    """
    return [each["state"] for each in daemon.node.nodes()] == ["here", "up"]


async def heard(wire: Wire, count: int) -> list[Any]:
    """
    The data of the next events.
    """
    found: list[Any] = []
    while len(found) < count:
        frame = await wire.frame()
        assert frame["type"] == "event", frame
        found.append(frame["data"])
    return found
