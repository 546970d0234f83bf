"""
A directory with files, for the tests of what a configuration names.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from twisted.trial.unittest import SynchronousTestCase


class FilesCase(SynchronousTestCase):
    """
    A test that has a directory.
    """

    def setUp(self) -> None:
        self.base = Path(self.mktemp()).absolute()
        self.base.mkdir()

    def write(self, name: str, content: str | bytes, mode: int = 0o600) -> Path:
        """
        @return: The path of a new file.
        """
        path = self.base / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        path.chmod(mode)
        return path

    def refusal(self, call: Any, *args: Any) -> str:
        """
        @return: The message with which a call refuses its arguments.
        """
        return str(self.assertRaises(ValueError, call, *args))
