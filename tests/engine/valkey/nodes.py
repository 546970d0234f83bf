"""
Nodes whose logs are on a real server, for tests.
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

from aerostack.core.replay.log import Depth
from aerostack.engine.valkey.link import Link, Login
from aerostack.engine.valkey.log import ValkeyLog
from aerostack.engine.valkey.logscripts import SCRIPTS
from aerostack.engine.valkey.scripts import Scripts
from aerostack.testing.history import MemoryHistory
from aerostack.testing.relay import Relay
from tests.engine.lognodes import DEPTH, WINDOW, Node
from tests.engine.valkey.lines import until
from tests.engine.valkey.server import ValkeyServer, sharedServer


class NodesCase(TestCase):
    """
    A test case with nodes on one server.

    @ivar server: The server; set before a node is made to use another one.
    @ivar patience: For how long the nodes' publications wait, in seconds.
    @ivar login: More for the nodes' L{Login}.
    @ivar links: The links of the nodes, by their logs.
    """

    timeout = 120
    patience = 60.0
    interval = 0.2

    def setUp(self) -> None:
        """
        Make the server and the history.
        """
        self.server: ValkeyServer = self.makeServer()
        self.history = MemoryHistory()
        self.nodes: list[Node] = []
        self.links: dict[Any, Link] = {}
        self.login: dict[str, Any] = {}
        # Through which each node connects; else to the server itself.
        self.through: IStreamClientEndpoint | None = None

    def makeServer(self) -> ValkeyServer:
        """
        Give the server of a test.
        """
        return sharedServer(self)

    def makeLog(self, name: str, depth: Depth = DEPTH) -> ValkeyLog:
        """
        See L{tests.engine.logs.LogContract}.
        """
        log = ValkeyLog(reactor, self.history, lambda topic: depth, name, WINDOW, self.patience)
        log.interval = self.interval
        through = self.through
        link = Link(
            reactor,
            lambda: succeed(through or UNIXClientEndpoint(reactor, self.server.path)),
            Login(name, f"own:{name}".encode(), **self.login),
            Scripts(SCRIPTS, name),
            log,
            lambda: 0.0,
        )
        log.begin(link)
        self.links[log] = link
        self.addCleanup(link.stop)
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
        relay = Relay(reactor, UNIXClientEndpoint(reactor, self.server.path))
        path = str(self.server.directory / f"r{len(self.nodes)}")
        await relay.listen(UNIXServerEndpoint(reactor, path))
        self.addCleanup(relay.stop)
        self.through = UNIXClientEndpoint(reactor, path)
        node = self.node(depth)
        self.through = None
        return node, relay

    def pause(self, seconds: float) -> Deferred[None]:
        """
        Wait.
        """
        return deferLater(reactor, seconds, lambda: None)

    async def until(self, condition: Callable[[], object]) -> None:
        """
        See L{tests.engine.logs.LogContract}.
        """
        await until(condition)

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
