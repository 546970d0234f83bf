"""
Two daemons in processes of their own, on one PostgreSQL database and one Valkey server.
"""

from __future__ import annotations

import json
from typing import Any

from tests.engine.valkey.server import sharedServer
from tests.live.program import READY, ProgramTests
from tests.live.wire import Frame, Wire
from tests.net import Child
from tests.ports import freePort
from tests.postgres import PASSWORD, freshDatabase


class NodesProgramTests(ProgramTests):
    """
    Runs C{twistd aerostack-rt} twice, or as often as C{count} says.

    @cvar count: How many daemons there are.
    @cvar more: More lines for their configurations.
    @ivar nodes: The daemons.
    """

    count = 2
    more = ""

    def setUp(self) -> None:
        super().setUp()
        self.valkey = sharedServer(self)
        self.postgres = freshDatabase(self)
        self.postgres.execute("CREATE TABLE orders (id integer PRIMARY KEY)")
        self.ports = [freePort(self) for _ in range(self.count)]
        self.nodes: list[Child] = []

    def at(self, number: int) -> None:
        """
        Let clients use another daemon from now on.

        @param number: 0 for the first one.
        """
        self.port = self.ports[number]

    def node(self, number: int, name: str | None = None) -> Child:
        """
        Start a daemon.

        @param number: 0 for the first one.
        @param name: Its name; L{None} for C{n} and the number.
        """
        self.at(number)
        database = f'url = "{self.postgres.tcp()}"\npassword = {json.dumps(PASSWORD)}'
        engine = f'[engine]\nurl = "valkey://127.0.0.1:{self.valkey.port}/0"'
        text = self.configure(
            server=f'name = "{name or f"n{number}"}"',
            more=f"anonymous = true\n{engine}\n{self.more}",
        )
        self.config = self.directory / f"n{number}.toml"
        self.config.write_text(text.replace('url = "sqlite:///rt.db"', database))
        return self.spawn()

    async def begin(self) -> None:
        """
        Start all daemons at the same moment, and wait until each knows the others.
        """
        self.nodes = [self.node(number) for number in range(self.count)]
        for number in range(self.count):
            await self.serving(number)

    async def serving(self, number: int) -> None:
        """
        Wait until a daemon serves and has found the others.
        """
        await self.nodes[number].wrote(READY)

        async def isAcquainted() -> bool:
            self.at(number)
            _, health = await self.http("GET", "/health")
            states = {name: node["state"] for name, node in health.get("nodes", {}).items()}
            wanted = {f"n{other}": "up" for other in range(self.count)} | {f"n{number}": "here"}
            return states == wanted and set(health["checks"].values()) == {"ok"}

        await self.until(isAcquainted)

    async def join(self, number: int, topic: str, **fields: Any) -> tuple[Wire, Frame]:
        """
        Connect to a daemon, and subscribe to a topic.

        @return: The connection, which keeps positions, and the answer.
        """
        self.at(number)
        wire = await self.client()
        wire.positions = True
        wire.tell({"type": "subscribe", "topic": topic, **fields})
        return wire, await wire.frame()
