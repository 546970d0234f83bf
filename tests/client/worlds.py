"""
A daemon in memory and its clients, for the tests of a conversation.
"""

from __future__ import annotations

import json
from typing import Any

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from aerostack.client.errors import ClientError
from aerostack.client.realtime import RealtimeClient
from aerostack.settings.limits import LimitsConfig
from aerostack.settings.projects import JWTConfig
from aerostack.testing import TOKEN_SECRET, World, makeProject

AWAY = 60.0
"""Seconds within which every client has come back."""


class WorldTestCase(SynchronousTestCase):
    """
    A daemon in memory, and its clients.
    """

    limits: LimitsConfig | None = None

    def setUp(self) -> None:
        jwt = JWTConfig(algorithm="HS256", key=TOKEN_SECRET)
        self.world = World({"p": makeProject(jwt=jwt)}, limits=self.limits)
        self.errors: list[str] = []

    def client(self, userId: str | None = "ann", **options: Any) -> RealtimeClient:
        """
        A client that is connected.
        """
        client = self.world.realtime(userId=userId, **options)
        client.onError(lambda error: self.errors.append(error.code))
        client.startService()
        self.world.turn()
        self.assertEqual(client.status, "connected")
        return client

    def heard(self, channel: Any, event: str = "*") -> list[Any]:
        """
        What a channel hears from now on.
        """
        heard: list[Any] = []
        channel.on(event, lambda frame: heard.append(frame["data"]))
        return heard

    def result(self, waiting: Deferred[Any]) -> Any:
        """
        What something comes to in a few turns.
        """
        self.world.turn()
        return self.successResultOf(waiting)

    def refusal(self, waiting: Deferred[Any]) -> str:
        """
        The code with which something fails in a few turns.
        """
        self.world.turn()
        return str(self.failureResultOf(waiting, ClientError).value.code)

    def away(self) -> None:
        """
        Let everybody be cut off, and come back.
        """
        self.world.cut()
        self.world.advance(AWAY)

    def subscribers(self, topic: str) -> int:
        """
        How many are subscribed to a topic.
        """
        return len(self.world.hub.registry.subscribers(topic))

    def hear(self, number: int = -1, **frame: Any) -> None:
        """
        Let a client hear a frame.

        @param number: Which connection it comes over.
        """
        self.hearRaw(json.dumps(frame).encode(), number)

    def hearRaw(self, payload: bytes, number: int = -1) -> None:
        """
        Let a client hear a message as it is.
        """
        self.world.wires[number]._user.received(payload)

    def sends(self, number: int = -1) -> list[Any]:
        """
        What a client sends from now on, which the daemon does not hear.
        """
        sent: list[Any] = []
        self.patch(
            self.world.wires[number], "send", lambda payload: sent.append(json.loads(payload))
        )
        return sent
