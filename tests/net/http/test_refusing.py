"""
Tests for what operators learn of refused requests, and pages of refused openings, on a site without
sockets.
"""

from __future__ import annotations

import json
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from aerostack.testing.world import PUBLIC_KEY
from tests.net.http.sites import SiteUnderTest, Wire, request

GOOD, EVIL = "http://a.example", "http://evil.example"


def get(path: str, *lines: str, method: str = "GET") -> bytes:
    """
    A request without a body.
    """
    return "\r\n".join([f"{method} {path} HTTP/1.1", "Host: a", *lines, "", ""]).encode()


def bodyOf(wire: Wire) -> Any:
    """
    The body of an answer.
    """
    return json.loads(wire.value().partition(b"\r\n\r\n")[2])


class RefusingCase(SynchronousTestCase):
    """
    A site whose limit of connections is one.
    """

    def setUp(self) -> None:
        self.site = SiteUnderTest(connections=1)
        self.world = self.site.world

    def send(self, data: bytes) -> Wire:
        """
        Let a client send something.
        """
        wire = self.site.connect()
        self.site.write(wire, data)
        return wire

    def noted(self, project: str = "p") -> list[tuple[Any, ...]]:
        """
        What an operator of a project sees.
        """
        rows = self.world.refusals.list(project)["refusals"]
        names = ("code", "project", "origin", "request", "count")
        return [tuple(row[name] for name in names) for row in rows]


class NotesTests(RefusingCase):
    """
    Tests for L{aerostack.net.http.refusing}.
    """

    def test_opening(self) -> None:
        """A refused opening is noted with project, origin and address, whatever has read it."""
        for short in (True, False):
            self.site = SiteUnderTest(short=short)
            self.world = self.site.world
            self.send(request(f"Origin: {EVIL}", "X-Forwarded-For: 203.0.113.7"))
            self.assertEqual(
                self.noted(), [("origin_not_allowed", "p", EVIL, "GET /api/realtime", 1)]
            )
            (row,) = self.world.refusals.list("p")["refusals"]
            # The site does not trust the other end to name the client's address.
            self.assertEqual(row["address"], Wire().getPeer().host)
            self.assertIn("projects.p.origins", row["message"])

    def test_projects(self) -> None:
        """The project is the one that the key, the token, a header or the URL names."""
        for lines, target in (
            ((f"Sec-WebSocket-Protocol: aerostack-key.{PUBLIC_KEY}, aerostack-v1",), ""),
            ((f"X-Aerostack-Key: {PUBLIC_KEY}",), ""),
            ((f"Authorization: Bearer {PUBLIC_KEY}",), ""),
            (("X-Aerostack-Project: p",), ""),
            ((), "?projectId=p"),
        ):
            self.setUp()
            self.send(get(f"/api/realtime{target}", *lines))
            refused = ("upgrade_required", "p", None, "GET /api/realtime", 1)
            self.assertEqual(self.noted(), [refused], lines)

    def test_noProject(self) -> None:
        """A request that names no project of the daemon is noted with what it named."""
        self.send(request(target="/api/realtime?projectId=nowhere"))
        self.send(
            request("Sec-WebSocket-Protocol: aerostack-key.pk_nobody", target="/api/realtime")
        )
        self.send(get("/nothing?projectId=%ff"))
        self.assertEqual(
            sorted(self.noted()),
            [
                ("not_found", None, None, "GET /nothing", 1),
                ("unauthorized", None, None, "GET /api/realtime", 1),
                ("unknown_project", None, None, "GET /api/realtime?projectId=nowhere", 1),
            ],
        )

    def test_tooLong(self) -> None:
        """A request whose headers are too long to be read is noted, too."""
        self.send(b"GET / HTTP/1.1\r\nX: " + b"x" * 70_000)
        self.assertEqual(self.noted(), [("too_large", None, None, "a request", 1)])

    def test_served(self) -> None:
        """A request that is served is not noted."""
        self.send(get("/plain"))
        self.send(request())
        self.assertEqual(self.noted(), [])

    def test_frames(self) -> None:
        """A refused frame is noted with the connection's project and origin, and its topic."""
        client = self.world.connect(userId="ann", origin=GOOD)
        client.ask(type="subscribe", topic="chat//a")
        client.ask(type="publish", topic="table/orders", event="e", data=1, id="1")
        client.session.received(b"nonsense", False)
        self.assertEqual(
            {each[:4] for each in self.noted()},
            {
                ("invalid_topic", "p", GOOD, "subscribe chat//a"),
                ("forbidden", "p", GOOD, "publish table/orders/p"),
                ("invalid_json", "p", GOOD, "frame"),
            },
        )
        self.assertEqual(self.world.refusals.list("p")["refusals"][0]["userId"], "ann")


