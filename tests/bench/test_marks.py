"""
Tests for the table of marks in C{bench/marks.py} and C{bench/tables.py}.
"""

from __future__ import annotations

from marks import HEADER, Mark, judge
from results import Results
from tables import Table, lines
from twisted.trial.unittest import SynchronousTestCase


class MarkTests(SynchronousTestCase):
    """
    Tests for L{Mark}.
    """

    def test_verdict(self) -> None:
        """
        A row says whether the mark is reached, or that there is none.
        """
        found = [Mark("a", "1", "2", "0.5", "<= 1", each).row()[-1] for each in (True, False, None)]
        self.assertEqual(found, ["yes", "NO", "-"])

    def test_table(self) -> None:
        """
        The table has a column for each cell, wide enough for the longest; words stand at the left,
        numbers at the right.
        """
        marks = [
            Mark("a", "1,000", "2", "0.5", "<= 1", True),
            Mark("longer", "-", "-", "-", "-", None),
        ]
        self.assertEqual(
            lines(Table("", "", HEADER, [each.row() for each in marks], 1)),
            [
                "======  =====  =======  =====  ====  =======",
                "what     ours  against  ratio  mark  reached",
                "======  =====  =======  =====  ====  =======",
                "a       1,000        2    0.5  <= 1      yes",
                "longer      -        -      -     -        -",
                "======  =====  =======  =====  ====  =======",
            ],
        )


class OpeningTests(SynchronousTestCase):
    """
    Tests for the marks of clients that connect.
    """

    def setUp(self) -> None:
        self.results = Results()
        self.results.labels = {"aerostack": "ours", "ws": "ws", "centrifuge": "centrifuge"}

    def add(self, system: str, kind: str, rate: float, refused: int = 0) -> None:
        """
        Add a sample.
        """
        values = {"clients": 100, "rate": rate, "refused": refused, "failed": 0, "memory": 1024}
        self.results.add(system, f"crowd/{kind}", values)

    def verdicts(self) -> dict[tuple[str, str], bool | None]:
        """
        Judge.

        @return: By the words of a mark and what it is compared with, whether it is reached.
        """
        return {
            (mark.what, mark.against): mark.reached
            for mark in judge(self.results)
            if mark.what.startswith("clients")
        }

    def test_peers(self) -> None:
        """
        Plain openings are compared with ws, and those over TLS with centrifuge.
        """
        for kind in ("plain", "storm", "tls"):
            self.add("aerostack", kind, 1_000)
        self.add("ws", "plain", 1_000)
        self.add("ws", "storm", 1_001)
        self.add("ws", "tls", 2_000)
        self.add("centrifuge", "plain", 2_000)
        self.add("centrifuge", "tls", 999)
        what = "clients that connect and subscribe"
        self.assertEqual(
            self.verdicts(),
            {
                (f"{what}, 500 at once", "1,000/s ws"): True,
                (f"{what}, 500 at once", "of 100"): True,
                (f"{what}, all at once", "1,001/s ws"): False,
                (f"{what}, all at once", "of 100"): True,
                (f"{what}, TLS, 500 at once", "999/s centrifuge"): True,
                (f"{what}, TLS, 500 at once", "of 100"): True,
            },
        )

    def test_refused(self) -> None:
        """
        A daemon that refuses a client misses its mark, however fast it is.
        """
        self.add("aerostack", "tls", 1_000, refused=1)
        self.assertEqual(list(self.verdicts().values()), [False])
