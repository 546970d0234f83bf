"""
Tests for what two daemons say of each other.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from twisted.logger import globalLogPublisher

from aerostack.engine.valkey import nodes
from aerostack.settings.projects import ProjectConfig
from aerostack.settings.settings import Config, PresenceConfig
from aerostack.testing import makeProject
from tests import PATIENCE
from tests.live.nodes import NodesTests


class AgreeingTests(NodesTests):
    """
    Tests for two daemons with one configuration.
    """

    async def test_health(self) -> None:
        """
        The health names both daemons, and has no notice; the metrics count them.
        """
        for number in (0, 1):
            self.at(number)
            _, body, _ = await self.http("GET", "/health")
            self.assertNotIn("notices", body)
            states = {name: each["state"] for name, each in body["nodes"].items()}
            self.assertEqual(states, {f"n{number}": "here", f"n{1 - number}": "up"})
            for name, each in body["nodes"].items():
                run = self.daemons[int(name[1])].node.run
                self.assertEqual(each["run"], run)
                self.assertGreaterEqual(each["uptime"], 0)
            text = await self.metrics()
            self.assertIn("aerostack_nodes 2.0", text)
            self.assertIn("aerostack_nodes_different 0.0", text)

    async def test_stopped(self) -> None:
        """
        A daemon that stops is in no list any more.
        """
        self.patch(nodes, "LEAVING", PATIENCE)
        await self.daemons[1].stopService()
        await self.until(lambda: len(self.daemons[0].node.nodes()) == 1)
        self.assertIsNone(self.daemons[0].node.notices()["nodes"])

    async def test_reload(self) -> None:
        """
        A reload that makes the daemons different is noticed by both, and one that makes them equal
        again, too.
        """
        daemon = self.daemons[1]
        before = daemon.config
        daemon.reload(replace(before, projects={"p": makeProject(subscriptions=5)}))
        await self.until(lambda: all(each.node.notices()["nodes"] for each in self.daemons))
        notice = self.daemons[0].node.notices()["nodes"]
        self.assertEqual(notice, "n1 has other settings of the project p.")
        daemon.reload(before)
        await self.until(lambda: not any(each.node.notices()["nodes"] for each in self.daemons))


class DisagreeingTests(NodesTests):
    """
    Tests for two daemons with different configurations.
    """

    async def setUp(self) -> None:  # type: ignore[override]
        self.warned: list[str] = []

        def observe(event: dict[str, Any]) -> None:
            if "differently" in str(event.get("log_format")):
                self.warned.append(f"{event['node']} {event['differences']}")

        globalLogPublisher.addObserver(observe)
        self.addCleanup(globalLogPublisher.removeObserver, observe)
        await super().setUp()

    def config(self) -> Config:
        config = super().config()
        if not self.daemons:
            return config
        # Another file is another database.
        database = replace(config.database, url=f"sqlite:///{self.directory}/other.db")
        return replace(config, database=database, presence=PresenceConfig(99.0))

    def projects(self) -> dict[str, ProjectConfig]:
        if not self.daemons:
            return super().projects()
        return {**super().projects(), "q": makeProject(id="q", publicKey=None, secretKey=None)}

    async def test_told(self) -> None:
        """
        Each daemon says in its log, its health and its metrics in what the other one differs; it
        serves clients all the same.
        """
        theirs = (
            "n1 uses another database, and also serves the project q,"
            " and has presence.grace = 99.0 instead of 2.0"
        )
        mine = (
            "n0 uses another database, and does not serve the project q,"
            " and has presence.grace = 2.0 instead of 99.0"
        )
        await self.until(lambda: len(self.warned) == 2)
        self.assertEqual(sorted(self.warned), [mine, theirs])
        for number, expected in enumerate((theirs, mine)):
            self.at(number)
            status, body, _ = await self.http("GET", "/health")
            self.assertEqual((status, body["notices"]["nodes"]), (200, f"{expected}."))
            self.assertIn("aerostack_nodes_different 1.0", await self.metrics())
        # The log does not say it again.
        reports = [each.node.nodes()[1]["uptime"] for each in self.daemons]
        await self.until(
            lambda: all(
                each.node.nodes()[1]["uptime"] > before
                for each, before in zip(self.daemons, reports, strict=True)
            )
        )
        self.assertEqual(len(self.warned), 2)
