"""
A machine in memory: the part of the daemon that exists once, and parts that serve clients, joined
directly or over channels.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from zope.interface import implementer

from aerostack.core.presence import Presence
from aerostack.core.replay.gaps import Gap
from aerostack.core.replay.idempotency import IdempotencyCache
from aerostack.core.replay.log import Depth
from aerostack.core.replay.logs import TopicLogs
from aerostack.core.replay.positions import Position, parsePosition
from aerostack.core.replay.publications import Publication
from aerostack.core.topics.policies import TopicPolicies, TopicPolicy
from aerostack.core.topics.topics import topicOf
from aerostack.engine.memory import MemoryEngine
from aerostack.hub.backbone import Backbone
from aerostack.hub.encoding import publicationFrame
from aerostack.hub.hub import Hub
from aerostack.hub.idempotency import ownerOf
from aerostack.hub.sequencing import Sequencer
from aerostack.hub.sources import LocalLogs
from aerostack.interfaces.messaging import ISubscriber
from aerostack.testing.connections import readFrames
from aerostack.testing.history import MemoryHistory
from aerostack.testing.pipes import joinedPipes
from aerostack.workers.channel import Channel
from aerostack.workers.frames import Codec
from aerostack.workers.hub.publishing import WorkerPublications
from aerostack.workers.hub.relay import Relay
from aerostack.workers.messages import logs, publishing
from aerostack.workers.pipe import CHUNK
from aerostack.workers.worker.logs import RemoteLogs
from aerostack.workers.worker.publishing import RemotePublisher

KINDS = (*logs.KINDS, *publishing.KINDS)
ROOMY = Depth(1000, 1_000_000, 1000.0)


@implementer(ISubscriber)
class Listener:
    """
    Keeps the frames that it gets.
    """

    def __init__(self) -> None:
        self.frames: list[bytes] = []

    def deliver(self, frame: bytes) -> None:
        self.frames += [bytes(part) for part in frame.parts]  # type: ignore[attr-defined]

    def reauthorize(self, topic: str | None = None) -> None:
        raise AssertionError("nothing has changed")


class Front:
    """
    A part of the daemon that serves clients.

    @ivar listeners: By topic, what its subscriber has got.
    """

    def __init__(self, machine: Machine, sequencer: Sequencer, publisher: Any, source: Any) -> None:
        self.machine = machine
        self.sequencer = sequencer
        self.publisher = publisher
        self.source = source
        none: Any = None
        self.hub = Hub(
            machine.clock, machine.clock.seconds, sequencer, publisher, source, none, none, none
        )
        self.listeners: dict[str, Listener] = {}

    def subscribe(self, topic: str) -> Listener:
        """
        Have a subscriber on a topic.  It gets something once the topic is attached.
        """
        listener = self.listeners[topic] = Listener()
        attaching = self.hub.attachments.attach(topic)
        if attaching is None:
            self.hub.subscribe(listener, topicOf(topic), None)
        else:
            attaching.addCallback(lambda _: self.hub.subscribe(listener, topicOf(topic), None))
        return listener

    def unsubscribe(self, topic: str) -> None:
        """
        Let a subscriber of an attached topic go.
        """
        self.hub.unsubscribe(self.listeners.pop(topic), topicOf(topic))
        self.hub.attachments.release(topic)

    def publish(self, topic: str, data: bytes, persist: bool = False, **options: Any) -> Any:
        """
        Publish an event.
        """
        return self.publisher.publish(topicOf(topic), "e", data, "u", persist, **options)

    def resume(self, topic: str, pos: str) -> list[bytes] | Gap:
        """
        What a client gets that comes back to an attached topic: the frames after its position.
        """
        filling = self.source.fill(topic)
        if filling is not None:
            fired: list[Any] = []
            filling.addBoth(fired.append)
            self.machine.settle()
            assert fired == [None], fired
        log = self.sequencer.logs.get(topic)
        position = parsePosition(pos)
        assert log is not None and position is not None
        plan = log.resume(position, self.machine.clock.seconds())
        if isinstance(plan, Gap):
            return plan
        frames = []
        if plan.after is not None:
            for kept in self.machine.history.messages:
                message = kept.message
                if message.topic == topic and plan.after < kept.createdAt <= plan.until:
                    frames.append(
                        publicationFrame(
                            Publication(
                                topic,
                                message.kind,
                                message.event,
                                message.data,
                                message.userId,
                                kept.createdAt,
                                kept.createdAt,
                            ),
                            Position(log.epoch, None, kept.createdAt, seen=True),
                        )
                    )
        return [bytes(frame) for frame in (*frames, *(entry.frame for entry in plan.entries))]


class Worker:
    """
    A worker without a process.

    @ivar front: What serves clients in it.
    @ivar channel: Its end of the channel to the hub.
    """

    def __init__(self, machine: Machine, pipe: Any, name: str) -> None:
        self.channel = Channel(machine.clock, pipe, machine.codec, self)
        sequencer = machine.makeSequencer(name)
        self.logs = RemoteLogs(machine.clock, self.channel, sequencer)
        self.publisher = RemotePublisher(machine.clock, self.channel, sequencer.kindOf)
        self.front = Front(machine, sequencer, self.publisher, self.logs)
        self.logs.start(self.front.hub.delivery)
        self.publisher.start(self.front.hub.delivery)
        self.channel.start()

    def received(self, message: Any) -> None:
        self.logs.handlers[type(message)](message)

    def asked(self, question: Any) -> Any:
        raise AssertionError("the hub asks nothing")

    def lost(self, reason: Failure) -> None:
        pass


class End:
    """
    The hub's end of a worker's channel.
    """

    def __init__(self, machine: Machine, pipe: Any) -> None:
        self.channel = Channel(machine.clock, pipe, machine.codec, self)
        self._machine = machine
        self._handlers: Mapping[type, Any] = {
            **machine.relay.handlers,
            **machine.publications.handlers,
        }
        self.channel.start()

    def received(self, message: Any) -> None:
        self._handlers[type(message)](self.channel, message)

    def asked(self, question: Any) -> Any:
        return self._handlers[type(question)](self.channel, question)

    def lost(self, reason: Failure) -> None:
        self._machine.relay.lost(self.channel)


class Machine:
    """
    A hub with workers, or one process that is both.

    @ivar fronts: The parts that serve clients.
    @ivar greeted: The topics that were attached at the hub.
    """

    def __init__(self, workers: int, depth: Depth = ROOMY, chunk: int = CHUNK) -> None:
        """
        @param workers: How many there are; 0 for one process.
        @param depth: How much a topic's log holds.
        @param chunk: How many bytes go over a channel in one turn.
        """
        self.clock = Clock()
        self.clock.advance(1_000_000)
        self.depth = depth
        self.history = MemoryHistory()
        self.codec = Codec(KINDS)
        self.greeted: list[str] = []
        self._ids = iter(range(1, 1_000_000))
        self._chunk = chunk
        made = self.makeSequencer("h")
        self.backbone = Backbone(
            self.clock,
            self.now,
            MemoryEngine(),
            self.history,
            Presence(10.0),
            lambda: f"m{next(self._ids)}",
            self._policies,
            made.logs,
            IdempotencyCache(120.0, 1000, ownerOf),
        )
        backbone = self.backbone
        self.workers: list[Worker] = []
        self.ends: list[End] = []
        if workers:
            self.relay = Relay(
                self.clock,
                self.codec,
                backbone.sequencer,
                lambda link, topic: self.greeted.append(topic),
            )
            self.publications = WorkerPublications(backbone.publisher)
            backbone.start(self.relay)
            for _ in range(workers):
                self.addWorker()
        else:
            front = Front(self, backbone.sequencer, backbone.publisher, LocalLogs())
            self.fronts = [front]
            backbone.start(front.hub.delivery)

    def addWorker(self) -> Worker:
        """
        Start one more worker.
        """
        hub, worker = joinedPipes(self.clock, self._chunk)
        self.ends.append(End(self, hub))
        self.workers.append(Worker(self, worker, f"w{len(self.workers)}"))
        self.fronts = [each.front for each in self.workers]
        return self.workers[-1]

    def makeSequencer(self, name: str) -> Sequencer:
        """
        Make the logs of one process.
        """
        self._policies = TopicPolicies([], TopicPolicy(self.depth))
        epochs = iter(range(1, 1_000_000))
        logs = TopicLogs(lambda topic: self.depth, lambda: f"{name}{next(epochs)}", 10_000_000)
        return Sequencer(self.clock, self.now, logs, self._policies)

    def now(self) -> int:
        """
        The time of day, milliseconds since the epoch.
        """
        return int(self.clock.seconds() * 1000)

    def settle(self) -> None:
        """
        Let the reactor turn until nothing is on its way.
        """
        for _ in range(1_000_000):
            now = self.clock.seconds()
            if not any(call.getTime() <= now for call in self.clock.getDelayedCalls()):
                return
            self.clock.advance(0)
        raise AssertionError("the reactor never comes to rest")


def numbers(frames: list[bytes]) -> list[Any]:
    """
    The data of some frames.
    """
    return [frame["data"] for frame in readFrames(b"".join(frames))]


def positions(frames: list[bytes]) -> list[str]:
    """
    The positions of some frames.
    """
    return [frame["pos"] for frame in readFrames(b"".join(frames))]


def outcome(entered: Deferred[Any] | None) -> list[Any]:
    """
    Collect what a publication leads to: its result, or its failure.

    @param entered: What L{aerostack.interfaces.publishing.IPublisher.publish} has returned.
    """
    if entered is None:
        return [None]
    results: list[Any] = []
    entered.addBoth(results.append)
    return results
