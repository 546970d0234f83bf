"""
Tests for L{aerostack.net.sse.inbox}.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from aerostack.errors import RealtimeError
from aerostack.net.intake import BUDGET, Intake
from aerostack.net.sse.inbox import Inbox


class InboxTests(SynchronousTestCase):
    """
    Tests for the frames that wait for a session.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        # How long the session takes for a frame.
        self.cost = 0.0
        self.spent = 0.0
        self.taken: list[bytes] = []
        self.failures: list[Any] = []
        self.intake = Intake(self.clock, lambda: self.spent)
        self.inbox = self.make()

    def make(self) -> Inbox:
        """
        An inbox.
        """
        return Inbox(self.intake, 1000, self.receive, self.failures.append)

    def receive(self, frame: bytes) -> None:
        """
        Take a frame, which takes time.
        """
        self.spent += self.cost
        if frame == b"bad":
            raise ValueError
        self.taken.append(frame)

    def test_order(self) -> None:
        """
        Frames are taken in their order, those of one request behind those of the one before.
        """
        self.cost = BUDGET
        frames = [bytes([number]) * 240 for number in range(4)]
        first = self.inbox.take(frames[:3])
        second = self.inbox.take(frames[3:])
        assert first is not None and second is not None
        self.assertNoResult(first)
        for _ in range(10):
            self.clock.advance(0)
        self.assertEqual(self.taken, frames)
        self.successResultOf(first)
        self.successResultOf(second)

    def test_turns(self) -> None:
        """
        Many frames are taken in several turns, and another client has its turn meanwhile.
        """
        self.cost = BUDGET / 4
        self.inbox.take([b"x" * 200] * 4)
        self.assertLess(len(self.taken), 4)
        self.make().take([b"other"])
        self.clock.advance(0)
        self.assertIn(b"other", self.taken[:4])

    def test_atOnce(self) -> None:
        """
        Few frames are taken at once.
        """
        self.assertIsNone(self.inbox.take([b"1", b"2"]))
        self.assertIsNone(self.inbox.take([]))
        self.assertEqual(self.taken, [b"1", b"2"])

    def test_full(self) -> None:
        """
        What waits is bounded: the client is asked to send one request after the other.
        """
        self.cost = BUDGET
        self.inbox.take([b"x" * 400] * 2)
        with self.assertRaises(RealtimeError) as caught:
            self.inbox.take([b"x" * 900])
        self.assertEqual(caught.exception.code, "rate_limited")
        self.assertEqual(caught.exception.retryAfter, 1000)

    def test_ended(self) -> None:
        """
        Requests that wait when the connection ends are refused, and no frame of them is taken.
        """
        self.cost = BUDGET
        waiting = self.inbox.take([b"x" * 300] * 3)
        assert waiting is not None
        self.inbox.end()
        self.assertEqual(self.failureResultOf(waiting).value.code, "unknown_session")
        taken = len(self.taken)
        self.clock.advance(0)
        self.assertEqual(len(self.taken), taken)

    def test_failed(self) -> None:
        """
        An error of the session is reported, and does not reach the reactor.  The request that
        brought the frame does not wait for ever.
        """
        taken = self.inbox.take([b"bad"])
        self.assertEqual(len(self.failures), 1)
        assert taken is not None
        self.assertEqual(self.failureResultOf(taken).value.code, "unknown_session")
