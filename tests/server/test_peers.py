"""
Tests for L{aerostack.server.peers}.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, cast

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from aerostack.core.limits.admission import Admission
from aerostack.core.nodes.comparing import describe, digest
from aerostack.core.nodes.membership import LEASE, Membership
from aerostack.core.nodes.reports import Report
from aerostack.server.peers import Peers
from aerostack.sessions.shares import Shares
from aerostack.testing import makeProject
from tests.core.nodes.test_comparing import CONFIG


class FakeNodes:
    """
    The other nodes as a test wants them.
    """

    def __init__(self) -> None:
        self.name = "a"
        self.refusal: str | None = None
        self.membership = Membership("me", "a")
        self.descriptions: dict[str, Any] = {}
        self.report: Any = None

    def start(self, report: Any, describe: Any) -> None:
        """Begin to report."""
        self.report = report


class PeersTests(SynchronousTestCase):
    """
    Tests for L{Peers}.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.clock.advance(1000)
        self.nodes = FakeNodes()
        limits = CONFIG.limits
        projects = {"p": makeProject(connections=5), "q": makeProject(id="q")}
        self.config = replace(CONFIG, projects=projects)
        self.shares = Shares(self.clock, projects, limits, Admission(limits, lambda: 0.5))
        self.peers = Peers(self.clock, self.config, cast(Any, self.nodes), self.shares, "me")
        self.peers.start("d")

    def read(self, name: str, age: float = 0.0, described: str = "", run: str = "r1") -> None:
        """
        Let the engine know another node.
        """
        report = Report(name, "1", 5.0, 0.25, 3, described)
        self.nodes.membership.read([(run, age, report)], self.clock.seconds())
        self.peers.changed()

    def test_report(self) -> None:
        """A node reports what projects with limits use, and for how long it has run."""
        self.shares.admit(None).enter("p")
        self.shares.admit(None).enter("q")
        self.shares.subscribe("p")
        self.clock.advance(5)
        report = self.nodes.report(0.5)
        self.assertEqual(report.usage, {"p": (1, 1)})
        self.assertEqual(
            (report.name, report.uptime, report.lag, report.connections), ("a", 5.0, 0.5, 2)
        )
        (here,) = self.peers.shown()
        self.assertEqual((here["state"], here["lag"], here["run"]), ("here", 0.5, "me"))

    def test_agreed(self) -> None:
        """About nodes that are equal, or not known well enough, nothing is said."""
        self.assertIsNone(self.peers.notice())
        self.read("b", described=self.nodes.report(0.0).description)
        self.assertIsNone(self.peers.notice())
        self.read("b", described="of a version that says nothing")
        self.assertIsNone(self.peers.notice())
        self.assertEqual([each["state"] for each in self.peers.shown()], ["here", "up"])

    def test_different(self) -> None:
        """A node that differs is named until it does not, also after a reload here."""
        other = replace(self.config, projects={"p": makeProject(connections=6)})
        there = describe(other, "e", "2")
        self.nodes.descriptions[digest(there)] = there
        self.read("b", described=digest(there))
        self.assertEqual(
            self.peers.notice(),
            "b uses another database, and does not serve the project q,"
            " and has other settings of the project p, and runs version 2.",
        )
        self.peers.reload(other)
        self.assertEqual(self.peers.notice(), "b uses another database, and runs version 2.")
        self.assertEqual(len(self.peers.shown()[1]["differences"]), 2)

    def test_silent(self) -> None:
        """A silent node is named with the seconds since it was heard."""
        self.read("b", LEASE + 4)
        self.clock.advance(3)
        self.assertEqual(self.peers.notice(), "b was not heard for 17 s.")
        shown = self.peers.shown()[1]
        self.assertEqual((shown["state"], shown["heard"]), ("silent", 17.0))
        # Without the engine, nothing can be heard of anyone.
        self.nodes.membership.lost()
        self.assertIsNone(self.peers.notice())
        self.assertEqual(self.peers.shown()[1]["state"], "unknown")

    def test_name(self) -> None:
        """Another node of the same name is named with a part of its run."""
        self.read("a", run="r1234567")
        self.assertIn("Another daemon is called a, too", str(self.peers.notice()))
        self.assertEqual(self.peers.shown()[1]["name"], "a#r12345")

    def test_refused(self) -> None:
        """If the server refuses the channels, an operator is told."""
        self.nodes.refusal = "NOPERM no permissions"
        self.assertEqual(
            self.peers.notice(),
            "The other daemons cannot be asked, because the engine refuses the channels:"
            " NOPERM no permissions.",
        )
