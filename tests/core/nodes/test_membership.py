"""
Tests for L{aerostack.core.nodes.membership}.
"""

from __future__ import annotations

from msgspec.structs import replace
from twisted.trial.unittest import SynchronousTestCase

from aerostack.core.nodes.membership import FRESH, LEASE, Membership
from aerostack.core.nodes.reports import Report, decodeReport, encodeReport


def report(name: str, **usage: tuple[int, int]) -> Report:
    """
    What a node says.
    """
    return Report(name, "1", 5.0, 0.0, 1, "d", usage)


class MembershipTests(SynchronousTestCase):
    """
    Tests for L{Membership}.
    """

    def setUp(self) -> None:
        self.membership = Membership("me", "a")

    def test_read(self) -> None:
        """A node knows the others by their names, and does not count itself."""
        rows = [("r2", 0.5, report("c")), ("me", 0.0, report("a")), ("r1", 2.0, report("b"))]
        self.membership.read(rows, 100.0)
        peers = self.membership.peers
        self.assertEqual([self.membership.nameOf(each.run) for each in peers], ["b", "c"])
        self.assertEqual([each.heard for each in peers], [98.0, 99.5])
        self.assertEqual(self.membership.nameOf("r9"), "r9")
        self.assertTrue(self.membership.isCurrent)
        self.membership.lost()
        self.assertFalse(self.membership.isCurrent)
        self.assertEqual(len(self.membership.peers), 2)

    def test_silent(self) -> None:
        """A node is silent when its lease is over, and what it used does not count then."""
        rows = [
            ("r1", LEASE, report("b", p=(1, 2))),
            ("r2", LEASE + 0.001, report("c", p=(10, 20))),
            ("r3", 0.0, report("d", p=(100, 200), q=(1, 0))),
        ]
        self.membership.read(rows, 100.0)
        self.assertEqual([each.isSilent for each in self.membership.peers], [False, True, False])
        self.assertEqual(len(self.membership.alive), 2)
        self.assertEqual(self.membership.usage(), {"p": (101, 202), "q": (1, 0)})

    def test_gone(self) -> None:
        """
        A run is gone once it is silent or no longer listed, and has been so for a moment; but not
        before this node has known the others for a lease.
        """
        fresh, silent = ("r1", 0.0, report("b")), ("r2", LEASE + 1, report("c"))
        self.assertFalse(self.membership.isGone("r1", 0.0))
        for second in range(20):
            now = 100.0 + second
            self.membership.read([fresh, silent], now)
            self.assertFalse(self.membership.isGone("r1", now))
            self.assertFalse(self.membership.isGone("me", now))
            for run in ("r2", "r3"):
                self.assertIs(self.membership.isGone(run, now), second >= LEASE)
        self.membership.read([], 120.0)
        self.assertFalse(self.membership.isGone("r1", 120.0))
        self.membership.read([], 122.0)
        self.assertTrue(self.membership.isGone("r1", 122.0))
        self.membership.read([fresh], 123.0)
        self.assertFalse(self.membership.isGone("r1", 123.0))
        self.assertEqual(self.membership.silent, set())

    def test_frozen(self) -> None:
        """
        A node that was frozen, or whose engine was away, takes no other for gone until it has known
        them for a lease again.
        """
        rows = [("r1", 0.0, report("b"))]
        for now in range(100, 120):
            self.membership.read(rows, now)
            gone = self.membership.isGone("r2", now)
        self.assertTrue(gone)
        self.assertFalse(self.membership.isGone("r1", 140.0))
        self.assertFalse(self.membership.isGone("r2", 140.0))
        self.membership.read([], 140.0)
        self.assertFalse(self.membership.isGone("r2", 140.0))
        self.membership.read([], 149.0)
        self.membership.lost()
        self.assertFalse(self.membership.isGone("r2", 151.0))
        self.membership.read([], 151.0)
        self.assertFalse(self.membership.isGone("r2", 151.0))
        for now in range(152, 162):
            self.membership.read([], now)
        self.assertTrue(self.membership.isGone("r2", 161.0))

    def test_strange(self) -> None:
        """
        A run of which nothing was heard may have begun a moment ago, so it has the time of a lease
        to report itself.
        """
        for now in range(100, 120):
            self.membership.read([], now)
        self.assertFalse(self.membership.isGone("r2", 119.0))
        for now in range(120, 129):
            self.membership.read([], now)
            self.assertFalse(self.membership.isGone("r2", now))
        self.membership.read([], 129.0)
        self.assertTrue(self.membership.isGone("r2", 129.0))
        self.membership.read([("r2", 0.0, report("b"))], 130.0)
        self.assertFalse(self.membership.isGone("r2", 130.0))

    def test_names(self) -> None:
        """Nodes of one name are told apart by their runs, and this node's name is reserved."""
        rows = [("run1xyz", 0.0, report("b")), ("run2xyz", 0.0, report("b"))]
        self.membership.read(rows, 0.0)
        names = [self.membership.nameOf(each.run) for each in self.membership.peers]
        self.assertEqual(names, ["b#run1xy", "b#run2xy"])
        self.assertFalse(self.membership.isAmbiguous)
        self.membership.read([("run1xyz", 0.0, report("a"))], 0.0)
        self.assertEqual(self.membership.nameOf("run1xyz"), "a#run1xy")
        self.assertTrue(self.membership.isAmbiguous)
        # It may be this node's earlier run, which was killed.
        self.membership.read([("run1xyz", FRESH + 0.1, report("a"))], 0.0)
        self.assertFalse(self.membership.isAmbiguous)


