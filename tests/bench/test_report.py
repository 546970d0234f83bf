"""
Tests for the tables of the documentation in C{bench/report.py}.
"""

from __future__ import annotations

from plan import Plan
from report import asRst
from results import Results
from twisted.trial.unittest import SynchronousTestCase


class ReportTests(SynchronousTestCase):
    """
    Tests for L{asRst}.
    """

    def setUp(self) -> None:
        self.results = Results()
        self.results.labels = {"ws": "ws (Node)"}
        values = dict.fromkeys(("publishes", "p50", "p99", "max", "work", "cpu", "lag"), 1.0)
        self.results.add("ws", "rooms/2/2000", values)

    def test_picture(self) -> None:
        """
        The picture stands between the note and the table of small rooms.
        """
        text = asRst(self.results, Plan(), "latency.svg")
        found = [text.index(each) for each in ("Small rooms", ".. image:: latency.svg", "2,000")]
        self.assertEqual(found, sorted(found))

    def test_none(self) -> None:
        """
        Tables without a picture name none.
        """
        self.assertNotIn("image", asRst(self.results, Plan(), None))
