"""
Tests for L{aerostack.server.names}.
"""

from __future__ import annotations

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from aerostack.core.nodes.membership import Membership
from aerostack.core.nodes.reports import Report
from aerostack.server.names import PATIENCE, Naming


def row(run: str, uptime: float) -> tuple[str, float, Report]:
    """
    What the engine knows of a node called C{n}.
    """
    return run, 0.0, Report("n", "1", uptime, 0.0, 1, "d")


class NamingTests(SynchronousTestCase):
    """
    Tests for L{Naming}.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.reasons: list[str] = []
        self.membership = Membership("me", "n")
        self.naming = Naming(self.clock, self.membership, "n", self.reasons.append)

    def read(self, *rows: tuple[str, float, Report]) -> None:
        """
        Take what the engine knows.
        """
        self.membership.read([row("me", 0.0), *rows], self.clock.seconds())
        self.naming.changed()

    def test_free(self) -> None:
        """
        A daemon is ready as soon as it has its name.
        """
        known = self.naming.whenKnown()
        self.assertNoResult(known)
        self.read()
        self.successResultOf(known)
        self.successResultOf(self.naming.whenKnown())
        self.assertEqual((self.reasons, self.clock.getDelayedCalls()), ([], []))

    def test_taken(self) -> None:
        """
        A daemon ends, once, if another one has its name; it is never ready.
        """
        known = self.naming.whenKnown()
        for second in range(3):
            self.read(row("other", 100.0 + second))
        (reason,) = self.reasons
        self.assertIn("another daemon called 'n' runs on this engine", reason)
        self.assertIn("server.name", reason)
        self.clock.advance(PATIENCE)
        self.assertNoResult(known)

    def test_noEngine(self) -> None:
        """
        A daemon is ready after a while although the engine does not answer.
        """
        known = self.naming.whenKnown()
        self.clock.advance(PATIENCE)
        self.successResultOf(known)
        self.assertEqual(self.reasons, [])
