"""
Random runs of the delivery, compared with a model of what each client must get.  Publications,
clients, slow readers, expiry and clock changes are random.

Each subscriber of a topic gets the topic's entries once and in order, or a gap; and it knows the
members once it has read everything.
"""

from __future__ import annotations

from random import Random
from typing import Any

from twisted.internet.defer import maybeDeferred
from twisted.trial.unittest import SynchronousTestCase

from aerostack.core import roster
from aerostack.core.replay.log import Depth, TopicLog
from aerostack.core.replay.publications import PRESENCE, Publication
from aerostack.core.rows.changes import INSERT, Change
from aerostack.core.topics.policies import NEWEST, TopicPolicies, TopicPolicy
from aerostack.core.topics.topics import parseTopic
from aerostack.delivery.fanout import Fanout
from aerostack.delivery.turnend import TurnEnd
from aerostack.hub import presence as service
from aerostack.recovery import pacing, replay
from aerostack.settings.limits import LimitsConfig
from aerostack.testing import World
from tests.fuzz import seeds
from tests.fuzz.followers import NAMES, TABLE, Entry, Reader, Truth
from tests.stories.story import SlowKeepingStory

STEPS = 250
AGE = 60.0


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
        hub.delivery.fanout = Fanout(TurnEnd(self.world.clock), self.random.choice((1, 2, 4000)))
        hub.logs.budget = self.random.choice((3000, 10_000_000))
        self.world.feeds.watch("orders")
        engine = hub.publisher._engine
        publish, open_, append = engine.publish, hub.logs.open, hub.logs.append

        def published(publication: Publication, *args: Any) -> Any:
            if publication.kind != PRESENCE:
                entry = Entry(int(publication.data), publication.mark is not None)
                self.truths[publication.topic].entries.append(entry)
            return publish(publication, *args)

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
        published = maybeDeferred(self.world.hub.publisher.publish, topic, "e", data, None, persist)
        published.addErrback(lambda _: None)

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
        for _ in self.world.hub.sequencer.expire():
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
        reached = self.world.hub.sequencer.floor / 1000 - self.world.clock.seconds()
        self.world.stepped = max(self.world.stepped, reached)
        self.world.restart()
        self._attend()

    def absent(self) -> None:
        """Remove the project from the configuration and restore it; rows are written meanwhile."""
        self._leaveAll()
        projects = self.world.feeds.projects
        for _ in self.world.hub.sequencer.leaveProjects(set(projects)):
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
        for name, value in (("PAGE", 3), ("PAGE_BYTES", 60), ("AT_ONCE", 700)):
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
