"""
A database that is late when the daemon starts.
"""

from __future__ import annotations

import json
import re

import treq
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionRefusedError

from aerostack.testing import PUBLIC_KEY, SECRET_KEY
from tests.live.program import READY, ProgramTests
from tests.live.wire import Refused
from tests.net import Child
from tests.postgres import PASSWORD, freshDatabase


class LateTests(ProgramTests):
    """
    Tests for a daemon that starts before its PostgreSQL server.
    """

    def setUp(self) -> None:
        super().setUp()
        self.postgres = freshDatabase(self)
        self.postgres.execute("CREATE TABLE orders (id integer PRIMARY KEY)")
        lines = f'url = "{self.postgres.tcp()}"\npassword = {json.dumps(PASSWORD)}'
        self.config.write_text(self.configure().replace('url = "sqlite:///rt.db"', lines))

    async def untilRed(self) -> str:
        """
        Wait until the daemon answers C{/health}.

        @return: What it says of the database.
        """
        while True:
            try:
                status, body = await self.http("GET", "/health")
            except ConnectionRefusedError:
                await self.sleep(0.05)
            else:
                self.assertEqual((status, body["status"]), (503, "failing"))
                return str(body["checks"]["database"])

    async def metrics(self, key: str) -> tuple[int, str]:
        """
        Ask for C{/metrics}, as a Prometheus on another machine does.

        @return: The status, and the text.
        """
        headers = {"Authorization": f"Bearer {key}", "X-Forwarded-For": "192.0.2.1"}
        url = f"http://127.0.0.1:{self.port}/metrics"
        answer = await treq.get(url, headers=headers, agent=self.agent)
        return answer.code, await answer.text()

    async def assertRefuses(self) -> None:
        """
        Assert that clients are refused for now, and that the metrics say so.
        """
        status, body = await self.http("GET", "/client/realtime.js")
        self.assertEqual((status, body["error"]), (503, "database_unavailable"))
        status, text = await self.metrics(SECRET_KEY)
        self.assertEqual(status, 200)
        for line in ("aerostack_healthy 0.0", "aerostack_database_up 0.0"):
            self.assertIn(f"\n{line}\n", text)
        self.assertIn("\naerostack_build_info{", text)
        self.assertIn("\nprocess_resident_memory_bytes ", text)
        self.assertEqual((await self.metrics(PUBLIC_KEY))[0], 403)
        opening = Deferred.fromCoroutine(self.client())
        refused = await self.assertFailure(opening, Refused)
        self.assertEqual((refused.status, refused.body["error"]), (503, "database_unavailable"))
        self.assertEqual(refused.headers["retry-after"], "2")

    async def assertServes(self, child: Child) -> None:
        """
        Assert that the same process serves clients now, and has said everything once.
        """
        await child.wrote(READY)
        wire = await self.subscribed("orders")
        self.postgres.execute("INSERT INTO orders (id) VALUES (1)")
        self.assertEqual((await wire.frame())["type"], "db_change")

        async def isHealthy() -> bool:
            status, body = await self.http("GET", "/health")
            return (status, body["status"]) == (200, "ok")

        await self.until(isHealthy)
        # A server that starts refuses connections for other reasons than one that is not there.
        waits = re.findall("waiting for the database .*", child.output)
        self.assertEqual(len(waits), len(set(waits)), child.output)
        answers = re.findall("(?m)the database answers$", child.output)
        self.assertEqual(len(answers), 1, child.output)
        refused = "refused with database_unavailable: The daemon waits for its database; try again."
        self.assertIn(f"{refused} (project p, ", child.output)
        self.assertNotIn("Traceback", child.output + child.errors)
        child.signal("TERM")
        self.assertEqual(await child.ended, 0)

    async def test_late(self) -> None:
        """
        The daemon waits for the server with a red C{/health}, and serves when it is there.
        """
        self.postgres.server.stop()
        try:
            child = self.spawn()
            said = await self.untilRed()
            self.assertIn("cannot be reached, or is starting; the daemon waits for it", said)
            await self.assertRefuses()
        finally:
            self.postgres.server.start()
        await self.assertServes(child)

    async def test_stopped(self) -> None:
        """
        A daemon that waits stops in order.
        """
        self.postgres.server.stop()
        try:
            child = self.spawn()
            await self.untilRed()
            child.signal("TERM")
            self.assertEqual(await child.ended, 0)
        finally:
            self.postgres.server.start()
        self.assertNotIn("Traceback", child.output + child.errors)


class WorkerTests(LateTests):
    """
    The same with two workers.
    """

    workers = 2
