"""
Tests for channels that begin with the newest frames of their topic.
"""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from aerostack.client.realtime import RealtimeClient
from aerostack.testing import World


class RewindTests(SynchronousTestCase):
    """
    Tests for C{subscribe(rewind=...)}.
    """

    def setUp(self) -> None:
        self.world = World()
        self.client: RealtimeClient = self.world.realtime()
        self.client.startService()
        self.got: list[Any] = []
        for number in range(6):
            self.emit(number)

    def emit(self, number: int) -> None:
        """
        Emit an event that is kept.
        """
        self.world.sdk().socket.emit("e", number, "chat/a", persist=True)
        self.world.turn()

    def subscribe(self, **fields: Any) -> Any:
        """
        Subscribe.

        @return: The answer.
        """
        channel = self.client.channel("chat/a")
        channel.off("*").on("*", lambda frame: self.got.append(frame["data"]))
        answered = channel.subscribe(**fields)
        self.world.turn()
        return self.successResultOf(answered)

    def test_newest(self) -> None:
        """
        The newest frames come first, oldest first, and later ones follow.
        """
        self.subscribe(rewind=3)
        self.emit(6)
        self.assertEqual(self.got, [3, 4, 5, 6])

    def test_comesBack(self) -> None:
        """
        A client that comes back gets what it missed, and nothing before.
        """
        self.subscribe(rewind=3)
        self.world.reachable = False
        self.world.cut()
        self.emit(6)
        self.world.reachable = True
        self.world.advance(60)
        self.assertEqual(self.got, [3, 4, 5, 6])

    def test_changed(self) -> None:
        """
        A subscription that is changed begins with the newest frames.
        """
        self.subscribe()
        self.subscribe(rewind=2)
        self.assertEqual(self.got, [4, 5])

    def test_restarted(self) -> None:
        """
        A client that subscribes anew because text of a stream is missing gets no frame again.
        """
        self.subscribe(rewind=2)
        topic = self.client.channel("chat/a")._topic
        topic.subscription.restart()
        topic._owner.touch(topic)
        self.emit(6)
        self.world.turn()
        self.assertEqual(self.got, [4, 5, 6])
