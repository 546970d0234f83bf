"""
Several nodes that share token streams, all in memory.  Each can be killed at any moment, frozen,
and started again.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any

from twisted.internet.defer import Deferred, maybeDeferred, succeed
from twisted.internet.task import Clock
from zope.interface import implementer

from aerostack.core.answers.openstream import OpenStream
from aerostack.core.nodes.membership import Membership
from aerostack.core.nodes.reports import Report
from aerostack.core.presence import Presence
from aerostack.core.replay.idempotency import IdempotencyCache
from aerostack.core.replay.log import Depth
from aerostack.core.replay.logs import TopicLogs
from aerostack.core.replay.positions import Position
from aerostack.core.replay.publications import Kept, Publication
from aerostack.core.replay.shared import SharedEntry
from aerostack.core.topics.policies import TopicPolicies, TopicPolicy
from aerostack.hub.backbone import Backbone
from aerostack.hub.idempotency import ownerOf
from aerostack.interfaces.messaging import IEngine
from aerostack.interfaces.publishing import IReceiver
from aerostack.streams.adopting import Adopter
from aerostack.streams.audience import Audience
from aerostack.streams.checkpointing import Checkpointer
from aerostack.streams.elsewhere import NodeStreams
from aerostack.streams.emittedelsewhere import SharedEmitted
from aerostack.streams.keeping import EndKeeper
from aerostack.streams.streams import Streams
from aerostack.testing.history import MemoryHistory
from tests.streams.nodes import FakeEmittedOwners, FakeOpenStreams

LEASE = 10.0
"""Seconds until a node counts as silent."""

BEGIN = 1_000_000_000.0
"""The first moment, seconds since the epoch."""


class Gate:
    """
    What a node does to the world outside goes through this.  The node dies at the gate, between two
    calls or with the one that it makes.

    @ivar isOpen: Whether the node lives.
    @ivar left: How many more calls it makes before it dies; L{None} for any number.
    @ivar takesLast: Whether the call with which it dies has its effect.
    """

    def __init__(self) -> None:
        self.isOpen = True
        self.left: int | None = None
        self.takesLast = False

    def __call__(self) -> bool:
        """
        Return whether the next call has an effect.
        """
        if self.isOpen and self.left is not None:
            self.left -= 1
            if self.left <= 0:
                self.isOpen = False
                return self.takesLast
        return self.isOpen


class Gated:
    """
    An object of which the calls of a node that has died have no effect, and no answer.
    """

    def __init__(self, gate: Gate, inner: Any) -> None:
        self._gate = gate
        self._inner = inner

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def call(*arguments: Any) -> Any:
            if not self._gate():
                return Deferred()
            found = getattr(self._inner, name)(*arguments)
            return found if self._gate.isOpen else Deferred()

        return call


@implementer(IReceiver)
class Watching:
    """
    The subscribers of a node.
    """

    def __init__(self, node: Node) -> None:
        self._node = node

    def deliver(self, publication: Publication) -> None:
        node = self._node
        node.streams.answers.take(publication, node.clock.seconds())

    def needs(self, topic: str) -> bool:
        return True

    def backlog(self, topic: str) -> int:
        return 0

    def whenSent(self, topics: Any, call: Callable[[], object]) -> None:
        call()

    def sampleSent(self, topics: Any, call: Callable[[], object]) -> bool:
        return False


@implementer(IEngine)
class Publishing:
    """
    What a node publishes.
    """

    def __init__(self, node: Node) -> None:
        self._node = node

    def start(self, receive: Callable[[Publication], None]) -> None:
        """Everything comes from the cluster."""

    def publish(
        self, publication: Publication, key: Hashable = None, kept: Kept | None = None
    ) -> Deferred[None]:
        node = self._node
        if not node.gate():
            return Deferred()
        node.cluster.place(publication, key, kept)
        return succeed(None) if node.gate.isOpen else Deferred()


class Node:
    """
    One run of a node.

    @ivar calls: Its part of what clients ask of streams.
    @ivar isFrozen: Whether its process does not get on.
    @ivar owners: See L{FakeEmittedOwners}.
    @ivar publisher: Takes what servers emit at this node.
    """

    isAlone = False

    def __init__(self, cluster: Cluster, name: str, run: str) -> None:
        self.cluster = cluster
        self.name = name
        self.run = run
        self.gate = Gate()
        self.clock = Clock()
        self.clock.advance(cluster.now)
        self.isFrozen = False
        # What came while it was frozen.
        self.missed: list[Publication] = []
        self.membership = Membership(run, name, LEASE)
        self._began = self._heard = cluster.now
        self._handlers: dict[str, Any] = {}
        policies = TopicPolicies([], TopicPolicy(Depth(1000, 1_000_000, 300.0)))
        backbone = Backbone(
            self.clock,
            self._now,
            Publishing(self),
            Gated(self.gate, cluster.history),  # type: ignore[arg-type]
            Presence(10.0),
            cluster.newId,
            policies,
            TopicLogs(lambda topic: policies.of(topic).depth, cluster.newId, 10_000_000),
            IdempotencyCache(120.0, 1000, ownerOf),
        )
        history = Gated(self.gate, cluster.history)
        store = Gated(self.gate, cluster.history.answers)
        self.streams = Streams(
            self.clock,
            self._now,
            backbone.sequencer.answers,
            backbone.publisher,
            cluster.newId,
            EndKeeper(self.clock, history),  # type: ignore[arg-type]
            Checkpointer(store, name, run),  # type: ignore[arg-type]
            Audience(self.clock, self, backbone.sequencer.answers),  # type: ignore[arg-type]
        )
        self.calls = NodeStreams(self.streams, self, self.streams.keeper.read)  # type: ignore[arg-type]
        self.adopter = Adopter(
            self.clock,
            name,
            self.streams,
            store,  # type: ignore[arg-type]
            self,  # type: ignore[arg-type]
            Gated(self.gate, FakeOpenStreams(run, cluster.open)),  # type: ignore[arg-type]
            self,  # type: ignore[arg-type]
            self.read,
            lambda topic: True,
            self.calls.tell,
        )
        self.calls.silent = lambda: self.silent
        self.calls.isComing = self.adopter.isComing
        self.calls.isClosing = self.adopter.isClosing
        self.calls.endOf = lambda project, stream: self.streams.keeper.endOf(project, stream, 0)
        self.streams.handover.lost = self.calls.lost
        self.owners = FakeEmittedOwners(run, cluster.owners)
        self.publisher = backbone.publisher
        self.emitted = self.publisher.streams = SharedEmitted(
            self.clock,
            run,
            self.streams.emitted,
            Gated(self.gate, self.owners),  # type: ignore[arg-type]
            self,  # type: ignore[arg-type]
            self.isGone,
            3.0,
        )
        self.streams.runs.ended = self.emitted.closed
        self.receiver = Watching(self)
        backbone.start(self.receiver)
        cluster.nodes.append(self)
        self.report()

    def _now(self) -> int:
        return int(self.clock.seconds() * 1000)

    # Standing

    @property
    def isCurrent(self) -> bool:
        """See L{aerostack.streams.adopting.Standing}."""
        return self.membership.isCurrent

    @property
    def isNamed(self) -> bool:
        """See L{aerostack.streams.adopting.Standing}."""
        return self.membership.isNamed

    @property
    def isHeard(self) -> bool:
        """See L{aerostack.streams.adopting.Standing}."""
        return self.clock.seconds() - self._heard < LEASE

    @property
    def silent(self) -> set[str]:
        """See L{aerostack.streams.adopting.Standing}."""
        return self.membership.silent

    def isGone(self, run: str) -> bool:
        """See L{aerostack.streams.adopting.Standing}."""
        return self.membership.isGone(run, self.clock.seconds())

    def report(self) -> None:
        """
        Report that this node runs, and learn of the others.
        """
        now = self.clock.seconds()
        report = Report(self.name, "1", now - self._began, 0.0, 0, "")
        self.membership.read(self.cluster.report(self.run, report), now)
        lapsed, self._heard = now - self._heard >= LEASE, now
        if lapsed:
            self.adopter.lapsed()

    # The other nodes

    @property
    def count(self) -> int:
        """See L{aerostack.interfaces.nodes.INodes}."""
        return len(self.membership.peers)

    def serve(self, kind: str, answer: Any) -> None:
        """See L{aerostack.interfaces.nodes.INodes}."""
        self._handlers[kind] = answer

    def tell(self, kind: str, data: bytes) -> None:
        """See L{aerostack.interfaces.nodes.INodes}."""
        self.ask(kind, data, 1.0)

    def ask(self, kind: str, data: bytes, timeout: float) -> Deferred[dict[str, bytes | None]]:
        """See L{aerostack.interfaces.nodes.INodes}."""
        answers: dict[str, bytes | None] = {}
        if self.gate.isOpen:
            others = {node.run: node for node in self.cluster.alive if node is not self}
            for peer in self.membership.peers:
                answers[self.membership.nameOf(peer.run)] = None
            for run, node in others.items():
                name = self.membership.nameOf(run)
                answers[name] = None
                if not node.isFrozen:
                    answered = maybeDeferred(node._handlers[kind], data, timeout)
                    answered.addCallback(lambda found, name=name: answers.update({name: found}))
        return succeed(answers)

    def read(
        self, topic: str, after: int, until: int | None, limit: int, size: int
    ) -> Deferred[list[SharedEntry]]:
        """
        Read the topic's log.
        """
        page = self.cluster.log[after : after + limit]
        entries = (
            SharedEntry(Position("e", number, 0), "", each)
            for number, each in enumerate(page, after + 1)
        )
        return succeed(list(entries)) if self.gate.isOpen else Deferred()

    def pass_(self, seconds: float) -> None:
        """
        Let time pass: a step of it.
        """
        self.clock.advance(seconds)
        for sweep in (self.streams.expiry.sweep, self.streams.checkpoints.sweep):
            for _ in sweep():
                pass


class Cluster:
    """
    Nodes on one engine and one database.

    @ivar nodes: All runs of nodes.
    @ivar log: What was published.
    @ivar open: See L{FakeOpenStreams}.
    @ivar owners: See L{FakeEmittedOwners}.
    @ivar now: Seconds since the epoch.
    """

    def __init__(self) -> None:
        self.nodes: list[Node] = []
        self.history = MemoryHistory()
        self.log: list[Publication] = []
        self.open: dict[str, set[OpenStream]] = {}
        self.owners: dict[str, str] = {}
        self.now = BEGIN
        self._keys: set[Hashable] = set()
        self._ids = iter(range(1, 10_000_000))
        self._reports: dict[str, tuple[float, Report]] = {}
        # The ids of the messages that were published.
        self._published: set[str] = set()
        self._turn = 0

    def newId(self) -> str:
        """
        Make an id.
        """
        return f"i{next(self._ids)}"

    @property
    def alive(self) -> list[Node]:
        """The nodes that run."""
        return [node for node in self.nodes if node.gate.isOpen]

    def start(self, name: str) -> Node:
        """
        Start a node.
        """
        return Node(self, name, f"r{len(self.nodes)}")

    def place(
        self, publication: Publication, key: Hashable = None, kept: Kept | None = None
    ) -> None:
        """
        Publish something; what has a key is published once.
        """
        if kept is not None:
            if kept.message.id in self._published:
                return
            self._published.add(kept.message.id)
            if publication.stream is not None and self._isOver(publication.stream.stream):
                # It comes to the nodes, and goes to no subscriber.
                return
        if key is not None:
            if key in self._keys:
                return
            self._keys.add(key)
        self.log.append(publication)
        for node in self.alive:
            if node.isFrozen:
                node.missed.append(publication)
            else:
                node.receiver.deliver(publication)

    def _isOver(self, stream: str) -> bool:
        marks = [each.stream for each in self.log if each.stream is not None]
        newest = [mark for mark in marks if mark.stream == stream]
        return bool(newest and newest[-1].state)

    def report(self, run: str, report: Report) -> list[tuple[str, float, Report]]:
        """
        Note the report of a run of a node, and give those of all, as the engine's script does.
        """
        self._reports[run] = self.now, report
        for other, (at, said) in tuple(self._reports.items()):
            if self.now - at > LEASE and said.name == report.name:
                del self._reports[other]
        return [(other, self.now - at, said) for other, (at, said) in self._reports.items()]

    def advance(self, seconds: float, step: float = 0.5) -> None:
        """
        Let time pass.
        """
        for _ in range(round(seconds / step)):
            self.now += step
            self._turn += 1
            if self._turn % 10 == 0:
                self.bring()
            for node in self.alive:
                if not node.isFrozen:
                    node.pass_(self.now - node.clock.seconds())
                    if self._turn % 2 == 0:
                        node.report()
                    if self._turn % 4 == 0:
                        node.adopter.look()
                    # What waits for the next turn of the reactor.
                    node.clock.pump([0.0] * 5)

    def bring(self) -> None:
        """
        Publish what the history has and the log has not, as nodes do that compare the two.
        """
        for kept in self.history.messages:
            said = kept.message
            if any(not node.isFrozen for node in self.alive):
                end = Publication(
                    said.topic,
                    said.kind,
                    said.event,
                    said.data,
                    None,
                    said.timestamp,
                    None,
                    said.stream,
                )
                self.place(end, None, kept)

    def thaw(self, node: Node) -> None:
        """
        Let a frozen node get on.  Its timers come first, then what was pushed to it.
        """
        node.isFrozen = False
        node.pass_(self.now - node.clock.seconds())
        missed, node.missed = node.missed, []
        for publication in missed:
            node.receiver.deliver(publication)
        node.report()
