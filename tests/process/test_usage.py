"""
Tests for L{aerostack.process.usage}.
"""

from __future__ import annotations

from pathlib import Path

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from aerostack.process.usage import OLD, Usage


class UsageTests(SynchronousTestCase):
    """
    Tests for L{Usage}.
    """

    def test_here(self) -> None:
        """
        This process has used the processor, has memory, and has files open within its limit.
        """
        found = Usage(Clock().seconds, lambda: 5000).values()
        self.assertGreater(found["process_cpu_seconds_total"], 0)
        self.assertEqual(found["process_resident_memory_bytes"], 5000)
        self.assertLess(found["process_open_fds"], found["process_max_fds"])

    def test_listed(self) -> None:
        """
        Open files are counted anew only after some seconds, because old kernels list them.
        """
        proc = Path(self.mktemp())
        files = proc / "self/fd"
        files.mkdir(parents=True)
        clock = Clock()
        usage = Usage(clock.seconds, lambda: 0, proc)
        before = usage.values()["process_open_fds"]
        files.rename(proc / "gone")
        self.assertEqual(usage.values()["process_open_fds"], before)
        clock.advance(OLD)
        self.assertNotIn("process_open_fds", usage.values())
