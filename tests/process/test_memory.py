"""
Tests for L{aerostack.process.memory}.
"""

from __future__ import annotations

from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from aerostack.process.memory import memoryLimit, physicalMemory

MiB = 1024 * 1024


class LimitTests(SynchronousTestCase):
    """
    Tests for L{memoryLimit}, with the files of a system.
    """

    def setUp(self) -> None:
        self.root = Path(self.mktemp())

    def system(self, group: str, **limits: str) -> None:
        """
        Write the files of a system.

        @param group: The control group of the process.
        @param limits: The limits of groups, by their names; C{top} is the topmost one.
        """
        (self.root / "proc/self").mkdir(parents=True)
        (self.root / "proc/self/cgroup").write_text(f"1:name=systemd:/other\n0::{group}\n")
        top = self.root / "sys/fs/cgroup"
        for name, limit in limits.items():
            folder = top / {"top": "", "slice": "a.slice", "service": "a.slice/b.service"}[name]
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "memory.max").write_text(f"{limit}\n")

    def test_smallest(self) -> None:
        """
        The smallest limit counts: of the group, of one above it, or of the machine.
        """
        self.system("/a.slice/b.service", service="max", slice="3000", top="9000")
        self.assertEqual(memoryLimit(self.root, 8000), 3000)
        self.assertEqual(memoryLimit(self.root, 2000), 2000)

    def test_container(self) -> None:
        """
        In a container the group of the process is the topmost one that it sees.
        """
        self.system("/", top="512", service="1")
        self.assertEqual(memoryLimit(self.root, 8000), 512)

    def test_outside(self) -> None:
        """
        A group outside of what the process sees has no limit that it can read.
        """
        self.system("/../../other", top="max")
        self.assertEqual(memoryLimit(self.root, 8000), 8000)

    def test_unknown(self) -> None:
        """
        Where the system says nothing, the limit is unknown.
        """
        self.assertIsNone(memoryLimit(self.root, None))

    def test_physical(self) -> None:
        """
        A machine that runs this test has 64 MiB at least.
        """
        physical = physicalMemory()
        assert physical is not None
        self.assertGreater(physical, 64 * MiB)
