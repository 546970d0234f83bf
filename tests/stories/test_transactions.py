"""
A client can see where a transaction ends, whatever it gets of the transaction and whatever
happens.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from aerostack.core.replay.log import Depth
from aerostack.core.rows.changes import INSERT, Change
from aerostack.core.topics.policies import LATEST, TopicPolicies, TopicPolicy
from aerostack.core.topics.topics import tableTopic
from aerostack.errors import RealtimeError
from aerostack.recovery import pacing, replay
from aerostack.testing import Frame, MemoryClient, World, makeProject
from tests.stories.story import SlowStory


def change(entry: int, transaction: str | None = None, last: bool = False) -> Change:
    """
    Return an insert of a row that is on one of three sides.
    """
    return Change(
        entry, "orders", INSERT, {"id": entry, "side": entry % 3}, None, 7, transaction, last
    )


class CommitTests(SynchronousTestCase):
    """
    Tests for C{tx}, C{commit} and the frame C{commit}.
    """

    def setUp(self) -> None:
        self.world = World()

    def subscribed(self, **fields: Any) -> MemoryClient:
        client = self.world.connect()
        client.positions = True
        [answer] = client.ask(type="subscribe", topic="orders", **fields)
        self.assertEqual(answer["type"], "subscribed")
        return client

    def back(self, since: str, **fields: Any) -> tuple[MemoryClient, list[Frame]]:
        client = self.world.connect()
        client.positions = True
        answer, *missed = client.ask(type="subscribe", topic="orders", since=since, **fields)
        self.assertTrue(answer["recovered"])
        return client, missed

    def tell(self, *changes: Change) -> None:
        self.world.tracker.change(*changes, last=changes[-1].last)

    def brief(self, frames: Sequence[Frame]) -> list[tuple[Any, ...]]:
        return [
            ("commit", frame.get("tx"))
            if frame["type"] == "commit"
            else (frame["data"]["id"], frame.get("tx"), frame.get("commit"))
            for frame in frames
        ]

    def test_whole(self) -> None:
        """
        A client that gets all changes sees the transaction of each, and which change is the last.
        """
        client = self.subscribed()
        self.tell(change(1, "a"), change(2, "a", True), change(3, "b", True))
        self.assertEqual(
            self.brief(client.take()), [(1, "a", None), (2, "a", True), (3, "b", True)]
        )

    def test_filtered(self) -> None:
        """
        A client that gets some changes of a transaction, but not the last, gets a C{commit}; one
        that gets no change gets no frame.
        """
        clients = [self.subscribed(filter={"side": side}) for side in range(3)]
        self.tell(change(1, "a"), change(2, "a"), change(4, "a"), change(5, "a", True))
        self.tell(change(6, "b", True))
        self.assertEqual(
            [self.brief(client.take()) for client in clients],
            [
                [(6, "b", True)],
                [(1, "a", None), (4, "a", None), ("commit", "a")],
                [(2, "a", None), (5, "a", True)],
            ],
        )

    def test_events(self) -> None:
        """
        So does a client that left out some operations; a client that left out columns gets every
        change.
        """
        some = self.subscribed(event="INSERT")
        narrow = self.subscribed(columns=["id"])
        row = {"id": 1, "side": 1}
        update = Change(2, "orders", "UPDATE", row, row, 7, "a", True)
        self.tell(change(1, "a"), update)
        self.assertEqual(self.brief(some.take()), [(1, "a", None), ("commit", "a")])
        self.assertEqual(self.brief(narrow.take()), [(1, "a", None), (1, "a", True)])

    def test_position(self) -> None:
        """
        The frame has the position of the last change, so a resume continues after it.
        """
        client = self.subscribed(filter={"side": 1})
        self.tell(change(1), change(2, None, True))
        frames = client.take()
        self.assertEqual(self.brief(frames), [(1, None, None), ("commit", None)])
        client.die()
        self.tell(change(4, None, True))
        _, missed = self.back(frames[-1]["pos"], filter={"side": 1})
        self.assertEqual(self.brief(missed), [(4, None, True)])

    def test_nothingMissed(self) -> None:
        """
        A client that resumes between two transactions, and has missed none, gets no C{commit}.
        """
        client = self.subscribed(filter={"side": 1})
        self.tell(change(1, None, True))
        [frame] = client.take()
        client.die()
        self.assertEqual(self.back(frame["pos"], filter={"side": 1})[1], [])

    def test_cutAgain(self) -> None:
        """
        A client whose connection breaks again in the middle of a replayed transaction gets its end
        when it resumes.
        """
        fields = {"filter": {"side": 1}, "columns": ["id"]}
        client = self.subscribed(**fields)
        self.tell(change(4, None, True))
        since = client.take()[-1]["pos"]
        client.die()
        self.tell(change(1, "a"))
        client, missed = self.back(since, **fields)
        self.assertEqual(self.brief(missed), [(1, "a", None)])
        client.die()
        self.tell(change(2, "a", True))
        _, missed = self.back(missed[-1]["pos"], **fields)
        self.assertEqual(self.brief(missed), [("commit", "a")])

    def test_newLog(self) -> None:
        """
        A client that resumes in a log that began in the middle of a transaction gets the
        transaction's end.
        """
        other = {"id": "q", "publicKey": "pk_fedcba9876543210", "secretKey": "sk_fedcba9876543210"}
        self.world = World({"p": makeProject(), "q": makeProject(**other)})
        fields = {"type": "subscribe", "topic": "orders", "filter": {"side": 1}}
        client = self.world.connect(projectId="q")
        client.positions = True
        [answer] = client.ask(**fields)
        client.die()
        self.world.restart()
        self.subscribed()
        self.tell(change(1, "a"))
        again = self.world.connect(projectId="q")
        answer, *missed = again.ask(**fields, since=answer["pos"])
        self.assertTrue(answer["recovered"])
        self.assertEqual(self.brief(missed), [(1, "a", None)])
        self.tell(change(2, "a", True))
        self.assertEqual(self.brief(again.take()), [("commit", "a")])

    def test_lost(self) -> None:
        """
        A transaction that was interrupted by the loss of its table does not end later.
        """
        client = self.subscribed(filter={"side": 1})
        self.tell(change(1))
        self.world.feeds.tableLost("orders", RealtimeError("table_lost", "Gone."), 1)
        self.tell(change(2, None, True))
        self.assertEqual([f["type"] for f in client.take()], ["db_change", "error"])

    def test_spared(self) -> None:
        """
        If a slow reader is spared changes, it is also spared all ends except the newest, and no
        change is dropped for an end.
        """
        rule = TopicPolicy(Depth(100, 1_000_000, 300.0), LATEST, "id")
        self.world = World(rules=TopicPolicies([], rule))
        client = self.subscribed(filter={"side": 1})
        client.session.congested()
        for entry in (1, 4):
            self.tell(change(entry), change(entry + 1, None, True))
        self.world.turn()
        client.session.drained()
        self.assertEqual(
            self.brief(client.take()), [(1, None, None), (4, None, None), ("commit", None)]
        )


class Reader:
    """
    A client that connects and disconnects.

    @ivar groups: Its changes, grouped by transaction as the client can see it.
    """

    def __init__(self, world: World, fields: dict[str, Any]) -> None:
        self.world = world
        self.fields = fields
        self.groups: list[list[int]] = [[]]
        self.client: MemoryClient | None = None
        self._since: str | None = None

    def cut(self) -> None:
        """Lose the connection."""
        if self.client is not None:
            self.client.die()
            self.client = None

    def back(self) -> None:
        """Reconnect, and resume."""
        if self.client is None:
            self.client = self.world.connect()
            since = {} if self._since is None else {"since": self._since}
            self.client.send(type="subscribe", topic="orders", **self.fields, **since)

    def read(self) -> None:
        """Read the frames that arrived."""
        if self.client is None:
            return
        frames, self.client.connection.frames = self.client.connection.frames, []
        for frame in frames:
            self._since = frame["pos"]
            if frame["type"] == "db_change":
                self.groups[-1].append(frame["data"]["id"])
            if frame["type"] == "commit" or frame.get("commit"):
                self.groups.append([])


FIELDS: list[dict[str, Any]] = [
    {},
    {"filter": {"side": 0}, "columns": ["id"]},
    {"filter": {"side": {"lt": 2}}},
]

HAPPENINGS = [
    *("part", "part", "part", "last", "last", "turn", "turn", "slow", "answer", "fast", "restart"),
    *(f"{what} {who}" for what in ("cut", "back") for who in range(3)),
]


class Story(SlowStory):
    """
    Random transactions, and clients that connect and disconnect.

    @ivar transactions: The changes of each transaction.
    """

    def __init__(self, depth: int, journalTells: bool) -> None:
        self.world = World(rules=TopicPolicies([], TopicPolicy(Depth(depth, 1_000_000, 300.0))))
        self.readers = [Reader(self.world, fields) for fields in FIELDS]
        self.transactions: list[list[int]] = [[]]
        self._journalTells = journalTells
        self._count = 0
        self._attend()

    def _attend(self) -> None:
        tracker = self.world.tracker
        self.world.feeds.watch("orders")
        self.world.feeds.openLog(tableTopic("orders", "p"))
        readPast = tracker.readPast

        def read(*args: Any) -> Any:
            def forget(changes: list[Change]) -> list[Change]:
                return [replace(each, last=False) for each in changes]

            reading = readPast(*args)
            return reading if self._journalTells else reading.addCallback(forget)

        tracker.readPast = read  # type: ignore[method-assign]

    def happen(self, what: str) -> None:
        """
        Do one random thing.
        """
        name, _, who = what.partition(" ")
        if who:
            getattr(self.readers[int(who)], name)()
        else:
            getattr(self, name)()
        for reader in self.readers:
            reader.read()

    def _write(self, last: bool) -> None:
        self._count += 1
        self.transactions[-1].append(self._count)
        if last:
            self.transactions.append([])
        self.world.tracker.change(change(self._count), last=last)

    def part(self) -> None:
        """Read a change; more of its transaction follows later."""
        self._write(False)

    def last(self) -> None:
        """Read a transaction's last change."""
        self._write(True)

    def turn(self) -> None:
        """Let the reactor turn."""
        self.world.clock.advance(0)

    def restart(self) -> None:
        """
        Restart the daemon, which is possible between transactions only, and write one meanwhile.
        """
        if self.transactions[-1]:
            self.last()
        for reader in self.readers:
            reader.cut()
        if self.world.tracker.reading is not None:
            self.world.tracker.reading = []
        self._count += 1
        self.transactions[-1].append(self._count)
        self.transactions.append([])
        self.world.tracker.changes.append(change(self._count, None, True))
        self.world.restart()
        self._attend()

    def end(self) -> None:
        """Let everything settle, and let every client connect."""
        self.fast()
        for reader in self.readers:
            reader.back()
            reader.read()
        self.last()
        self.world.turn()
        for reader in self.readers:
            reader.read()

    def check(self) -> None:
        """
        Check that every reader knows the ends of the transactions of which it got changes.
        """
        for reader in self.readers:
            *groups, rest = reader.groups
            assert not rest, ("no end was told", reader.groups)
            groups = [group for group in groups if group]
            got = {entry for group in groups for entry in group}
            parts = [[e for e in each if e in got] for each in self.transactions]
            parts = [part for part in parts if part]
            if not self._journalTells:
                # Several of those that the daemon read from the journal may be together.
                ends = {group[-1] for group in groups}
                parts = _joined(parts, ends)
            assert groups == parts, (groups, parts)


