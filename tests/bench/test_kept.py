"""
Tests for the marks of kept publications in C{bench/keptmarks.py}.
"""

from __future__ import annotations

from keptmarks import judgeKept, keptTable
from results import Results
from twisted.trial.unittest import SynchronousTestCase


class KeptTests(SynchronousTestCase):
    """
    Tests for L{judgeKept} and L{keptTable}.
    """

    def setUp(self) -> None:
        self.results = Results()
        self.results.labels = {
            "aerostack": "on SQLite",
            "aerostack-postgresql": "on PostgreSQL",
            "centrifuge": "theirs",
        }

    def add(self, system: str, window: int, acks: float) -> None:
        """
        Add a sample.
        """
        self.results.add(
            system, f"acks/{window}", {"acks": acks, "p50": 1.0, "p99": 2.0, "cpu": 50.0}
        )

    def test_marks(self) -> None:
        """
        Each database has marks of its own, which need as many acknowledgements a second.
        """
        self.add("aerostack", 64, 12_000)
        self.add("aerostack", 512, 19_999)
        self.add("aerostack-postgresql", 64, 10_000)
        self.assertEqual(
            [(mark.what, mark.wanted, mark.reached) for mark in judgeKept(self.results)],
            [
                ("kept publications/s, 64 in flight: on SQLite", ">= 12,000", True),
                ("kept publications/s, 512 in flight: on SQLite", ">= 20,000", False),
                ("kept publications/s, 64 in flight: on PostgreSQL", ">= 10,000", True),
            ],
        )

    def test_nothing(self) -> None:
        """
        A mark without a result is left out.
        """
        self.add("centrifuge", 64, 50_000)
        self.assertEqual(list(judgeKept(self.results)), [])

    def test_table(self) -> None:
        """
        The table says what each acknowledgement means.
        """
        self.add("centrifuge", 1, 15_000)
        self.add("aerostack-postgresql", 1, 500)
        self.assertEqual(
            [row[:4] for row in keptTable(self.results).rows],
            [
                ["on PostgreSQL", "in PostgreSQL, committed", "1", "500"],
                ["theirs", "in memory", "1", "15,000"],
            ],
        )
