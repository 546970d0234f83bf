"""
Tests for L{aerostack.net.sse.connection}, on a site without sockets.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aerostack.errors import CLOSE_SILENT, CLOSE_SLOW
from aerostack.net.http.eventstream import BEAT
from tests.net.sse.events import EventsCase


class LivenessTests(EventsCase):
    """
    Tests for connections on which nothing happens.
    """

    def test_comments(self) -> None:
        """
        A quiet connection gets a comment every 15 seconds, and stays.
        """
        wire = self.open()
        for _ in range(10):
            before = len(wire.value())
            self.world.advance(BEAT)
            self.assertIn(b":", wire.value()[before:])
        self.assertEqual(self.types(wire), ["session"])

    def test_silent(self) -> None:
        """
        A client that has said that it answers pings, and does not, is closed.
        """
        wire = self.open(query="projectId=p&pongs=1")
        session = self.session(wire)
        self.world.advance(40)
        self.assertEqual(self.request(f"/api/realtime/send?session={session}", b"[]")[0], 202)
        self.world.advance(25)
        self.assertEqual(self.types(wire), ["session"])
        self.world.advance(10)
        self.assertEqual(self.frames(wire)[-1]["code"], CLOSE_SILENT)
        self.assertEqual(len(self.site.connections), 0)


class SlowTests(EventsCase):
    """
    Tests for a client that does not read.
    """

    limits: Mapping[str, Any] = {"outboxBytes": 20_000}

    def test_slow(self) -> None:
        """
        What waits for a slow reader is bounded.  Then the client is closed, as on a WebSocket.
        """
        wire = self.open(body=b'{"type": "subscribe", "topic": "chat/a"}')
        other = self.session(self.open())
        wire.protocol.pauseProducing()
        event = {"type": "publish", "topic": "chat/a", "event": "e", "data": "x" * 5000}
        for _ in range(10):
            self.send(other, event)
        self.assertEqual(self.frames(wire)[-1]["code"], CLOSE_SLOW)

    def test_drained(self) -> None:
        """
        A client that reads again gets what has waited, in order.
        """
        wire = self.open(body=b'{"type": "subscribe", "topic": "chat/a"}')
        other = self.session(self.open())
        wire.protocol.pauseProducing()
        for number in range(3):
            event = {"type": "publish", "topic": "chat/a", "event": "e", "data": number}
            self.send(other, event)
        self.assertEqual(self.types(wire), ["session", "subscribed"])
        wire.protocol.resumeProducing()
        self.site.turn()
        self.assertEqual([frame["data"] for frame in self.frames(wire)[2:]], [0, 1, 2])
