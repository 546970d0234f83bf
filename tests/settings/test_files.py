"""
Tests for L{aerostack.settings.files}.
"""

from __future__ import annotations

import os
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from aerostack.settings.files import MOST, readFile


class FileTests(SynchronousTestCase):
    """
    Tests for L{readFile}.
    """

    def setUp(self) -> None:
        self.path = Path(self.mktemp())

    def refuse(self) -> str:
        """
        Read what cannot be read.

        @return: Why it cannot be read.
        """
        return str(self.assertRaises(OSError, readFile, self.path).strerror)

    def test_content(self) -> None:
        """
        The content of a file is read, also over a link.
        """
        target = self.path.with_suffix(".target")
        target.write_bytes(b"a" * MOST)
        target.chmod(0o640)
        self.path.symlink_to(target.absolute())
        content, mode = readFile(self.path)
        self.assertEqual((len(content), mode & 0o777), (MOST, 0o640))

    def test_tooLarge(self) -> None:
        """
        A file that is too large is refused.
        """
        self.path.write_bytes(b"a" * (MOST + 1))
        self.assertEqual(self.refuse(), f"it has more than {MOST} bytes")

    def test_noFile(self) -> None:
        """
        A pipe without a writer, a device without an end and a directory are refused at once.
        """
        os.mkfifo(self.path)
        self.assertEqual(self.refuse(), "it is no regular file")
        self.path = Path("/dev/zero")
        self.assertEqual(self.refuse(), "it is no regular file")
        self.path = Path(self.mktemp())
        self.path.mkdir()
        self.assertEqual(self.refuse(), "Is a directory")
        self.path /= "missing"
        self.assertEqual(self.refuse(), "No such file or directory")
