"""
Tests for clients of two workers: they are present together, share limits, have one session each,
and are removed together.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import count
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from aerostack.core.access.removals import Disconnect
from aerostack.core.diagnosis.tracing import Tracer
from aerostack.core.limits.leases import LEASE
from aerostack.engine.alone import AloneNodes
from aerostack.errors import CLOSE_SUPERSEDED
from aerostack.sessions.services import NodeServices
from aerostack.testing import MemoryClient, World, makeProject
from aerostack.workers.channel import Channel
from aerostack.workers.hub.clients import WorkerClients
from aerostack.workers.hub.line import WorkerLine
from aerostack.workers.hub.presence import WorkerPresence
from aerostack.workers.hub.publishing import WorkerPublications
from aerostack.workers.hub.relay import Relay
from aerostack.workers.hub.shares import WorkerShares
from aerostack.workers.messages import logs, publishing
from aerostack.workers.worker.clients import RemoteClients
from aerostack.workers.worker.line import RemoteLine, RemoteRevocations
from aerostack.workers.worker.logs import RemoteLogs
from aerostack.workers.worker.presence import (
    PresentLogs,
    PresentReceiver,
    RemoteRoster,
    RosterReplica,
)
from aerostack.workers.worker.publishing import RemotePublisher
from aerostack.workers.worker.shares import RemoteShares
from tests.workers.linked import KINDS, Linked, outcome

TOPIC = "chat/room"


class Part:
    """
    A part of the hub that only answers.
    """

    def __init__(self, handlers: Any) -> None:
        self.handlers = handlers

    def lost(self, link: Any) -> None:
        """
        There is nothing to take back.
        """


class WorkerWorld(World):
    """
    What serves clients in a worker.

    @ivar line: Reaches all workers.
    @ivar parts: What the hub's messages are for.
    """

    def __init__(self, machine: Machine, channel: Channel, name: str) -> None:
        self._machine = machine
        self._channel = channel
        self._numbers = count(1)
        self._name = name
        super().__init__(machine.hub.projects)

    def newConnectionId(self) -> str:
        return f"{self._name}-{next(self._numbers)}"

    def _begin(self) -> None:
        self.clock: Clock = self._machine.hub.clock
        super()._begin()
        receiver = PresentReceiver(self._replica, self.hub.delivery)
        self._logs.start(receiver)
        self._publisher.start(receiver)

    def _node(self) -> NodeServices:
        clock, channel = self.clock, self._channel
        self._replica = RosterReplica()
        self._logs = RemoteLogs(clock, channel, self.backbone.sequencer)
        self._publisher = RemotePublisher(clock, channel, str)
        shares = RemoteShares(clock, channel, self.projects)
        clients = RemoteClients(clock, channel)
        self.line = RemoteLine(channel, "machine")
        self.parts = (self._replica, self._logs, self._publisher, shares, clients, self.line)
        return replace(
            super()._node(),
            publisher=self._publisher,
            source=PresentLogs(self._logs, self._replica),
            roster=RemoteRoster(channel, self._replica),
            members=self._replica,
            shares=shares,
            line=self.line,
            revocations=RemoteRevocations(channel),
            clients=clients,
        )


class Machine:
    """
    A hub with two workers.

    @ivar hub: What exists once.
    @ivar workers: What serves clients.
    """

    def __init__(self, tracer: Tracer | None = None, **project: Any) -> None:
        """
        @param tracer: Traces publications at the hub; L{None} if they are not traced.
        @param project: The settings of the project C{p}.
        """
        self.hub = hub = World({"p": makeProject(**project)})
        self.workers: list[WorkerWorld] = []
        backbone = hub.backbone
        presence = WorkerPresence(hub.clock, backbone.roster, backbone.roster.rosters)
        publications = WorkerPublications(backbone.publisher, tracer)
        parts: list[Any] = [
            presence,
            WorkerClients(presence),
            WorkerShares(hub.clock, hub.shares, hub.projects),
            WorkerLine(hub.revocations, AloneNodes("machine")),
            Part(publications.handlers),
        ]
        self.linked = Linked(hub.clock, parts, self._make, (*KINDS, *logs.KINDS, *publishing.KINDS))
        relay = Relay(hub.clock, self.linked.codec, backbone.sequencer, presence.sendMembers)
        publications.linksOf = relay.links
        parts.insert(0, relay)
        backbone.start(relay)
        for _ in range(2):
            self.linked.add()

    def _make(self, channel: Channel) -> tuple[Any, ...]:
        self.workers.append(WorkerWorld(self, channel, f"w{len(self.workers)}"))
        return self.workers[-1].parts

    def connect(self, at: int, **options: Any) -> MemoryClient:
        """
        Connect a client at a worker.
        """
        client = self.workers[at].connect(**options)
        self.linked.settle()
        return client

    def ask(self, client: MemoryClient, **frame: Any) -> list[Any]:
        """
        Send a frame, and collect what the client gets for it.
        """
        client.take()
        client.send(**frame)
        self.linked.settle()
        return client.take()

    def advance(self, seconds: float) -> None:
        """
        Let time pass.
        """
        for world in (self.hub, *self.workers):
            world.advance(seconds if world is self.hub else 0)
        self.linked.settle()


class WorkersTests(SynchronousTestCase):
    """
    Tests for clients of two workers.
    """

    def events(self, client: MemoryClient) -> list[tuple[str, Any]]:
        """
        The events that a client has got, and whose they are.
        """
        return [
            (frame["event"], frame["data"].get("connectionId"))
            for frame in client.take()
            if frame["type"] == "event"
        ]

    def test_presence(self) -> None:
        """
        A client hears of the members at both workers, and gets the whole set when it comes.
        """
        machine = Machine()
        first = machine.connect(0, userId="ann")
        machine.ask(first, type="track", topic=TOPIC, state={"n": 1})
        second = machine.connect(1, userId="bob")
        frames = machine.ask(second, type="track", topic=TOPIC, state={"n": 2})
        (sync,) = [frame for frame in frames if frame.get("event") == "presence:sync"]
        self.assertEqual([member["userId"] for member in sync["data"]["members"]], ["ann", "bob"])
        watcher = machine.connect(0)
        machine.ask(watcher, type="subscribe", topic=TOPIC)
        machine.ask(second, type="untrack", topic=TOPIC)
        self.assertEqual(self.events(watcher), [("presence:leave", second.connectionId)])
        first.close()
        machine.linked.settle()
        self.assertEqual(self.events(watcher), [("presence:leave", first.connectionId)])

    def test_died(self) -> None:
        """
        Members at a worker that dies stay for the grace.  A client that comes back to the other
        worker is never seen leaving; the others leave, each once.
        """
        machine = Machine()
        for user in ("ann", "bob"):
            client = machine.connect(0, userId=user)
            machine.ask(client, type="track", topic=TOPIC, state={})
        watcher = machine.connect(1)
        machine.ask(watcher, type="subscribe", topic=TOPIC)
        machine.linked.kill(0)
        machine.linked.settle()
        back = machine.connect(1, userId="ann")
        machine.ask(back, type="track", topic=TOPIC, state={})
        self.assertEqual(self.events(watcher), [])
        machine.advance(20)
        self.assertEqual(self.events(watcher), [("presence:leave", "w0-2")])

    def test_client(self) -> None:
        """
        A client that opens a connection at another worker closes its earlier one, and its presence
        goes with it.
        """
        machine = Machine()
        first = machine.connect(0, client="s", userId="ann")
        machine.ask(first, type="track", topic=TOPIC, state={})
        watcher = machine.connect(1)
        machine.ask(watcher, type="subscribe", topic=TOPIC)
        machine.hub.clock.advance(1)
        second = machine.workers[1].connect(client="s", userId="ann")
        second.send(type="track", topic=TOPIC, state={})
        machine.linked.settle()
        closing = first.connection.closing
        assert closing is not None
        self.assertEqual(closing[0], CLOSE_SUPERSEDED)
        first.die()
        machine.advance(20)
        self.assertEqual(self.events(watcher), [])
        self.assertIsNone(second.connection.closing)

    def test_removed(self) -> None:
        """
        A user who is disconnected is disconnected at both workers, and the answer counts by worker.
        """
        machine = Machine()
        clients = [machine.connect(at, userId="ann") for at in (0, 1, 1)]
        other = machine.connect(0, userId="bob")
        asked: Deferred[Any] = machine.workers[0].line.ask(Disconnect("p", "ann", 4100, "bye"), 5.0)
        answers = outcome(asked)
        machine.linked.settle()
        self.assertEqual(answers, [{"machine/w0": 1, "machine/w1": 2}])
        for client in clients:
            self.assertEqual(client.connection.closing, (4100, "bye"))
        self.assertIsNone(other.connection.closing)

    def test_limits(self) -> None:
        """
        The clients of both workers have one limit of subscriptions and one rate.
        """
        machine = Machine(subscriptions=5, framesPerSecond=20)
        clients = [machine.connect(at) for at in (0, 1)]
        answers = []
        for n in range(8):
            answers += machine.ask(clients[n % 2], type="subscribe", topic=f"a/{n}")
        codes = [frame["code"] for frame in answers if frame["type"] == "error"]
        self.assertEqual(codes, ["too_many_subscriptions"] * 3)
        machine.advance(5)
        answers = []
        for n in range(60):
            answers += machine.ask(clients[n % 2], type="publish", topic="a/9", event="e", id=n)
        taken = sum(frame["type"] == "ack" for frame in answers)
        self.assertLessEqual(taken, 40 + 2 * 20 * LEASE)
        self.assertGreaterEqual(taken, 30)
