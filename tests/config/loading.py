"""
A directory with a configuration, for the tests of how one is read.
"""

from __future__ import annotations

from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from aerostack.config.loader import Config, load
from aerostack.config.problems import ConfigError

SERVER = '[server]\nlisten = ["tcp:0:interface=127.0.0.1"]\n'
DATABASE = '[database]\nurl = "sqlite:///rt.db"\n'
PROJECT = "[projects.p]\nanonymous = true\n"
HEAD = SERVER + DATABASE
KEY = "abcdefghijklmnop"
OTHER_KEY = "ponmlkjihgfedcba"


class LoadCase(SynchronousTestCase):
    """
    A test that has a directory for a configuration.
    """

    def setUp(self) -> None:
        self.base = Path(self.mktemp()).absolute()
        self.base.mkdir()
        self.path = self.base / "rt.toml"

    def load(self, text: str, generate: bool = False, **environ: str) -> Config:
        """
        @return: The configuration that a text is read as.
        """
        self.path.write_text(text)
        return load(self.path, environ, generate)

    def problems(self, text: str, **environ: str) -> dict[str, str]:
        """
        @return: The mistakes in a text, by key.
        """
        self.path.write_text(text)
        error = self.assertRaises(ConfigError, load, self.path, environ, True)
        return {problem.key: problem.message for problem in error.problems}

    def assertProblem(self, text: str, key: str, *words: str) -> None:
        """
        Assert that a text has one mistake, at a key, and that the message has some
        words.
        """
        found = self.problems(text)
        self.assertEqual(list(found), [key], found)
        for word in words:
            self.assertIn(word, found[key])


class ProjectCase(LoadCase):
    """
    A test that has a directory for a configuration with a project C{p}.
    """

    def assertProjectProblem(self, text: str, key: str, *words: str) -> None:
        """
        Assert that a project's text has one mistake, and that no key is shown.
        """
        found = self.problems(f"{HEAD}[projects.p]\n{text}\n")
        dotted = f"projects.p.{key}" if key else "projects.p"
        self.assertEqual(list(found), [dotted], found)
        for word in words:
            self.assertIn(word, found[dotted])
        self.assertNotIn(KEY, str(found))
