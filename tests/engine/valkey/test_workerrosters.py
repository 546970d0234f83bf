"""
Tests of shared presence whose nodes have workers, against a real server: every worker promises what
a node without workers promises.
"""

from __future__ import annotations

from typing import Any

from aerostack.engine.valkey.roster import ValkeyRoster
from tests.engine.rostercontract import RosterContract, RosterNode
from tests.engine.valkey import test_membersets, test_rosteroutage
from tests.engine.valkey.rosters import RosterCase
from tests.workers.sharedrosters import WorkerRoster


class OverWorkers(RosterCase):
    """
    Has each node be a worker with its hub.
    """

    def serve(self, node: RosterNode, roster: ValkeyRoster) -> None:
        tell: list[Any] = []
        roster.join(lambda topic: None, lambda *told: tell[0](*told))
        node.roster = WorkerRoster(node, roster, tell)

    async def settle(self) -> None:
        for node in self.nodes:
            await node.roster.reach()
        await super().settle()
        for node in self.nodes:
            await node.roster.reach()


class ContractTests(OverWorkers, RosterContract):  # type: ignore[misc]
    """
    A worker's roster decides as every other.
    """

    knowsClients = False


class NodeTests(OverWorkers, test_rosteroutage.NodeTests):
    """
    Hubs die, or are believed dead.
    """


class LineTests(OverWorkers, test_rosteroutage.LineTests):
    """
    A hub's line to the server breaks.
    """


class ServerTests(OverWorkers, test_rosteroutage.ServerTests):
    """
    The server loses data.
    """


class RaceTests(OverWorkers, test_membersets.RaceTests):
    """
    Members come and go while a set is read.
    """


class AttachTests(OverWorkers, test_membersets.AttachTests):
    """
    Topics are attached and detached.
    """

    async def test_detached(self) -> None:
        """
        A topic that is detached before its set is there can be attached again, and what the hub
        sends for the first time comes to no one.
        """
        node, other = await self.makeNodes()
        topic = "chat/x/p"
        await other.track("c1", topic=topic)
        waiting = node.roster.attach(topic)
        node.roster.detach(topic)
        await node.roster.attach(topic)
        self.assertNoResult(waiting)
        self.assertEqual(node.names(topic), ["c1"])
        node.roster.detach(topic)
        other.roster.leave("c1")
        await self.settle()
        self.assertEqual((node.names(topic), node.events(topic)), ([], []))
