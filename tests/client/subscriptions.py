"""
A subscription whose daemon is the test.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from aerostack.client.errors import ClientError
from aerostack.client.frames import Head
from aerostack.client.subscription import Subscription

NO = ClientError("forbidden", "No.")


class SubscriptionTestCase(SynchronousTestCase):
    """
    A subscription, and what a daemon answers.
    """

    def setUp(self) -> None:
        self.subscription = Subscription()

    def ask(self) -> Any:
        """
        The frame to send now, if there is one.
        """
        return self.subscription.ask() if self.subscription.pending else None

    def answer(self, pos: str | None = "p1", **fields: Any) -> bool:
        """
        Let the daemon confirm the subscription.
        """
        frame = {"type": "subscribed", "pos": pos, **fields}
        return self.subscription.subscribed(Head(type="subscribed", pos=pos), frame)

    def begin(self, **fields: Any) -> Deferred[Any]:
        """
        Subscribe, and let the daemon confirm.
        """
        waiting = self.subscription.want(fields)
        self.ask()
        self.answer()
        return waiting
