"""
Tests of the presence that clients see, from one frame to ten thousand members.
"""

from __future__ import annotations

import json
from random import Random
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from aerostack.core import roster
from aerostack.core.topics.topics import Topic
from aerostack.hub import presence as service
from aerostack.recovery import pacing
from aerostack.settings.limits import LimitsConfig
from aerostack.testing import MemoryClient, World
from tests.fuzz import seeds

DOC = Topic("doc/1", "p")


class Viewer:
    """
    A client that applies presence frames in the order in which they arrive.

    @ivar members: The members that it shows, by their connections.
    @ivar synced: How often it got C{synced}.
    """

    def __init__(self, client: MemoryClient) -> None:
        self.client = client
        self.members: dict[str, Any] = {}
        self.synced = 0
        self._coming: dict[str, Any] | None = None

    def look(self) -> None:
        """
        Apply the frames that have arrived.
        """
        for frame in self.client.take():
            if frame["type"] == "subscribed":
                self._coming = {} if frame.get("sync") else None
            elif frame["type"] == "synced":
                assert self._coming is not None
                self.members, self._coming = self._coming, None
                self.synced += 1
            elif frame["type"] == "event":
                self._apply(frame["event"], frame["data"])

    def _apply(self, event: str, data: Any) -> None:
        if event == "presence:sync":
            if "page" not in data:
                self.members = {}
            elif data["page"] == 0:
                self._coming = {}
            into = self.members if self._coming is None else self._coming
            into.update({member["connectionId"]: member["state"] for member in data["members"]})
        for members in (self.members, self._coming):
            if members is not None and event == "presence:leave":
                members.pop(data["connectionId"], None)
            elif members is not None and event in ("presence:join", "presence:update"):
                members[data["connectionId"]] = data["state"]


class PresenceCase(SynchronousTestCase):
    """
    A world with a topic that has many members.
    """

    def setUp(self) -> None:
        self.world = World(limits=LimitsConfig(outboxBytes=4000))
        self.presence = self.world.hub.presence
        self.reader = self.world.connect()

    def come(self, count: int, state: bytes = b"{}", first: int = 0) -> None:
        """
        Let members join, called C{m0}, C{m1} and so on.
        """
        for number in range(first, first + count):
            self.presence.track(f"m{number}", DOC, None, state)

    def present(self) -> dict[str, Any]:
        """
        Return the members and their states.
        """
        return {
            member.connectionId: json.loads(member.state)
            for member in self.presence.rosters.members(DOC.canonical)
        }


class SilentTests(SynchronousTestCase):
    """
    Tests with a network that drops all packets of a member.
    """

    def test_leaves(self) -> None:
        """
        The member leaves after the sum of the ping interval, the pong timeout, the close timeout
        and the grace, and at most one sweep later for each.
        """
        limits = LimitsConfig(pingInterval=25, pongTimeout=20, closeTimeout=5)
        world = World(limits=limits, grace=10.0)
        silent, witness = world.connect(), world.connect()
        witness.ask(type="subscribe", topic="doc/1")
        silent.ask(type="track", topic="doc/1", state={})
        seconds, gone = 0, False
        while not gone:
            world.advance(1)
            seconds += 1
            witness.session.heard()
            if silent.connection.aborted:
                silent.connection.aborted = False
                silent.die()
            gone = "presence:leave" in [frame.get("event") for frame in witness.take()]
        self.assertTrue(60 <= seconds <= 64, seconds)


