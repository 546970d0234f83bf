"""
Tests for L{aerostack.client.results} and the annotations of the client.
"""

from __future__ import annotations

import sys
from pathlib import Path
from subprocess import run

from twisted.trial.unittest import SynchronousTestCase

PROGRAM = Path(__file__).with_name("typed.py")


class TypeTests(SynchronousTestCase):
    """
    Tests for the type checker's view of a program of a user.
    """

    def test_strict(self) -> None:
        """
        mypy knows the types of what all SDKs return, and has nothing to say about the program.
        """
        folder = Path(self.mktemp())
        folder.mkdir()
        # Within this project mypy would read its configuration, and report on the package too.
        program = folder / "shop.py"
        program.write_text(PROGRAM.read_text())
        command = [sys.executable, "-m", "mypy", "--strict", "--config-file=", "shop.py"]
        ended = run(command, cwd=folder, capture_output=True, text=True, check=False)
        self.assertEqual(
            ended.stdout.splitlines()[-1:], ["Success: no issues found in 1 source file"]
        )
