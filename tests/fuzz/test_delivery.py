"""
Random runs of the delivery, compared with a model of what each client must get.  Publications,
clients, slow readers, expiry and clock changes are random.

Each subscriber of a topic gets the topic's entries once and in order, or a gap; and it knows the
members once it has read everything.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from random import Random
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from aerostack.core import roster
from aerostack.core.replay.log import Depth, TopicLog
from aerostack.core.replay.positions import parsePosition
from aerostack.core.replay.publications import PRESENCE, Publication
from aerostack.core.rows.changes import INSERT, Change
from aerostack.core.topics.policies import NEWEST, TopicPolicies, TopicPolicy
from aerostack.core.topics.topics import parseTopic, tableTopic
from aerostack.delivery.fanout import Fanout
from aerostack.errors import CLOSE_SLOW
from aerostack.hub import presence as service
from aerostack.recovery import pacing, replay
from aerostack.settings.limits import LimitsConfig
from aerostack.testing import Frame, MemoryClient, World
from tests.fuzz import seeds
from tests.stories.story import SlowKeepingStory

TABLE = tableTopic("orders", "p").canonical
SPARING = "news/a/p"
NAMES = {"orders": TABLE, "chat/a": "chat/a/p", "chat/b": "chat/b/p", "news/a": SPARING}
STEPS = 250
AGE = 60.0


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
    @ivar excused: Entries that the client was told it may not get.
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


class Reader:
    """
    A client that checks the frames that it gets.
    """

    def __init__(self, run: Run, side: int | None, paged: bool) -> None:
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


class Run(SlowKeepingStory):
    """
    One random run.
    """

    def __init__(self, random: Random) -> None:
        self.random = random
        depth = Depth(random.choice((0, 2, 20, 1000)), 1_000_000, AGE)
        self.world = World(
            rules=TopicPolicies([("news/*", TopicPolicy(depth, NEWEST))], TopicPolicy(depth)),
            limits=LimitsConfig(
                outboxBytes=random.choice((1500, 5000, 1_000_000)),
                framesBurst=100_000,
                bytesBurst=1 << 30,
            ),
            grace=2.0,
        )
        self.truths = {canonical: Truth() for canonical in NAMES.values()}
        self.readers = [
            Reader(self, random.choice((None, 0)), random.random() < 0.5) for _ in range(3)
        ]
        self.members = [self.world.connect(userId=f"u{n}") for n in range(4)]
        self._number = 0
        self._attend()

    def _attend(self) -> None:
        """Record all publications, and the logs."""
        hub = self.world.hub
        hub.delivery.fanout = Fanout(self.world.clock, self.random.choice((1, 2, 4000)))
        hub.logs.budget = self.random.choice((3000, 10_000_000))
        self.world.feeds.watch("orders")
        engine = hub.publisher._engine
        publish, open_, append = engine.publish, hub.logs.open, hub.logs.append

        def published(publication: Publication) -> None:
            if publication.kind != PRESENCE:
                entry = Entry(int(publication.data), publication.mark is not None)
                self.truths[publication.topic].entries.append(entry)
            publish(publication)

        def opened(topic: str, *args: Any, **more: Any) -> TopicLog:
            log = open_(topic, *args, **more)
            truth = self.truths[topic]
            truth.began.setdefault(log.epoch, len(truth.entries))
            return log

        def appended(topic: str, log: TopicLog, *args: Any) -> None:
            append(topic, log, *args)
            truth = self.truths[topic]
            truth.places[log.epoch].append(len(truth.entries))

        engine.publish = published
        hub.logs.open, hub.logs.append = opened, appended  # type: ignore[method-assign]

    # Random actions

    def publish(self) -> None:
        """Publish an event without C{persist}."""
        self._publish(self.random.choice(["chat/a", "chat/b", "news/a"]), False)

    def keep(self) -> None:
        """Publish an event with C{persist}."""
        self._publish(self.random.choice(["chat/a", "chat/a", "chat/b"]), True)

    def _publish(self, name: str, persist: bool) -> None:
        self._number += 1
        topic = parseTopic(name, "p", ["p"], 100)
        data = b"%d" % self._number
        self.world.hub.publisher.publish(topic, "e", data, None, persist).addErrback(lambda _: None)

    def write(self) -> None:
        """Write rows."""
        changes = []
        for _ in range(self.random.choice((1, 1, 2, 30))):
            self._number += 1
            self.truths[TABLE].entries.append(Entry(self._number, True))
            row = {"id": self._number, "side": self._number % 2}
            changes.append(Change(self._number, "orders", INSERT, row, None, 7))
        # The changes arrive one by one, each with its own place.
        entries = self.truths[TABLE].entries
        told, entries[len(entries) - len(changes) :] = entries[-len(changes) :], []
        last = self.random.random() < 0.7
        for change, entry in zip(changes, told, strict=True):
            entries.append(entry)
            self.world.tracker.change(change, last=last and change is changes[-1])

    def forget(self) -> None:
        """Let old messages expire."""
        messages = self.world.history.messages
        if messages:
            self.world.history.forget(self.random.choice(messages).createdAt)

    def turn(self) -> None:
        """Let the reactor turn."""
        self.world.clock.advance(0)

    def wait(self) -> None:
        """Let time pass."""
        left = self.random.choice((0.01, 1.0, AGE / 2, 3 * AGE))
        while left > 0:
            for client in (*self.members, *(each.client for each in self.readers)):
                if client is not None:
                    client.session.heard()
            self.world.advance(min(10.0, left))
            left -= 10.0
        for _ in self.world.hub.expireLogs():
            pass

    def step(self) -> None:
        """Set the time of day."""
        self.world.stepped += self.random.choice((-100.0, -1.0, 1.0, 100.0))

    def restart(self) -> None:
        """Restart the daemon; writes in progress are lost, and rows are written meanwhile."""
        self._leaveAll()
        self.world.history.held = None
        if self.world.history.reading is not None:
            self.world.history.reading = self.world.tracker.reading = []
        self._number += 1
        row = {"id": self._number, "side": self._number % 2}
        self.world.tracker.changes.append(
            Change(self._number, "orders", INSERT, row, None, 7, last=True)
        )
        self.truths[TABLE].entries.append(Entry(self._number, True))
        # The daemon cannot detect a clock that is set back while it is not running.
        reached = self.world.hub.delivery.floor / 1000 - self.world.clock.seconds()
        self.world.stepped = max(self.world.stepped, reached)
        self.world.restart()
        self._attend()

    def absent(self) -> None:
        """Remove the project from the configuration and restore it; rows are written meanwhile."""
        self._leaveAll()
        projects = self.world.feeds.projects
        for _ in self.world.hub.leaveProjects(set(projects)):
            pass
        self.world.feeds.projects = {}
        self.write()
        self.world.feeds.projects = projects

    def _leaveAll(self) -> None:
        for reader in self.readers:
            reader.read()
            reader.cut()
        for member in self.members:
            member.die()
        self.members = [self.world.connect(userId=f"u{n}") for n in range(4)]

    def attend(self) -> None:
        """Let a member join, change or leave."""
        place = self.random.randrange(len(self.members))
        member, name = self.members[place], self.random.choice(("chat/a", "orders"))
        what = self.random.random()
        if what < 0.7:
            state = {"n": self.random.randrange(3)}
            member.send(type="track", topic=name, state=state)
        elif what < 0.85:
            member.send(type="untrack", topic=name)
        else:
            member.die()
            self.members[place] = self.world.connect(userId=f"u{place}")

    def reader(self) -> None:
        """Let a reader do something."""
        reader = self.random.choice(self.readers)
        what = self.random.choice(
            (
                *("connect", "connect", "cut", "choke", "choke", "ease"),
                *("subscribe", "subscribe", "unsubscribe", "forget"),
            )
        )
        if what in ("subscribe", "unsubscribe", "forget"):
            getattr(reader, what)(self.random.choice(list(NAMES)))
        else:
            getattr(reader, what)()

    def go(self) -> None:
        """
        Run random actions, and then let everything settle.
        """
        happenings = [
            *(self.publish, self.publish, self.keep, self.keep, self.write, self.write),
            *(self.reader, self.reader, self.reader, self.reader, self.attend),
            *(self.turn, self.turn, self.hold, self.release, self.slow, self.answer, self.fast),
            *(self.refuse, self.wait),
        ]
        rare = [self.forget, self.step, self.restart, self.absent]
        for _ in range(STEPS):
            happening = self.random.choice(happenings if self.random.random() < 0.97 else rare)
            often = self.random.random() < 0.1 and happening not in rare
            for _ in range(15 if often else 1):
                happening()
                self._read()
        self.release()
        for _ in range(3):
            self.fast()
            for reader in self.readers:
                reader.connect()
                reader.ease()
            self._rest()
            self.write()
            for name in ("chat/a", "chat/b", "news/a"):
                self._publish(name, name != "news/a")
            self._rest()
        for reader in self.readers:
            reader.check()

    def _rest(self) -> None:
        for _ in range(20):
            self.world.turn()
            self._read()

    def _read(self) -> None:
        for reader in self.readers:
            reader.read()


class DeliveryTests(SynchronousTestCase):
    """
    Tests with random runs.
    """

    def test_runs(self) -> None:
        """
        Whatever happens, each client gets every entry once and in order, or a gap, and knows the
        members.
        """
        for name, value in (("PAGE", 3), ("PAGE_BYTES", 60)):
            self.patch(replay, name, value)
        for name, value in (("CHUNK", 150), ("TURN", 300)):
            self.patch(pacing, name, value)
        self.patch(roster, "MOST", 2)
        self.patch(roster, "FEW", 1)
        self.patch(service, "AT_ONCE", 10)
        for seed in seeds(20):
            try:
                Run(Random(seed)).go()
            except AssertionError as error:
                raise AssertionError(f"seed {seed}: {error}") from error
