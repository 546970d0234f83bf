"""
A change of the machine's clock while the daemon runs.
"""

from __future__ import annotations

import time

from tests.live.program import TWISTD, ProgramTests

STEPPED = """
import os, time
machine = time.time
time.time = lambda: machine() - (3600 if os.path.exists({flag!r}) else 0)
"""
"""A program that sets the time of day back by an hour once a file exists."""


class SetBackTests(ProgramTests):
    """
    Tests with a clock that is set back by an hour.
    """

    async def test_goesOn(self) -> None:
        """
        After the clock is set back, the daemon still pings clients and sends table changes, and
        time stamps have the new time.
        """
        flag = self.directory / "stepped"
        await self.serve(
            self.configure(more="[limits]\nping_interval = 1"),
            program=STEPPED.format(flag=str(flag)) + TWISTD,
        )
        self.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY)")
        wire = await self.subscribed("orders")
        flag.touch()
        pings = wire.pings
        await self.until(lambda: wire.pings >= pings + 2)
        self.execute("INSERT INTO orders VALUES (1)")
        self.assertEqual((await wire.frame())["operation"], "INSERT")
        wire.tell({"type": "subscribe", "topic": "chat/general"})
        await wire.frame()
        wire.tell({"type": "publish", "topic": "chat/general", "event": "e", "data": 1})
        stamp = (await wire.frame())["timestamp"] / 1000
        self.assertLess(abs(stamp - (time.time() - 3600)), 600)

        async def works() -> bool:
            status, _ = await self.http("GET", "/health")
            return status == 200

        # On a slow disk the feed is down for a while.
        await self.until(works)
