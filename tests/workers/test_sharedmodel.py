"""
Tests of logs that nodes share, at workers, against a model.
"""

from __future__ import annotations

from itertools import count
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from aerostack.core.replay.positions import Position
from aerostack.core.replay.shared import LOST, SharedEntry
from aerostack.errors import RealtimeError
from aerostack.interfaces.engine import ILogFeed, ILogReceiver
from aerostack.workers.channel import Channel
from aerostack.workers.worker.sharing import NOWHERE
from tests.engine.lognodes import Node, publication
from tests.workers.sharedlogs import Hub

TOPICS = ("chat/a/p", "table/t/p")
WORKERS = 2

_topics = st.integers(0, len(TOPICS) - 1)
_workers = st.integers(0, WORKERS - 1)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("attach"), _workers, _topics),
        st.tuples(st.just("detach"), _workers, _topics),
        st.tuples(st.just("publish"), _topics),
        st.tuples(st.just("answer"), _topics),
        st.tuples(st.just("break"), _topics),
        st.tuples(st.just("kill"), _workers),
        st.tuples(st.just("turn")),
        st.tuples(st.just("rest")),
    ),
    min_size=20,
    max_size=60,
)


@implementer(ILogFeed)
class Feed:
    """
    Has a log for each topic.

    @ivar heads: The newest place of each.
    @ivar waiting: By topic, an attach that is not answered.
    @ivar followed: The topics that the hub follows.
    """

    isUp = True

    def __init__(self) -> None:
        self._epochs = count(1)
        self.heads = {topic: self._begin() for topic in TOPICS}
        self.waiting: dict[str, Deferred[Position]] = {}
        self.followed: set[str] = set()

    def _begin(self) -> Position:
        return Position(f"e{next(self._epochs)}", 0, 0)

    def start(self, receiver: ILogReceiver) -> None:
        self._receiver = receiver

    def attach(self, topic: str, known: Position | None = None) -> Deferred[Position]:
        assert topic not in self.waiting and topic not in self.followed
        self.waiting[topic] = Deferred()
        return self.waiting[topic]

    def detach(self, topic: str) -> None:
        self.followed.discard(topic)
        waiting = self.waiting.pop(topic, None)
        if waiting is not None:
            waiting.errback(CancelledError())

    def read(self, *asked: object) -> Deferred[list[SharedEntry]]:
        raise NotImplementedError

    def answer(self, topic: str) -> None:
        """
        Answer an attach.
        """
        waiting = self.waiting.pop(topic, None)
        if waiting is not None:
            self.followed.add(topic)
            waiting.callback(self.heads[topic])

    def publish(self, topic: str) -> None:
        """
        Place an entry.
        """
        before = self.heads[topic]
        offset = (before.offset or 0) + 1
        place = Position(before.epoch, offset, 0, tag=f"{before.epoch}t{offset}")
        self.heads[topic] = place
        if topic in self.followed:
            entry = SharedEntry(place, before.tag, publication(offset, topic))
            self._receiver.received(topic, entry)

    def lose(self, topic: str) -> None:
        """
        Begin the log anew.
        """
        self.heads[topic] = self._begin()
        if topic in self.followed:
            self._receiver.broken(topic, self.heads[topic], LOST)


class Machine:
    """
    A hub with workers, which steps are made with.
    """

    def __init__(self) -> None:
        self.clock = Clock()
        self.feed = Feed()
        self.hub = Hub(self.feed, self.clock)
        self.nodes: list[Node] = []
        self.channels: list[Channel] = []
        # For each worker, the topics that it has asked for, each with the attach.
        self.wanted: list[dict[str, Deferred[Any]]] = []
        for _ in range(WORKERS):
            log, channel = self.hub.add()
            self.nodes.append(Node(log, "n"))
            self.channels.append(channel)
            self.wanted.append({})

    def attach(self, worker: int, topic: int) -> None:
        name, node = TOPICS[topic], self.nodes[worker]
        if name in self.wanted[worker]:
            return

        def attached(place: Position) -> None:
            if place != NOWHERE:
                node.heads[name] = place

        attaching = self.wanted[worker][name] = node.log.attach(name, node.heads.get(name))
        attaching.addCallbacks(attached, _cancelled)

    def detach(self, worker: int, topic: int) -> None:
        name, node = TOPICS[topic], self.nodes[worker]
        if self.wanted[worker].pop(name, None) is not None:
            node.log.detach(name)
            if name.startswith("table"):
                # There is no place in it.
                node.heads.pop(name, None)

    def kill(self, worker: int) -> None:
        self.channels[worker].close()
        self.wanted[worker] = {}
        log, self.channels[worker] = self.hub.add()
        self.nodes[worker] = Node(log, "n")

    def turn(self) -> None:
        self.clock.advance(0)

    def publish(self, topic: int) -> None:
        self.feed.publish(TOPICS[topic])

    def answer(self, topic: int) -> None:
        self.feed.answer(TOPICS[topic])

    def lose(self, topic: int) -> None:
        self.feed.lose(TOPICS[topic])

    def rest(self) -> None:
        """
        Answer everything, and let it arrive.
        """
        for _ in range(4):
            for topic in TOPICS:
                self.feed.answer(topic)
            for _ in range(5):
                self.clock.advance(0)


def _cancelled(failure: Failure) -> None:
    # Of a worker that is killed, too.
    failure.trap(CancelledError, RealtimeError)


class ModelTests(SynchronousTestCase):
    """
    Workers come, go, attach and detach topics in any order.
    """

    @given(STEPS)
    def test_model(self, steps: list[tuple[Any, ...]]) -> None:
        """
        No worker gets an entry that does not follow the one before, whatever happens; in the end
        each has got as far as the log in the topics that it has attached, and the hub follows
        these and no others.
        """
        machine = Machine()
        for name, *where in steps:
            step = {"break": machine.lose}.get(name) or getattr(machine, name)
            step(*where)
        machine.rest()
        for topic in range(len(TOPICS)):
            machine.publish(topic)
        machine.rest()
        wanted = set().union(*machine.wanted)
        self.assertEqual(machine.feed.followed, wanted)
        for node, topics in zip(machine.nodes, machine.wanted, strict=True):
            # A worker has no place in a table's topic before the first entry.
            mistakes = [each for each in node.mistakes if not each.startswith("table/")]
            self.assertEqual(mistakes, [])
            for topic in topics:
                self.assertEqual(node.heads[topic], machine.feed.heads[topic])
        for worker in range(WORKERS):
            for number in range(len(TOPICS)):
                machine.detach(worker, number)
        machine.rest()
        self.assertEqual(machine.feed.followed, set())
