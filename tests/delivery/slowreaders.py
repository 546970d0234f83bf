"""
The base class of the tests of slow readers.
"""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from aerostack.core.replay.log import Depth
from aerostack.core.rows.changes import INSERT, Change
from aerostack.core.topics.policies import TopicPolicies, TopicPolicy
from aerostack.core.topics.topics import Topic, tableTopic
from aerostack.recovery import pacing, replay
from aerostack.settings.limits import LimitsConfig
from aerostack.testing import MemoryClient, World

ORDERS = tableTopic("orders", "p")


class OutboundCase(SynchronousTestCase):
    """
    A world in which 2000 bytes may wait for a client, and a topic's log has 20 entries in
    memory.
    """

    depth = 20

    def setUp(self) -> None:
        self.patch(replay, "PAGE", 10)
        self.patch(pacing, "CHUNK", 500)
        self.world = World(
            limits=LimitsConfig(outboxBytes=2000),
            rules=TopicPolicies([], TopicPolicy(Depth(self.depth, 1_000_000, 300.0))),
        )
        self.client = self.world.connect()
        self.written = 0

    def subscribe(self, *topics: str, **more: Any) -> None:
        """
        Subscribe to topics, and then stop reading.
        """
        for topic in topics:
            (answer,) = self.client.ask(type="subscribe", topic=topic, **more)
            self.assertEqual(answer["type"], "subscribed")
        self.client.session.congested()

    def write(self, count: int, last: bool = True) -> None:
        """
        Write rows, all at once.
        """
        first = self.written + 1
        self.written += count
        self.world.tracker.change(
            *(
                Change(n, "orders", INSERT, {"id": n, "side": n % 2}, None, 7)
                for n in range(first, self.written + 1)
            ),
            last=last,
        )
        self.world.turn()

    def say(self, count: int, topic: str = "chat/a") -> None:
        """
        Publish on a topic that does not belong to a table.
        """
        other = self.world.connect()
        for n in range(count):
            other.send(type="publish", topic=topic, event="e", data=n)
        self.world.turn()

    def fill(self) -> None:
        """
        Publish messages until there is hardly any room left.
        """
        while self.client.session._outbox.waiting < 1900:
            self.world.hub.publisher.publish(Topic("chat/a", "p"), "e", b'"x"', None, False)
            self.world.turn()

    def read(self) -> list[Any]:
        """
        Read everything that has come: the ids of rows, and the other frames in short.
        """
        self.client.session.drained()
        return self.seen(self.client)

    def seen(self, client: MemoryClient) -> list[Any]:
        """
        Describe in short what a client got.
        """
        found = []
        for frame in client.take():
            if frame["type"] == "db_change":
                found.append(frame["data"]["id"])
            else:
                found.append(frame.get("data", frame["type"]))
        return found

    def assertKept(self) -> None:
        """
        Assert that the client was not closed.
        """
        self.assertIsNone(self.client.connection.closing)
