"""
Readers that compare what they get of topics with the true history.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any, Protocol

from aerostack.core.replay.positions import parsePosition
from aerostack.core.topics.topics import tableTopic
from aerostack.errors import CLOSE_SLOW
from aerostack.testing import Frame, MemoryClient, World

TABLE = tableTopic("orders", "p").canonical
SPARING = "news/a/p"
NAMES = {"orders": TABLE, "chat/a": "chat/a/p", "chat/b": "chat/b/p", "news/a": SPARING}


@dataclass
class Entry:
    """
    An entry of a topic's log.
    """

    number: int
    kept: bool


class Truth:
    """
    The true history of one topic.

    @ivar entries: All entries, in order.
    @ivar began: By the epoch of a log, the number of entries when it began.
    @ivar places: By the epoch, the number of entries up to each entry of the log.
    """

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.began: dict[str, int] = {}
        self.places: defaultdict[str, list[int]] = defaultdict(list)

    def place(self, text: str) -> int:
        """
        Return the number of entries up to a position of a log.
        """
        position = parsePosition(text)
        assert position is not None and position.offset is not None, text
        if not position.offset:
            return self.began[position.epoch]
        return self.places[position.epoch][position.offset - 1]


@dataclass
class Following:
    """
    What a client knows about one topic.

    @ivar place: The number of entries of which the client knows what became of them.
    @ivar since: The position with which it would resume.
    @ivar excused: Entries for which the client got a gap.
    @ivar asked: For each request on this connection without an answer, the place at that time.
    @ivar members: The members that the client shows.
    """

    place: int = 0
    since: str | None = None
    excused: set[int] = field(default_factory=set)
    asked: list[tuple[int, str | None, int]] = field(default_factory=list)
    held: bool = False
    leaving: int = 0
    members: dict[str, Any] = field(default_factory=dict)
    coming: dict[str, Any] | None = None


class IRun(Protocol):
    """
    The run that a reader takes part in.

    @ivar world: Its daemon.
    @ivar truths: By topic, its true history.
    """

    world: World
    truths: dict[str, Truth]


class Reader:
    """
    A client that checks the frames that it gets.
    """

    def __init__(self, run: IRun, side: int | None, paged: bool) -> None:
        """
        @param side: The rows of the table that the client wants; L{None} for all.
        @param paged: Whether the client takes the presence set in pages.
        """
        self.client: MemoryClient | None = None
        self._run = run
        self._side = side
        self._paged = paged
        self._choked = False
        self.following: defaultdict[str, Following] = defaultdict(Following)

    def connect(self) -> None:
        """Connect, and subscribe to the topics."""
        if self.client is None:
            self.client = self._run.world.connect(userId="reader")
            self._choked = False
            for name, canonical in NAMES.items():
                if canonical in self.following:
                    self.subscribe(name)

    def subscribe(self, name: str) -> None:
        """Subscribe to a topic from the last known position, or again."""
        if self.client is None:
            return
        known = self.following[NAMES[name]]
        if known.asked or known.leaving:
            # One request at a time: with two, the client does not know which one is answered.
            return
        frame: dict[str, Any] = {"type": "subscribe", "topic": name, "sync": self._paged}
        if known.since is not None:
            frame["since"] = known.since
        if name == "orders" and self._side is not None:
            frame["filter"] = {"side": self._side}
        known.asked.append((known.place, known.since, len(self._run.truths[NAMES[name]].entries)))
        self.client.send(**frame)

    def unsubscribe(self, name: str) -> None:
        """Unsubscribe from a topic, but keep the position."""
        if self.client is not None and not self.following[NAMES[name]].leaving:
            self.following[NAMES[name]].leaving += 1
            self.client.send(type="unsubscribe", topic=name)

    def forget(self, name: str) -> None:
        """Forget a topic."""
        known = self.following.get(NAMES[name])
        if self.client is not None and known is not None and not known.asked:
            self.unsubscribe(name)
            known.since = None

    def cut(self) -> None:
        """Lose the connection."""
        if self.client is not None:
            self.client.die()
        self.client = None
        for known in self.following.values():
            known.asked, known.leaving, known.held = [], 0, False

    def choke(self) -> None:
        """Stop reading."""
        if self.client is not None and not self._choked:
            self._choked = True
            self.client.session.congested()

    def ease(self) -> None:
        """Read again."""
        if self.client is not None and self._choked:
            self._choked = False
            self.client.session.drained()

    def read(self) -> None:
        """Check the frames that arrived."""
        if self.client is None:
            return
        frames, self.client.connection.frames = self.client.connection.frames, []
        again: list[str] = []
        for frame in frames:
            if frame.get("code") == "lagging":
                continue
            known = self.following[frame["topic"]]
            if frame["type"] == "subscribed":
                self._subscribed(known, frame)
            elif frame["type"] == "unsubscribed":
                known.held = False
                if known.leaving:
                    known.leaving -= 1
                    # The daemon no longer answers earlier requests of the client.
                    known.asked.clear()
                else:
                    again.append(frame["topic"])
            elif frame["type"] == "error":
                assert frame["code"] in ("history_expired", "database_unavailable"), frame
                assert frame["retryAfter"], frame
            else:
                assert known.held, ("it is not subscribed", frame)
                self._told(known, frame)
        closing = self.client.connection.closing
        if closing is not None:
            assert closing[0] == CLOSE_SLOW, closing
            self.cut()
        for topic in again:
            self.subscribe(next(name for name, each in NAMES.items() if each == topic))

    def _subscribed(self, known: Following, frame: Frame) -> None:
        place, since, published = known.asked.pop(0)
        truth = self._run.truths[frame["topic"]]
        known.held = True
        known.coming = {} if frame.get("sync") else None
        if known.coming is None:
            # If there is no member, the client gets no presence frame.
            known.members = {}
        if since is None:
            assert "recovered" not in frame, frame
            known.place = truth.place(frame["pos"])
        elif frame["recovered"]:
            assert frame["pos"] == since, (frame, since)
            known.place = place
            # Each answer says anew what may be missing.
            known.excused = {n for n in known.excused if n < place}
            if frame.get("keptOnly"):
                lost = range(place, published)
                known.excused.update(n for n in lost if not truth.entries[n].kept)
        else:
            known.place = max(place, truth.place(frame["pos"]))
        known.since = frame["pos"]

    def _told(self, known: Following, frame: Frame) -> None:
        kind = frame["type"]
        if kind == "synced":
            assert known.coming is not None, frame
            known.members, known.coming = known.coming, None
        elif str(frame.get("event")).startswith("presence:"):
            self._present(known, frame["event"], frame["data"])
        elif kind != "commit":
            data = frame["data"]
            self._entry(known, frame, int(data["id"] if isinstance(data, dict) else data))
        known.since = frame.get("pos", known.since)

    def _entry(self, known: Following, frame: Frame, number: int) -> None:
        entries = self._run.truths[frame["topic"]].entries
        place = next(
            (n for n in range(known.place, len(entries)) if entries[n].number == number), None
        )
        assert place is not None, ("it came before, or in another order", frame, known)
        self._miss(known, frame["topic"], place)
        known.place = place + 1

    def _miss(self, known: Following, topic: str, until: int) -> None:
        """Check that the client was to get nothing up to a place."""
        entries = self._run.truths[topic].entries
        missing = [
            entries[n]
            for n in range(known.place, until)
            if n not in known.excused
            and topic != SPARING
            and not (
                topic == TABLE and self._side is not None and entries[n].number % 2 != self._side
            )
        ]
        assert not missing, (topic, missing, known)

    def _present(self, known: Following, event: str, data: Any) -> None:
        if event == "presence:sync":
            if "page" not in data:
                known.members = {}
            elif not data["page"]:
                known.coming = {}
            into = known.members if known.coming is None else known.coming
            into.update({each["connectionId"]: each["state"] for each in data["members"]})
            return
        for members in (known.members, known.coming):
            if members is not None and event == "presence:leave":
                members.pop(data["connectionId"], None)
            elif members is not None:
                members[data["connectionId"]] = data["state"]

    def check(self) -> None:
        """Check that the client has everything, after the run has settled."""
        for topic, known in self.following.items():
            if not known.held:
                continue
            entries = self._run.truths[topic].entries
            self._miss(known, topic, len(entries))
            if topic == SPARING and entries:
                assert known.place == len(entries), (known, len(entries))
            members = self._run.world.hub.presence.rosters.members(topic)
            present = {each.connectionId: each.state for each in members}
            shown = {name: b'{"n":%d}' % state["n"] for name, state in known.members.items()}
            assert shown == present, (topic, shown, present)
