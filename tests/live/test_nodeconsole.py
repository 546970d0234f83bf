"""
Tests for what an operator sees of two daemons.
"""

from __future__ import annotations

from typing import Any

from aerostack.admin import gathering
from aerostack.testing import SECRET_KEY
from tests.live.nodes import NodesTests

TOPIC = "room/1/p"


class NodeConsoleTests(NodesTests):
    """
    Tests for the console's requests to one of two daemons.
    """

    async def ask(self, path: str) -> Any:
        """
        Ask the console of the second daemon.
        """
        self.at(1)
        status, body, _ = await self.http(
            "GET", f"/internal/admin/{path}", Authorization=f"Bearer {SECRET_KEY}"
        )
        self.assertEqual(status, 200, body)
        return body

    async def test_lists(self) -> None:
        """
        The lists have what both daemons have, and the daemon where it is.
        """
        wires = [(await self.join(number, TOPIC))[0] for number in (0, 1, 0)]
        found = await self.ask("connections")
        self.assertEqual(sorted(each["node"] for each in found["connections"]), ["n0", "n0", "n1"])
        self.assertEqual(found["total"], 3)
        (topic,) = (await self.ask("topics"))["topics"]
        self.assertEqual((topic["topic"], topic["subscribers"]), (TOPIC, 3))
        found = await self.ask(f"topic?topic={TOPIC}")
        self.assertEqual(len(found["subscriptions"]), 3)
        found = await self.ask(f"explain?user=u0&topic={TOPIC}")
        self.assertEqual(len(found["connections"]), 2)
        for wire in wires:
            self.assertEqual(await wire.barrier(), [])

    async def test_overview(self) -> None:
        """
        The overview lists both daemons with their runs, and adds up their samples; the metrics are
        those of the asked one.
        """
        for number in (0, 1, 0):
            await self.join(number, TOPIC)
        body: dict[str, Any] = {"samples": []}

        async def isSampled() -> bool:
            nonlocal body
            body = await self.ask("overview")
            counted = [each["connections"] for each in body["nodes"]]
            return counted == [1, 2] and 3 in [each["connections"] for each in body["samples"]]

        while not await isSampled():
            await self.until(lambda: True)
        self.assertNotIn("missing", body)
        self.assertEqual(body["metrics"]["aerostack_connections"], 1)
        self.assertEqual([each["name"] for each in body["nodes"]], ["n1", "n0"])
        self.assertEqual(
            [each["run"] for each in body["nodes"]],
            [daemon.node.run for daemon in reversed(self.daemons)],
        )
        self.assertEqual(body["nodes"][1]["differences"], [])

    async def test_missing(self) -> None:
        """
        A daemon that does not answer is named, and what is shown is without it.  While the server
        is away, all others are named.
        """
        for number in (0, 1):
            await self.join(number, TOPIC)
        nodes: Any = self.daemons[0].node.others
        self.patch(nodes, "pushed", lambda push: None)
        self.patch(gathering, "PATIENCE", 0.5)
        found = await self.ask("connections")
        self.assertEqual((found["total"], found["missing"]), (1, ["n0"]))
        self.server.kill()
        await self.until(lambda: self.daemons[1].node.faults()["engine"])
        found = await self.ask("connections")
        self.assertEqual((found["total"], found["missing"]), (1, ["n0", "other nodes"]))
