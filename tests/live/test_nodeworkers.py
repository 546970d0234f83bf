"""
Tests for what two daemons with workers ask each other.
"""

from __future__ import annotations

from typing import Any

from aerostack.settings.projects import JWTConfig, ProjectConfig
from aerostack.testing import SECRET_KEY, TOKEN_SECRET, makeProject
from tests.live.clients import makeToken
from tests.live.nodes import NodesTests


class WorkersTests(NodesTests):
    """
    Tests for two daemons with two workers each.
    """

    workers = 2

    def projects(self) -> dict[str, ProjectConfig]:
        return {
            "p": makeProject(
                jwt=JWTConfig(algorithm="HS256", key=TOKEN_SECRET),
                framesPerSecond=1000.0,
                connections=5,
            )
        }

    async def test_asked(self) -> None:
        """
        Any worker lists what all workers of both daemons have, and has a user disconnected from
        all; the daemons count together.
        """
        wires = [await self.connect(number, makeToken(f"u{number}")) for number in (0, 0, 1, 1)]
        self.at(0)
        headers = {"Authorization": f"Bearer {SECRET_KEY}"}
        body: dict[str, Any] = {"missing": ["nothing is asked yet"]}
        while "missing" in body:
            # A process may be late, and is named then.
            _, body, _ = await self.http("GET", "/internal/admin/connections", **headers)
        self.assertEqual(body["total"], 4)
        self.assertEqual(
            sorted(each["node"] for each in body["connections"]), ["n0", "n0", "n1", "n1"]
        )
        # A worker has from its hub, each second, which daemons there are.
        while len(body.get("nodes", ())) != 2:
            _, body, _ = await self.http("GET", "/internal/admin/overview", **headers)
        self.assertEqual([each["name"] for each in body["nodes"]], ["n0", "n1"])
        answer: dict[str, Any] = {"unconfirmed": ["nothing is asked yet"]}
        while answer["unconfirmed"]:
            for number in (0, 1):
                shares = self.daemons[number].node.shares
                await self.until(lambda s=shares: s.others.connections("p") == 2)
            self.at(0)
            status, answer = await self.rpc("user.disconnect", "u1")
            for wire in wires[2:]:
                await wire.lost
            if answer["unconfirmed"]:
                # A process was late, and has done it all the same.
                wires[2:] = [await self.connect(1, makeToken("u1")) for _ in range(2)]
        self.assertEqual((status, answer["connections"]), (200, 2))
        names = [f"n{node}/worker-{worker}" for node in (0, 1) for worker in (1, 2)]
        self.assertEqual(sorted(answer["nodes"]), names)
        for wire in wires[:2]:
            self.assertEqual(await wire.barrier(), [])

    async def test_rate(self) -> None:
        """
        The hubs settle what their workers have spent; while the server is away, each lends half.
        """
        for number in (0, 1):
            self.at(number)
            await self.client(f"u{number}")
        buckets: list[Any] = []
        for daemon in self.daemons:
            quotas: Any = daemon.node.cluster.quotas
            await self.until(lambda q=quotas: q._rated.buckets("p")[0] is not None)
            buckets.append(quotas._rated.buckets("p")[0])
        await self.until(lambda: [each.rate for each in buckets] == [1000.0, 1000.0])
        self.server.kill()
        await self.until(lambda: [each.rate for each in buckets] == [500.0, 500.0])
        self.server.start()
        await self.connected()
        await self.until(lambda: [each.rate for each in buckets] == [1000.0, 1000.0])
