"""
Tests for L{aerostack.net.sse.uplink}, on a site without sockets.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred

from aerostack.core.nodes.seals import KEY, Seals
from aerostack.net.sse import uplink
from aerostack.net.sse.uplink import SHORT
from tests.net.http.sites import SiteUnderTest
from tests.net.sse.events import ORIGIN, EventsCase


class Others:
    """
    Other processes.

    @ivar site: The site of another process; L{None} if it does not answer.
    """

    def __init__(self) -> None:
        self.site: Any = None
        self.asked = 0
        self.seals = Seals(b"k" * KEY)
        self.receive: Any = None

    def start(self, receive: Any) -> None:
        """See L{IUplinks.start}."""
        self.receive = receive

    def ask(self, data: bytes, timeout: float) -> Any:
        """See L{IUplinks.ask}."""
        self.asked += 1
        if self.site is None:
            answer: Deferred[Any] = Deferred()
            answer.callback(None)
            return answer
        return self.site.receive(data)


class ElsewhereTests(EventsCase):
    """
    Tests for requests that come to another process than the one that has the connection.
    """

    def setUp(self) -> None:
        super().setUp()
        self.there, self.here = Others(), Others()
        self.other = SiteUnderTest(uplinks=self.there)
        self.near = SiteUnderTest(uplinks=self.here)
        self.here.site, self.there.site = self.there, self.here
        self.site, self.world = self.other, self.other.world
        # The ids of the two processes differ.
        self.world.newConnectionId()
        self.wire = self.open(ORIGIN)
        self.name = self.session(self.wire)
        self.site = self.near

    def test_forwarded(self) -> None:
        """
        The frames reach the connection.  Before a long request, the other process is asked whether
        it has the session, once.
        """
        long = {"type": "ping", "more": "x" * SHORT}
        for frame, asked in (({"type": "ping"}, 1), (long, 3), (long, 4)):
            self.assertEqual(self.send(self.name, frame, lines=(ORIGIN,))[0], 202)
            self.assertEqual(self.here.asked, asked)
        self.other.turn()
        self.assertEqual(self.types(self.wire), ["session", "pong", "pong", "pong"])

    def test_alive(self) -> None:
        """
        Requests without frames are signs of life, each of them.
        """
        self.site = self.other
        wire = self.open(ORIGIN, query="projectId=p&pongs=1")
        name = self.session(wire)
        self.site = self.near
        for _ in range(5):
            self.world.advance(25)
            self.assertEqual(self.send(name, lines=(ORIGIN,))[0], 202)
        self.assertEqual(self.types(wire), ["session"])

    def test_lastWord(self) -> None:
        """
        A client whose connection broke can say to any process that it leaves.
        """
        self.other.lose(self.wire)
        self.assertEqual(self.send(self.name, {"type": "close"}, lines=(ORIGIN,))[0], 202)
        self.assertEqual(len(self.other.uplink), 0)

    def test_refused(self) -> None:
        """
        The other process refuses what it would refuse itself, and gets no frames for a session that
        it does not have.
        """
        self.assertEqual(self.send(self.name, {"type": "ping"})[1]["error"], "origin_not_allowed")
        status, body = self.send(self.sealed("c7"), {"type": "ping"}, lines=(ORIGIN,))
        self.assertEqual((status, body["error"]), (404, "unknown_session"))
        long = {"type": "ping", "more": "x" * SHORT}
        self.assertEqual(self.send(self.sealed("c8"), long, lines=(ORIGIN,))[0], 404)
        self.assertEqual(self.here.asked, 3)

    def sealed(self, name: str) -> str:
        """
        The name of a session that there was.
        """
        return self.here.seals.seal(f"{name}.secret")

    def test_invented(self) -> None:
        """
        No other process is asked for a session whose name was invented, or changed.
        """
        connection, secret, seal = self.name.split(".")
        long = {"type": "ping", "more": "x" * SHORT}
        for name in (
            "c1.secret",
            f"{connection}.{secret}",
            f"{connection}.{secret}x.{seal}",
            f"c9.{secret}.{seal}",
            f"{self.name}0",
            "x" * 300 + ".y.z",
            Seals(b"l" * KEY).seal("c1.secret"),
        ):
            for frame in ({}, long):
                status, body = self.send(name, frame, lines=(ORIGIN,))
                self.assertEqual((status, body["error"]), (404, "unknown_session"), name)
        self.assertEqual(self.here.asked, 0)
        self.assertEqual(self.send(self.name, {"type": "ping"}, lines=(ORIGIN,))[0], 202)

    def test_gone(self) -> None:
        """
        The other processes are asked once for a session that has ended, and again if one of them
        did not answer.
        """
        name = self.sealed("c7")
        self.here.site = None
        self.assertEqual(self.send(name, {})[0], 503)
        self.here.site = self.there
        for _ in range(3):
            self.assertEqual(self.send(name, {})[0], 404)
        self.assertEqual(self.here.asked, 2)

    def test_bounded(self) -> None:
        """
        A process remembers so many sessions of others, and so many that have ended, and no more.
        """
        self.patch(uplink, "KNOWN", 2)
        frame = {"type": "ping", "more": "x" * SHORT}
        for number in range(4):
            self.site = self.other
            name = self.session(self.open(ORIGIN))
            self.site = self.near
            self.assertEqual(self.send(name, frame, lines=(ORIGIN,))[0], 202)
            self.assertEqual(self.send(self.sealed(f"c7{number}"), {})[0], 404)
        self.assertEqual((len(self.near.uplink._known), len(self.near.uplink._gone)), (2, 2))

    def test_otherKey(self) -> None:
        """
        A session goes on that was opened before its process got the key of the others.
        """
        for others in (self.here, self.there):
            others.seals.renew(b"m" * KEY)
        self.assertEqual(self.send(self.name, {"type": "ping"}, lines=(ORIGIN,))[0], 202)
        for others in (self.here, self.there):
            others.seals.renew(b"n" * KEY)
        self.assertEqual(self.send(self.name, {"type": "ping"}, lines=(ORIGIN,))[0], 404)
        self.site = self.other
        self.assertEqual(self.send(self.name, {"type": "ping"}, lines=(ORIGIN,))[0], 202)

    def test_silent(self) -> None:
        """
        If the other process does not answer, the client is asked to come again.
        """
        self.here.site = None
        status, body = self.send(self.name, {"type": "ping"}, lines=(ORIGIN,))
        self.assertEqual((status, body["error"], body["retryAfter"]), (503, "overloaded", 1000))
