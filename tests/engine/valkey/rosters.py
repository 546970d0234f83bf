"""
Nodes whose presence is on a real server, for tests.
"""

from __future__ import annotations

from twisted.internet import reactor

from aerostack.core.presence import Room
from aerostack.engine.valkey import leasescripts, rosterscripts
from aerostack.engine.valkey.link import Link
from aerostack.engine.valkey.roster import ValkeyRoster
from aerostack.testing.relay import Relay
from tests.engine.rostercontract import LONG, OTHER, ROOM, TOPIC, RosterNode
from tests.engine.valkey.cases import ServerCase

SCRIPTS = {**rosterscripts.SCRIPTS, **leasescripts.SCRIPTS}


class RosterCase(ServerCase):
    """
    A test case with nodes whose presence is on one server.

    @cvar lease: How long the nodes' leases last, in seconds.  No node is believed dead within the
        default, however slow the machine is.
    @ivar authorities: What decides at each node.
    """

    lease = 3_600.0

    def setUp(self) -> None:
        """
        Make the server.
        """
        super().setUp()
        self.links: dict[RosterNode, Link] = {}
        self.authorities: dict[RosterNode, ValkeyRoster] = {}

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
        self.authorities[node] = roster
        link = self.links[node] = self.makeLink(name, SCRIPTS, roster)
        roster.begin(link)
        self.serve(node, roster)
        roster.start()
        self.nodes.append(node)
        self.addCleanup(roster.stop)
        link.start()
        return node

    def serve(self, node: RosterNode, roster: ValkeyRoster) -> None:
        """
        Let a node use a roster that is not started.
        """
        roster.join(lambda topic: None, node.tell)
        node.roster, node.members = roster, roster.rosters

    async def relayed(self, grace: float = LONG) -> tuple[RosterNode, Relay]:
        """
        Start a node that reaches the server through a relay.
        """
        relay = await self.relay()
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
        if grace < LONG:
            self.mature()
        return nodes

    def mature(self) -> None:
        """
        Let every node have been connected for the time of a lease: before that, none looks after
        lost members.
        """
        for roster in self.authorities.values():
            roster._connectedAt -= self.lease

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
        Wait until the server has done what the nodes asked for, and has pushed it.
        """
        # A removal takes several steps.
        for _ in range(3):
            for node in self.nodes:
                await self.links[node].command("PING")
