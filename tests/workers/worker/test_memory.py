"""
Tests for L{aerostack.workers.worker.memory}.
"""

from __future__ import annotations

import os
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
        taken = os.urandom(64 * MiB)
        self.assertGreater(residentMemory() - before, 32 * MiB)
        self.assertEqual(len(taken), 64 * MiB)

    def test_elsewhere(self) -> None:
        """
        On a system that does not say, it is 0.
        """
        self.patch(memory, "_STATM", str(Path(self.mktemp()) / "statm"))
        self.assertEqual(residentMemory(), 0)
