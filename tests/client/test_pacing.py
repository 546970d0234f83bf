"""
Tests for L{aerostack.client.pacing}.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from aerostack.client.pacing import BYTES, MOST, START, Pacer


class PacerTests(SynchronousTestCase):
    """
    Tests for L{Pacer}.
    """

    def setUp(self) -> None:
        self.pacer = Pacer()

    def test_grows(self) -> None:
        """
        More frames go out each time, up to a bound.
        """
        self.assertEqual(self.pacer.left, START)
        before = START
        while before < MOST:
            self.pacer.left = 0
            self.pacer.refill()
            self.assertGreater(self.pacer.left, before)
            before = self.pacer.left
        self.pacer.refill()
        self.assertEqual(self.pacer.left, MOST)

    def test_large(self) -> None:
        """
        Fewer large frames go out at a time, but never fewer than at first.
        """
        for _ in range(MOST):
            self.pacer.refill()
        for size, count in ((1, MOST), (BYTES, START), (BYTES // 20, 20)):
            sent = 0
            while self.pacer.left:
                self.pacer.sent(size)
                sent += 1
            self.assertEqual(sent, count + (size == BYTES // 20))
            self.pacer.refill()

    def test_tooFast(self) -> None:
        """
        After a refusal as too fast first no frame goes out, then one, then a few.
        """
        self.pacer.tooFast()
        lefts = [self.pacer.left]
        for _ in range(6):
            self.pacer.refill()
            lefts.append(self.pacer.left)
        self.assertEqual(lefts, [0, 1, 1, 1, 1, 2, 2])

    def test_lost(self) -> None:
        """
        On another connection the pace stays, and at least one frame goes out.
        """
        self.pacer.left = 0
        self.pacer.closed()
        self.assertEqual(self.pacer.left, START)
        self.pacer.tooFast()
        self.pacer.closed()
        self.assertEqual(self.pacer.left, 1)
