"""
Tests for L{aerostack.workers.worker.line} and L{aerostack.workers.hub.line}.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from aerostack.core.access.removals import Disconnect, Revocation
from aerostack.engine.alone import AloneNodes
from aerostack.errors import RealtimeError
from aerostack.interfaces.line import ILine
from aerostack.interfaces.revocations import IRevocationStore
from aerostack.testing.revocations import MemoryRevocations
from aerostack.workers.channel import Channel
from aerostack.workers.hub.line import WorkerLine
from aerostack.workers.worker.line import RemoteLine, RemoteRevocations
from tests.workers.linked import Linked, outcome

DISCONNECT = Disconnect("p", "ann", 4100, "r\xe9ason")
REVOCATION = Revocation("p", "ann", None, 5, 1_000_000_000_000, "")


class LineTests(SynchronousTestCase):
    """
    Tests for two workers.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.store = MemoryRevocations()
        self.hub = WorkerLine(self.store, AloneNodes("m"))
        self.lines: list[RemoteLine] = []
        self.stores: list[RemoteRevocations] = []
        self.heard: list[Any] = []
        self.answers: list[Any] = [succeed(1), succeed(2)]
        self.linked = Linked(self.clock, (self.hub,), self._make)
        for number in range(2):
            self.linked.add()
            self.lines[number].start(lambda what, number=number: self._receive(number, what))

    def _make(self, channel: Channel) -> tuple[Any, ...]:
        self.lines.append(RemoteLine(channel, "machine"))
        self.stores.append(RemoteRevocations(channel))
        return (self.lines[-1],)

    def _receive(self, number: int, what: Any) -> Deferred[int]:
        self.heard.append((number, what))
        answer: Deferred[int] = self.answers[number]
        return answer

    def test_all(self) -> None:
        """
        What one worker asks comes to all workers, and their answers are gathered by name.
        """
        asked = outcome(self.lines[1].ask(DISCONNECT, 5.0))
        self.linked.settle()
        self.assertEqual(asked, [{"m/w0": 1, "m/w1": 2}])
        self.assertEqual(self.heard, [(0, DISCONNECT), (1, DISCONNECT)])

    def test_told(self) -> None:
        """
        A message to all comes to all workers.
        """
        self.lines[0].tell(REVOCATION)
        self.linked.settle()
        self.assertEqual(self.heard, [(0, REVOCATION), (1, REVOCATION)])

    def test_unconfirmed(self) -> None:
        """
        A worker that fails, does not answer in time or dies is named.
        """
        self.answers = [Deferred(), fail(RealtimeError("overloaded", "no room"))]
        asked = outcome(self.lines[1].ask(REVOCATION, 5.0))
        self.linked.settle()
        self.assertEqual(asked, [])
        self.clock.advance(5.0)
        self.linked.settle()
        self.assertEqual(asked, [{"m/w0": None, "m/w1": None}])
        self.answers = [Deferred(), succeed(3)]
        asked = outcome(self.lines[1].ask(REVOCATION, 5.0))
        self.linked.settle()
        self.linked.kill(0)
        self.linked.settle()
        self.assertEqual(asked, [{"m/w0": None, "m/w1": 3}])
        asked = outcome(self.lines[1].ask(REVOCATION, 5.0))
        self.answers[1] = succeed(4)
        self.linked.settle()
        self.assertEqual(list(asked[0]), ["m/w1"])

    def test_withoutHub(self) -> None:
        """
        If the hub is gone, the machine has not confirmed.
        """
        self.linked.kill(0)
        self.assertEqual(outcome(self.lines[0].ask(DISCONNECT, 5.0)), [])
        self.linked.settle()
        self.assertEqual(outcome(self.lines[0].ask(DISCONNECT, 5.0)), [{"machine": None}])

    def test_store(self) -> None:
        """
        Revocations that one worker keeps, the other reads.
        """
        self.assertEqual(outcome(self.stores[0].read(("p",), 0)), [])
        kept = outcome(self.stores[0].keep(REVOCATION))
        self.linked.settle()
        self.assertEqual(kept, [None])
        read = outcome(self.stores[1].read(("p", "q"), 6))
        self.linked.settle()
        self.assertEqual(read, [[REVOCATION]])
        forgotten = outcome(self.stores[1].forget(REVOCATION.until))
        self.linked.settle()
        self.assertEqual(forgotten, [None])

    def test_provides(self) -> None:
        """
        A worker's line and store implement their contracts.
        """
        verifyObject(ILine, self.lines[0])
        verifyObject(IRevocationStore, self.stores[0])
