"""
Tests for L{aerostack.server.findings}.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from aerostack.server.findings import Finding, Level


class FindingTests(SynchronousTestCase):
    """
    Tests for L{Finding}.
    """

    def test_text(self) -> None:
        """A finding is shown with its level, if it is more than a note."""
        self.assertEqual(str(Finding(Level.WARNING, "a.b: c")), "warning: a.b: c")
        self.assertEqual(str(Finding(Level.NOTE, "a.b: c")), "a.b: c")
