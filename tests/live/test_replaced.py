"""
Workers whose memory grows, and what stays when workers die.
"""

from __future__ import annotations

import os
import signal

import treq

from tests.live.workers import WorkersTests

LEAST = 16_777_216
"""The smallest C{worker_memory}: every worker has more."""


class ReplacedTests(WorkersTests):
    """
    Tests for a worker that has too much memory.
    """

    async def test_replaced(self) -> None:
        """
        The clients of the worker are told when to come back, the other worker serves meanwhile, the
        log and the health name the worker, and another process takes its place.  A reload changes
        the bound.
        """
        daemon = await self.serve(self.configure(server="restart_time = 1.0"))
        wires = await self.spread("chat/a")
        self.config.write_text(
            self.configure(server=f"worker_memory = {LEAST}\nrestart_time = 1.0")
        )
        daemon.signal("HUP")
        await daemon.wrote("more than server.worker_memory; it is started again")
        left = await self.until(lambda: [wire for wire in wires if wire.lost.called])
        self.assertEqual(len(left), 1)
        self.assertEqual(left[0].closeCode, 1001)
        (frame,) = await left[0].frames(left[0].waitingFrames())
        self.assertEqual((frame["type"], frame["reason"]), ("reconnect", "restart"))
        (kept,) = set(wires) - set(left)
        kept.tell({"type": "publish", "topic": "chat/a", "event": "e", "data": "alive"})
        self.assertEqual((await kept.frame())["data"], "alive")
        await daemon.wrote("serves clients again")
        await self.until(lambda: self.names("more memory than server.worker_memory."))
        daemon.signal("TERM")
        self.assertEqual(await daemon.ended, 0)
        self.assertEqual(kept.closeCode, 1001)
        self.assertNotIn("Traceback", daemon.output + daemon.errors)

    async def names(self, sentence: str) -> bool:
        """
        Whether a notice of the health ends so.
        """
        status, body = await self.http("GET", "/health")
        self.assertEqual((status, body["status"]), (200, "ok"), body)
        return str(body.get("notices", {}).get("memory", "")).endswith(sentence)


class CountedTests(WorkersTests):
    """
    Tests for the numbers and the notices after a worker has died.
    """

    async def metrics(self) -> dict[str, float]:
        """
        The metrics, by name and labels.
        """
        response = await treq.get(f"http://127.0.0.1:{self.port}/metrics", agent=self.agent)
        text = await response.text()
        lines = [line.rpartition(" ") for line in text.splitlines() if not line.startswith("#")]
        return {name: float(value) for name, _, value in lines}

    async def test_counted(self) -> None:
        """
        What a worker had counted stays in the metrics when it dies, and the health says why it
        died.
        """
        daemon = await self.serve(self.configure())
        wires = await self.spread("chat/a")
        for number in range(10):
            wires[0].tell({"type": "publish", "topic": "chat/a", "event": "e", "data": number})
            for wire in wires:
                self.assertEqual((await wire.frame())["data"], number)
        before = await self.until(self.whole)
        for name in ("worker-1", "worker-2"):
            self.assertGreater(before[f'aerostack_worker_memory_bytes{{worker="{name}"}}'], LEAST)
        os.kill(self.workersOf(daemon)[0], signal.SIGKILL)
        await daemon.wrote("worker-1 has died")
        after = await self.metrics()
        counters = {name for name in before if name.endswith(("_total", "_count", "_sum"))}
        counters |= {name for name in before if "_bucket{" in name}
        self.assertEqual(
            {
                name: after[name]
                for name in counters
                if "worker=" not in name and after[name] < before[name]
            },
            {},
        )
        self.assertEqual(after["aerostack_delivered_total"], 20)
        await daemon.wrote("worker-1 serves clients again")
        self.assertRegex(
            await self.until(self.deaths),
            "^worker-1 died [0-9]+ (second|minute)s? ago: signal 9 has ended it.$",
        )
        await self.until(self.named)

    async def whole(self) -> dict[str, float] | None:
        """
        The metrics, once they have all that was delivered.  They have the numbers of the second
        before of a worker that takes long to answer.
        """
        found = await self.metrics()
        return found if found["aerostack_delivered_total"] == 20 else None

    async def deaths(self) -> str | None:
        """
        What the health says of workers that have died.  A worker may hear of it a little later.
        """
        _, body = await self.http("GET", "/health")
        found: str | None = body.get("notices", {}).get("deaths")
        return found

    async def named(self) -> bool:
        """
        Whether the metrics have the death of the worker.
        """
        found = await self.metrics()
        return found.get('aerostack_worker_deaths_total{worker="worker-1"}') == 1
