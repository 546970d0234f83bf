"""
Tests for L{aerostack.sessions.session}: the limits of a connection and of its project.
"""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from aerostack.errors import CLOSE_FLOOD
from aerostack.settings.limits import LimitsConfig
from aerostack.testing import Frame, MemoryClient, World, makeProject
from tests.answers import types


class QuotaTests(SynchronousTestCase):
    """
    Tests for what a connection and a project may send and hold.
    """

    def serve(self, limits: LimitsConfig | None = None, **quotas: Any) -> None:
        """
        Serve two projects, of which C{p} has quotas.
        """
        projects = {
            "p": makeProject(**quotas),
            "q": makeProject(id="q", publicKey=None, secretKey=None),
        }
        self.world = World(projects, limits)
        self.client = self.world.connect()
        self.neighbour = self.world.connect(projectId="q")

    def say(self, client: MemoryClient) -> Frame:
        """
        Publish, and give the answer.
        """
        (frame,) = client.ask(type="publish", topic="a/b", event="e", id=1)
        return frame

    def test_bytes(self) -> None:
        """
        The daemon refuses bytes that come too fast, says how long to wait, and takes them after
        that time.
        """
        self.serve(LimitsConfig(bytesPerSecond=1000, bytesBurst=10_000))
        large = {"type": "publish", "topic": "a/b", "event": "e", "data": "x" * 9000}
        self.assertEqual(self.client.ask(**large, id=1), [{"type": "ack", "id": 1}])
        (error,) = self.client.ask(**large, id=2)
        self.assertEqual((error["code"], error["id"]), ("rate_limited", 2))
        self.assertIn("A connection may send 200 frames and 1000 bytes", error["message"])
        self.assertEqual(self.say(self.client), {"type": "ack", "id": 1})
        self.world.clock.advance(error["retryAfter"] / 1000 + 0.1)
        self.assertEqual(self.client.ask(**large, id=3), [{"type": "ack", "id": 3}])

    def test_noByteLimit(self) -> None:
        """
        Without a limit of bytes, only the limit of frames applies.
        """
        self.serve(LimitsConfig(bytesPerSecond=None, bytesBurst=1024))
        for n in range(100):
            answer = self.client.ask(
                type="publish", topic="a/b", event="e", data="x" * 200_000, id=n
            )
            self.assertEqual(answer, [{"type": "ack", "id": n}])

    def test_byteFlood(self) -> None:
        """
        A client that goes on after a refused burst of bytes is closed, after far fewer frames than
        with small ones.
        """
        self.serve(LimitsConfig(bytesPerSecond=1024, bytesBurst=100_000))
        for _ in range(300):
            self.client.sendRaw(b"x" * 10_000)
        closing = self.client.connection.closing
        assert closing is not None
        self.assertEqual(closing[0], CLOSE_FLOOD)
        self.assertEqual(len(self.client.take()), 10 + 11 * 10 + 1)

    def test_projectFrames(self) -> None:
        """
        The daemon refuses the frames of a project that sends too much, says how long to wait, and
        keeps its clients; other projects are not affected.
        """
        self.serve(LimitsConfig(framesBurst=50), framesPerSecond=10.0)
        second = self.world.connect()
        for _ in range(20):
            self.assertEqual(self.say(self.client), {"type": "ack", "id": 1})
        for _ in range(20):
            error = self.say(second)
            self.assertEqual(error["code"], "rate_limited")
            self.assertIn("project p together may send 10 frames", error["message"])
            self.assertEqual(self.say(self.neighbour), {"type": "ack", "id": 1})
        self.assertIsNone(second.connection.closing)
        self.world.clock.advance(error["retryAfter"] / 1000)
        self.assertEqual(self.say(second), {"type": "ack", "id": 1})

    def test_projectPatience(self) -> None:
        """
        A client stays connected, however often the quota of its project refuses its frames.
        """
        self.serve(LimitsConfig(framesBurst=10, framesPerSecond=10.0), framesPerSecond=0.1)
        for _ in range(100):
            self.client.ask(type="publish", topic="a/b", event="e")
            self.world.clock.advance(0.1)
        self.assertIsNone(self.client.connection.closing)

    def test_projectBytes(self) -> None:
        """
        The limit of bytes applies to all clients of a project together.
        """
        self.serve(bytesPerSecond=10_000)
        second = self.world.connect()
        for client, code in ((self.client, "ack"), (second, "error")):
            answers = client.ask(type="publish", topic="a/b", event="e", data="x" * 15_000, id=1)
            self.assertEqual(types(answers), [code])

    def test_projectSubscriptions(self) -> None:
        """
        The limit of subscriptions applies to all connections of a project together, and a
        subscription that ends makes place for another.
        """
        self.serve(subscriptions=3)
        second = self.world.connect()
        for client, topic in ((self.client, "a/1"), (self.client, "orders"), (second, "a/1")):
            self.assertEqual(types(client.ask(type="subscribe", topic=topic)), ["subscribed"])
        for topic in ("a/2", "orders"):
            (error,) = second.ask(type="subscribe", topic=topic)
            self.assertEqual((error["code"], error["retryAfter"]), ("too_many_subscriptions", 2000))
        self.assertEqual(types(second.ask(type="subscribe", topic="a/1")), ["subscribed"])
        for topic in ("a/1", "a/2", "a/3", "a/4"):
            answer = self.neighbour.ask(type="subscribe", topic=topic)
            self.assertEqual(types(answer), ["subscribed"])
        self.client.ask(type="unsubscribe", topic="a/1")
        self.assertEqual(types(second.ask(type="subscribe", topic="a/2")), ["subscribed"])
        self.client.die()
        self.assertEqual(types(second.ask(type="subscribe", topic="orders")), ["subscribed"])
        second.close()
        self.neighbour.close()
        self.assertEqual(len(self.world.shares.subscriptions), 0)

    def test_projectTables(self) -> None:
        """
        Subscriptions that wait for their table do not exceed the quota together, and the tracker
        does not watch the table for the refused ones.
        """
        self.serve(subscriptions=2)
        clients = [self.world.connect() for _ in range(4)]
        self.world.tracker.asked = []
        for client in clients:
            client.send(type="subscribe", topic="orders")
        for fire in self.world.tracker.asked:
            fire()
        answers = [types(client.take()) for client in clients]
        self.assertEqual(answers, [["subscribed"]] * 2 + [["error"]] * 2)
        for client in clients:
            client.close()
        self.assertEqual(self.world.tracker.watched, {})
