"""
Tests for L{aerostack.client.session}, with a daemon in memory.
"""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from aerostack.client.errors import ClientError
from aerostack.errors import RealtimeError
from aerostack.testing import World
from tests.client.worlds import AWAY, WorldTestCase


class EndsTests(WorldTestCase):
    """
    Tests for clients that stop or give up.
    """

    def test_refused(self) -> None:
        """
        All that waits fails with the reason when the daemon refuses the client.
        """
        client = self.world.realtime(apiKey="pk_wrong_wrong_wrong")
        client.onError(lambda error: self.errors.append(error.code))
        channel = client.channel("chat/a")
        waiting = [channel.subscribe(), channel.publish("e", 1)]
        client.startService()
        for each in waiting:
            self.assertEqual(self.refusal(each), "unauthorized")
        self.assertEqual((client.status, self.errors), ("disconnected", ["unauthorized"]))
        self.world.advance(AWAY)
        self.assertEqual(self.errors, ["unauthorized"])

    def test_retries(self) -> None:
        """
        A client gives up after so many attempts and says so; connect() starts it again.
        """
        told: list[Any] = []
        self.world.reachable = False
        client = self.world.realtime(maxReconnectAttempts=2)
        client.onStatusChange(told.append)
        client.onMaxRetriesExceeded(lambda: told.append("exceeded"))
        client.startService()
        self.world.advance(AWAY)
        self.assertEqual(told, ["connecting", "reconnecting", "disconnected", "exceeded"])
        self.world.reachable = True
        self.world.advance(AWAY)
        self.assertEqual(client.status, "disconnected")
        client.connect()
        self.world.turn()
        self.assertEqual(client.status, "connected")

    def test_connect(self) -> None:
        """
        connect() ends the pause before the next attempt.
        """
        client = self.client()
        self.world.cut()
        client.connect()
        self.world.turn()
        self.assertEqual(client.status, "connected")
        self.result(client.disconnect())
        client.connect()
        self.world.turn()
        self.assertEqual((client.status, client.running), ("connected", True))

    def test_stopClean(self) -> None:
        """
        A client that is stopped disconnects at once, and leaves no timer behind.
        """
        client = self.client()
        channel = client.channel("chat/a")
        channel.track({})
        self.result(channel.subscribe())
        self.result(client.stopService())
        self.assertEqual(self.subscribers("chat/a/p"), 0)
        self.assertEqual(list(self.world.hub.presence.rosters.members("chat/a/p")), [])
        self.assertEqual(self.world.clock.getDelayedCalls(), [])

    def test_ping(self) -> None:
        """
        A ping is answered, and fails when the connection is closed.
        """
        client = self.client()
        self.result(client.ping())
        waiting = client.ping()
        self.world.cut()
        self.assertEqual(self.refusal(waiting), "unreachable")

    def test_unsubscribing(self) -> None:
        """
        A wait for an unsubscribe ends when the connection is closed.
        """
        client = self.client()
        channel = client.channel("chat/a")
        self.result(channel.subscribe())
        left = channel.unsubscribe()
        self.world.cut()
        self.successResultOf(left)

    def test_callbacksThatCome(self) -> None:
        """
        A callback for the end of a client may use the client.
        """
        client = self.client()
        channel = client.channel("chat/a")
        self.result(channel.subscribe())
        left = channel.unsubscribe()
        left.addCallback(lambda _: client.channel("chat/b").subscribe())
        self.world.cut()
        self.world.advance(AWAY)
        self.assertEqual(self.subscribers("chat/b/p"), 1)


class ErrorTests(SynchronousTestCase):
    """
    Tests for the errors of the fakes.
    """

    def test_down(self) -> None:
        """
        A world that is not reachable gives an error that says so.
        """
        world = World()
        world.reachable = False
        client = world.realtime(maxReconnectAttempts=0)
        client.startService()
        waiting = client.channel("chat/a").subscribe()
        world.turn()
        error = self.failureResultOf(waiting, ClientError).value
        self.assertEqual(
            (error.code, error.message), ("unreachable", "The daemon cannot be reached.")
        )
        self.assertNotIsInstance(error, RealtimeError)
