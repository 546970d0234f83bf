"""
Tests that producers and watchers of token streams at a worker see what those of a single process
see: the tests of streams, with a channel between the clients and the streams.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from types import ModuleType
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from aerostack.core.replay.logs import TopicLogs
from aerostack.hub.sequencing import Sequencer
from aerostack.server.kinds import KINDS
from aerostack.sessions.services import NodeServices
from aerostack.testing import World
from aerostack.testing.pipes import joinedPipes
from aerostack.workers.frames import Codec
from aerostack.workers.hub.publishing import WorkerPublications
from aerostack.workers.hub.relay import Relay
from aerostack.workers.hub.streams import WorkerStreams
from aerostack.workers.worker.logs import RemoteLogs
from aerostack.workers.worker.publishing import RemotePublisher
from aerostack.workers.worker.streams import RemoteStreams, StreamedLogs
from tests.streams import (
    test_badinput,
    test_checkpointing,
    test_emitted,
    test_ending,
    test_model,
    test_streams,
    test_takingback,
    test_watching,
    watching,
)
from tests.workers.joined import End, WireChannel, WireClock

MODULES = (
    test_badinput,
    test_checkpointing,
    test_emitted,
    test_ending,
    test_model,
    test_streams,
    test_takingback,
    test_watching,
)

# What is forgotten is forgotten by the hub.
ELSEWHERE = {"test_released"}


class HubEnd(End):
    """
    The hub's end of the channel.
    """

    link: Any

    def received(self, message: Any) -> None:
        self.handlers[type(message)](self.link, message)

    def asked(self, question: Any) -> Any:
        return self.handlers[type(question)](self.link, question)


class WorkerWorld(World):
    """
    A world whose clients are at a worker.
    """

    def _begin(self) -> None:
        super()._begin()
        # The clients get everything over the channel.
        self.backbone.start(self._relay)
        self._logs.start(self.hub.delivery)
        self._publisher.start(self.hub.delivery)

    def _node(self) -> NodeServices:
        node = super()._node()
        hub = self.backbone.sequencer
        wire = WireClock(self.clock)
        pipes = joinedPipes(wire)
        codec = Codec(KINDS)
        streams = WorkerStreams(node.streams, hub.answers)
        self._relay = Relay(self.clock, codec, hub, streams.greet)
        outside = HubEnd(self._relay, streams, WorkerPublications(node.publisher))
        self.link = outside.link = WireChannel(wire, pipes[0], codec, outside)
        inside = End()
        channel = WireChannel(wire, pipes[1], codec, inside)
        rules = self._rules
        logs = TopicLogs(lambda topic: rules.of(topic).depth, lambda: "worker", 10_000_000)
        sequencer = Sequencer(self.clock, lambda: int(self.wall() * 1000), logs, rules)
        self._logs = RemoteLogs(self.clock, channel, sequencer)
        self._publisher = RemotePublisher(self.clock, channel, rules.kindOf)
        remote = RemoteStreams(channel, sequencer.answers)
        self.workerStreams = streams
        for part in (self._logs, remote):
            inside.handlers.update(part.handlers)
        for each in (self.link, channel):
            each.start()
        return replace(
            node,
            streams=remote,
            sequencer=sequencer,
            source=StreamedLogs(self._logs, sequencer.answers),
            publisher=self._publisher,
        )


def makeCase(case: type[SynchronousTestCase]) -> type[SynchronousTestCase]:
    """
    Make a case whose tests run in a L{WorkerWorld}.
    """

    def setUp(self: SynchronousTestCase) -> None:
        if self._testMethodName not in ELSEWHERE:
            self.patch(watching, "World", WorkerWorld)
        case.setUp(self)

    return type(case.__name__, (case,), {"setUp": setUp, "__module__": __name__, "runs": 50})


def cases(module: ModuleType) -> Iterator[type[SynchronousTestCase]]:
    """
    Give the cases of a module.
    """
    for each in tuple(vars(module).values()):
        if (
            isinstance(each, type)
            and issubclass(each, SynchronousTestCase)
            and (each.__module__ == module.__name__)
        ):
            yield makeCase(each)


globals().update({case.__name__: case for module in MODULES for case in cases(module)})


class DeadWorkerTests(watching.StreamCase):
    """
    Tests for a worker that dies, and for topics that it leaves.
    """

    def setUp(self) -> None:
        self.patch(watching, "World", WorkerWorld)
        super().setUp()

    def test_producers(self) -> None:
        """
        The streams of its producers go on for ten seconds at the most.
        """
        self.start(lease=60000)
        self.start("a2", lease=60000)
        self.end("a2")
        self.world.workerStreams.lost(self.world.link)
        self.wait(8)
        answers = self.world.backbone.sequencer.answers
        self.assertEqual([answer.id for answer in answers], ["a1"])
        self.wait(4)
        self.assertEqual(list(answers), [])

    def test_left(self) -> None:
        """
        A worker that has left a topic knows none of its streams.  When it attaches the topic again,
        it has those that run then.
        """
        self.start()
        self.start("a2")
        self.append("abc")
        self.append("abc", "a2")
        self.early.client.ask(type="unsubscribe", topic=watching.TOPIC)
        known = self.world.hub.sequencer.answers
        self.assertEqual(list(known), [])
        self.end("a2")
        self.append("def")
        self.wait(0.1)
        late = self.join()
        self.assertEqual(late.texts, {("a1", "0"): "abcdef"})
        self.assertEqual([answer.id for answer in known], ["a1"])

    def test_lost(self) -> None:
        """
        If the hub is gone, a producer is told to try again.
        """
        self.start()
        self.world.link.close()
        self.world.turn()
        error = self.refused("abc")
        self.assertEqual(error["code"], "engine_unavailable")
        self.assertTrue(error["retryAfter"])
