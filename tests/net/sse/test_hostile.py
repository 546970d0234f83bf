"""
Tests for clients over server-sent events that mean harm.
"""

from __future__ import annotations

import json
import re
from itertools import pairwise

from tests.net.sse.events import EventsCase, content, post

NASTY = (
    "a\r\nid: 5\r\ndata: {}",
    "a\n\ndata: x",
    "a\rb",
    "a\x00b",
    "a\x85b",
    "a\u2028b\u2029c",
    "a: b",
    "é\U0001f600",
    "a%0d%0ab",
    "",
)
"""What a client may put where the daemon repeats what clients send."""

LINE = re.compile(rb"|:|: ping|id: [\x21-\x7e]*|data: (\{.*\})")


class InjectionTests(EventsCase):
    """
    Tests for what the daemon repeats of what clients send.
    """

    def test_lines(self) -> None:
        """
        Whatever names and data clients send, each line of the stream is one of the daemon's: no
        client makes an event, an id or a header of its own for another one.
        """
        watcher = self.open(body=b'{"type": "subscribe", "topic": "chat/a"}')
        wire = self.open(query="projectId=p&userId=u%C2%85%0D%0A")
        self.assertEqual(int(wire.value().split()[1]), 400)
        wire = self.open(query="projectId=p&userId=u%3A%20%C3%A9")
        session = self.session(wire)
        for text in NASTY:
            for topic in ("chat/a", f"chat/{text}", text):
                frames = (
                    {"type": "subscribe", "topic": topic, "view": text, "filter": {text: text}},
                    {"type": "subscribe", "topic": topic},
                    {"type": "publish", "topic": topic, "event": text, "data": text, "id": text},
                    {"type": "publish", "topic": topic, "event": "e", "data": {text: text}},
                    {"type": "track", "topic": topic, "state": {text: text}},
                    {"type": text, "topic": topic},
                )
                self.assertEqual(self.send(session, *frames)[0], 202)
        for each in (wire, watcher):
            head, _, _ = each.value().partition(b"\r\n\r\n")
            self.assertNotIn(b"\r\nid:", head.lower())
            lines = content(each.value()).split(b"\n")
            for line in lines:
                found = LINE.fullmatch(line)
                assert found is not None, line
                if found[1] is not None:
                    json.loads(found[1])
            # Each event is one line of data behind at most one id.
            for before, line in pairwise(lines):
                self.assertFalse(line.startswith(b"data: ") and before.startswith(b"data: "))
        self.assertGreater(len(self.frames(watcher)), 2 * len(NASTY))


class PlaceTests(EventsCase):
    """
    Tests for sessions that are used from several places.
    """

    def test_moved(self) -> None:
        """
        A client that has got another address goes on sending: its session is bound to the page
        and the project, not to the address.
        """
        wire = self.open()
        moved = self.site.connect("198.51.100.7")
        self.site.write(
            moved, post(f"/api/realtime/send?session={self.session(wire)}", b'{"type": "ping"}')
        )
        self.assertEqual(int(moved.value().split()[1]), 202)
        self.assertEqual(self.types(wire), ["session", "pong"])

    def test_sameId(self) -> None:
        """
        Two clients that resume from one id are two sessions, and each gets everything.
        """
        wire = self.open(body=b'{"type": "subscribe", "topic": "chat/a"}')
        place = self.ids(wire)[-1]
        readers = [self.open(f"Last-Event-ID: {place}") for _ in range(2)]
        self.assertNotEqual(*map(self.session, readers))
        event = {"type": "publish", "topic": "chat/a", "event": "e", "data": 1}
        self.send(self.session(readers[0]), event)
        for reader in (wire, *readers):
            self.assertEqual(self.frames(reader)[-1]["data"], 1)

    def test_named(self) -> None:
        """
        An opening that names a session does not join it: the client gets a session of its own.
        """
        name = self.session(self.open())
        other = self.open(f"X-Aerostack-Session: {name}", query=f"projectId=p&session={name}")
        self.assertNotEqual(self.session(other), name)


class SizeTests(EventsCase):
    """
    Tests for requests that are too large.
    """

    def test_ids(self) -> None:
        """
        An id that the daemon did not make, or a longer one than it makes, is refused before a
        connection opens; one that is too long for a header, too.
        """
        for id, status in (
            ("x", 400),
            ("chat/a/p=" + "1" * 4000, 400),
            ("\udcff\udcfe", 400),
            ("x" * 10_000, 400),
            ("x" * (1 << 20), 431),
        ):
            wire = self.site.connect()
            head = "POST /api/realtime/sse?projectId=p HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n"
            data = f"{head}Last-Event-ID: {id}\r\n\r\n".encode("utf-8", "surrogateescape")
            self.site.write(wire, *(data[n : n + 65_536] for n in range(0, len(data), 65_536)))
            self.assertEqual(int(wire.value().split()[1]), status, id[:20])
        self.assertEqual(self.site.held()[:2], (0, 0))

    def test_declared(self) -> None:
        """
        A body that is declared to be large and never comes holds no memory and no place, and its
        connection is dropped when the time for a request is over.
        """
        wires = []
        for path in ("/api/realtime/sse?projectId=p", "/api/realtime/send?session=a.b.c"):
            wire = self.site.connect()
            head = f"POST {path} HTTP/1.1\r\nHost: a\r\nContent-Length: {64 << 20}\r\n\r\n"
            self.site.write(wire, head.encode())
            wires.append(wire)
        self.world.advance(self.site.limits.handshakeTimeout - 1)
        self.assertEqual([wire.disconnecting for wire in wires], [False, False])
        self.assertEqual(self.site.held()[:2], (0, 0))
        self.world.advance(1)
        self.assertEqual([wire.disconnecting for wire in wires], [True, True])
        self.assertEqual([wire.value() for wire in wires], [b"", b""])