class ReportTests(SynchronousTestCase):
    """
    Tests for L{Report}.
    """

    def test_read(self) -> None:
        """A report is read as it was written; what is none is not read."""
        written = report("b", p=(1, 2))
        self.assertEqual(decodeReport(encodeReport(written)), written)
        for data in (b"", b"[]", b"{}", b'{"name": 5}'):
            self.assertIsNone(decodeReport(data))

    def test_later(self) -> None:
        """A report of a later version, which has more, is read."""
        data = encodeReport(report("b"))[:-1] + b',"more":{"x":1}}'
        self.assertEqual(decodeReport(data), report("b"))


class NameTests(SynchronousTestCase):
    """
    Tests for the node's own name.
    """

    def setUp(self) -> None:
        self.membership = Membership("me", "a")

    def read(self, now: float, **peers: tuple[float, float, str]) -> None:
        """
        Take what the engine knows.

        @param peers: By run, the seconds since it was heard, how long it has run, and its name.
        """
        own = "me", 0.0, replace(report("a"), uptime=now)
        others = [
            (run, age, replace(report(name), uptime=uptime))
            for run, (age, uptime, name) in peers.items()
        ]
        self.membership.read([own, *others], 1000.0 + now)

    def test_free(self) -> None:
        """A node without a namesake has its name at once, and keeps it."""
        self.assertFalse(self.membership.isNamed)
        self.read(0.0, r1=(0.0, 100.0, "b"))
        self.assertTrue(self.membership.isNamed)
        self.read(1.0, r2=(0.0, 100.0, "a"))
        self.read(2.0, r2=(0.0, 101.0, "a"))
        self.assertTrue(self.membership.isNamed)
        self.assertIsNone(self.membership.rival)

    def test_killed(self) -> None:
        """
        A node has the name of its earlier run, which was killed, once that run has missed its
        reports.
        """
        for now in range(3):
            self.read(now, r1=(now + 0.5, 100.0, "a"))
            self.assertFalse(self.membership.isNamed)
        self.read(3.0, r1=(3.5, 100.0, "a"))
        self.assertTrue(self.membership.isNamed)
        self.assertIsNone(self.membership.rival)

    def test_taken(self) -> None:
        """A node does not have the name of one that goes on to report itself."""
        self.read(0.0, r1=(0.5, 100.0, "a"))
        self.assertIsNone(self.membership.rival)
        self.read(1.0, r1=(0.5, 101.0, "a"))
        self.assertFalse(self.membership.isNamed)
        assert self.membership.rival is not None
        self.assertEqual(self.membership.rival.run, "r1")

    def test_younger(self) -> None:
        """Of two nodes that start with one name, the one that began first has it."""
        self.read(1.0, r1=(0.9, 0.0, "a"))
        self.assertFalse(self.membership.isNamed)
        self.read(1.95, r1=(0.9, 1.0, "a"))
        self.assertTrue(self.membership.isNamed)
        other = self.membership = Membership("you", "a")
        own = "you", 0.0, replace(report("a"), uptime=1.85)
        for uptime in (0.0, 1.0):
            first = "me", 0.95, replace(report("a"), uptime=uptime)
            other.read([own, first], 1000.0)
        assert other.rival is not None
        self.assertEqual(other.rival.run, "me")
