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
    Runs C{twistd aerostack-rt} twice.

    @ivar nodes: The daemons.
    """

    timeout = 60

    def setUp(self) -> None:
        super().setUp()
        self.valkey = sharedServer(self)
        self.postgres = freshDatabase(self)
        self.postgres.execute("CREATE TABLE orders (id integer PRIMARY KEY)")
        self.ports = [freePort(self), freePort(self)]
        self.nodes: list[Child] = []

    def at(self, number: int) -> None:
        """
        Let clients use the first or the second daemon from now on.

        @param number: 0 or 1.
        """
        self.port = self.ports[number]

    def node(self, number: int) -> Child:
        """
        Start the first or the second daemon.
        """
        self.at(number)
        database = f'url = "{self.postgres.tcp()}"\npassword = {json.dumps(PASSWORD)}'
        engine = f'[engine]\nurl = "valkey://127.0.0.1:{self.valkey.port}/0"'
        text = self.configure(server=f'name = "n{number}"', more=f"anonymous = true\n{engine}")
        self.config = self.directory / f"n{number}.toml"
        self.config.write_text(text.replace('url = "sqlite:///rt.db"', database))
        return self.spawn()

    async def begin(self) -> None:
        """
        Start both daemons at the same moment, and wait until each knows the other one.
        """
        self.nodes = [self.node(number) for number in (0, 1)]
        for number in (0, 1):
            await self.serving(number)

    async def serving(self, number: int) -> None:
        """
        Wait until a daemon serves and has found the other one.
        """
        await self.nodes[number].wrote(READY)

        async def isAcquainted() -> bool:
            self.at(number)
            _, health = await self.http("GET", "/health")
            states = {name: node["state"] for name, node in health.get("nodes", {}).items()}
            wanted = {f"n{number}": "here", f"n{1 - number}": "up"}
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
