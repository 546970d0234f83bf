"""
Tests for L{aerostack.process.background}.
"""

from __future__ import annotations

import os
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from aerostack.process.background import reportRefusal


class RefusalTests(SynchronousTestCase):
    """
    Tests for L{reportRefusal}.
    """

    def test_reported(self) -> None:
        """
        The process that waits reads the exit status and the reason, as much of it as it takes, and
        then the end.
        """
        reader, writer = os.pipe()
        self.addCleanup(os.close, reader)
        reportRefusal({"statusPipe": writer}, "é" * 100)
        self.assertEqual(os.read(reader, 1000), b"1 " + "é".encode() * 49)
        self.assertEqual(os.read(reader, 1000), b"")

    def test_processId(self) -> None:
        """
        The file of the process id goes; if it has gone already, that is no fault.
        """
        path = Path(self.mktemp())
        path.write_text("7")
        for _ in range(2):
            reportRefusal({"pidfile": str(path)}, "no")
            self.assertFalse(path.exists())

    def test_foreground(self) -> None:
        """
        In the foreground nothing waits.
        """
        reportRefusal({}, "no")
        reportRefusal({"pidfile": ""}, "no")
