"""
A client that comes back gets everything once and in order, whatever happened meanwhile.
"""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from aerostack.core.replay.log import Depth
from aerostack.core.replay.publications import Receipt
from aerostack.core.rows.changes import INSERT, Change
from aerostack.core.topics.policies import TopicPolicies, TopicPolicy
from aerostack.recovery import logreader, pacing, replay
from aerostack.settings.limits import LimitsConfig
from aerostack.testing import World
from tests.stories.resuming import CHAT, ORDERS, ROOM, TABLE, Reader, Truth
from tests.stories.story import SlowKeepingStory


class Story(SlowKeepingStory):
    """
    Something that happens to a daemon and two of its clients.
    """

    def __init__(self, depth: int, deep: bool, outbox: int = 4_194_304) -> None:
        """
        @param outbox: How many bytes may wait for a client.
        """
        self.world = World(
            rules=TopicPolicies([], TopicPolicy(Depth(depth, 1_000_000, 300.0))),
            limits=LimitsConfig(outboxBytes=outbox),
        )
        self.truths = {CHAT: Truth(ROOM), TABLE: Truth(ORDERS)}
        self.readers = [Reader(None, self.truths, deep), Reader(0, self.truths, deep)]
        self._count = 0
        self._attend()

    def _attend(self) -> None:
        self.world.feeds.watch("orders")
        for truth in self.truths.values():
            truth.attend(self.world)

    def _number(self) -> int:
        self._count += 1
        return self._count

    def happen(self, what: str) -> None:
        """
        Let something happen.
        """
        name, _, who = what.partition(" ")
        if who:
            reader = self.readers[int(who)]
            if name == "back":
                reader.back(self.world)
            else:
                getattr(reader, name)()
        else:
            getattr(self, name)()
        for reader in self.readers:
            reader.read()

    def say(self) -> None:
        """Publish something that is kept."""
        entry = self._number()

        def done(kept: Receipt | None) -> None:
            self.truths[CHAT].kept.add(entry)

        publishing = self.world.hub.publisher.publish(ROOM, "e", b"%d" % entry, None, True)
        # What the database refused is no part of the log.
        publishing.addCallbacks(done, lambda _: None)

    def hint(self) -> None:
        """Publish something that is not kept."""
        self.world.hub.publisher.publish(ROOM, "e", b"%d" % self._number(), None, False)

    def insert(self) -> None:
        """Write a row."""
        self.world.tracker.change(self._change())

    def part(self) -> None:
        """Write a row of a transaction that goes on with a later row."""
        self.world.tracker.change(self._change(), last=False)

    def flood(self) -> None:
        """Write many rows at once."""
        self.world.tracker.change(*(self._change() for _ in range(20)))

    def emit(self) -> None:
        """Publish an event on the table's topic.  Only the log in memory has it."""
        while self._number() % 2:
            # An event passes every filter.
            pass
        self.world.hub.publisher.publish(ORDERS, "e", b"%d" % self._count, None, False)

    def fail(self) -> None:
        """Make reads of a table's past fail for a while."""
        self.world.tracker.fault = OSError("no")

    def mend(self) -> None:
        """Let reads of a table's past succeed again."""
        self.world.tracker.fault = None
        self.world.clock.advance(logreader.RETRY)

    def _change(self) -> Change:
        entry = self._number()
        return Change(entry, "orders", INSERT, {"id": entry, "side": entry % 2}, None, 7)

    def turn(self) -> None:
        """Let the reactor turn once."""
        self.world.clock.advance(0)

    def tick(self) -> None:
        """Let a little time pass."""
        self.world.clock.advance(0.01)

    def crash(self) -> None:
        """
        Restart the daemon.  It loses the messages that it was writing, and rows are written
        meanwhile.
        """
        self._crash(())

    def crashWritten(self) -> None:
        """
        Restart the daemon.  The database has the messages that it was writing, but they have no
        acknowledgement.
        """
        held = self.world.history.held or []
        for message, _ in held:
            self.truths[CHAT].write(int(message.data))
        self._crash([message for message, _ in held])

    def _crash(self, written: Any) -> None:
        for reader in self.readers:
            reader.cut()
        history = self.world.history
        history.held = None
        for message in written:
            history.append(message)
        if history.reading is not None:
            history.reading = self.world.tracker.reading = []
        for _ in range(2):
            change = self._change()
            self.world.tracker.changes.append(change)
            self.truths[TABLE].write(change.seq)
        self.world.restart()
        self._attend()

    def end(self) -> None:
        """
        Let all work end, with all clients connected.
        """
        self.release()
        self.fast()
        self.mend()
        for _ in range(2):
            for reader in self.readers:
                reader.back(self.world)
                reader.ease()
                reader.read()
            self.insert()
            self.say()
            self.world.turn()
            for reader in self.readers:
                reader.read()
        for reader in self.readers:
            reader.check()


