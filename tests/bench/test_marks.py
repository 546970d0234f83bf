"""
Tests for the table of marks in C{bench/marks.py} and C{bench/tables.py}.
"""

from __future__ import annotations

from marks import HEADER, Mark
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
