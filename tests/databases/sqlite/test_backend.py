"""
Tests for L{aerostack.databases.sqlite.backend}.
"""

from __future__ import annotations

from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from aerostack.databases.backend import Unusable
from aerostack.databases.open import openBackend
from aerostack.settings.settings import DatabaseConfig


class PathTests(SynchronousTestCase):
    """
    Tests for paths that no database can be at.
    """

    def test_unreachable(self) -> None:
        """
        If the file cannot be reached, the error names it, in words for people.
        """
        file = Path(self.mktemp()).absolute()
        file.touch()
        backend = openBackend(DatabaseConfig(f"sqlite:///{file}/rt.db"))
        error = self.assertRaises(Unusable, backend.survey)
        self.assertEqual(str(error), f"{file}/rt.db: Not a directory")
        error = self.assertRaises(Unusable, backend.prepare, 0, 1, self.fail)
        self.assertEqual(str(error), f"File exists: {file}")
