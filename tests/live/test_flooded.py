"""
Signals and requests while many clients send as fast as they can.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.interfaces import IPullProducer
from zope.interface import implementer

from tests.live.daemon import gather
from tests.live.program import TWISTD, ProgramTests
from tests.live.wire import PING, Wire, maskedFrame

CLIENTS = 100

PATIENT = (
    "from aerostack.process import stopping as it;"
    " it.CLIENTS, it.DATABASE, it.ORDERLY, it.PROCESS = 240.0, 260.0, 280.0, 300.0;"
    f" {TWISTD}"
)
"""Runs a daemon whose stop may take long.  One that never comes to stop is still cut."""

SENT = maskedFrame(b'{"type":"publish","topic":"chat/a","event":"e","data":1}') * 100
PINGS = maskedFrame(b"", PING) * 1000


@implementer(IPullProducer)
class Flood:
    """
    Has a client send the same bytes again and again, as fast as the daemon reads them.
    """

    def __init__(self, wire: Wire, sent: bytes) -> None:
        self._wire = wire
        self._sent = sent
        # What the daemon sends is not kept.
        wire.dataReceived = lambda data: None  # type: ignore[method-assign]
        transport: Any = wire.transport
        transport.registerProducer(self, False)

    def resumeProducing(self) -> None:
        """Send once more."""
        self._wire.write(self._sent)

    def stopProducing(self) -> None:
        """The connection is lost."""


class FloodedTests(ProgramTests):
    """
    Tests of one process and of two workers.
    """

    async def flood(self, workers: int) -> None:
        """
        Have the daemon do everything while it is flooded.
        """
        # The clients do not answer the close.
        daemon = await self.serve(
            self.configure(
                server=f"workers = {workers}\nrestart_time = 1.0",
                more="[limits]\nclose_timeout = 1.0\nframes_per_second = 1000000",
            ),
            program=PATIENT,
        )
        wires = await gather(*(self.client() for _ in range(CLIENTS)))
        for number, wire in enumerate(wires):
            Flood(wire, PINGS if number % 3 else SENT)
        status, _ = await self.http("GET", "/health")
        self.assertEqual(status, 200)
        daemon.signal("HUP")
        await daemon.wrote("is taken up")
        asking = await self.client()
        asking.tell({"type": "ping"})
        self.assertEqual((await asking.frame())["type"], "pong")
        daemon.signal("TERM")
        self.assertEqual(await daemon.ended, 0)
        self.assertNotIn("the stop has taken", daemon.output)
        self.assertNotIn("does not come to its end", daemon.output)
        self.assertNotIn("Traceback", daemon.output + daemon.errors)

    async def test_one(self) -> None:
        """
        One process answers requests, reloads, serves others, and ends in order.
        """
        await self.flood(1)

    async def test_workers(self) -> None:
        """
        So do two workers and their hub.
        """
        await self.flood(2)
