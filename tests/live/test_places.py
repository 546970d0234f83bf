"""
Tests for connections that wait for a place.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from twisted.internet.defer import Deferred

from aerostack.errors import RealtimeError
from aerostack.settings.projects import ProjectConfig
from aerostack.testing import makeProject
from aerostack.testing.delayed import DelayedShares, Line
from tests.live.daemon import DaemonTests
from tests.live.wire import Refused, Wire


class PlaceTests(DaemonTests):
    """
    A daemon whose shares are behind a line.
    """

    workers = 1

    def projects(self) -> dict[str, ProjectConfig]:
        return {"p": makeProject(connections=1)}

    async def setUp(self) -> None:  # type: ignore[override]
        await super().setUp()
        self.line = Line()
        self.shares = self.daemon.node.shares
        delayed: Any = DelayedShares(self.line, self.shares)
        self.front._gate._shares = delayed

    def come(self, **options: Any) -> Deferred[Wire]:
        """
        Connect.
        """
        return Deferred.fromCoroutine(self.client(**options))

    async def asked(self) -> None:
        """
        Wait until the daemon asks for something.
        """
        await self.until(lambda: self.line.waiting)

    async def refused(self, coming: Deferred[Wire]) -> str:
        """
        Expect a refusal, and give its code.
        """
        self.line.isFree = True
        self.line.carry()
        refused: Refused = await self.assertFailure(coming, Refused)
        return str(refused.body["error"])

    def assertNothing(self) -> None:
        """
        Assert that nothing is counted.
        """
        counts = (self.shares.connections, self.shares.addresses)
        self.assertEqual((self.shares.places, *map(len, counts)), (0, 0, 0))

    async def test_waits(self) -> None:
        """
        A connection opens once it has its place and counts to its project, and gives both back at
        its end.
        """
        coming = self.come()
        for _ in range(2):
            await self.asked()
            self.assertNoResult(coming)
            self.line.carry(1)
        wire = await coming
        self.assertEqual(await wire.barrier(), [])
        self.assertEqual((self.shares.places, self.shares.connections["p"]), (1, 1))
        wire.drop()
        await self.asked()
        self.line.carry()
        self.assertNothing()

    async def test_behind(self) -> None:
        """
        What a client sends behind its opening, without waiting for the answer, is read once the
        connection is open, also if it is much.
        """
        wire = await self.wire()
        coming = wire.upgrade("/api/realtime?projectId=p", {})
        for number in range(20):
            wire.tell({"type": "ping", "padding": "x" * 5000 * number})
        for _ in range(2):
            await self.asked()
            # The bytes arrive meanwhile.
            await self.sleep(0.05)
            self.line.carry(1)
        self.line.isFree = True
        await coming
        for _ in range(20):
            self.assertEqual((await wire.frame())["type"], "pong")

    async def test_gone(self) -> None:
        """
        A client that goes while it waits, for its place or for its project, leaves nothing.
        """
        for steps in (0, 1):
            wire = await self.wire()
            coming = wire.upgrade("/api/realtime?projectId=p", {})
            coming.addErrback(lambda failure: None)
            await self.asked()
            self.line.carry(steps)
            await self.asked()
            wire.drop()
            await self.until(lambda: not len(self.daemon.listening.lobby))
            self.line.isFree = True
            self.line.carry()
            self.line.isFree = False
            self.assertNothing()
        self.assertEqual(len(self.front.connections), 0)

    async def test_refused(self) -> None:
        """
        A client that is refused, for its key or by its project's limit, leaves nothing.
        """
        self.assertEqual(await self.refused(self.come(key="pk_ffffffffffffffff")), "unauthorized")
        self.assertNothing()
        wire = await self.come()
        self.assertEqual(await self.refused(self.come()), "too_many_connections")
        self.assertEqual((self.shares.places, self.shares.connections["p"]), (1, 1))
        wire.drop()
        await self.until(lambda: not self.shares.places)
        self.assertNothing()

    async def test_revoked(self) -> None:
        """
        A client whose key is taken away while it waits for its project is not let in.
        """
        coming = self.come()
        await self.asked()
        self.line.carry(1)
        await self.asked()
        config = self.daemon.config
        projects = {"p": makeProject(publicKey="pk_ffffffffffffffff")}
        await self.reload(replace(config, projects=projects))
        self.assertEqual(await self.refused(coming), "unauthorized")
        self.assertNothing()

    async def test_unanswered(self) -> None:
        """
        A client whose place cannot be had now gets the time after which it may come back.
        """
        coming = self.come()
        await self.asked()
        self.line.refuse(RealtimeError("overloaded", "The node does not answer.", 1500))
        refused: Refused = await self.assertFailure(coming, Refused)
        self.assertEqual((refused.status, refused.body["retryAfter"]), (503, 1500))
        self.assertNothing()

    async def test_stopping(self) -> None:
        """
        A daemon that stops while a client waits lets it in no more.
        """
        for steps in (0, 1):
            coming = self.come()
            await self.asked()
            self.line.carry(steps)
            await self.asked()
            self.front.connections.stopping = True
            self.assertEqual(await self.refused(coming), "shutting_down")
            self.assertNothing()
            self.front.connections.stopping = self.line.isFree = False
