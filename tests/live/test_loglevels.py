"""
What the log says at which level, in the life of a daemon.
"""

from __future__ import annotations

import json
import re

from aerostack.testing import PUBLIC_KEY, SECRET_KEY
from tests.live.program import TWISTD
from tests.live.test_postgresprocess import PostgresProgramTests
from tests.live.wire import Wire
from tests.net import Child

KEPT = {"type": "publish", "topic": "chat/a", "event": "e", "data": 1, "persist": True}

LINE = re.compile(r"\S+Z (?P<level>\w+) +(?:\S+ )?\[(?P<namespace>[\w.]+)\] (?P<message>.*)")


# What a machine that is busy with other tests makes the daemon say.
SLOW = re.compile(r"behind with the work|The database does not answer\.|did not answer:")

PATIENT = f"from aerostack.databases import outage; outage.LONG = 600.0; {TWISTD}"
"""A program that runs a daemon for which no restart of a database takes too long."""


class LevelTests(PostgresProgramTests):
    """
    Tests for the levels of the lines of a daemon whose database is restarted.
    """

    async def test_life(self) -> None:
        """
        The log of a start, clients, a restart of the database and a stop has one warning, and no
        line of a higher level, no traceback and no line of a library.
        """
        for table in ("orders", "items"):
            self.postgres.execute(f"CREATE TABLE {table} (id integer PRIMARY KEY)")
        child = await self.serve(program=PATIENT)
        rows = await self.subscribed("orders")
        chat = await self.subscribed("chat/a")
        status, _ = await self.http("GET", "/api/realtime/sse")
        self.assertEqual(status, 405)
        self.postgres.server.stop()
        try:
            code = ""
            while code != "database_unavailable":
                chat.tell({**KEPT, "id": "lost"})
                code = (await chat.frame()).get("code", "")
            await self.askAll(rows)
        finally:
            self.postgres.server.start()
        await child.wrote("the database answers again")
        self.postgres.execute("INSERT INTO orders VALUES (1)")
        while (await rows.frame())["type"] != "db_change":
            pass
        child.signal("TERM")
        self.assertEqual(await child.ended, 0)
        self.assertExpected(child)

    async def askAll(self, rows: Wire) -> None:
        """
        Ask for everything that takes the database, which is gone.
        """
        history = "/api/v1/public/realtime/history?room=chat/a"
        status, _ = await self.http("GET", history, X_Aerostack_Key=PUBLIC_KEY)
        self.assertEqual(status, 503)
        for method, args in (
            ("db.query", ["SELECT 1"]),
            ("user.revoke", ["ann", {"seconds": 60}]),
            ("ai.start", ["chat/b", {"owner": "ann"}]),
            ("socket.emit", ["e", 1, "chat/a", {"persist": True}]),
        ):
            body = json.dumps({"method": method, "args": args}).encode()
            status, answer = await self.http(
                "POST", "/internal/hooks/rpc", body, Authorization=f"Bearer {SECRET_KEY}"
            )
            self.assertIn(status, (200, 503), (method, answer))
        for topic in ("items", "no_such_table"):
            rows.tell({"type": "subscribe", "topic": topic, "snapshot": True})
        # The daemon has read them before the database is there again.
        await rows.barrier()

    def assertExpected(self, child: Child) -> None:
        """
        Make sure that only lines of expected levels are in the log.
        """
        self.assertEqual(child.errors, "")
        found = [LINE.fullmatch(line) for line in child.output.splitlines()]
        lines = [each.groupdict() for each in found if each is not None]
        self.assertEqual(len(lines), len(found), child.output)
        self.assertEqual({each["level"] for each in lines}, {"info", "warn"}, child.output)
        warnings = [each for each in lines if each["level"] == "warn"]
        (warning,) = [each for each in warnings if not SLOW.search(each["message"])]
        self.assertIn("the database is lost; the daemon tries again: ", warning["message"])
        again = [each for each in lines if "again, after" in each["message"]]
        self.assertEqual(len(again), 1, child.output)
        libraries = {each["namespace"].partition(".")[0] for each in lines} - {"aerostack"}
        self.assertEqual(libraries, set(), child.output)


class WorkerLevelTests(LevelTests):
    """
    The same with two workers.
    """

    workers = 2
