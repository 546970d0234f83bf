"""
Tests for L{aerostack.admin.diagnosis}.  L{tests.live.test_why} tests its explanations.
"""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.task import Cooperator
from twisted.trial.unittest import SynchronousTestCase

from aerostack.admin import pieces
from aerostack.admin.diagnosis import Diagnosis
from aerostack.admin.directory import Directory
from aerostack.admin.taps import Taps
from aerostack.core.topics.topics import Topic
from aerostack.sessions.session import Session
from aerostack.testing import MemoryClient, World


class ReasonsTests(SynchronousTestCase):
    """
    Tests for L{Diagnosis}, which examines two sessions at a time.
    """

    def setUp(self) -> None:
        self.patch(pieces, "PIECE", 2)
        self.world = world = World()
        self.clients = [world.connect(userId=f"user{n}") for n in range(9)]
        self.turns: list[Callable[[], object]] = []
        taps = Taps(world.clock, world.hub, world.feeds)
        directory = Directory(world.clock, world.hub, world.feeds, taps, self.sessions)
        # As if each piece took all of a turn's time.
        directory.pieces._cooperator = Cooperator(lambda: lambda: True, scheduler=self.turns.append)
        self.diagnosis = Diagnosis(world.hub, world.feeds, world.traces, self.sessions, directory)

    def sessions(self) -> tuple[Session, ...]:
        """Give all sessions."""
        return tuple(client.session for client in self.clients)

    def enter(self, userId: str) -> MemoryClient:
        """
        Connect one more client.
        """
        client = self.world.connect(userId=userId)
        self.clients.append(client)
        return client

    def test_turns(self) -> None:
        """
        The reactor turns while very many sessions are examined.
        """
        self.enter("ann")
        asked = self.diagnosis.examine("ann", Topic("chat/a", "p"))
        for _ in range(4):
            self.assertNoResult(asked)
            self.turns.pop()()
        while self.turns:
            self.turns.pop()()
        ((found, _),) = self.successResultOf(asked).links
        self.assertEqual(found.id, self.clients[-1].session.connectionId)

    def test_gone(self) -> None:
        """
        A session that ends during the examination is not shown.
        """
        ann = self.enter("ann")
        self.clients.insert(0, self.clients.pop())
        asked = self.diagnosis.examine("ann", Topic("chat/a", "p"))
        self.turns.pop()()
        ann.die()
        while self.turns:
            self.turns.pop()()
        known = self.successResultOf(asked)
        self.assertEqual(known.links, [])
        self.assertEqual([each.id for each in known.ended], [ann.session.connectionId])
