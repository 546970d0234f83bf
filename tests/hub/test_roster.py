"""
Tests for L{aerostack.hub.roster}.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
from twisted.internet.task import Clock
from twisted.trial.unittest import TestCase

from aerostack.core.presence import Member, Presence, Room
from aerostack.hub.roster import PresenceAuthority
from tests.engine.rostercontract import LONG, ROOM, RosterContract, RosterNode


class Publishing:
    """
    Takes changes of presence to several nodes.
    """

    def __init__(self, nodes: list[RosterNode]) -> None:
        self.nodes = nodes
        self.authority: Any = None

    def checkBacklog(self, topic: str) -> None:
        """See L{aerostack.hub.publishing.Publisher.checkBacklog}."""

    def publishPresence(self, topic: str, event: str, data: bytes, userId: str | None) -> None:
        """See L{aerostack.hub.publishing.Publisher.publishPresence}."""
        said = msgspec.json.decode(data, type=dict[str, msgspec.Raw])
        name = msgspec.json.decode(said["connectionId"], type=str)
        since = msgspec.json.decode(said["since"], type=int)
        here = {each.connectionId: each for each in self.authority.rosters.members(topic)}
        client = here[name].client if name in here else None
        member = Member(name, userId, bytes(said["state"]), since, client)
        for node in self.nodes:
            node.tell(topic, event, member)


class PresenceAuthorityTests(TestCase, RosterContract):  # type: ignore[misc]
    """
    L{PresenceAuthority} decides for all connections of a machine.
    """

    async def makeNodes(
        self, count: int = 2, grace: float = LONG, room: Room = ROOM
    ) -> list[RosterNode]:
        """
        See L{RosterContract.makeNodes}.
        """
        self.clock = Clock()
        nodes = [RosterNode() for _ in range(count)]
        publishing: Any = Publishing(nodes)
        roster = PresenceAuthority(
            Presence(grace, room), self.clock.seconds, lambda: 1_000, publishing
        )
        publishing.authority = self.roster = roster
        for node in nodes:
            node.roster, node.members = roster, roster.rosters
        return nodes

    async def settle(self) -> None:
        """
        See L{RosterContract.settle}.
        """

    async def until(self, condition: Callable[[], object]) -> None:
        """
        See L{RosterContract.until}.
        """
        for _ in range(100):
            self.clock.advance(0.1)
            for _ in self.roster.sweep():
                pass
        self.assertTrue(condition())
