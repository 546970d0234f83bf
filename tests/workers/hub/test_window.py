"""
Tests for L{aerostack.workers.hub.window}.
"""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from aerostack.workers.hub.window import AHEAD, STRIDE, Window


class WindowTests(SynchronousTestCase):
    """
    Tests for L{Window}.
    """

    def setUp(self) -> None:
        self.marks: list[int] = []
        self.window = Window(self.marks.append)

    def waiting(self, most: int = AHEAD) -> Deferred[None]:
        """
        Wait, because the worker has left too much.
        """
        waiting = self.window.whenLeft(most)
        assert waiting is not None
        return waiting

    def test_few(self) -> None:
        """
        Few bytes need no mark, and hold nothing back.
        """
        self.window.add(STRIDE - 1)
        self.assertEqual(self.marks, [])
        self.assertIsNone(self.window.whenLeft(0))

    def test_many(self) -> None:
        """
        The feed waits while the worker has left too many marks, and goes on when it has come far
        enough.
        """
        for _ in range(AHEAD + 2):
            self.assertIsNone(self.window.whenLeft(AHEAD) if len(self.marks) <= AHEAD else None)
            self.window.add(STRIDE)
        waiting = self.waiting()
        self.window.take(1)
        self.assertNoResult(waiting)
        self.window.take(2)
        self.successResultOf(waiting)
        self.assertIsNone(self.window.whenLeft(AHEAD))

    def test_all(self) -> None:
        """
        A caller can wait for the last mark, and not for those that follow.
        """
        self.window.mark()
        waiting = self.waiting(0)
        self.window.mark()
        self.window.take(1)
        self.successResultOf(waiting)
        self.assertIsNotNone(self.window.whenLeft(0))

    def test_end(self) -> None:
        """
        A worker that has gone holds nothing back.
        """
        self.window.mark()
        waiting = self.waiting(0)
        self.window.end()
        self.successResultOf(waiting)
        self.assertIsNone(self.window.whenLeft(0))
