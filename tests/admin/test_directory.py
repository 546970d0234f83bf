"""
Tests for L{aerostack.admin.directory}.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Cooperator
from twisted.trial.unittest import SynchronousTestCase

from aerostack.admin import pieces, topics
from aerostack.admin.directory import Directory
from aerostack.admin.taps import Taps
from aerostack.core.topics.topics import Topic
from aerostack.sessions.session import Session
from aerostack.testing import World, makeProject


class InsightTests(SynchronousTestCase):
    """
    Tests for L{Directory}.
    """

    def setUp(self) -> None:
        self.patch(pieces, "PIECE", 2)
        self.world = World()
        self.sessions: list[Session] = []
        self.presence = self.world.hub.presence.rosters
        self.directory = Directory(
            self.world.clock,
            self.world.hub,
            self.world.feeds,
            Taps(self.world.clock, self.world.hub, self.world.feeds),
            lambda: tuple(self.sessions),
        )

    def connect(self, *topics: str) -> None:
        """
        Let a client in that subscribes to topics.
        """
        client = self.world.connect()
        for topic in topics:
            client.ask(type="subscribe", topic=topic)
        self.sessions.append(client.session)

    def test_views(self) -> None:
        """
        Each view of a table is shown with what it asks for, and its connection counts once.
        """
        client = self.world.connect()
        for view, side in (("a", 1), ("b", 2)):
            client.ask(type="subscribe", topic="orders", view=view, filter={"side": side})
        self.sessions.append(client.session)
        orders = Topic("table/orders", "p")
        shown = self.directory.topic(orders)["subscriptions"]
        self.assertEqual([each["filter"] for each in shown], [{"side": 1}, {"side": 2}])
        found = self.answer(self.directory.connections("p", None, orders, 9, ""))
        self.assertEqual((found["total"], found["connections"][0]["subscriptions"]), (1, 2))

    def answer(self, asked: Deferred[Any]) -> Any:
        """
        Wait for an answer.
        """
        found: list[Any] = []
        asked.addCallback(found.append)
        while not found:
            self.world.clock.advance(0)
        return found[0]

    def topics(self, limit: int = 100, after: str = "") -> tuple[list[str], int, bool]:
        """
        A page of topics: their names, how many there are and whether there are more.
        """
        page = self.answer(self.directory.topics("p", "", limit, after))
        return [each["topic"] for each in page["topics"]], page["total"], page["more"]

    def test_once(self) -> None:
        """
        A topic is listed once, even if several registries know it.
        """
        self.connect("chat/b", "chat/a")
        self.world.hub.sequencer.openLog("chat/c/p")
        for topic in ("chat/a/p", "chat/c/p", "chat/d/p"):
            self.presence.track(topic, "c9", None, b"{}", 0)
        names = [f"chat/{name}/p" for name in "abcd"]
        self.assertEqual(self.topics(), (names, 4, False))
        self.assertEqual(self.topics(3), (names[:3], 4, True))
        self.assertEqual(self.topics(3, names[2]), (names[3:], 4, False))

    def test_projects(self) -> None:
        """
        Topics of another project are not listed, even if their paths end alike.
        """
        self.connect("chat/a")
        for topic in ("chat/a/q", "chat/p/q", "chat/sp"):
            self.world.hub.sequencer.openLog(topic)
        self.assertEqual(self.topics()[0], ["chat/a/p"])

    def test_meanwhile(self) -> None:
        """
        Changes between two pieces of a list do no harm.
        """
        self.connect(*(f"chat/{number}" for number in range(5)))
        asked = self.directory.topics("p", "", 100, "")
        registry = self.world.hub.registry
        for topic in tuple(registry):
            registry.unsubscribe(self.sessions[0], topic)
        names = [each["topic"] for each in self.answer(asked)["topics"]]
        self.assertEqual(names, [f"chat/{number}/p" for number in range(5)])

    def test_turns(self) -> None:
        """
        The reactor turns before a list is gone through.
        """
        self.connect(*(f"chat/{number}" for number in range(6)))
        turns: list[Callable[[], object]] = []
        # As if each piece took all of a turn's time.
        self.directory.pieces._cooperator = Cooperator(lambda: lambda: True, scheduler=turns.append)
        asked = self.directory.topics("p", "", 100, "")
        for _ in range(3):
            self.assertNoResult(asked)
            turns.pop()()
        while turns:
            turns.pop()()
        self.assertEqual(self.successResultOf(asked)["total"], 6)

    def test_connections(self) -> None:
        """
        Connections are listed in the order of their numbers: the tenth comes after the ninth.
        """
        for _ in range(12):
            self.connect()
        ids = [session.connectionId for session in self.sessions]
        found: list[str] = []
        after, more = "", True
        while more:
            page = self.answer(self.directory.connections("p", None, None, 5, after))
            self.assertEqual(page["total"], 12)
            found += [each["id"] for each in page["connections"]]
            after, more = found[-1], page["more"]
        self.assertEqual(found, ids)

    def test_most(self) -> None:
        """
        A topic shows a bounded number of members and subscriptions, and says how many there are.
        """
        self.patch(topics, "MOST", 2)
        for _ in range(3):
            self.connect("chat/a")
        for number in range(4):
            self.presence.track("chat/a/p", f"c{number}", None, b"{}", 0)
        found = self.directory.topic(Topic("chat/a", "p"))
        self.assertEqual((found["subscribers"], len(found["subscriptions"])), (3, 2))
        self.assertEqual((found["membersTotal"], len(found["members"])), (4, 2))


class StreamsTests(SynchronousTestCase):
    """
    Tests for L{Directory.streams}.
    """

    def setUp(self) -> None:
        self.world = World(
            {"p": makeProject(), "q": makeProject(publicKey="pk_q", secretKey="sk_q")}
        )
        taps = Taps(self.world.clock, self.world.hub, self.world.feeds)
        self.directory = Directory(
            self.world.clock, self.world.hub, self.world.feeds, taps, lambda: ()
        )
        self.sdk = self.world.sdk()

    def test_running(self) -> None:
        """
        Streams that run are listed, the newest first, with their watchers; no others are.
        """
        self.world.connect().ask(type="subscribe", topic="ai/a")
        streams = []
        for owner in ("ann", None):
            started = self.sdk.ai.start("ai/a", owner=owner, stream=f"of-{owner}")
            streams.append(self.successResultOf(started))
            self.world.advance(1)
        streams[0].write("Hello 😀")
        self.world.advance(1)
        found = self.directory.streams("p")
        self.assertEqual([each["stream"] for each in found["streams"]], ["of-None", "of-ann"])
        first = found["streams"][1]
        self.assertEqual((first["owner"], first["topic"]), ("ann", "ai/a/p"))
        self.assertEqual((first["length"], first["watchers"], first["first"]), (8, 1, 2000))
        self.assertEqual((found["streams"][0]["first"], found["total"]), (None, 2))
        self.assertEqual(self.directory.streams("q"), {"streams": [], "total": 0})
        streams[0].end()
        self.world.advance(1)
        self.assertEqual(self.directory.streams("p")["total"], 1)
