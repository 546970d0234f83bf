"""
Applications that come back with their positions, and a record of everything that they should get.
"""

from __future__ import annotations

from typing import Any

from aerostack.core.replay.log import TopicLog
from aerostack.core.replay.positions import parsePosition
from aerostack.core.topics.topics import Topic, tableTopic
from aerostack.errors import CLOSE_SLOW
from aerostack.protocol.framing import Frame
from aerostack.testing import MemoryClient, World, readFrames

ROOM = Topic("chat/room", "p")
ORDERS = tableTopic("orders", "p")
CHAT, TABLE = ROOM.canonical, ORDERS.canonical


class Truth:
    """
    A record of everything that was published on a topic, and of everything that the database has
    besides.

    @ivar log: The number of each publication or change, in order.
    @ivar kept: Those of them that are in the database.
    @ivar began: By epoch, how long the record was when the daemon began a log.
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
        Record everything that happens from now on.
        """
        if self.topic.table is not None:
            opened = world.feeds.openLog(self.topic)
        else:
            opened = world.hub.sequencer.openLog(self.topic.canonical)
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
        Record an entry that the database has, and that no client got.
        """
        self.log.append(entry)
        self.kept.add(entry)

    def place(self, text: str) -> int:
        """
        Give the place of a client's position in the record.
        """
        position = parsePosition(text)
        assert position is not None and position.offset is not None
        if not position.offset:
            return self.began[position.epoch]
        return self._offsets[position.epoch][position.offset - 1] + 1


def number(frame: dict[str, Any]) -> int:
    """
    Give the number of the publication or change in a frame.
    """
    data = frame["data"]
    return int(data["id"] if isinstance(data, dict) else data)


class Reader:
    """
    An application that brings its positions back.

    @ivar got: By topic, what it got.
    @ivar wanted: By topic, the place in the log from which on it wants everything.
    @ivar excused: By topic, the entries for which it got a gap.
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
        Read the frames that arrived.
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
                # The end of a transaction has a position, but is no change.
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
        Give what the application should have got and has not.
        """
        if topic not in self.wanted:
            return set()
        wanted = self._truths[topic].log[self.wanted[topic] :]
        if topic == TABLE and self.side is not None:
            wanted = [entry for entry in wanted if entry % 2 == self.side]
        return set(wanted) - set(self.got[topic]) - self.excused[topic]

    def check(self) -> None:
        """
        Check that everything came once, in order.
        """
        for topic, got in self.got.items():
            places = [self._truths[topic].log.index(entry) for entry in got]
            assert places == sorted(set(places)), (topic, got, self._truths[topic].log)
            assert all(place >= self.wanted[topic] for place in places), (topic, got)
            assert not self.missing(topic), (topic, got, self.missing(topic))


def epochOf(text: str) -> str:
    """
    Give the epoch of a position.
    """
    position = parsePosition(text)
    assert position is not None
    return position.epoch
