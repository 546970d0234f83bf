"""
Nodes whose presence is on a real server, for tests.
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

from aerostack.core.presence import Room
from aerostack.engine.valkey import leasescripts, rosterscripts
from aerostack.engine.valkey.link import Link, Login
from aerostack.engine.valkey.roster import ValkeyRoster
from aerostack.engine.valkey.scripts import Scripts
from aerostack.testing.relay import Relay
from tests.engine.rostercontract import LONG, OTHER, ROOM, TOPIC, RosterNode
from tests.engine.valkey.lines import until
from tests.engine.valkey.server import ValkeyServer, sharedServer

SCRIPTS = {**rosterscripts.SCRIPTS, **leasescripts.SCRIPTS}


class RosterCase(TestCase):
    """
    A test case with nodes on one server.

    @ivar server: The server.
    @ivar lease: How long the nodes' leases last, in seconds.
    """

    timeout = 120
    lease = 0.5

    def setUp(self) -> None:
        """
        Make the server.
        """
        self.server: ValkeyServer = self.makeServer()
        self.nodes: list[RosterNode] = []
        self.links: dict[RosterNode, Link] = {}
        # Through which each node connects; else to the server itself.
        self.through: IStreamClientEndpoint | None = None

    def makeServer(self) -> ValkeyServer:
        """
        Give the server of a test.
        """
        return sharedServer(self)

    def node(self, grace: float = LONG, room: Room = ROOM, patience: float = 60.0) -> RosterNode:
        """
        Start a node.
        """
        node = RosterNode()
        name = f"n{len(self.nodes)}"
        roster = ValkeyRoster(
            reactor,
            lambda: 1_000 + len(name),
            name,
            grace,
            room,
            self.lease,
            patience,
        )
        roster.interval = 0.05
        through = self.through or UNIXClientEndpoint(reactor, self.server.path)
        link = Link(
            reactor,
            lambda: succeed(through),
            Login(name, f"own:{name}".encode()),
            Scripts(SCRIPTS, name),
            roster,
            lambda: 0.0,
        )
        roster.begin(link)
        roster.join(lambda topic: None, node.tell)
        roster.start()
        node.roster, node.members = roster, roster.rosters
        self.links[node] = link
        self.nodes.append(node)
        self.addCleanup(link.stop)
        self.addCleanup(roster.stop)
        link.start()
        return node

    async def relayed(self, grace: float = LONG) -> tuple[RosterNode, Relay]:
        """
        Start a node that reaches the server through a relay.
        """
        relay = Relay(reactor, UNIXClientEndpoint(reactor, self.server.path))
        path = str(self.server.directory / f"r{len(self.nodes)}")
        await relay.listen(UNIXServerEndpoint(reactor, path))
        self.addCleanup(relay.stop)
        self.through = UNIXClientEndpoint(reactor, path)
        node = self.node(grace)
        self.through = None
        await node.roster.attach(TOPIC)
        return node, relay

    async def makeNodes(
        self, count: int = 2, grace: float = LONG, room: Room = ROOM
    ) -> list[RosterNode]:
        """
        See L{tests.engine.rostercontract.RosterContract.makeNodes}.
        """
        nodes = [self.node(grace, room) for _ in range(count)]
        for node in nodes:
            for topic in (TOPIC, OTHER):
                await node.roster.attach(topic)
        return nodes

    def isUp(self, node: RosterNode) -> bool:
        """
        Whether a node is connected.
        """
        return self.links[node].isUp

    async def kill(self, node: RosterNode) -> None:
        """
        End a node as a crash does.
        """
        self.nodes.remove(node)
        node.roster.stop()
        await self.links[node].stop()

    async def settle(self) -> None:
        """
        Wait until the server has done what the nodes asked for, and has told it.
        """
        # A removal takes several steps.
        for _ in range(3):
            for node in self.nodes:
                await self.links[node].command("PING")

    def pause(self, seconds: float) -> Deferred[None]:
        """
        Wait.
        """
        return deferLater(reactor, seconds, lambda: None)

    async def until(self, condition: Callable[[], Any]) -> None:
        """
        Wait until something is true.
        """
        await until(condition)
