"""
Tests for L{aerostack.workers.worker.clients} and L{aerostack.workers.hub.clients}.
"""

from __future__ import annotations

from random import Random
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from aerostack.core.access.permissions import Identity, Role
from aerostack.interfaces.clients import IClients
from aerostack.sessions.clients import LocalClients
from aerostack.workers.channel import Channel
from aerostack.workers.hub.clients import WorkerClients
from aerostack.workers.worker.clients import RemoteClients
from tests.workers.linked import Linked, outcome
from tests.workers.members import GRACE, MemberMachine

ROOM = "chat/room/p"


class FakeSession:
    """
    As much of a session as is needed.
    """

    def __init__(self, worker: FakeWorker, connectionId: str, userId: str | None, client: str):
        self.connectionId = connectionId
        self.client = client
        self.identity = Identity("p", Role.TOKEN, userId)
        self.yielded = False
        self._worker = worker

    def yieldTo(self) -> None:
        """
        Close.
        """
        self.yielded = True
        self._worker.lose(self)


class FakeWorker:
    """
    The sessions of a worker.
    """

    def __init__(self, clients: RemoteClients, lose: Any) -> None:
        self.clients = clients
        self.lost: list[FakeSession] = []
        self._lose = lose
        self._newest: dict[str, FakeSession] = {}

    def open(self, connectionId: str, userId: str | None = "ann", client: str = "s") -> Any:
        """
        Open a session; this closes the client's session before it at this worker.
        """
        session: Any = FakeSession(self, connectionId, userId, client)
        before: Any = self._newest.get(client)
        self._newest[client] = session
        if before is not None and before.identity.userId == userId:
            before.yieldTo()
        self.clients.opened(session)
        return session

    def lose(self, session: FakeSession) -> None:
        """
        Let a session's presence wait.
        """
        self.lost.append(session)
        self._lose(session.connectionId)

    def close(self, session: Any) -> None:
        """
        End a session.
        """
        if self._newest.get(session.client) is session:
            del self._newest[session.client]
        self.clients.closed(session)


class ClientsTests(SynchronousTestCase):
    """
    Tests for clients that open sessions at several workers.
    """

    def setUp(self) -> None:
        self.machine = MemberMachine(0)
        self.clock = Clock()
        self.clock.advance(1_000_000)
        hub = WorkerClients(self.machine.service)
        self.hub = hub
        self.workers: list[FakeWorker] = []
        linked = self.machine.linked
        self.linked = Linked(
            self.machine.clock,
            (self.machine.sender, self.machine.service, hub),
            self._make,
            linked.kinds,
        )
        for _ in range(2):
            self.linked.add()
        self.a, self.b = self.workers

    def _make(self, channel: Channel) -> tuple[Any, ...]:
        parts = self.machine._makeWorker(channel)
        roster = self.machine.rosters[-1]
        clients = RemoteClients(self.machine.clock, channel)
        self.workers.append(FakeWorker(clients, roster.lose))
        return (*parts, clients)

    def test_newest(self) -> None:
        """
        A client that opens a session at another worker closes its earlier one, back and forth.
        """
        first = self.a.open("a1")
        self.machine.clock.advance(1)
        second = self.b.open("b1")
        self.linked.settle()
        self.assertEqual((first.yielded, second.yielded), (True, False))
        self.a.close(first)
        self.machine.clock.advance(1)
        third = self.a.open("a2")
        self.linked.settle()
        self.assertEqual((second.yielded, third.yielded), (True, False))
        self.b.close(second)
        self.a.close(third)
        self.linked.settle()
        self.assertEqual(self.hub._newest, {})

    def test_others(self) -> None:
        """
        Another client, or the same client as another user, closes nothing.
        """
        first = self.a.open("a1")
        self.b.open("b1", client="t")
        self.linked.settle()
        self.b.open("b2", userId="bob")
        self.linked.settle()
        self.assertFalse(first.yielded)

    def test_changed(self) -> None:
        """
        A client that is another user by now is compared as that user.
        """
        first, second = self.a.open("a1"), self.a.open("a2", client="t")
        first.identity = Identity("p", Role.TOKEN, "bob")
        self.a.clients.changed(first)
        self.linked.settle()
        self.b.open("b1", userId="bob")
        self.b.open("b2", userId="bob", client="t")
        self.linked.settle()
        self.assertEqual((first.yielded, second.yielded), (True, False))

    def test_presence(self) -> None:
        """
        The presence of a client goes with it to another worker: no subscriber hears of it, also if
        the client asks before the other worker knows.
        """
        a, b = self.machine.rosters
        self.a.open("a1")
        a.track(ROOM, "a1", "ann", b"1")
        self.linked.settle()
        told = len(self.machine.sender.then)
        self.machine.clock.advance(1)
        # What the first worker asks meanwhile does not count any more.
        self.b.open("b1")
        tracked = outcome(b.track(ROOM, "b1", "ann", b"1"))
        self.linked.settle()
        self.assertEqual(tracked[0].member.connectionId, "a1")
        self.machine.clock.advance(GRACE + 1)
        self.machine.sweep()
        self.assertEqual(len(self.machine.sender.then), told)
        self.assertEqual(self.machine.members.count(ROOM), 1)

    def test_died(self) -> None:
        """
        The sessions of a worker that died supersede nothing and are superseded by nothing.
        """
        self.a.open("a1")
        self.linked.settle()
        self.linked.kill(0)
        self.linked.settle()
        self.assertEqual(self.hub._newest, {})
        second = self.b.open("b1")
        self.linked.settle()
        self.assertFalse(second.yielded)

    @settings(max_examples=40, deadline=None)
    @given(st.randoms(use_true_random=False))
    def test_order(self, random: Random) -> None:
        """
        Whatever the order in which the hub hears of it, a client's newest session stays open, and
        only that one.
        """
        self.setUp()
        opened: list[Any] = []
        for n in range(random.randint(2, 12)):
            # What a worker has sent waits, or comes now.
            pipe = random.choice(self.linked.ends).channel._pipe
            random.choice([pipe.pause, pipe.resume])()
            opened.append(random.choice(self.workers).open(f"c{n}"))
            self.machine.clock.advance(0.001)
        for end in random.sample(self.linked.ends, 2):
            end.channel._pipe.resume()
            self.machine.clock.advance(0.001)
        self.linked.settle()
        self.assertEqual([s.yielded for s in opened], [True] * (len(opened) - 1) + [False])

    def test_provides(self) -> None:
        """
        Both kinds of clients implement the contract.
        """
        verifyObject(IClients, self.a.clients)
        verifyObject(IClients, LocalClients())
