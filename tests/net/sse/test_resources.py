"""
Tests for L{aerostack.net.sse.resources}, on a site without sockets.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aerostack.testing.world import PUBLIC_KEY
from tests.net.sse.events import ORIGIN, EventsCase


class OpeningTests(EventsCase):
    """
    Tests for the opening.
    """

    def test_first(self) -> None:
        """
        The answer is a stream of events, which no proxy keeps, and its first frame names the
        session.
        """
        wire = self.open()
        head = wire.value().partition(b"\r\n\r\n")[0].lower()
        self.assertIn(b"content-type: text/event-stream", head)
        self.assertIn(b"x-accel-buffering: no", head)
        (frame,) = self.frames(wire)
        self.assertEqual(frame["type"], "session")
        self.assertEqual(self.site.held(), (1, 1, 0))

    def test_frames(self) -> None:
        """
        Frames in the body of the opening are taken.
        """
        wire = self.open(body=b'{"type": "subscribe", "topic": "chat/a"}')
        self.assertEqual(self.types(wire), ["session", "subscribed"])

    def test_credentials(self) -> None:
        """
        Credentials are in headers, as those of other requests.
        """
        wire = self.open(f"X-Aerostack-Key: {PUBLIC_KEY}", query="")
        self.assertEqual(self.types(wire), ["session"])
        wire = self.open(f"Authorization: Bearer {PUBLIC_KEY}", query="")
        self.assertEqual(self.types(wire), ["session"])
        wire = self.open("X-Aerostack-Project: p", query="")
        self.assertEqual(self.types(wire), ["session"])

    def test_refused(self) -> None:
        """
        A refusal is an answer with a status, as for a WebSocket, and holds no place.
        """
        for status, query, lines in (
            (401, "projectId=p", ("X-Aerostack-Key: nix",)),
            (404, "projectId=nix", ()),
            (403, "projectId=p", ("X-Aerostack-Project: q",)),
            (403, "projectId=p", ("Origin: http://b.example",)),
            (400, "projectId=p&ids=2", ()),
            (400, "projectId=p", ("Last-Event-ID: nix",)),
            (400, "projectId=p", ("X-Aerostack-Client: short",)),
            (400, "projectId=p&apiKey=a", ()),
        ):
            wire = self.open(*lines, query=query)
            self.assertEqual(int(wire.value().split()[1]), status, (query, lines))
        self.assertEqual(self.site.held()[:2], (0, 0))

    def test_superseded(self) -> None:
        """
        A client that comes again with its session secret takes the place of its connection.
        """
        first = self.open("X-Aerostack-Client: 0123456789abcdef")
        second = self.open("X-Aerostack-Client: 0123456789abcdef")
        self.assertEqual(self.frames(first)[-1]["code"], 4009)
        self.assertEqual(self.types(second), ["session"])
        self.assertEqual(len(self.site.connections), 1)

    def test_pages(self) -> None:
        """
        A page of the project's origins may send the headers that there are.
        """
        wire = self.site.connect()
        lines = ("OPTIONS /api/realtime/sse HTTP/1.1", "Host: a", ORIGIN, "", "")
        self.site.write(wire, "\r\n".join(lines).encode())
        answer = wire.value().lower()
        self.assertIn(b"access-control-allow-origin: http://a.example", answer)
        self.assertIn(b"last-event-id, x-aerostack-client, x-aerostack-project", answer)


class TooManyTests(EventsCase):
    """
    Tests for the limit of connections.
    """

    limits: Mapping[str, Any] = {"connections": 1}

    def test_counted(self) -> None:
        """
        The connection counts as a WebSocket does, until it ends.
        """
        wire = self.open()
        self.assertEqual(int(self.open().value().split()[1]), 429)
        self.site.lose(wire)
        self.assertEqual(self.types(self.open()), ["session"])


class DrainTests(EventsCase):
    """
    Tests for a daemon that stops.
    """

    def test_sentAway(self) -> None:
        """
        A client is told when to come back, and gets the close.
        """
        wire = self.open()
        for session in self.site.connections.sessions():
            session.leave(500)
        self.site.turn()
        self.assertEqual(self.types(wire), ["session", "reconnect", "close"])
        self.assertEqual(self.frames(wire)[-1]["code"], 1001)
        self.assertEqual(len(self.site.connections), 0)

    def test_aborted(self) -> None:
        """
        A connection can be dropped.
        """
        wire = self.open()
        self.site.connections.abort()
        self.assertTrue(wire.disconnecting)
