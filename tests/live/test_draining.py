"""
A planned stop: what the daemon tells clients before it, and which clients it does not wait for.
"""

from __future__ import annotations

import re

from twisted.internet.defer import Deferred

from aerostack.core.limits.draining import BATCH
from aerostack.sessions.draining import PATIENCE
from tests.live.daemon import gather
from tests.live.program import ProgramTests
from tests.live.wire import Refused, Wire


class DrainTests(ProgramTests):
    """
    Tests for a stop with many clients.
    """

    async def many(self, count: int) -> list[Wire]:
        """
        Subscribe a number of clients.
        """
        return await gather(*(self.subscribed("chat/a") for _ in range(count)))

    async def told(self, wire: Wire) -> int:
        """
        Check that a client gets its delay, then the close with the same delay, and nothing else.

        @return: The delay.
        """
        await wire.lost
        (frame,) = await wire.frames(wire.waitingFrames())
        self.assertEqual((frame["type"], frame["reason"]), ("reconnect", "restart"))
        self.assertEqual(wire.closeCode, 1001)
        found = re.fullmatch(r"restarting; reconnect in (\d+) ms", wire.closeReason)
        assert found is not None
        self.assertEqual(int(found[1]), frame["delay"])
        return int(found[1])

    async def test_everybody(self) -> None:
        """
        Each of 300 clients gets its own delay before its close, and the delays are spread evenly.
        Some clients do not answer the close or do not read.  The process still ends, and its log
        only says that some clients did not answer.
        """
        daemon = await self.serve(
            self.configure(
                server="restart_time = 2.0\nreconnect_spread = 1.5",
                more="[limits]\nclose_timeout = 1.0",
            )
        )
        wires = await self.many(300)
        deaf, blind = wires[::10], wires[5::10]
        for wire in deaf:
            wire.answerClose = False
        for wire in blind:
            wire.transport.pauseProducing()  # type: ignore[union-attr]
        # These clients never answer a close.
        daemon.signal("TERM")
        self.assertEqual(await daemon.ended, 0)
        for wire in blind:
            wire.transport.resumeProducing()  # type: ignore[union-attr]
        delays = [await self.told(wire) for wire in wires]
        drain = (300 / BATCH - 1) * 0.05
        self.assertGreaterEqual(min(delays), 2000)
        self.assertLessEqual(max(delays), 1000 * (2.0 + 1.5 + drain))
        self.assertGreater(len(set(delays)), 250)
        # Each third of the spread has a third of the clients; the batches are C{drain} apart.
        thirds = [0, 0, 0]
        for delay in delays:
            thirds[max(0, min(2, int((delay - 2000) // 500)))] += 1
        self.assertLess(max(thirds) - min(thirds), 60, thirds)
        self.assertNotIn("Traceback", daemon.output + daemon.errors)

    async def test_meanwhile(self) -> None:
        """
        While the daemon closes clients, a new opening gets 503 with a delay, if the daemon accepts
        it at all.
        """
        daemon = await self.serve(
            self.configure(more="[limits]\nclose_timeout = 300\nhandshake_timeout = 300")
        )
        # The daemon has accepted these once it serves the clients that come after them.
        waiting = [await self.wire() for _ in range(3)]
        first, *others = await self.many(BATCH * 4)
        # The daemon still reads what arrived before its end.  If there are two workers, some of
        # these are at each.
        stubborn = others[-10:]
        for wire in stubborn:
            wire.answerClose = False
        daemon.signal("TERM")
        await first.lost
        for wire in waiting:
            coming = wire.upgrade("/api/realtime?projectId=p")
            refused = await self.assertFailure(coming, Refused)
            self.assertEqual((refused.status, refused.body["error"]), (503, "shutting_down"))
            self.assertGreaterEqual(refused.body["retryAfter"], 3000)
            self.assertGreaterEqual(int(refused.headers["retry-after"]), 3)
        for wire in stubborn:
            wire.drop()
        self.assertEqual(await daemon.ended, 0)

    async def test_publishing(self) -> None:
        """
        Clients that publish until the close, and after it, have an acknowledgement for every event
        that was kept, unless the database took longer than the daemon waits for it.
        """
        daemon = await self.serve(self.configure())
        wires = await gather(*(self.client() for _ in range(BATCH + 20)))
        acknowledged: set[str] = set()
        late: set[int] = set()
        stopped = 0.0

        async def publish(wire: Wire, name: int) -> None:
            for n in range(20):
                if wire.transport is None:
                    break
                wire.tell(
                    {
                        "type": "publish",
                        "topic": f"chat/{name}",
                        "event": "e",
                        "data": f"{name}-{n}",
                        "persist": True,
                        "id": f"{name}-{n}",
                    }
                )
                await self.sleep(0.01)
            while (frame := await wire.frame())["type"] != "reconnect":
                self.assertEqual(frame["type"], "ack", frame)
                acknowledged.add(frame["id"])
            if self.reactor.seconds() - stopped >= PATIENCE:
                late.add(name)

        writing = [Deferred.fromCoroutine(publish(w, n)) for n, w in enumerate(wires)]
        # The first acknowledgement waits to be read, or a client that sends no more has read it.
        await self.until(lambda: acknowledged or any(wire.waitingFrames() for wire in wires))
        stopped = self.reactor.seconds()
        daemon.signal("TERM")
        for each in writing:
            await each
        self.assertEqual(await daemon.ended, 0)
        kept = {data.strip('"') for (data,) in self.execute("SELECT data FROM realtime_messages")}
        self.assertGreater(len(kept), 0)
        self.assertLessEqual(acknowledged, kept)
        unanswered = {int(each.partition("-")[0]) for each in kept - acknowledged}
        self.assertLessEqual(unanswered, late)

    async def test_second(self) -> None:
        """
        A second signal ends the process at once, while it closes clients.
        """
        daemon = await self.serve(self.configure(more="[limits]\nclose_timeout = 300"))
        first, *others = await self.many(BATCH * 3)
        for wire in (first, *others):
            wire.answerClose = False
        daemon.signal("TERM")
        await self.until(lambda: first.closeCode)
        daemon.signal("TERM")
        self.assertEqual(await daemon.ended, 128 + 15)
