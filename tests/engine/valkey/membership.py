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

LONG = 3_600.0
"""A lease that is not over before a test is, in seconds, however slow the machine is."""


class MembersCase(ServerCase):
    """
    A test case with nodes on one server.

    @cvar lease: How long a node may say nothing, in seconds.
    @ivar links: The link of each node.
    @ivar described: What each node describes, by its run.
    """

    lease = LONG

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
        nodes = ValkeyNodes(reactor, run, name, Keys(), self.lease)
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
        Wait until every node is connected and knows every other.  All of that is so at one moment,
        which lasts until the reactor turns.
        """
        others = len(self.nodes) - 1
        await self.until(
            lambda: all(
                nodes.isCurrent and len(nodes.membership.alive) == others for nodes in self.nodes
            )
        )

    def passed(self, seconds: float) -> Deferred[None]:
        """
        Let time pass.
        """
        return self.pause(seconds)
