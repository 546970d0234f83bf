"""
Whoever comes back has everything once and in order, whatever happened meanwhile.
"""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from aerostack.core.replay.log import Depth, TopicLog
from aerostack.core.replay.positions import parsePosition
from aerostack.core.replay.publications import Receipt
from aerostack.core.rows.changes import INSERT, Change
from aerostack.core.topics.policies import TopicPolicies, TopicPolicy
from aerostack.core.topics.topics import Topic, tableTopic
from aerostack.errors import CLOSE_SLOW
from aerostack.protocol.framing import Frame
from aerostack.recovery import pacing, recovery, replay
from aerostack.settings.limits import LimitsConfig
from aerostack.testing import MemoryClient, World, readFrames
from tests.stories.story import SlowKeepingStory

ROOM = Topic("chat/room", "p")
ORDERS = tableTopic("orders", "p")
CHAT, TABLE = ROOM.canonical, ORDERS.canonical


class Truth:
    """
    What there was of a topic: all that its log ever held, and what the database has besides.

    @ivar log: The number of each publication or change, in order.
    @ivar kept: Those of them that are in the database.
    @ivar began: By epoch, how long the truth was when the daemon began a log.
    """

    def __init__(self, topic: Topic) -> None:
        self.topic = topic
        self.log: list[int] = []
        self.kept: set[int] = set()
        self.began: dict[str, int] = {}
        # By epoch, where in the truth each entry of the daemon's log stands.
        self._offsets: dict[str, list[int]] = {}

    def attend(self, world: World) -> None:
        """
        Take note of all that happens from now on.
        """
        if self.topic.table is not None:
            opened = world.feeds.openLog(self.topic)
        else:
            opened = world.hub.delivery.openLog(self.topic.canonical)
        self.began[opened.epoch] = len(self.log)
        self._offsets[opened.epoch] = []
        append = world.hub.logs.append

        def seen(topic: str, opened: TopicLog, frame: Frame, *rest: Any) -> None:
            append(topic, opened, frame, *rest)
            if topic == self.topic.canonical:
                self._see(frame)

        world.hub.logs.append = seen

    def _see(self, frame: Frame) -> None:
        [each] = readFrames(bytes(frame))
        position = parsePosition(each["pos"])
        assert position is not None
        self._offsets[position.epoch].append(len(self.log))
        assert position.offset == len(self._offsets[position.epoch])
        self.log.append(number(each))
        if each["type"] == "db_change":
            self.kept.add(number(each))

    def write(self, entry: int) -> None:
        """
        Add what the database has, and nobody was there to tell.
        """
        self.log.append(entry)
        self.kept.add(entry)

    def place(self, text: str) -> int:
        """
        Where in the truth a position stands that a client was told.
        """
        position = parsePosition(text)
        assert position is not None and position.offset is not None
        if not position.offset:
            return self.began[position.epoch]
        return self._offsets[position.epoch][position.offset - 1] + 1


def number(frame: dict[str, Any]) -> int:
    """
    Which publication or change a frame carries.
    """
    data = frame["data"]
    return int(data["id"] if isinstance(data, dict) else data)


