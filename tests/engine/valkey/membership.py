"""
Nodes that know each other over a real server, for tests.
"""

from __future__ import annotations

from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred

from aerostack.core.nodes.comparing import digest
from aerostack.core.nodes.reports import Report, encodeDescription
from aerostack.engine.valkey import nodescripts
from aerostack.engine.valkey.keys import Keys
from aerostack.engine.valkey.link import Link
from aerostack.engine.valkey.nodes import ValkeyNodes
from aerostack.testing.relay import Relay
from tests.engine.valkey.cases import ServerCase

LEASE = 0.5
"""How long a node may say nothing, in seconds."""


class MembersCase(ServerCase):
    """
    A test case with nodes on one server.

    @ivar links: The link of each node.
    @ivar described: What each node describes, by its run.
    """

    def setUp(self) -> None:
        """
        Make the server.
        """
        super().setUp()
        self.links: list[Link] = []
        self.described: dict[str, Any] = {}

    def node(self, name: str, usage: Any = None) -> ValkeyNodes:
        """
        Start a node.

        @param usage: What its report says that projects use.
        """
        run = f"run{len(self.nodes)}"
        nodes = ValkeyNodes(reactor, run, name, Keys(), LEASE)
        nodes.interval = 0.05
        link = self.makeLink(run, dict(nodescripts.SCRIPTS), nodes)
        nodes.begin(link)
        self.nodes.append(nodes)
        self.links.append(link)
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
        relay = await self.relay()
        nodes = self.node(name)
        self.through = None
        return nodes, relay

    async def acquainted(self) -> None:
        """
        Wait until every node knows every other.
        """
        for nodes in self.nodes:
            await self.until(lambda n=nodes: len(n.membership.alive) == len(self.nodes) - 1)

    def passed(self, seconds: float) -> Deferred[None]:
        """
        Let time pass.
        """
        return self.pause(seconds)
