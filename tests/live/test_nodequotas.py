"""
Tests for limits of a project that two daemons share.
"""

from __future__ import annotations

from typing import Any

from aerostack.core.limits.rates import TokenBucket
from aerostack.settings.projects import ProjectConfig
from aerostack.testing import makeProject
from tests.live.nodes import NodesTests
from tests.live.wire import Refused, Wire

TOPIC = "room/1/p"

RATE = "ar1:rate:p"
"""The key of the project's buckets on the server."""


class CountTests(NodesTests):
    """
    Tests for connections and subscriptions.
    """

    def projects(self) -> dict[str, ProjectConfig]:
        return {"p": makeProject(connections=4, subscriptions=3)}

    async def counted(self, number: int, connections: int, subscriptions: int) -> None:
        """
        Wait until a daemon knows what the other one uses.
        """
        shares = self.daemons[number].node.shares
        await self.until(lambda: shares.others.usage == {"p": (connections, subscriptions)})

    async def refused(self, number: int) -> str:
        """
        Connect to a daemon, which refuses it.

        @return: Why.
        """
        self.at(number)
        with self.assertRaises(Refused) as caught:
            await self.client("x")
        return str(caught.exception.body["error"])

    async def test_connections(self) -> None:
        """A project has as many connections at both daemons together as its limit says."""
        self.at(0)
        wires = [await self.client(f"u{number}") for number in range(3)]
        await self.counted(1, 3, 0)
        self.at(1)
        await self.client("u3")
        self.assertEqual(await self.refused(1), "too_many_connections")
        await self.counted(0, 1, 0)
        self.assertEqual(await self.refused(0), "too_many_connections")
        for wire in wires:
            wire.drop()
        await self.until(lambda: self.daemons[1].node.shares.others.connections("p") == 0)
        self.at(1)
        await self.client("u4")

    async def test_subscriptions(self) -> None:
        """The same holds for subscriptions."""
        for number, topic in ((0, "a"), (0, "b")):
            await self.join(number, topic + "/1")
        await self.counted(1, 2, 2)
        wire, _ = await self.join(1, "c/1")
        wire.tell({"type": "subscribe", "topic": "d/1"})
        self.assertEqual((await wire.frame())["code"], "too_many_subscriptions")

    async def test_away(self) -> None:
        """While the server is away, each daemon lets in its half; then all again."""
        self.at(0)
        await self.client("u0")
        await self.counted(1, 1, 0)
        self.server.kill()
        await self.until(lambda: all(each.node.faults()["engine"] for each in self.daemons))
        self.at(0)
        await self.client("u1")
        self.assertEqual(await self.refused(0), "too_many_connections")
        self.server.start()
        await self.connected()
        self.at(0)
        await self.client("u2")

    async def test_killed(self) -> None:
        """What a daemon used that is gone without a word counts until its lease is over."""
        self.at(0)
        await self.client("u0")
        await self.counted(1, 1, 0)
        nodes: Any = self.daemons[0].node.others
        nodes._reports.stop()
        membership = self.daemons[1].node.others.membership
        self.patch(membership, "_lease", 0.5)
        shares = self.daemons[1].node.shares
        await self.until(lambda: shares.others.usage == {})


class RateTests(NodesTests):
    """
    Tests for the rate of a project.
    """

    rate = 40.0

    def projects(self) -> dict[str, ProjectConfig]:
        return {"p": makeProject(framesPerSecond=self.rate)}

    def bucket(self, number: int) -> TokenBucket:
        """
        The bucket of the project's frames at a daemon, which is the lender's if it has workers.
        """
        quotas: Any = self.daemons[number].node.cluster.quotas
        bucket: TokenBucket | None = quotas._rated.buckets("p")[0]
        assert bucket is not None
        return bucket

    def left(self) -> float:
        """
        The frames that the engine has left for the project.
        """
        found = self.server.execute("HGET", RATE, "frames")
        return 2 * self.rate if found is None else float(found)

    async def taken(self, wire: Wire, count: int) -> int:
        """
        Send pings.

        @return: How many were answered.
        """
        for _ in range(count):
            wire.tell({"type": "ping"})
        frames = [await wire.frame() for _ in range(count)]
        self.assertLessEqual({each.get("code") for each in frames}, {None, "rate_limited"})
        return sum(each["type"] == "pong" for each in frames)

    async def test_shared(self) -> None:
        """
        A burst passes at one daemon; then the other one has less for the project, too, as soon as
        they have settled.
        """
        wires = []
        for number in (0, 1):
            self.at(number)
            wires.append(await self.client(f"u{number}"))
        self.assertGreater(await self.taken(wires[0], 85), 30)
        await self.until(lambda: self.left() < self.rate)
        # The engine's bucket gets nothing back until the other daemon settles what it takes.
        self.server.execute("HSET", RATE, "at", 10**12)
        self.assertEqual(await self.taken(wires[1], 1), 1)
        bucket = self.bucket(1)
        await self.until(lambda: bucket.tokens < self.rate)

    async def test_away(self) -> None:
        """While the server is away, each daemon goes by half of the rate."""
        self.at(0)
        wire = await self.client("u0")
        await self.taken(wire, 1)
        bucket = self.bucket(0)
        self.assertEqual(bucket.rate, self.rate)
        self.server.kill()
        await self.until(lambda: bucket.rate == self.rate / 2)
        self.server.start()
        await self.connected()
        await self.until(lambda: bucket.rate == self.rate)