class SyncTests(PresenceCase):
    """
    Tests of C{sync: true}.
    """

    def test_asked(self) -> None:
        """
        A client that asks for pages gets the confirmation, then all members in pages, and then
        C{synced}.
        """
        self.come(150)
        subscribed, *pages, synced = self.reader.ask(type="subscribe", topic="doc/1", sync=True)
        self.assertEqual(subscribed, {"type": "subscribed", "topic": "doc/1/p", "sync": True})
        self.assertEqual([frame["event"] for frame in pages], ["presence:sync"] * 3)
        self.assertEqual([frame["data"]["page"] for frame in pages], [0, 1, 2])
        self.assertEqual(
            [member["connectionId"] for frame in pages for member in frame["data"]["members"]],
            [f"m{number}" for number in range(150)],
        )
        now = self.world.hub.now()
        self.assertEqual(synced, {"type": "synced", "topic": "doc/1/p", "timestamp": now})

    def test_nobody(self) -> None:
        """
        If there is no member, a client that asked for pages gets C{synced}, and another one gets
        no frame.
        """
        frames = self.reader.ask(type="subscribe", topic="doc/1", sync=True)
        self.assertEqual([frame["type"] for frame in frames], ["subscribed", "synced"])
        frames = self.reader.ask(type="subscribe", topic="doc/1")
        self.assertEqual(frames, [{"type": "subscribed", "topic": "doc/1/p"}])

    def test_track(self) -> None:
        """
        A client that tracks can ask for pages as well.
        """
        page, synced = self.reader.ask(type="track", topic="doc/1", state={}, sync=True)
        self.assertEqual(page["data"]["page"], 0)
        now = self.world.hub.now()
        self.assertEqual(synced, {"type": "synced", "topic": "doc/1/p", "timestamp": now})

    def test_resumed(self) -> None:
        """
        A client that resumes gets the pages before its missed frames.
        """
        self.come(1)
        self.reader.positions = True
        (subscribed, _) = self.reader.ask(type="subscribe", topic="doc/1")
        self.world.hub.publisher.publish(DOC, "e", b"1", None, False)
        since = subscribed["pos"]
        frames = self.world.connect().ask(type="subscribe", topic="doc/1", since=since, sync=True)
        self.assertEqual(
            [frame.get("event", frame["type"]) for frame in frames],
            ["subscribed", "presence:sync", "synced", "e"],
        )
        self.assertTrue(frames[0]["sync"] and frames[0]["recovered"])

    def test_left(self) -> None:
        """
        Pages that are not sent yet when the client unsubscribes are dropped.
        """
        self.patch(service, "AT_ONCE", 0)
        self.come(3)
        self.reader.send(type="subscribe", topic="doc/1", sync=True)
        frames = self.reader.ask(type="unsubscribe", topic="doc/1")
        self.assertEqual([frame["type"] for frame in frames], ["subscribed", "unsubscribed"])


