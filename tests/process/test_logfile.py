"""
Tests for L{aerostack.process.logfile}.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import Any

from twisted.logger import LogEvent, globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase

from aerostack.process import logfile
from aerostack.process.logfile import MOST, LogOutput


class FileTests(SynchronousTestCase):
    """
    A file.
    """

    def setUp(self) -> None:
        folder = Path(self.mktemp())
        folder.mkdir()
        self.path = folder / "rt.log"
        self.output = LogOutput(self.path)
        self.addCleanup(lambda: os.close(self.output._fd))

    def look(self) -> None:
        """Let it be time to look after the file."""
        self.output._looked -= 2.0

    def test_appends(self) -> None:
        """
        Lines are appended to an existing file.
        """
        self.output.write("a\n")
        other = LogOutput(self.path)
        other.write("b\n")
        os.close(other._fd)
        self.output.write("c\n")
        self.assertEqual(self.path.read_text(), "a\nb\nc\n")

    def test_rotated(self) -> None:
        """
        If the file was moved away, a new one is opened.
        """
        self.output.write("before\n")
        kept = self.path.rename(self.path.with_suffix(".1"))
        self.look()
        self.output.write("after\n")
        self.assertEqual((kept.read_text(), self.path.read_text()), ("before\n", "after\n"))

    def test_replaced(self) -> None:
        """
        If another file has the name, the lines go to that file.
        """
        self.output.write("before\n")
        self.path.rename(self.path.with_suffix(".1"))
        self.path.touch()
        self.look()
        self.output.write("after\n")
        self.assertEqual(self.path.read_text(), "after\n")

    def test_follow(self) -> None:
        """
        A program that has rotated the file can make the daemon open it at once.
        """
        self.output.write("before\n")
        kept = self.path.rename(self.path.with_suffix(".1"))
        self.output.follow()
        self.output.write("after\n")
        self.assertEqual((kept.read_text(), self.path.read_text()), ("before\n", "after\n"))

    def test_truncated(self) -> None:
        """
        A file that was emptied in place is written from its beginning.
        """
        self.output.write("before\n")
        os.truncate(self.path, 0)
        self.output.write("after\n")
        self.assertEqual(self.path.read_text(), "after\n")

    def test_noFolder(self) -> None:
        """
        While no new file can be made, the old one takes the lines.
        """
        folder = self.path.parent
        moved = folder.rename(folder.with_name("moved"))
        self.look()
        self.output.write("a\n")
        self.assertEqual((moved / "rt.log").read_text(), "a\n")
        moved.rename(folder)


class PipeTests(SynchronousTestCase):
    """
    A pipe.
    """

    def setUp(self) -> None:
        self.reader, self.writer = os.pipe()
        os.set_blocking(self.reader, False)
        self.room = fcntl.fcntl(self.writer, fcntl.F_GETPIPE_SZ)
        self.output = LogOutput(self.writer)
        self.logged: list[LogEvent] = []
        globalLogPublisher.addObserver(self.logged.append)
        self.addCleanup(globalLogPublisher.removeObserver, self.logged.append)
        self.addCleanup(os.close, self.writer)
        self.addCleanup(os.close, self.reader)

    def read(self) -> bytes:
        """Everything that the pipe has."""
        found = b""
        try:
            while data := os.read(self.reader, 65536):
                found += data
        except BlockingIOError:
            pass
        return found

    def lost(self) -> list[Any]:
        """How many lines the log says were lost."""
        return [event["n"] for event in self.logged if "were lost" in event["log_format"]]

    def test_full(self) -> None:
        """
        A full pipe does not block; lost lines are counted, and waiting lines are written whole once
        the pipe is read.
        """
        line = "x" * 999 + "\n"
        for _ in range(3000):
            self.output.write(line)
        kept = b""
        while data := self.read():
            kept += data
            self.output.flush()
        lines = kept.decode().split("\n")
        self.assertEqual({len(each) for each in lines[:-1]}, {999})
        self.assertGreaterEqual(len(kept), MOST)
        self.assertEqual(self.lost(), [3000 - (len(lines) - 1)])
        self.output.write("again\n")
        self.assertEqual(self.read(), b"again\n")

    def test_longLine(self) -> None:
        """
        A line that is longer than the pipe is written in pieces.
        """
        line = "y" * (self.room * 2) + "\n"
        self.output.write(line)
        kept = b""
        while data := self.read():
            kept += data
            self.output.flush()
        self.assertEqual(kept.decode(), line)

    def test_end(self) -> None:
        """
        The process does not wait for the reader for ever when it ends.
        """
        self.patch(logfile, "PATIENCE", 0.01)
        self.output.write("z" * self.room * 2)
        self.output.close()

    def test_noReader(self) -> None:
        """
        A pipe without a reader does not stop the daemon.
        """

        def observe(event: LogEvent) -> None:
            self.output.write("more\n")

        globalLogPublisher.addObserver(observe)
        self.addCleanup(globalLogPublisher.removeObserver, observe)
        os.close(self.reader)
        self.output.write("a\n")
        self.output.flush()
        self.reader = os.dup(self.writer)
        self.assertEqual(self.lost(), [])
