"""
A stop of the daemon in which a worker takes no part, and what the hub holds for its workers.
"""

from __future__ import annotations

import contextlib
import os
import signal
from pathlib import Path

from tests.live.program import TWISTD
from tests.live.workers import WorkersTests, isAlive
from tests.net import Child

PATIENT = f"""
from aerostack.process import stopping
stopping.DATABASE, stopping.ORDERLY, stopping.PROCESS = 300.0, 400.0, 500.0
{TWISTD}
"""
"""Runs a daemon that has much time for its stop, once its clients are gone."""


class HungTests(WorkersTests):
    """
    Tests for a stop while a worker hangs.
    """

    async def test_hung(self) -> None:
        """
        The clients of the other worker are sent away as usual, the daemon stops in order, and no
        process stays.
        """
        daemon = await self.serve(self.configure(server="restart_time = 1.0"), program=PATIENT)
        wires = await self.spread("chat/a")
        workers = self.workersOf(daemon)
        os.kill(workers[0], signal.SIGSTOP)
        daemon.signal("TERM")
        self.assertEqual(await daemon.ended, 0)
        for wire in wires:
            await wire.lost
        self.assertEqual({wire.closeCode for wire in wires}, {None, 1001})
        self.assertIn("worker-1 did not answer", daemon.output)
        self.assertNotIn("given up", daemon.output)
        self.assertNotIn("the stop has taken", daemon.output)
        self.assertNotIn("Traceback", daemon.output + daemon.errors)
        self.assertEqual([pid for pid in workers if isAlive(pid)], [])


class HeldTests(WorkersTests):
    """
    Tests for what stays in the hub.
    """

    def descriptors(self, daemon: Child) -> int:
        """
        How many files the hub has open, without those of the database: it opens these when it
        needs them.
        """
        count = 0
        for each in Path(f"/proc/{self.hubOf(daemon)}/fd").iterdir():
            # A file may have been closed since.
            with contextlib.suppress(FileNotFoundError):
                count += not os.readlink(each).startswith(str(self.path))
        return count

    async def test_descriptors(self) -> None:
        """
        Neither connections that have come and gone nor a worker that was killed leaves an open
        file in the hub.
        """
        daemon = await self.serve(self.configure())
        await self.client()
        before = self.descriptors(daemon)
        for _ in range(50):
            wire = await self.client()
            wire.drop()
        os.kill(self.workersOf(daemon)[0], signal.SIGKILL)
        await daemon.wrote("worker-1 serves clients again")
        for _ in range(50):
            wire = await self.client()
            wire.drop()
        await self.until(lambda: self.descriptors(daemon) <= before)
        daemon.signal("TERM")
        self.assertEqual(await daemon.ended, 0)
