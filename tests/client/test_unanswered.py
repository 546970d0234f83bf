"""
Tests for subscriptions that the daemon does not answer.
"""

from __future__ import annotations

import math

from aerostack.client.errors import ClientError
from tests.client.worlds import AWAY, WorldTestCase


class UnansweredTests(WorldTestCase):
    """
    Tests for the time-out of C{subscribe}.
    """

    def test_down(self) -> None:
        """
        It fails with a sentence that names topic, address and reason, and the client goes on
        asking.
        """
        self.world.reachable = False
        client = self.world.realtime(userId="ann")
        client.onError(lambda error: self.errors.append(error.code))
        client.startService()
        channel = client.channel("chat/a")
        waiting = channel.subscribe()
        self.world.advance(9.9)
        self.assertNoResult(waiting)
        self.world.advance(0.2)
        error = self.failureResultOf(waiting, ClientError).value
        self.assertEqual(error.code, "timed_out")
        self.assertRegex(
            error.message,
            r"ws://world\.test has not answered the subscription to chat/a within 10 seconds: .+\."
            r" The client goes on asking\.",
        )
        self.world.reachable = True
        self.world.advance(AWAY)
        self.assertEqual(self.subscribers("chat/a/p"), 1)
        self.result(channel.subscribe())

    def test_idle(self) -> None:
        """
        A client that was not started says so.
        """
        waiting = self.world.realtime(timeout=1.0).channel("chat/a").subscribe()
        self.world.advance(1.1)
        message = self.failureResultOf(waiting, ClientError).value.message
        self.assertTrue(message.endswith("the client was not started."), message)

    def test_times(self) -> None:
        """
        A call may have a time of its own, or any.
        """
        self.world.reachable = False
        client = self.world.realtime(timeout=1.0)
        client.onError(lambda error: None)
        client.startService()
        channel = client.channel("chat/a")
        short, longer, ever = (channel.subscribe(timeout=each) for each in (None, 5.0, math.inf))
        self.world.advance(4.9)
        self.failureResultOf(short, ClientError)
        self.assertNoResult(longer)
        self.world.advance(1000)
        self.failureResultOf(longer, ClientError)
        self.assertNoResult(ever)
        client.stopService()
        self.failureResultOf(ever, ClientError)
