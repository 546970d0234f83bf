"""
Tests for L{aerostack.workers.worker.memory}.
"""

from __future__ import annotations

from mmap import mmap
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from aerostack.workers.worker import memory
from aerostack.workers.worker.memory import residentMemory

MiB = 1024 * 1024


class ResidentTests(SynchronousTestCase):
    """
    Tests for L{residentMemory}.
    """

    def test_grows(self) -> None:
        """
        The memory is that of this process: it has what the process has just taken.
        """
        before = residentMemory()
        # New pages: Python's own allocator may have pages that other tests have left.
        with mmap(-1, 64 * MiB) as taken:
            for _ in range(64):
                taken.write(bytes(MiB))
            grown = residentMemory() - before
        self.assertGreater(grown, 32 * MiB)

    def test_elsewhere(self) -> None:
        """
        On a system that does not say, it is 0.
        """
        self.patch(memory, "_STATM", str(Path(self.mktemp()) / "statm"))
        self.assertEqual(residentMemory(), 0)
