"""
Tests for projects that a reload takes out, and a later one puts back.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from tests.live.daemon import DaemonTests
from tests.live.wire import Frame

TOPIC = "room/1/p"


class ServedAgainTests(DaemonTests):
    """
    Tests with one process, or with as many as the run says.
    """

    async def resume(self, **since: Any) -> Frame:
        """
        Subscribe a new client, and let it go again.
        """
        wire = await self.client()
        wire.positions = True
        wire.tell({"type": "subscribe", "topic": TOPIC, **since})
        answer = await wire.frame()
        await wire.closeCleanly()
        return answer

    async def test_gap(self) -> None:
        """
        A client that comes back after the daemon has not served its project gets a gap, because
        the daemon's log lacks what happened meanwhile.
        """
        first = await self.resume()
        self.assertIs((await self.resume(since=first["pos"]))["recovered"], True)
        config = self.daemon.config
        await self.reload(replace(config, projects={}))
        await self.reload(config)
        answer = await self.resume(since=first["pos"])
        self.assertEqual((answer["recovered"], answer["gap"]), (False, {"reason": "unknown"}))


class WorkersTests(ServedAgainTests):
    """
    Tests with workers, whose logs are copies of the hub's.
    """

    workers = 2