def _joined(parts: list[list[int]], ends: set[int]) -> list[list[int]]:
    joined: list[list[int]] = [[]]
    for part in parts:
        joined[-1] += part
        if part[-1] in ends:
            joined.append([])
    return joined[:-1]


class StoryTests(SynchronousTestCase):
    """
    Tests with clients that connect and disconnect.
    """

    def setUp(self) -> None:
        # Small pages, so that much can happen between them.
        self.patch(replay, "PAGE", 2)
        self.patch(replay, "AT_ONCE", 700)
        self.patch(pacing, "CHUNK", 150)
        self.patch(pacing, "TURN", 200)

    def _tell(self, depth: int, journalTells: bool, story: list[str]) -> None:
        told = Story(depth, journalTells)
        for what in [*(f"back {who}" for who in range(3)), *story]:
            told.happen(what)
        told.end()
        told.check()

    @settings(max_examples=400, deadline=None)
    @given(st.integers(0, 6), st.lists(st.sampled_from(HAPPENINGS), min_size=20, max_size=60))
    def test_exact(self, depth: int, story: list[str]) -> None:
        """
        With a journal that knows transactions, clients see each one separately.
        """
        self._tell(depth, True, story)

    @settings(max_examples=400, deadline=None)
    @given(st.integers(0, 6), st.lists(st.sampled_from(HAPPENINGS), min_size=20, max_size=60))
    def test_joined(self, depth: int, story: list[str]) -> None:
        """
        With a journal that does not, clients may see several as one, but never one as two.
        """
        self._tell(depth, False, story)
