"""
Tests for L{aerostack.engine.valkey.rates}, against a real server.
"""

from __future__ import annotations

from aerostack.engine.valkey.keys import Keys
from aerostack.engine.valkey.link import Link
from aerostack.engine.valkey.rates import PIECE, ValkeyRates
from aerostack.engine.valkey.ratescripts import SCRIPTS
from aerostack.engine.valkey.users import LinkUsers
from tests.engine.valkey.cases import ServerCase

SLOW = 0.001
"""A rate at which a burst is two thousandths."""


class RatesTests(ServerCase):
    """
    Tests for L{ValkeyRates} with two nodes.
    """

    async def setUp(self) -> None:  # type: ignore[override]
        super().setUp()
        self.links: list[Link] = []
        for name in ("n0", "n1"):
            rates = ValkeyRates(Keys())
            link = self.makeLink(name, dict(SCRIPTS), LinkUsers(()))
            rates.begin(link)
            link.start()
            self.nodes.append(rates)
            self.links.append(link)
        await self.until(lambda: all(link.isUp for link in self.links))

    async def settle(
        self, node: int, frames: float, size: float = 0.0, rate: float = SLOW
    ) -> tuple[float, float]:
        """
        Settle what a node has spent of C{p}.

        @return: What the buckets have.
        """
        found = await self.nodes[node].settle({"p": ((rate, rate * 100), (frames, size))})
        return found["p"]

    def stop(self) -> None:
        """
        Let the buckets get nothing back until they are settled next.
        """
        self.server.execute("HSET", "ar1:rate:p", "at", 10**12)

    async def test_shared(self) -> None:
        """The bucket begins full, and what one node spends the other one has no more."""
        self.assertEqual(await self.settle(0, 0.0015, 0.05), (0.0005, 0.15))
        self.stop()
        self.assertEqual(await self.settle(1, 0.001), (-0.0005, 0.15))

    async def test_owed(self) -> None:
        """No more than a burst is owed, and no bucket has more than a burst."""
        frames, _ = await self.settle(0, 1000.0)
        self.assertEqual(frames, -0.002)
        self.server.execute("HSET", "ar1:rate:p", "at", "0")
        frames, _ = await self.settle(1, 0.0)
        self.assertEqual(frames, 0.002)

    async def test_time(self) -> None:
        """Tokens come back by the server's clock."""
        await self.settle(0, 200.0, 0.0, 100.0)
        at = float(self.server.execute("HGET", "ar1:rate:p", "at"))
        self.server.execute("HSET", "ar1:rate:p", "at", f"{at - 1.0:.6f}", "frames", "0")
        frames, _ = await self.settle(1, 0.0, 0.0, 100.0)
        self.assertGreaterEqual(frames, 100.0)
        # A clock that was set back takes nothing away.
        self.server.execute("HSET", "ar1:rate:p", "at", f"{at + 1000:.6f}", "frames", "7")
        frames, _ = await self.settle(1, 0.0, 0.0, 100.0)
        self.assertEqual(frames, 7.0)

    async def test_many(self) -> None:
        """Any number of projects is settled; those without a rate are there, too."""
        asked = {f"p{n}": ((10.0, 0.0), (float(n % 7), 5.0)) for n in range(2 * PIECE + 1)}
        found = await self.nodes[0].settle(asked)
        self.assertEqual(found.keys(), asked.keys())
        for n in range(2 * PIECE + 1):
            self.assertApproximates(found[f"p{n}"][0], 20.0 - n % 7, 0.001)

    async def test_forgotten(self) -> None:
        """The server keeps nothing of a project for long."""
        await self.settle(0, 1.0)
        self.assertGreater(self.server.execute("PTTL", "ar1:rate:p"), 0)

    async def test_away(self) -> None:
        """While the server is away, nothing is settled; when it is empty, buckets begin full."""
        await self.settle(0, 0.002)
        self.server.kill()
        await self.until(lambda: not self.links[0].isUp)
        self.assertEqual(await self.nodes[0].settle({"p": ((1.0, 1.0), (1.0, 1.0))}), {})
        self.server.start()
        await self.until(lambda: self.links[0].isUp)
        self.server.flush()
        frames, _ = await self.settle(0, 0.0)
        self.assertEqual(frames, 0.002)
