"""
Tests for L{aerostack.server.runs}.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from aerostack.core.replay.positions import Position, parsePosition
from aerostack.server.runs import DIGITS, newRun

NODES, RESTARTS = 64, 1000


class RunTests(SynchronousTestCase):
    """
    Tests for L{newRun}.
    """

    def test_digits(self) -> None:
        """
        A run's id has the digits that it is said to have, and each call gives another.
        """
        runs = {newRun() for _ in range(1000)}
        self.assertEqual(len(runs), 1000)
        self.assertEqual({len(run) for run in runs}, {DIGITS})

    def test_collisions(self) -> None:
        """
        By the birthday bound, 64 nodes that start 1,000 times each share an id with a chance of
        less than one in 100,000.
        """
        runs = NODES * RESTARTS
        self.assertLess(runs * (runs - 1) / 2 / 16**DIGITS, 1e-5)

    def test_position(self) -> None:
        """
        A position has room for the epochs of a run that opens a billion logs.
        """
        position = Position(f"{newRun()}{10**9:x}", 1, 2)
        self.assertEqual(parsePosition(str(position)), position)
