"""
Tests for L{aerostack.client.patience}.
"""

from __future__ import annotations

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from aerostack.client.errors import ClientError
from aerostack.client.patience import Patience


class PatienceTests(SynchronousTestCase):
    """
    Tests for L{Patience}.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.patience = Patience(self.clock)

    def call(self) -> Deferred[int]:
        """
        A call that may take ten seconds.
        """
        return self.patience.bound(Deferred(), 10.0, lambda: ClientError("timed_out", "Late."))

    def test_late(self) -> None:
        """
        A call without an answer fails in its time.
        """
        call = self.call()
        self.clock.advance(9.9)
        self.assertNoResult(call)
        self.clock.advance(0.2)
        self.failureResultOf(call, ClientError)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_over(self) -> None:
        """
        A call that is answered, and one that is given up, leave no timer.
        """
        answered, gone = self.call(), self.call()
        answered.callback(1)
        gone.cancel()
        self.failureResultOf(gone, CancelledError)
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.assertEqual(self.successResultOf(answered), 1)

    def test_heldUp(self) -> None:
        """
        The time for which the daemon asks the client to wait does not count.
        """
        call = self.call()
        self.clock.advance(9)
        self.patience.heldUp(5)
        self.clock.advance(14)
        self.assertNoResult(call)
        self.clock.advance(1.1)
        self.failureResultOf(call, ClientError)
