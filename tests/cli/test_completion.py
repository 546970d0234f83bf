"""
Tests for L{aerostack.cli.completion}.
"""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from aerostack.cli import COMMANDS, main
from aerostack.cli.completion import SHELLS, scriptFor

ASK = """
source "$0"
COMP_WORDS=("$@")
COMP_CWORD=$(($# - 1))
COMP_LINE="$*"
COMP_POINT=${#COMP_LINE}
$(complete -p aerostack-rt | sed 's/.*-F \\([^ ]*\\).*/\\1/')
printf '%s\\n' "${COMPREPLY[@]}"
"""
"""Does what bash does when a person asks for a completion, and writes what bash would offer."""


class CompletionTests(SynchronousTestCase):
    """
    Tests for the scripts.
    """

    def offered(self, *words: str) -> list[str]:
        """
        What bash offers for the last of some words.
        """
        path = Path(self.mktemp())
        path.write_text(scriptFor("bash"))
        done = subprocess.run(
            ["bash", "-c", ASK, str(path), "aerostack-rt", *words],
            capture_output=True,
            text=True,
            check=True,
        )
        self.assertEqual(done.stderr, "")
        return done.stdout.split()

    def test_bash(self) -> None:
        """
        bash completes commands, options, shells and files.
        """
        self.assertEqual(self.offered(""), list(COMMANDS))
        self.assertEqual(self.offered("deta"), ["detach"])
        self.assertEqual(self.offered("detach", "--keep"), ["--keep-history"])
        self.assertEqual(self.offered("completion", ""), list(SHELLS))
        path = Path(self.mktemp()).absolute()
        path.touch()
        begun = str(path)[:-1]
        self.assertEqual(self.offered("tail", "--config", begun), [str(path)])

    def test_shells(self) -> None:
        """
        The command writes the script for each shell, with every command and its options.
        """
        for shell in SHELLS:
            output = io.StringIO()
            self.patch(sys, "stdout", output)
            self.assertEqual(main(["completion", shell]), 0)
            for word in (*COMMANDS, "keep-history", "private-key"):
                self.assertIn(word, output.getvalue())
