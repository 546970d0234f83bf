"""
Nodes whose logs are on a real server, for tests.
"""

from __future__ import annotations

from typing import Any

from twisted.internet import reactor

from aerostack.core.replay.log import Depth
from aerostack.engine.valkey.link import Link
from aerostack.engine.valkey.log import ValkeyLog
from aerostack.engine.valkey.logscripts import SCRIPTS
from aerostack.testing.history import MemoryHistory
from aerostack.testing.relay import Relay
from tests.engine.lognodes import DEPTH, WINDOW, Node
from tests.engine.valkey.cases import ServerCase
from tests.engine.valkey.lines import until


class NodesCase(ServerCase):
    """
    A test case with nodes whose logs are on one server.

    @ivar patience: For how long the nodes' publications wait, in seconds.
    @ivar login: More arguments for the L{Login} of each node.
    @ivar links: The links of the nodes, by their logs.
    """

    patience = 600.0
    interval = 0.2

    def setUp(self) -> None:
        """
        Make the server and the history.
        """
        super().setUp()
        self.history = MemoryHistory()
        self.links: dict[Any, Link] = {}
        self.login: dict[str, Any] = {}

    def makeLog(self, name: str, depth: Depth = DEPTH) -> ValkeyLog:
        """
        See L{tests.engine.logs.LogContract}.
        """
        log = ValkeyLog(reactor, self.history, lambda topic: depth, name, WINDOW, self.patience)
        log.interval = self.interval
        link = self.links[log] = self.makeLink(name, SCRIPTS, log, **self.login)
        log.begin(link)
        self.addCleanup(log.stop)
        return log

    def connect(self, log: Any) -> None:
        """
        See L{tests.engine.logs.LogContract}.
        """
        self.links[log].start()

    def node(self, depth: Depth = DEPTH) -> Node:
        """
        Start a node.
        """
        name = f"n{len(self.nodes)}"
        node = Node(self.makeLog(name, depth), name)
        self.nodes.append(node)
        self.connect(node.log)
        return node

    async def relayed(self, depth: Depth = DEPTH) -> tuple[Node, Relay]:
        """
        Start a node that reaches the server through a relay.
        """
        relay = await self.relay()
        node = self.node(depth)
        self.through = None
        return node, relay

    async def settle(self) -> None:
        """
        Wait until every node has what the server's streams have.
        """
        for node in self.nodes:
            for topic in tuple(node.heads):
                await self.reached(node, topic)

    async def reached(self, node: Node, topic: str) -> None:
        """
        Wait until a node, whose line is up, has received what a log has by now.
        """
        await until(lambda: self.links[node.log].isUp)
        entries = await node.log.read(topic, 0, None, 1_000_000, 1_000_000_000)
        if entries:
            place = entries[-1].position
            await until(
                lambda: (
                    node.heads[topic].epoch != place.epoch
                    or node.heads[topic].offset >= place.offset
                )
            )
