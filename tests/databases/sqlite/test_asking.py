"""
Tests for L{aerostack.databases.sqlite.wake.Asking}.
"""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from aerostack.databases.sqlite.wake import BUSY, LAST, Asking


class AskingTests(SynchronousTestCase):
    """
    Tests for L{Asking}.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.asked: list[int] = []
        self.asking = Asking(
            self.clock, lambda: self.asked.append(round(self.clock.seconds() * 1000))
        )

    def test_once(self) -> None:
        """
        After one write the journal is read at once and then after growing pauses, until the
        repetition ends.
        """
        self.asking.heard()
        self.clock.pump([0.001] * 1000)
        self.assertEqual(self.asked, [0, 1, 3, 7, 15, 31, 63])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_again(self) -> None:
        """
        A later write begins anew.
        """
        self.asking.heard()
        self.clock.pump([0.001] * 100)
        self.asking.heard()
        self.clock.pump([0.001] * 100)
        self.assertEqual(self.asked[7:], [100, 101, 103, 107, 115, 131, 163])

    def test_meanwhile(self) -> None:
        """
        A write in between is read within a few milliseconds, and the repetition continues to its
        end.
        """
        self.asking.heard()
        self.clock.pump([0.001] * 40)
        self.asking.heard()
        self.clock.pump([0.001] * 200)
        self.assertEqual(self.asked, [0, 1, 3, 7, 15, 31, 44, 48, 56, 72, 104])

    def test_without_end(self) -> None:
        """
        Continuous writes cause a read every few milliseconds, no more often.
        """
        for _ in range(4000):
            self.asking.heard()
            self.clock.advance(0.0003)
        pauses = [after - before for before, after in pairwise(self.asked[2:])]
        self.assertEqual(set(pauses), {4, 5})

    def test_stop(self) -> None:
        """
        After the stop nothing is read.
        """
        self.asking.heard()
        self.asking.stop()
        self.clock.advance(1)
        self.assertEqual(self.asked, [0])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    @given(st.lists(st.integers(0, 100), max_size=40))
    def test_followed(self, pauses: list[int]) -> None:
        """
        Each write is read within a few milliseconds, and again until its commit must be visible;
        and never twice within a millisecond during a repetition.
        """
        clock, asked = Clock(), list[float]()
        asking = Asking(clock, lambda: asked.append(clock.seconds()))
        for pause in [*pauses, 1000]:
            heard, before = clock.seconds(), len(asked)
            asking.heard()
            clock.pump([0.0005] * (2 * pause))
            since = [at - heard for at in asked[before:]]
            if pause >= 100:
                self.assertLessEqual(since[0], BUSY + 0.001)
                self.assertGreaterEqual(since[-1], LAST)
                self.assertLess(len(since), 9)
