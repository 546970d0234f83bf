"""
Tests that everything in memory that clients can fill has the bounds that C{docs/limits.rst} names.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from twisted.internet.defer import maybeDeferred
from twisted.python.reflect import namedAny
from twisted.trial.unittest import SynchronousTestCase

import aerostack
from aerostack.core import presence
from aerostack.core.access.permissions import Identity, Role
from aerostack.core.access.revocations import ROOM, Room
from aerostack.core.replay.log import Depth
from aerostack.core.replay.logs import COST
from aerostack.core.rows.changes import INSERT, Change
from aerostack.core.topics.policies import TopicPolicies, TopicPolicy
from aerostack.core.topics.topics import Topic
from aerostack.databases import keptmessages
from aerostack.errors import CLOSE_SLOW
from aerostack.hub.commitqueue import CommitQueues
from aerostack.hub.measuring import MAX_BACKLOG
from aerostack.protocol.codec import encodeValue
from aerostack.recovery import replay
from aerostack.settings.limits import LimitsConfig
from aerostack.testing import MemoryClient, World, makeProject
from tests.databases.test_history import SQLiteCase

LIMITS = Path(aerostack.__file__).parent.parent / "docs/limits.rst"

LARGE = "x" * 10_000


ELSEWHERE = {
    "the result of one ``db.query``": (
        "tests.databases.sqlite.test_query.QueryTests.test_tooManyBytes"
    ),
    "answers that clients do not read": (
        "tests.live.campaign.test_requests.UnreadTests.test_longest"
    ),
    "names that the daemon remembers": "tests.core.topics.test_topics.RememberedTests.test_bounded",
    "messages of one transaction": "tests.databases.test_history.SQLiteAppendTests.test_bytes",
    "values of keyed topics": "tests.stories.test_keyedbounds.KeyedBoundTests.test_bytes",
    "token streams": "tests.streams.test_growing.AppendTests.test_tooLarge",
    "ends of streams that are not kept yet": (
        "tests.streams.test_keeping.EndKeeperTests.test_bounded"
    ),
    "answers of models": "tests.ai.test_upstream.UpstreamTests.test_most",
    "frames that have come over HTTP": "tests.net.sse.test_inbox.InboxTests.test_full",
    "names of sessions over HTTP": "tests.net.sse.test_uplink.ElsewhereTests.test_bounded",
    "options in ids of events": "tests.protocol.test_eventids.EventIdTests.test_longOptions",
    "options of named views of tables": "tests.sessions.test_views.SizeTests.test_bounded",
    "refusals that the console lists": (
        "tests.core.diagnosis.test_refusals.GroupsTests.test_groups"
    ),
    "events in one call of ``socket.emit``": "tests.sessions.test_rpc.RPCTests.test_listBounds",
    "a key set of an identity provider": "tests.live.test_keysets.FetcherTests.test_faults",
    "topics whose metrics are remembered": (
        "tests.core.diagnosis.test_histogram.TopicHistogramsTests.test_remembered"
    ),
    "the body of an HTTP request": "tests.live.test_http.AccessTests.test_badBodies",
}
"""Rows of the table whose tests are in another module."""


class BoundsDocumentTests(SynchronousTestCase):
    """
    Tests for the table of the document.
    """

    def test_rows(self) -> None:
        """
        Each row of the table has a test that fills it, here or in another module.
        """
        text = LIMITS.read_text()
        _, _, section = text.partition("Memory\n")
        table = re.split(r"(?m)^=[= ]+$", section)[2]
        found = {line[:38].strip() for line in table.splitlines() if re.match(r"\S", line)}
        tested = {(each.__doc__ or "").strip().partition("\n")[0] for each in FILLED}
        self.assertEqual(found, {doc.removesuffix(".") for doc in tested} | ELSEWHERE.keys())
        for test in ELSEWHERE.values():
            self.assertTrue(callable(namedAny(test)), test)


class FillCase(SynchronousTestCase):
    """
    A world with small limits.
    """

    def setUp(self) -> None:
        self.world = World(
            limits=LimitsConfig(outboxBytes=20_000, framesBurst=100_000, stateBytes=1024),
            rules=TopicPolicies([], TopicPolicy(Depth(50, 40_000, 300.0))),
        )

    def publish(self, topic: str, size: int = 100) -> str | None:
        """
        Publish an event.

        @return: The code of the error, if the hub refuses it.
        """
        codes: list[str] = []
        data = b'"%s"' % (b"x" * size)
        published = maybeDeferred(
            self.world.hub.publisher.publish, Topic(topic, "p"), "e", data, None, False
        )
        published.addErrback(lambda failure: codes.append(failure.value.code))
        return codes[0] if codes else None

    def track(self, client: MemoryClient, topic: str, size: int) -> list[str]:
        """
        Track a state.

        @return: The codes of the errors that the client gets.
        """
        frames = client.ask(type="track", topic=topic, state={"text": "x" * size})
        return [frame["code"] for frame in frames if "code" in frame]


class FillTests(FillCase):
    """
    One test for each row of the table; its docstring begins with the row's first cell.
    """

    def test_outbox(self) -> None:
        """
        frames that wait for a slow reader

        One bound holds for all topics of a connection together, whether frames are held or wait.
        """
        client = self.world.connect()
        for number in range(20):
            client.send(type="subscribe", topic=f"chat/{number}")
        client.take()
        client.session.congested()
        for number in range(400):
            self.publish(f"chat/{number % 20}")
            self.world.turn()
            self.assertLessEqual(client.session.queued, 20_000)
        assert client.connection.closing is not None
        self.assertEqual(client.connection.closing[0], CLOSE_SLOW)

    def test_past(self) -> None:
        """
        a page of a replay

        The daemon reads the next page only after it has sent the page before.
        """
        first = self.world.connect()
        first.positions = True
        (answer,) = first.ask(type="subscribe", topic="orders")
        first.die()
        self.world.tracker.change(
            *(Change(n, "orders", INSERT, {"id": n, "text": LARGE}, None, 7) for n in range(1, 200))
        )
        self.world.restart()
        asked: list[int] = []
        read = self.world.tracker.readPast

        def seen(*args: Any) -> Any:
            asked.append(args[-1])
            reading = read(*args)
            size = sum(len(str(change.data)) for change in self.successResultOf(reading))
            self.assertLess(size, replay.PAGE_BYTES + 2 * len(LARGE))
            return read(*args)

        self.patch(self.world.tracker, "readPast", seen)
        client = self.world.connect()
        client.connection.send, send = client.session.congested, client.connection.send
        client.connection.send = lambda frame: (send(frame), client.session.congested())
        client.send(type="subscribe", topic="orders", since=answer["pos"])
        self.world.turn()
        self.assertEqual(asked, [])
        for _ in range(3):
            client.session.drained()
            self.world.turn()
        self.assertEqual(asked, [replay.PAGE_BYTES])

    def test_logs(self) -> None:
        """
        logs of topics

        Each log has a bound, and all logs together have one.
        """
        logs = self.world.hub.logs
        logs.budget = 100_000
        client = self.world.connect()
        for number in range(10):
            client.send(type="subscribe", topic=f"chat/{number}")
        for number in range(1000):
            self.publish(f"chat/{number // 100}", 1000)
            self.world.turn()
            self.assertLessEqual(logs.size, 100_000)
        log = logs.get("chat/9/p")
        assert log is not None
        self.assertLessEqual(log.size, 40_000)
        self.assertGreater(log.size, 30_000)

    def test_left(self) -> None:
        """
        logs of topics without subscribers

        The hub forgets the log of the topic first that was left first.
        """
        logs = self.world.hub.logs
        logs.budget = 4 * 20 * (COST + 20)
        client = self.world.connect()
        for number in range(500):
            client.send(type="subscribe", topic=f"chat/{number:03}")
            client.send(type="unsubscribe", topic=f"chat/{number:03}")
        self.assertLess(len(logs), 25)
        self.assertIsNotNone(logs.get("chat/499/p"))

    def test_fanout(self) -> None:
        """
        frames on their way to subscribers

        The hub refuses events and presence beyond the bound.
        """
        client = self.world.connect()
        client.ask(type="subscribe", topic="chat/a")
        refused = [self.publish("chat/a", 10_000) for _ in range(200)]
        self.assertEqual(set(refused), {None, "overloaded"})
        self.assertLess(self.world.hub.delivery.fanout.backlog("chat/a/p"), MAX_BACKLOG + 20_000)
        other = self.world.connect()
        other.send(type="track", topic="chat/a", state={})
        self.assertEqual(other.connection.frames[-1]["code"], "overloaded")
        other.take()
        self.assertEqual(self.track(other, "chat/a", 1), [])

    def test_presence(self) -> None:
        """
        presence

        The states of a connection, of a project and of the daemon are bounded.
        """
        client = self.world.connect()
        refused = [self.track(client, f"doc/{number}", 1000) for number in range(20)]
        self.assertEqual(refused, [[]] * 16 + [["too_large"]] * 4)
        room = presence.Room(40 * (presence.COST + 1010), 10**9)
        self.patch(self.world.hub.presence.rosters, "_room", room)
        refused = [self.track(self.world.connect(), "doc/x", 999) for _ in range(40)]
        self.assertEqual({code for each in refused for code in each}, {"overloaded"})
        self.assertLess(refused.count([]), 30)

    def test_waiting(self) -> None:
        """
        messages that wait for the database

        The hub refuses messages beyond the bound of a topic, of a connection, of a project or of
        the daemon, until the database has caught up.
        """
        self.patch(CommitQueues, "maxTopicBytes", 22_000)
        self.patch(CommitQueues, "maxPublisherBytes", 12_000)
        self.patch(CommitQueues, "maxProjectBytes", 52_000)
        self.patch(CommitQueues, "maxBytes", 72_000)
        history = self.world.history
        history.held = []
        self.assertEqual(self.keep("p", "a", 20), 4)
        self.assertEqual(self.keep("p", "b", 20), 4)
        self.assertEqual(self.keep("p", "c", 20), 2)
        self.assertEqual(self.keep("q", "a", 20), 4)
        self.assertEqual(self.keep("q", "b", 20), 0)
        history.release()
        history.held = []
        client = self.world.connect()
        for number in range(10):
            client.send(
                type="publish", topic=f"chat/{number}", event="e", data="x" * 3974, persist=True
            )
        refused = [frame for frame in client.take() if frame["type"] == "error"]
        self.assertEqual({frame["code"] for frame in refused}, {"database_unavailable"})
        self.assertIn("from this connection", refused[0]["message"])
        self.assertEqual(len(refused), 8)
        self.assertEqual(self.keep("p", "c", 20), 4)

    def keep(self, project: str, name: str, count: int) -> int:
        """
        Publish messages that cost 5 KB each.

        @return: How many messages wait for the database.
        """
        codes: list[str] = []
        data = b'"%s"' % (b"x" * 3974)
        for _ in range(count):
            publishing = self.world.hub.publisher.publish(
                Topic(f"chat/{name}", project), "e", data, None, True
            )
            publishing.addErrback(lambda failure: codes.append(failure.value.code))
        self.assertEqual(set(codes), {"database_unavailable"})
        return count - len(codes)

    def test_repeats(self) -> None:
        """
        ids of recent publications

        The cache forgets the oldest id first, refuses a long one, and holds no data.
        """
        client = self.world.connect()
        for number in range(1500):
            client.send(type="publish", topic="chat/a", event="e", id=f"{number}")
            self.world.turn()
        self.assertEqual(len(self.world.hub.publisher._idempotency), 1000)
        client.take()
        (error,) = client.ask(type="publish", topic="chat/a", event="e", id="x" * 129)
        self.assertEqual(error["type"], "error")
        cache = self.world.hub.publisher._idempotency
        cache.limit = 1
        client.send(
            type="publish", topic="chat/a", event="e", id="1", data="kept " + LARGE, persist=True
        )
        (repeats,) = cache._seen.values()
        ((key, (_, outcome)),) = repeats.items()
        self.assertLess(len(repr((key, outcome._result))), 300)

    def test_revocations(self) -> None:
        """
        revocations of tokens

        A server gets C{overloaded} for one more than the project's bound of entries or of bytes
        allows, and nothing more is kept.  Another project has a bound of its own.
        """
        self.assertEqual(ROOM, Room(10_000, 8 * 1024 * 1024))
        for room, name, many in (
            (Room(20, ROOM.size), "u{}", 20),
            # Each takes 400 bytes and those of its user's name.
            (Room(ROOM.entries, 20 * 1400), "\N{GRINNING FACE}" * 249 + "{:04}", 20),
        ):
            self.world = World(
                {"p": makeProject(), "q": makeProject(id="q", publicKey=None, secretKey=None)}
            )
            self.patch(self.world.authenticator.revocations, "_room", room)
            refused = [self.revoke("p", name.format(number)) for number in range(many + 5)]
            self.assertEqual(refused, [None] * many + ["overloaded"] * 5)
            self.assertEqual(len(self.world.authenticator.revocations), many)
            self.assertEqual(len(self.world.revocations.kept), many)
            self.assertIsNone(self.revoke("q", name.format(0)))

    def revoke(self, project: str, user: str) -> str | None:
        """
        Revoke the tokens of a user, as a server does.

        @return: The code of the error, if the daemon refuses it.
        """
        server = Identity(project, Role.SECRET)
        called = self.world.rpc.call(
            server, encodeValue({"method": "user.revoke", "args": [user, {"seconds": 60}]})
        )
        self.world.turn()
        codes: list[str] = []
        called.addErrback(lambda failure: codes.append(failure.value.code))
        self.successResultOf(called)
        return codes[0] if codes else None

    def test_rows(self) -> None:
        """
        rows of snapshots

        The daemon reads no more rows than the bound allows until clients have taken the rows
        that were read.
        """
        snapshots = self.world.recovery.snapshots
        snapshots.budget = 3_000_000
        self.world.connect().ask(type="subscribe", topic="orders")
        self.world.tracker.change(
            *(Change(n, "orders", INSERT, {"id": n, "text": LARGE}, None, 7) for n in range(1, 60))
        )
        clients = []
        for number in range(20):
            client = self.world.connect()
            client.session.congested()
            client.send(type="subscribe", topic="orders", snapshot=True, limit=40 + number)
            clients.append(client)
            self.world.turn()
            self.assertLess(snapshots.held, snapshots.budget + 2 * snapshots.bounds.size)
        self.assertGreater(snapshots.held, snapshots.budget)
        for client in clients:
            client.die()
        self.world.turn()
        self.assertEqual(snapshots.held, 0)


class FillHistoryTests(SQLiteCase):
    """
    The same for rows of the table whose data is in the database.
    """

    def test_history(self) -> None:
        """
        a page of a topic's history

        A page ends at its bound, and the next page continues behind it.
        """
        self.patch(keptmessages, "PAGE_CHARACTERS", 3000)
        for time in range(1, 10):
            self.keep(time, data=b'"%s"' % (b"x" * 998))
        self.keep(10, data=b'"%s"' % (b"x" * 9998))
        pages: list[list[int]] = [self.times()]
        while pages[-1]:
            pages.append(self.times(before=pages[-1][-1]))
        self.assertEqual(pages, [[10], [9, 8, 7], [6, 5, 4], [3, 2, 1], []])


FILLED: list[Callable[..., Any]] = [
    each
    for case in (FillTests, FillHistoryTests)
    for name, each in vars(case).items()
    if name.startswith("test_")
]
