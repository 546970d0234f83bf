"""
Nodes that know each other over a real server, for tests.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred, succeed
from twisted.internet.endpoints import UNIXClientEndpoint, UNIXServerEndpoint
from twisted.internet.interfaces import IStreamClientEndpoint
from twisted.internet.task import deferLater
from twisted.trial.unittest import TestCase

from aerostack.core.nodes.comparing import digest
from aerostack.core.nodes.reports import Report, encodeDescription
from aerostack.engine.valkey import nodescripts
from aerostack.engine.valkey.keys import Keys
from aerostack.engine.valkey.link import Link, Login
from aerostack.engine.valkey.nodes import ValkeyNodes
from aerostack.engine.valkey.scripts import Scripts
from aerostack.testing.relay import Relay
from tests.engine.valkey.lines import until
from tests.engine.valkey.server import ValkeyServer, sharedServer

LEASE = 0.5
"""How long a node may say nothing, in seconds."""


class MembersCase(TestCase):
    """
    A test case with nodes on one server.

    @ivar server: The server.
    @ivar nodes: The nodes.
    @ivar links: The link of each node.
    @ivar described: What each node describes, by its run.
    """

    timeout = 60

    def setUp(self) -> None:
        """
        Make the server.
        """
        self.server: ValkeyServer = self.makeServer()
        self.nodes: list[ValkeyNodes] = []
        self.links: list[Link] = []
        self.described: dict[str, Any] = {}

    def makeServer(self) -> ValkeyServer:
        """
        Give the server of a test.
        """
        return sharedServer(self)

    def node(
        self, name: str, through: IStreamClientEndpoint | None = None, usage: Any = None
    ) -> ValkeyNodes:
        """
        Start a node.

        @param through: Connects to the server; L{None} if the node connects to it directly.
        @param usage: What its report says that projects use.
        """
        run = f"run{len(self.nodes)}"
        nodes = ValkeyNodes(reactor, run, name, Keys(), LEASE)
        nodes.interval = 0.05
        link = Link(
            reactor,
            lambda: succeed(through or UNIXClientEndpoint(reactor, self.server.path)),
            Login(name, f"own:{run}".encode()),
            Scripts(nodescripts.SCRIPTS, run),
            nodes,
            lambda: 0.0,
        )
        nodes.begin(link)
        self.nodes.append(nodes)
        self.links.append(link)
        self.addCleanup(link.stop)
        self.addCleanup(nodes.stop)

        def report(lag: float) -> Report:
            described = digest(self.described.get(run))
            return Report(name, "1", 5.0, lag, 3, described, usage or {})

        nodes.start(report, lambda: encodeDescription(self.described.get(run) or {}))
        link.start()
        return nodes

    async def relayed(self, name: str) -> tuple[ValkeyNodes, Relay]:
        """
        Start a node that reaches the server through a relay.
        """
        relay = Relay(reactor, UNIXClientEndpoint(reactor, self.server.path))
        path = str(self.server.directory / f"m{len(self.nodes)}")
        await relay.listen(UNIXServerEndpoint(reactor, path))
        self.addCleanup(relay.stop)
        return self.node(name, UNIXClientEndpoint(reactor, path)), relay

    async def acquainted(self) -> None:
        """
        Wait until every node knows every other.
        """
        for nodes in self.nodes:
            await self.until(lambda n=nodes: len(n.membership.alive) == len(self.nodes) - 1)

    async def until(self, condition: Callable[[], object]) -> None:
        """
        Wait until something is true.
        """
        await until(condition)

    def passed(self, seconds: float) -> Deferred[None]:
        """
        Let time pass.
        """
        return deferLater(reactor, seconds, lambda: None)
