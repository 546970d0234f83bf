"""
Tests for L{aerostack.sessions.allowance}, in sessions of a L{World}.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from aerostack.errors import CLOSE_FLOOD
from aerostack.settings.limits import LimitsConfig
from aerostack.testing import World
from tests.answers import types


class AllowanceTests(SynchronousTestCase):
    """
    Tests for clients that send too fast.
    """

    def setUp(self) -> None:
        self.world = World(limits=LimitsConfig(framesPerSecond=10, framesBurst=50))
        self.client = self.world.connect()

    def test_tooFast(self) -> None:
        """
        The daemon refuses frames that come too fast, says how long to wait, and takes frames after
        that time.
        """
        for n in range(60):
            self.client.send(type="publish", topic="a/b", event="e", data=1, id=n)
        frames = self.client.take()
        self.assertEqual([f["id"] for f in frames if f["type"] == "ack"], list(range(50)))
        refused = [f for f in frames if f["type"] == "error"]
        self.assertEqual([f["id"] for f in refused], list(range(50, 60)))
        self.assertEqual({f["code"] for f in refused}, {"rate_limited"})
        self.world.clock.advance(refused[-1]["retryAfter"] / 1000 + 0.001)
        self.assertEqual(types(self.client.ask(type="ping")), ["pong"])

    def test_flood(self) -> None:
        """
        The daemon closes a client that goes on sending after it was refused.
        """
        for _ in range(2000):
            self.client.send(type="untold")
        self.assertEqual(self.client.connection.closing, (CLOSE_FLOOD, "frames come too fast"))
        self.assertLess(len(self.client.take()), 700)

    def test_heeded(self) -> None:
        """
        A client that waits as each refusal says stays connected, on a network with half a second
        each way.
        """
        for n in range(200):
            # What is under way when it hears the first refusal.
            for _ in range(100):
                self.client.send(type="publish", topic="a/b", event="e", data=n)
                self.world.advance(0.01)
            refused = [f for f in self.client.take() if f["type"] == "error"]
            self.assertEqual({f["request"] for f in refused}, {"publish"})
            self.world.advance(max(f["retryAfter"] for f in refused) / 1000)
        self.assertIsNone(self.client.connection.closing)

    def test_unheeded(self) -> None:
        """
        A client that goes on at three times its rate is closed within a minute.
        """
        for _ in range(60 * 30):
            self.client.send(type="publish", topic="a/b", event="e")
            self.world.advance(1 / 30)
        self.assertEqual(self.client.connection.closing, (CLOSE_FLOOD, "frames come too fast"))

    def test_urgent(self) -> None:
        """
        Frames that keep a connection alive or give something back pass the rate limit, up to a
        limit of their own.
        """
        for n in range(40):
            self.client.send(type="subscribe", topic=f"a/{n}")
        for n in range(100):
            self.client.send(type="publish", topic="a/b", event="e", id=n)
        self.client.take()
        for n in range(40):
            self.client.send(type="untrack", topic=f"a/{n}")
            self.client.send(type="unsubscribe", topic=f"a/{n}")
        self.client.send(type="ping")
        answers = self.client.take()
        self.assertEqual(types(answers), ["unsubscribed"] * 40 + ["pong"])
        for _ in range(3000):
            self.client.send(type="ping")
        self.assertEqual(self.client.connection.closing, (CLOSE_FLOOD, "frames come too fast"))
        self.assertEqual(set(types(self.client.take())), {"pong"})
