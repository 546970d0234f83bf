"""
Tests for L{aerostack.tracker.waking}.
"""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from aerostack.interfaces.tracking import IWaker
from aerostack.tracker.waking import SharedWaker


@implementer(IWaker)
class FakeWaker:
    """
    A waker that wakes when the test says so.

    @ivar wake: What to call; L{None} while it is stopped.
    @ivar stopped: What C{stop} returns.
    """

    def __init__(self) -> None:
        self.wake: Callable[[], None] | None = None
        self.starts = 0
        self.stopped: Deferred[None] | None = None

    def start(self, wake: Callable[[], None]) -> None:
        self.starts += 1
        self.wake = wake

    def stop(self) -> Deferred[None] | None:
        self.wake = None
        return self.stopped


class SharedWakerTests(SynchronousTestCase):
    """
    Two readers with one waker.
    """

    def setUp(self) -> None:
        self.waker = FakeWaker()
        shared = SharedWaker(self.waker)
        self.parts = [shared.share(), shared.share()]
        self.heard: list[int] = []

    def start(self, number: int) -> None:
        self.parts[number].start(lambda: self.heard.append(number))

    def test_wakesAll(self) -> None:
        """
        Each reader that has started is woken.
        """
        self.start(0)
        assert self.waker.wake is not None
        self.waker.wake()
        self.start(1)
        self.waker.wake()
        self.successResultOf(self.parts[0].stop())
        self.waker.wake()
        self.assertEqual(self.heard, [0, 0, 1, 1])
        self.assertEqual(self.waker.starts, 1)

    def test_lastStops(self) -> None:
        """
        The waker runs until the last reader stops, who waits for it; it can start again.
        """
        self.waker.stopped = Deferred()
        self.start(0)
        self.start(1)
        self.successResultOf(self.parts[1].stop())
        self.successResultOf(self.parts[1].stop())
        self.assertIsNotNone(self.waker.wake)
        stopped = self.parts[0].stop()
        self.assertIsNone(self.waker.wake)
        self.assertNoResult(stopped)
        self.waker.stopped.callback(None)
        self.successResultOf(stopped)
        self.start(0)
        self.assertIsNotNone(self.waker.wake)