class TLSTests(RefusingCase):
    """
    Tests for clients that speak TLS where the daemon has none.
    """

    def test_hello(self) -> None:
        """
        The daemon ends the connection at once, and says why in plain text.
        """
        wire = self.send(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500))
        self.assertTrue(wire.value().startswith(b"HTTP/1.1 400 "))
        self.assertIn(b"This address has no TLS", wire.value())
        self.assertTrue(wire.disconnecting)
        self.site.lose(wire)
        self.assertEqual(self.site.held(), (0, 0, 0))


class CheckTests(RefusingCase):
    """
    Tests for L{aerostack.net.sse.checking}, and for pages that are not let in.
    """

    def check(self, *lines: str, query: str = "?projectId=p") -> Any:
        """
        Ask why an opening fails.
        """
        return bodyOf(self.send(get(f"/api/realtime/check{query}", *lines)))

    def test_good(self) -> None:
        """A client that would be let in is told so, and takes no place."""
        for _ in range(3):
            self.assertEqual(self.check(f"Origin: {GOOD}"), {"opens": True})
        self.assertEqual(len(self.site.connections), 0)
        self.assertEqual(self.world.shares.places, 0)

    def test_reasons(self) -> None:
        """A client gets the refusal that an opening would get."""
        origin = f"Origin: {GOOD}"
        self.assertEqual(self.check(origin, query="")["error"], "invalid_arguments")
        self.assertEqual(self.check(origin, query="?projectId=x")["error"], "unknown_project")
        self.assertEqual(self.check(origin, "X-Aerostack-Key: x")["error"], "unauthorized")
        self.assertEqual(self.check("Authorization: Bearer a.b.c")["error"], "invalid_token")
        self.send(request())
        full = self.check(origin)
        self.assertEqual(full["error"], "too_many_connections")
        self.assertGreater(full["retryAfter"], 0)
        self.site.connections.stopping = True
        self.assertEqual(self.check(origin)["error"], "shutting_down")

    def test_noted(self) -> None:
        """
        An operator sees a refused question: there may be no opening before it, where something in
        between lets no WebSocket pass, or a stranger guesses keys.
        """
        self.check(query="?projectId=x")
        self.check(f"Origin: {EVIL}")
        self.check("X-Aerostack-Key: pk_guess")
        self.assertEqual(
            {each[0] for each in self.noted()},
            {"unknown_project", "origin_not_allowed", "unauthorized"},
        )

    def test_stranger(self) -> None:
        """A page of no project's origin may read that it is not let in, and learns nothing else."""
        answers = []
        for query, *lines in (
            ("?projectId=p",),
            ("?projectId=x",),
            ("", f"X-Aerostack-Key: {PUBLIC_KEY}"),
            ("", "X-Aerostack-Key: pk_nobody"),
        ):
            wire = self.send(get(f"/api/realtime/check{query}", f"Origin: {EVIL}", *lines))
            self.assertIn(b"access-control-allow-origin: http://evil.example", wire.value().lower())
            answers.append(bodyOf(wire))
        self.assertEqual(answers[0]["error"], "origin_not_allowed")
        self.assertEqual(answers, [answers[0]] * 4)

    def test_strangersSend(self) -> None:
        """A page of no project's origin is refused before its request is looked at."""
        for path in ("sse", "send"):
            wire = self.send(get(f"/api/realtime/{path}", f"Origin: {EVIL}", method="POST"))
            self.assertEqual(bodyOf(wire)["error"], "origin_not_allowed")
        self.assertEqual({each[0] for each in self.noted()}, {"origin_not_allowed"})
