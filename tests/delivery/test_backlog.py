"""
Tests of what becomes of slow readers if too much waits for all of them together.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from aerostack.core.backlog import Backlogs
from aerostack.delivery.outbound import Outbound
from aerostack.errors import CLOSE_SLOW
from aerostack.settings.limits import LimitsConfig
from aerostack.testing import MemoryClient, World


class BacklogTests(SynchronousTestCase):
    """
    A world in which 20,000 bytes may wait for a client, and 30,000 for all clients of a project.
    """

    def setUp(self) -> None:
        self.world = World(limits=LimitsConfig(outboxBytes=20_000))
        self.world.context.backlogs = Backlogs[Outbound](30_000, 100_000)
        self.writer = self.world.connect()

    def slow(self, topic: str) -> MemoryClient:
        """
        A client that subscribes to a topic and then reads no more.
        """
        client = self.world.connect()
        client.ask(type="subscribe", topic=topic)
        client.session.congested()
        return client

    def publish(self, topic: str, count: int) -> None:
        """
        Publish messages of about 1,000 bytes.
        """
        for _ in range(count):
            self.writer.send(type="publish", topic=topic, event="e", data="x" * 950)
            self.world.turn()

    def test_own(self) -> None:
        """
        Clients that each let frames of their own wait are closed, the one first that has not
        read for longest, until the others fit; a client that reads is not.
        """
        clients = [self.slow(f"chat/{n}") for n in range(4)]
        reading = self.world.connect()
        reading.ask(type="subscribe", topic="chat/3")
        for n in range(4):
            self.publish(f"chat/{n}", 14)
        closed = [client.connection.closing for client in clients]
        self.assertEqual(
            [each and each[0] for each in closed], [CLOSE_SLOW, CLOSE_SLOW, None, None]
        )
        self.assertIsNone(reading.connection.closing)
        self.assertLessEqual(self.world.context.backlogs.size, 30_000)

    def test_shared(self) -> None:
        """
        Any number of clients that wait for the same frames count as one.
        """
        clients = [self.slow("chat/a") for _ in range(20)]
        self.publish("chat/a", 14)
        self.assertEqual({client.connection.closing for client in clients}, {None})

    def test_nothingLeft(self) -> None:
        """
        Nothing is counted any more when the clients have read, or have gone.
        """
        reads, goes = self.slow("chat/a"), self.slow("chat/b")
        self.publish("chat/a", 5)
        self.publish("chat/b", 5)
        self.assertGreater(self.world.context.backlogs.size, 10_000)
        reads.session.drained()
        goes.session.closed(True)
        self.assertEqual(self.world.context.backlogs.size, 0)