HAPPENINGS = [
    *("say", "hint", "insert", "say", "hint", "insert", "part"),
    *("hold", "release", "refuse", "slow", "answer", "fast", "turn", "turn", "tick"),
    *("crash", "crashWritten"),
    *(f"{what} {who}" for what in ("cut", "back", "back", "choke", "ease") for who in (0, 1)),
]

SLOW = [
    "flood",
    "flood",
    "emit",
    *(f"{what} {who}" for what in ("choke", "ease") for who in (0, 1)),
]

TABLES = [
    *("insert", "part", "flood", "slow", "answer", "fast", "turn", "turn", "tick", "fail", "mend"),
    *(f"{what} {who}" for what in ("choke", "ease", "ease") for who in (0, 1)),
]


class ResumeTests(SynchronousTestCase):
    """
    Tests for what a client that comes back gets.
    """

    def setUp(self) -> None:
        # Small pieces, so that much can happen between them.
        self.patch(replay, "PAGE", 3)
        self.patch(replay, "PAGE_BYTES", 40)
        # Two entries or three.
        self.patch(replay, "AT_ONCE", 700)
        self.patch(pacing, "CHUNK", 150)
        self.patch(pacing, "TURN", 200)

    def _tell(self, depth: int, deep: bool, story: list[str], **more: int) -> Story:
        told = Story(depth, deep, **more)
        for what in ["back 0", "back 1", *story]:
            told.happen(what)
        told.end()
        return told

    @settings(max_examples=400, deadline=None)
    @given(st.lists(st.sampled_from(HAPPENINGS), max_size=60))
    def test_whole(self, story: list[str]) -> None:
        """
        With a log that holds everything, only a restart makes a gap, and only on a topic without
        kept messages.
        """
        self._tell(10_000, True, story)

    @settings(max_examples=400, deadline=None)
    @given(st.integers(0, 4), st.lists(st.sampled_from(HAPPENINGS), max_size=60))
    def test_shallow(self, depth: int, story: list[str]) -> None:
        """
        With a log that holds little, the client gets the other kept messages from the database, and
        a gap for messages that were not kept.
        """
        self._tell(depth, False, story)

    @settings(max_examples=200, deadline=None)
    @given(
        st.sampled_from([3, 10_000]),
        st.integers(600, 3000),
        st.lists(st.sampled_from([*HAPPENINGS, *SLOW]), max_size=60),
    )
    def test_slow(self, depth: int, outbox: int, story: list[str]) -> None:
        """
        A client has everything in the end, however little may wait for it.  It may be closed and
        come back.
        """
        self._tell(depth, depth > 1000, story, outbox=outbox)

    @settings(max_examples=200, deadline=None)
    @given(
        st.sampled_from([3, 30, 10_000]),
        st.integers(600, 6000),
        st.lists(st.sampled_from(TABLES), max_size=60),
    )
    def test_flood(self, depth: int, outbox: int, story: list[str]) -> None:
        """
        A slow client is not closed and gets all rows, however many are written at once.
        """
        told = self._tell(depth, True, story, outbox=outbox)
        self.assertEqual([reader.closed for reader in told.readers], [0, 0])
        self.assertEqual([reader.excused[TABLE] for reader in told.readers], [set(), set()])
        self.flushLoggedErrors(OSError)