class PaceTests(PresenceCase):
    """
    Tests with large sets and slow readers.
    """

    def test_slow(self) -> None:
        """
        Sets that are together larger than the outbox do not close a client that reads slowly, with
        pages or without, and each set arrives completely.
        """
        self.come(100, b'{"a":"%s"}' % (b"x" * 100))
        for paged in (True, False):
            viewer = Viewer(self.world.connect())
            session = viewer.client.session
            session.congested()
            viewer.client.send(type="subscribe", topic="doc/1", sync=paged)
            viewer.client.send(type="track", topic="doc/1", state={}, sync=paged)
            viewer.look()
            self.assertLess(session.queued, 4000)
            session.drained()
            viewer.look()
            self.assertIsNone(viewer.client.connection.closing)
            self.assertEqual(viewer.members, self.present())

    def test_encodedOnce(self) -> None:
        """
        However many clients ask for one set, its members are encoded once, and the frames are the
        same objects.
        """
        self.come(100)
        encoded: list[Any] = []
        member = service.memberData

        def count(each: Any) -> Any:
            encoded.append(each)
            return member(each)

        self.patch(service, "memberData", count)
        for paged in (True, False) * 10:
            self.world.connect().ask(type="subscribe", topic="doc/1", sync=paged)
        self.assertEqual(len(encoded), 100)

    def test_turns(self) -> None:
        """
        A large set is sent in pages, and other clients are served between them.
        """
        self.patch(pacing, "CHUNK", 1000)
        self.patch(pacing, "TURN", 1000)
        self.come(300, b'{"a":"%s"}' % (b"x" * 100))
        order: list[str] = []
        others = [self.world.connect() for _ in range(3)]
        for client in others:
            client.send(type="subscribe", topic="doc/1", sync=True)
            write, name = client.connection.send, client.connectionId

            def seen(frame: bytes, write: Any = write, name: str = name) -> None:
                order.append(name)
                write(frame)

            client.connection.send = seen  # type: ignore[method-assign]
        self.world.turn()
        self.assertEqual(order[:6], [client.connectionId for client in others] * 2)

    def test_many(self) -> None:
        """
        Ten thousand members join, and clients that ask for the set before and meanwhile have
        exactly these members in the end.
        """
        viewer = Viewer(self.world.connect())
        viewer.client.send(type="subscribe", topic="doc/1", sync=True)
        viewer.look()
        self.come(5000)
        self.world.turn()
        late = Viewer(self.world.connect())
        late.client.send(type="subscribe", topic="doc/1", sync=True)
        for number in range(5000, 10_000, 100):
            self.come(100, first=number)
            self.presence.leave(f"m{number // 2}")
            self.world.clock.advance(0)
        for each in (viewer, late):
            each.look()
            self.assertEqual(each.members, self.present())
            self.assertEqual(each.synced, 1)

    def test_untracked(self) -> None:
        """
        A client that does not read leaves no state behind for topics on which it no longer tracks.
        """
        session = self.reader.session
        session.congested()
        for number in range(50):
            topic = f"doc/{number}"
            self.reader.send(type="track", topic=topic, state={}, sync=True)
            self.reader.send(type="untrack", topic=topic)
        session.drained()
        self.assertEqual(self.reader.take(), [])
        self.assertFalse(session.takesPages("doc/1/p"))

    def test_untrackedSubscribed(self) -> None:
        """
        A client that no longer tracks but is subscribed still gets the set.
        """
        self.come(1)
        self.reader.session.congested()
        self.reader.send(type="subscribe", topic="doc/1", sync=True)
        self.reader.send(type="track", topic="doc/1", state={}, sync=True)
        self.reader.send(type="untrack", topic="doc/1")
        self.reader.session.drained()
        self.assertEqual([frame["type"] for frame in self.reader.take()][-1], "synced")


class ConvergenceTests(SynchronousTestCase):
    """
    Tests with random members and readers.
    """

    def test_converges(self) -> None:
        """
        Whatever members do, and however slowly a client reads, it has exactly the members once it
        has read everything.
        """
        self.patch(roster, "MOST", 4)
        self.patch(roster, "FEW", 2)
        self.patch(pacing, "CHUNK", 300)
        self.patch(pacing, "TURN", 600)
        for seed in seeds(40):
            self.run_(Random(seed), seed)

    def run_(self, random: Random, seed: int) -> None:
        """
        Do one random run.
        """
        world = World(limits=LimitsConfig(outboxBytes=100_000), grace=2)
        self.patch(service, "AT_ONCE", random.choice((0, 200, 16_384)))
        viewers = [Viewer(world.connect()) for _ in range(3)]
        members = [world.connect(userId=f"u{n % 5}") for n in range(12)]
        for _ in range(150):
            viewer, member = random.choice(viewers), random.choice(members)
            what = random.randrange(10)
            if what < 4:
                member.send(type="track", topic="doc/1", state={"n": random.randrange(3)})
            elif what < 5:
                member.send(type="untrack", topic="doc/1")
            elif what < 6:
                member.close() if random.random() < 0.5 else member.die()
                members[members.index(member)] = world.connect(userId=f"u{random.randrange(5)}")
            elif what < 7:
                viewer.client.send(type="subscribe", topic="doc/1", sync=random.random() < 0.7)
            elif what < 8:
                viewer.client.session.congested()
            elif what < 9:
                viewer.client.session.drained()
            elif random.random() < 0.5:
                world.clock.advance(0)
            else:
                world.advance(1)
        for viewer in viewers:
            viewer.client.session.drained()
            viewer.look()
        world.turn()
        present = {
            member.connectionId: member.state
            for member in world.hub.presence.rosters.members(DOC.canonical)
        }
        for viewer in viewers:
            viewer.look()
            if viewer.client.session in world.hub.registry.subscribers(DOC.canonical):
                shown = {name: b'{"n":%d}' % state["n"] for name, state in viewer.members.items()}
                self.assertEqual(shown, present, f"seed {seed}")
