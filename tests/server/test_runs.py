"""
Tests for L{aerostack.server.runs}.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from aerostack.core.diagnosis.merging import orderOf
from aerostack.core.replay.positions import Position, parsePosition
from aerostack.server.runs import DIGITS, ConnectionIds, MessageIds, newRun

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


class ConnectionIdTests(SynchronousTestCase):
    """
    Tests for L{ConnectionIds}.
    """

    def test_order(self) -> None:
        """
        The ids of two runs sort in order of opening, whichever run they are of.
        """
        now = [1_700_000_000.0]
        runs = [ConnectionIds(run, lambda: now[0]) for run in ("b", "a")]
        ids = []
        for number in range(10):
            ids.append(runs[number % 3 % 2]())
            now[0] += 0.002
        self.assertEqual(sorted(ids, key=orderOf), ids)

    def test_distinct(self) -> None:
        """
        Connections that open within a millisecond, or after the clock was set back, have ids of
        their own, still in order.
        """
        now = [1_700_000_000.0]
        newId = ConnectionIds("a", lambda: now[0])
        ids = [newId() for _ in range(20)]
        now[0] -= 3600
        ids += [newId() for _ in range(20)]
        self.assertEqual(len(set(ids)), 40)
        self.assertEqual(sorted(ids, key=orderOf), ids)


class MessageIdTests(SynchronousTestCase):
    """
    Tests for L{MessageIds}.
    """

    def setUp(self) -> None:
        self.now = 1_700_000_000_000

    def test_order(self) -> None:
        """
        The ids of all runs sort by the time of the message.
        """
        runs = [MessageIds(newRun(), lambda: self.now) for _ in range(2)]
        ids = []
        for number in range(20):
            ids.append(runs[number % 3 % 2]())
            self.now += 1
        self.assertEqual(sorted(ids), ids)

    def test_distinct(self) -> None:
        """
        Messages of one millisecond, and messages after the clock was set back, have ids of their
        own, in both of two runs.
        """
        runs = [MessageIds(newRun(), lambda: self.now) for _ in range(2)]
        ids = {newId() for newId in runs for _ in range(20)}
        self.now -= 10
        ids |= {newId() for newId in runs for _ in range(20)}
        self.now += 10
        ids |= {newId() for newId in runs for _ in range(20)}
        self.assertEqual(len(ids), 120)
        self.assertEqual({len(each) for each in ids}, {32})
