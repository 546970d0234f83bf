"""
Tests for L{aerostack.core.nodes.membership}.
"""

from __future__ import annotations

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
