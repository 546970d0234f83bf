"""
Tests for the scene of silent clients in C{bench/idlemarks.py} and C{bench/systems.py}.
"""

from __future__ import annotations

from idlemarks import idleTable, judgeIdle
from results import Results
from systems import worst
from twisted.trial.unittest import SynchronousTestCase

FOUND: dict[str, float | None] = {
    "silent": 10_000,
    "publishes": 1_000,
    "p50": 1,
    "p99": 2,
    "max": 3,
    "cpu": 10,
    "rss": 1 << 20,
}


class IdleTests(SynchronousTestCase):
    """
    Tests for L{judgeIdle}, L{idleTable} and L{worst}.
    """

    def setUp(self) -> None:
        self.results = Results()
        self.results.labels = {"aerostack": "ours", "ws": "theirs"}

    def add(self, system: str, turn: float | None) -> None:
        """
        Add a sample.
        """
        self.results.add(system, "idle", {**FOUND, "turn": turn})

    def test_mark(self) -> None:
        """
        The worst second of all rounds decides.
        """
        self.add("aerostack", 4.9)
        self.assertEqual([mark.reached for mark in judgeIdle(self.results)], [True])
        self.add("aerostack", 5.1)
        self.add("aerostack", 3.0)
        self.assertEqual(
            [(mark.ours, mark.reached) for mark in judgeIdle(self.results)], [("5.1 ms", False)]
        )

    def test_others(self) -> None:
        """
        A system that does not say how late its event loop was has a row, and no mark.
        """
        self.add("ws", None)
        self.assertEqual(list(judgeIdle(self.results)), [])
        (row,) = idleTable(self.results).rows
        self.assertEqual(row[:7], ["theirs", "10,000", "1,000", "1.0", "2.0", "3.0", "-"])

    def test_worst(self) -> None:
        """
        A sample counts if its whole second is within the time.
        """
        samples = [{"at": 1_000 * end, "turn": float(end)} for end in (11, 12, 13, 14)]
        self.assertEqual(worst(samples, 10.5, 13.5), 13)
        self.assertEqual(worst(samples, 10, 11), 11)
        self.assertIsNone(worst(samples, 10.5, 11.5))
