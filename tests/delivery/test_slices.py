"""
Tests for L{aerostack.delivery.slices}.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from aerostack.delivery.slices import makeCooperator


class CooperatorTests(SynchronousTestCase):
    """
    Tests for L{makeCooperator}.
    """

    def setUp(self) -> None:
        self.now = 100.0
        # What the next turn of the reactor calls.
        self.due: list[Callable[[], object]] = []

    def seconds(self) -> float:
        """Stand for the reactor's clock."""
        return self.now

    def callLater(self, delay: float, call: Callable[[], object]) -> None:
        """Stand for the reactor."""
        self.assertEqual(delay, 0)
        self.due.append(call)

    def work(self, steps: int, seconds: float) -> Iterator[None]:
        """Make steps that each take so many seconds."""
        for _ in range(steps):
            self.now += seconds
            yield

    def turns(self, steps: int, seconds: float, *options: float) -> list[float]:
        """
        Do a work.

        @return: The seconds of each turn in which something was done.
        """
        clock: Any = self
        done = makeCooperator(clock, *options).coiterate(self.work(steps, seconds))
        found = []
        while self.due:
            due, self.due, before = self.due, [], self.now
            for call in due:
                call()
            found.append(round(self.now - before, 6))
        self.successResultOf(done)
        return [each for each in found if each]

    def test_slices(self) -> None:
        """
        A turn does steps for 2 ms, and the next turn goes on.
        """
        self.assertEqual(self.turns(12, 0.0005), [0.002, 0.002, 0.002])

    def test_other(self) -> None:
        """
        The slices may be shorter.
        """
        self.assertEqual(self.turns(12, 0.0005, 0.5), [0.001] * 6)

    def test_step(self) -> None:
        """
        A step that has begun is done to its end.
        """
        self.assertEqual(self.turns(3, 0.007), [0.007] * 3)