class Reader:
    """
    An application that brings its positions back.

    @ivar got: By topic, what it got.
    @ivar wanted: By topic, from where in the log on it wants everything.
    @ivar excused: By topic, what it was told that it may not get.
    """

    def __init__(self, side: int | None, truths: dict[str, Truth], deep: bool) -> None:
        """
        @param side: Which rows it wants, L{None} for all.
        @param deep: Whether logs never forget anything.
        """
        self.side = side
        self.got: dict[str, list[int]] = {topic: [] for topic in truths}
        self.wanted: dict[str, int] = {}
        self.excused: dict[str, set[int]] = {topic: set() for topic in truths}
        self.client: MemoryClient | None = None
        self._truths = truths
        self._deep = deep
        self._since: dict[str, str] = {}
        self._answered: set[str] = set()
        # Whether anything was kept when it asked.
        self._kept: dict[str, bool] = {}
        self._choked = False
        # How often it was closed as too slow.
        self.closed = 0

    def cut(self) -> None:
        """
        Lose the connection.
        """
        if self.client is not None:
            self.client.die()
            self.client = None

    def back(self, world: World) -> None:
        """
        Connect, and subscribe with the positions that were last seen.
        """
        if self.client is not None:
            return
        self.client = world.connect()
        self._choked = False
        self._answered = set()
        self._kept = {topic: bool(truth.kept) for topic, truth in self._truths.items()}
        for topic, name in ((CHAT, "chat/room"), (TABLE, "orders")):
            frame: dict[str, Any] = {"type": "subscribe", "topic": name}
            if topic in self._since:
                frame["since"] = self._since[topic]
            if topic == TABLE and self.side is not None:
                frame["filter"] = {"side": self.side}
            self.client.send(**frame)

    def choke(self) -> None:
        """
        Stop reading.
        """
        if self.client is not None and not self._choked:
            self._choked = True
            self.client.session.congested()

    def ease(self) -> None:
        """
        Read again.
        """
        if self.client is not None and self._choked:
            self._choked = False
            self.client.session.drained()

    def read(self) -> None:
        """
        Take what came.
        """
        if self.client is None:
            return
        frames, self.client.connection.frames = self.client.connection.frames, []
        for frame in frames:
            if frame.get("code") == "lagging":
                continue
            topic = frame["topic"]
            if frame["type"] == "subscribed":
                self._answer(topic, frame)
                self._answered.add(topic)
            else:
                assert topic in self._answered, frame
                # That a transaction is over is nothing that anybody wrote, but has a place.
                if frame["type"] != "commit":
                    self.got[topic].append(number(frame))
            self._since[topic] = frame["pos"]
        closing = self.client.connection.closing
        if closing is not None:
            assert closing[0] == CLOSE_SLOW, closing
            self.closed += 1
            self.cut()

    def _answer(self, topic: str, frame: dict[str, Any]) -> None:
        truth = self._truths[topic]
        before = self._since.get(topic)
        if before is None:
            assert "recovered" not in frame and "gap" not in frame, frame
            self.wanted[topic] = truth.place(frame["pos"])
            return
        missing = self.missing(topic)
        if frame["recovered"]:
            assert frame["pos"] == before, frame
            if frame.get("keptOnly"):
                assert epochOf(before) != list(truth.began)[-1], "this run knows everything"
                end = truth.began[list(truth.began)[-1]] if self._deep else len(truth.log)
                self.excused[topic] |= set(truth.log[:end]) - truth.kept
            return
        # The present is all that is left; that must have a reason.
        if frame["gap"]["reason"] == "unknown":
            assert not self._kept[topic] and epochOf(before) != epochOf(frame["pos"]), frame
        else:
            assert frame["gap"]["reason"] == "expired" and not self._deep, frame
            assert missing - truth.kept, (frame, missing)
        self.excused[topic] |= set(truth.log[: truth.place(frame["pos"])])

    def missing(self, topic: str) -> set[int]:
        """
        What it should have got, and has not.
        """
        if topic not in self.wanted:
            return set()
        wanted = self._truths[topic].log[self.wanted[topic] :]
        if topic == TABLE and self.side is not None:
            wanted = [entry for entry in wanted if entry % 2 == self.side]
        return set(wanted) - set(self.got[topic]) - self.excused[topic]

    def check(self) -> None:
        """
        Everything came once, in order.
        """
        for topic, got in self.got.items():
            places = [self._truths[topic].log.index(entry) for entry in got]
            assert places == sorted(set(places)), (topic, got, self._truths[topic].log)
            assert all(place >= self.wanted[topic] for place in places), (topic, got)
            assert not self.missing(topic), (topic, got, self.missing(topic))


def epochOf(text: str) -> str:
    """
    The epoch of a position.
    """
    position = parsePosition(text)
    assert position is not None
    return position.epoch


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
        """Write a row, and more in the same transaction later."""
        self.world.tracker.change(self._change(), last=False)

    def flood(self) -> None:
        """Write many rows at once."""
        self.world.tracker.change(*(self._change() for _ in range(20)))

    def emit(self) -> None:
        """Publish something on the table's topic, that is nowhere but in the log in memory."""
        while self._number() % 2:
            # It is told whatever the filter is.
            pass
        self.world.hub.publisher.publish(ORDERS, "e", b"%d" % self._count, None, False)

    def fail(self) -> None:
        """Let no table's past be read for a while."""
        self.world.tracker.fault = OSError("no")

    def mend(self) -> None:
        """Let it be read again."""
        self.world.tracker.fault = None
        self.world.clock.advance(recovery.RETRY)

    def _change(self) -> Change:
        entry = self._number()
        return Change(entry, "orders", INSERT, {"id": entry, "side": entry % 2}, None, 7)

    def turn(self) -> None:
        """Let the reactor turn, not to the end of what there is to do."""
        self.world.clock.advance(0)

    def tick(self) -> None:
        """Let a little time pass."""
        self.world.clock.advance(0.01)

    def crash(self) -> None:
        """Begin anew; what was being written is lost, and rows are written meanwhile."""
        self._crash(())

    def crashWritten(self) -> None:
        """Begin anew; what was being written was written, but nobody knows."""
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
        Let everything come to rest, and everybody be there.
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
    Tests for what somebody gets who comes back.
    """

    def setUp(self) -> None:
        # Small pieces, so that much can happen between them.
        self.patch(replay, "PAGE", 3)
        self.patch(replay, "PAGE_BYTES", 40)
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
        With a log that holds everything, only a restart makes a gap, and only where
        nothing is kept.
        """
        self._tell(10_000, True, story)

    @settings(max_examples=400, deadline=None)
    @given(st.integers(0, 4), st.lists(st.sampled_from(HAPPENINGS), max_size=60))
    def test_shallow(self, depth: int, story: list[str]) -> None:
        """
        With a log that holds little, the database has the rest of what was kept, and
        what was not is told as a gap.
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
        However little may wait for a client, it has everything in the end, if need be after
        it was closed and came back.
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
        However many rows are written at once, and however slowly a client reads, it is not
        closed, and has them all.
        """
        told = self._tell(depth, True, story, outbox=outbox)
        self.assertEqual([reader.closed for reader in told.readers], [0, 0])
        self.assertEqual([reader.excused[TABLE] for reader in told.readers], [set(), set()])
        self.flushLoggedErrors(OSError)
