"""
Tests for L{aerostack.recovery.pacing}.
"""

from __future__ import annotations

from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from aerostack.recovery import pacing
from aerostack.recovery.pacing import Pacer


class Client:
    """
    A client for which portions wait.

    @ivar sizes: The size of each.
    @ivar failed: What ended its connection.
    """

    def __init__(self, pacer: Pacer, turns: list[Client], *sizes: int) -> None:
        self.sizes = list(sizes)
        self.failed: Failure | None = None
        self._pacer = pacer
        self._turns = turns

    def sendPast(self, size: int) -> int:
        """
        Send one, and ask for another turn if there are more.
        """
        self._turns.append(self)
        if not self.sizes:
            raise ValueError("broken")
        sent = self.sizes.pop(0)
        if self.sizes:
            self._pacer.pace(self)  # type: ignore[arg-type]
        return sent

    def fail(self, failure: Failure) -> None:
        """
        End the connection.
        """
        self.failed = failure


class PacerTests(SynchronousTestCase):
    """
    Tests for L{Pacer}.
    """

    def setUp(self) -> None:
        self.patch(pacing, "TURN", 100)
        self.clock = Clock()
        self.pacer = Pacer(self.clock)
        self.turns: list[Client] = []

    def client(self, *sizes: int) -> Client:
        """
        Let a client wait for its turn.
        """
        client = Client(self.pacer, self.turns, *sizes)
        self.pacer.pace(client)  # type: ignore[arg-type]
        return client

    def turn(self) -> list[Client]:
        """
        Let the reactor turn once.

        @return: The clients that had a turn.
        """
        self.turns.clear()
        calls, self.clock.calls = self.clock.calls, []
        for call in calls:
            call.func()
        return list(self.turns)

    def test_oncePerTurn(self) -> None:
        """
        A client that asks twice has one turn, and none before the reactor turns.
        """
        client = self.client(10)
        self.pacer.pace(client)  # type: ignore[arg-type]
        self.assertEqual(self.turns, [])
        self.assertEqual(self.turn(), [client])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_budget(self) -> None:
        """
        All clients share one budget of bytes a turn, and those that had no turn come first in
        the next one.
        """
        first, second, third = self.client(60, 5), self.client(60, 5), self.client(60)
        self.assertEqual(self.turn(), [first, second])
        self.assertEqual(self.turn(), [third, first, second])

    def test_oneFails(self) -> None:
        """
        A client whose portion fails is closed, and the others have their turns.
        """
        first, broken, last = self.client(10), self.client(), self.client(10)
        self.assertEqual(self.turn(), [first, broken, last])
        assert broken.failed is not None
        self.assertEqual(broken.failed.type, ValueError)
        self.assertEqual((first.failed, last.failed), (None, None))
        self.assertEqual(self.turn(), [])
