"""
Tests for two daemons whose clocks differ.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from tests.live.nodes import NodesTests, heard

TOPIC = "room/1/p"
SKEW = 60.0


class SkewedTests(NodesTests):
    """
    The clock of the second daemon is a minute ahead.
    """

    grace = 60.0

    def wall(self) -> Callable[[], float]:
        ahead = SKEW * len(self.daemons)
        return lambda: time.time() + ahead

    async def test_kept(self) -> None:
        """
        Events that are kept at either daemon come at both in one order, and a client that goes on
        at the other daemon from any of them gets all the later ones, also after the server was
        emptied.
        """
        wires = [(await self.join(number, TOPIC))[0] for number in (0, 1)]
        for number in range(10):
            self.at(number % 2)
            await self.emit("e", number, TOPIC, persist=True)
        frames = await wires[0].frames(10)
        self.assertEqual([frame["data"] for frame in frames], list(range(10)))
        self.assertEqual(await heard(wires[1], 10), list(range(10)))
        stamps = [frame["timestamp"] for frame in frames]
        self.assertEqual(stamps, sorted(set(stamps)))
        self.assertGreater(stamps[-1] - stamps[0], 0.9 * SKEW * 1000)
        for isEmptied in (False, True):
            if isEmptied:
                self.server.kill()
                await self.restarted()
                for wire in wires:
                    await self.subscribedAgain(wire)
            for number in (0, 1, 6, 7):
                for there in (0, 1):
                    wire, answer = await self.join(there, TOPIC, since=frames[number]["pos"])
                    self.assertIs(answer["recovered"], True)
                    self.assertEqual(await heard(wire, 9 - number), list(range(number + 1, 10)))
                    wire.drop()

    async def test_presence(self) -> None:
        """
        The leases of daemons go by the clock of the server: no member leaves for a clock that is
        ahead.
        """
        here, _ = await self.join(0, TOPIC)
        there, _ = await self.join(1, TOPIC)
        tracking: list[Any] = []
        for number, user in enumerate(("ann", "bob")):
            self.at(number)
            wire = await self.client(user)
            wire.tell({"type": "track", "topic": TOPIC, "state": {}})
            tracking.append(wire)
        for wire in (here, there):
            joined = [await wire.frame() for _ in range(2)]
            self.assertEqual({frame["event"] for frame in joined}, {"presence:join"})
        # Each daemon renews its lease meanwhile.
        nodes = "ar1:presence:nodes"
        before = dict(self.leases(nodes))
        await self.until(
            lambda: all(until > before[node] for node, until in self.leases(nodes)) or None
        )
        self.assertEqual(len(before), 2)
        # Both leases end at about the same time by the server's clock.
        first, last = sorted(before.values())
        self.assertLess(last - first, SKEW * 1000 / 2)
        for wire in (here, there):
            self.assertEqual(wire.waitingFrames(), 0)

    def leases(self, key: str) -> list[tuple[str, float]]:
        """
        The daemons on the server, and until when their leases last, ms.
        """
        found = self.server.execute("ZRANGE", key, 0, -1, "WITHSCORES")
        return [(found[i].decode(), float(found[i + 1])) for i in range(0, len(found), 2)]
