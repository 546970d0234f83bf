"""
Clients of a front whose node takes time, beside clients of one whose node answers at once.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from aerostack.recovery import replay
from aerostack.testing import MemoryClient, World
from aerostack.testing.delayed import DelayedLogs, Line

USERS = ("ann", "bob", "eve")
TOPICS = ("chat/a", "chat/b", "orders")

Act = tuple[str, str, str, int]
"""What is done, by whom, on which topic, and a number."""

ACTS = st.tuples(
    st.sampled_from(
        (
            *("subscribe", "subscribe", "unsubscribe", "publish", "publish", "keep"),
            *("track", "track", "untrack", "die", "close", "carry", "carry"),
        )
    ),
    st.sampled_from(USERS),
    st.sampled_from(TOPICS),
    st.integers(0, 5),
)


class Person:
    """
    A user whose client subscribes from where it was, as our clients do.

    @ivar seen: By topic, the data of what came.
    @ivar told: By topic, the codes of errors.
    """

    def __init__(self, world: World, name: str) -> None:
        self.world = world
        self.name = name
        self.seen: dict[str, list[int]] = defaultdict(list)
        self.told: list[str] = []
        self._positions: dict[str, str] = {}
        self.connect()

    def connect(self) -> None:
        """
        Connect anew.
        """
        self.client: MemoryClient = self.world.connect(userId=self.name)
        self.client.positions = True

    def subscribe(self, topic: str) -> None:
        """
        Subscribe, from the last position on.
        """
        self.look()
        self.client.send(type="subscribe", topic=topic, since=self._positions.get(topic))

    def look(self) -> None:
        """
        Take the frames that came.
        """
        for frame in self.client.take():
            topic = frame.get("topic", "").removesuffix("/p").removeprefix("table/")
            if frame["type"] == "error":
                self.told.append(frame["code"])
            elif frame.get("event") == "e":
                self.seen[topic].append(frame["data"])
            elif frame["type"] == "subscribed" and "gap" in frame:
                self.told.append(frame["gap"]["reason"])
            if "pos" in frame:
                self._positions[topic] = frame["pos"]


class Run:
    """
    Some acts in one world.
    """

    def __init__(self, line: Line | None) -> None:
        self.line = line
        self.world = World(line=line)
        self.people = {name: Person(self.world, name) for name in USERS}
        self.published: dict[str, int] = defaultdict(int)

    def carry(self, most: int | None = None) -> None:
        """
        Let calls through to the node.
        """
        if self.line is not None:
            self.line.carry(most)
        self.world.turn()

    def do(self, act: Act) -> None:
        """
        Do one thing.
        """
        what, name, topic, number = act
        person = self.people[name]
        if what == "carry":
            self.carry(number)
        elif what == "subscribe":
            person.subscribe(topic)
        elif what in ("publish", "keep"):
            # Clients may not publish on tables' topics.
            if topic != "orders":
                self.published[topic] += 1
                person.client.send(
                    type="publish",
                    topic=topic,
                    event="e",
                    data=self.published[topic],
                    persist=what == "keep",
                )
        elif what == "track":
            person.client.send(type="track", topic=topic, state={"n": number}, sync=number > 2)
        elif what in ("die", "close"):
            person.look()
            getattr(person.client, what)()
            self.world.turn()
            person.connect()
        else:
            person.client.send(type=what, topic=topic)

    def settle(self) -> dict[str, dict[str | None, bytes]]:
        """
        Let everything come to rest, and everyone read everything.

        @return: The states of the members of each topic, by their users.
        """
        self.carry()
        self.world.advance(30)
        self.carry()
        for person in self.people.values():
            for topic in TOPICS[:2]:
                person.subscribe(topic)
        self.carry()
        for person in self.people.values():
            person.look()
        members = self.world.hub.presence.rosters
        return {
            topic: {member.userId: member.state for member in members.members(topic)}
            for topic in members.topics()
        }

    def end(self) -> tuple[Any, ...]:
        """
        Close every connection.

        @return: What is left.
        """
        for person in self.people.values():
            person.client.close()
        self.world.turn()
        self.carry()
        source = self.world.hub.source
        shares = self.world.shares
        return (
            source.attached if isinstance(source, DelayedLogs) else set(),
            self.world.hub.attachments._counts,
            len(self.world.hub.registry),
            shares.subscriptions.total,
            self.world.context.subscriptions,
            self.world.tracker.watchedTables(),
            list(self.world.hub.presence.rosters.topics()),
        )


NOTHING = (set(), {}, 0, 0, 0, [], [])


class DelayedTests(SynchronousTestCase):
    """
    Sessions on a node whose answers take time.
    """

    def setUp(self) -> None:
        # Else most clients find what they missed in memory, and no log has to be filled.
        self.patch(replay, "AT_ONCE", 0)

    @settings(max_examples=150, deadline=None)
    @given(st.lists(ACTS, max_size=40))
    def test_same(self, acts: list[Act]) -> None:
        """
        Whatever clients do, and whenever the node answers, each client gets what is published in
        order, each once; in the end the same members are present, and nothing is left behind.
        """
        runs = [Run(None), Run(Line())]
        settled = []
        for run in runs:
            for act in acts:
                run.do(act)
            settled.append(run.settle())
            for person in run.people.values():
                self.assertEqual(person.told, [])
                for topic in TOPICS[:2]:
                    seen, last = person.seen[topic], run.published[topic]
                    self.assertEqual(seen, list(range(last + 1 - len(seen), last + 1)))
        self.assertEqual(settled[0], settled[1])
        for run in runs:
            self.assertEqual(run.end(), NOTHING)
        self.assertEqual(self.flushLoggedErrors(), [])
